"""The model card in a checkpoint: what the model is, what it knows, how far to trust it."""

from __future__ import annotations

from typing import Any

import yaml


def model_card(meta: dict[str, Any]) -> str:
    """README.md with model-index, from the content of imbtool.json."""
    front = {
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        **({"base_model": meta["encoder"]} if "/" in meta["encoder"] else {}),
        "tags": ["multi-label", "imbalanced", "imbtool"],
        "model-index": [
            {
                "name": "imbtool model",
                "results": [
                    {
                        "task": {"type": "text-classification"},
                        "dataset": {"name": "validation split", "type": "custom"},
                        "metrics": [
                            {"type": name, "value": meta["validation"][name]}
                            for name in ("f1_macro", "average_precision_macro")
                        ],
                    }
                ],
            }
        ],
    }
    head = yaml.safe_dump(front, sort_keys=False)
    return f"---\n{head}---\n\n" + "\n\n".join(_sections(meta)) + "\n"


def _sections(meta: dict[str, Any]) -> list[str]:
    validation = meta["validation"]
    return [
        "# A multi-label text classifier for rare labels",
        f"Fine-tuned from `{meta['encoder']}` with imbtool {meta['version']}, epoch "
        f"{validation['epoch']} of the run. It reads {meta['max_length']} tokens of a text.",
        f"Macro-F1 on validation {validation['f1_macro']:.3f}, decisions cross-fitted on "
        f"half-splits; mean average precision {validation['average_precision_macro']:.3f}.",
        "## Use",
        "```python\nfrom transformers import pipeline\n\n"
        'classify = pipeline("text-classification", model=FOLDER, top_k=None, truncation=True)\n'
        'scores = classify(["a text"])\n```',
        "Decide a label where its score is at or above its threshold below, not at 0.5. "
        f"`imbtool predict` does so{_coherence(meta)}.",
        "## Labels",
        _table(meta["labels"]),
        f"Thresholds were chosen on validation by the rule `{meta['threshold_rule']}`. "
        "A threshold that rests on few validation positives says little.",
    ]


def _coherence(meta: dict[str, Any]) -> str:
    ways = {
        "add-parents": ", and then adds the parents of every decided label",
        "drop-children": ", and then drops every label whose parent is not decided",
    }
    return ways.get(meta["coherence"], "")


def _table(labels: dict[str, dict[str, Any]]) -> str:
    rows = [
        "| label | parent | threshold | validation positives | training positives | weight |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, label in labels.items():
        cells = (
            _cell(name),
            _cell(label["parent"] or ""),
            f"{label['threshold']:.3f}",
            str(label["validation_positives"]),
            str(label["training_positives"]),
            f"{label['weight']:.3g}",
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    """A label's name as it is: no new cell, no markup."""
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
    return escaped.replace("<", "&lt;")
