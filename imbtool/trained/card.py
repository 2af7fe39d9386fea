"""The model card in a checkpoint: what the model is, what it knows, how far to trust it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from imbtool.evaluation.document import Evaluation, ReliabilityPair
from imbtool.evaluation.estimates import estimate_text, is_known
from imbtool.files.writing import write_text
from imbtool.trained.metadata import CheckpointMeta
from imbtool.wording import as_list, counted, markdown_table, markdown_text, printable

DECIDE = """\
import json
from transformers import pipeline

folder = "FOLDER"  # of the checkpoint
meta = json.load(open(f"{folder}/imbtool.json", encoding="utf-8"))
classify = pipeline("text-classification", model=folder, top_k=None, truncation=True)
thresholds = {name: label["threshold"] for name, label in meta["labels"].items()}
coherence = meta["coherence"]
if alone := meta.get("words") or meta["neighbours"]:  # transformers lacks words and kNN
    thresholds, coherence = alone["thresholds"], alone["coherence"]


def line(name):  # a label and all above it
    parent = meta["labels"][name]["parent"]
    return {name} | (line(parent) if parent else set())


def decide(text):
    scores = {row["label"]: row["score"] for row in classify([text])[0]}
    decided = {name for name, threshold in thresholds.items() if scores[name] >= threshold}
    if coherence == "add-parents":
        return set().union(*map(line, decided))
    drop = coherence == "drop-children"
    return {name for name in decided if not drop or line(name) <= decided}
"""
"""What `imbtool predict` decides, without imbtool; docs/share.md has it too."""

DECIDE_BY_ONNX = """\
import json
import os
import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime would send usage data to Microsoft
import onnxruntime
from tokenizers import Tokenizer

folder = "FOLDER"  # that imbtool export wrote
meta = json.load(open(f"{folder}/imbtool.json", encoding="utf-8"))
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
session = onnxruntime.InferenceSession(f"{folder}/model.onnx")
thresholds = {name: label["threshold"] for name, label in meta["labels"].items()}
coherence = meta["coherence"]
if alone := meta["neighbours"]:  # the graph does not hold the kNN index
    thresholds, coherence = alone["thresholds"], alone["coherence"]


def classify(text):
    ids = np.array([tokenizer.encode(text).ids])
    (logits,) = session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    return 1 / (1 + np.exp(-logits[0].astype(float)))

""" + DECIDE[DECIDE.index("\ndef line") :].replace(
    '{row["label"]: row["score"] for row in classify([text])[0]}',
    'dict(zip(meta["labels"], classify(text)))',
)
"""What `imbtool predict` decides with an exported folder, without it; docs/export.md has it too."""


def write_card(folder: Path, meta: CheckpointMeta, evaluation: Evaluation) -> None:
    """Write the model card of a checkpoint anew, with what an evaluation found.

    Args:
        folder: of the checkpoint.
        meta: the content of its imbtool.json.
        evaluation: of the run's own test split.
    """
    write_text(folder / "README.md", model_card(meta, evaluation))


def model_card(meta: CheckpointMeta, evaluation: Evaluation | None = None) -> str:
    """README.md with model-index.

    Args:
        meta: the content of imbtool.json.
        evaluation: if the model has been measured.
    """
    front = {
        "library_name": "onnx" if meta.export else "transformers",
        "pipeline_tag": "text-classification",
        **({"base_model": meta.encoder} if "/" in meta.encoder else {}),
        "tags": ["multi-label", "imbalanced", "imbtool"],
        "model-index": [{"name": "imbtool model", "results": list(_results(meta, evaluation))}],
    }
    head = yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n" + "\n\n".join(_sections(meta, evaluation)) + "\n"


def _results(meta: CheckpointMeta, evaluation: Evaluation | None) -> Iterator[dict[str, Any]]:
    """What the model-index holds: the test split where it was measured, and validation."""
    if evaluation:
        overall = evaluation.overall
        yield _result(
            evaluation.data.split,
            {
                "f1_macro": overall.macro.f1.value,
                "f1_micro": overall.micro.f1.value,
                "average_precision_macro": overall.macro.average_precision.value,
            },
        )
    best = meta.validation
    values = {"f1_macro": best.f1_macro, "average_precision_macro": best.average_precision_macro}
    yield _result("validation", values)


def _result(split: str, values: dict[str, float | None]) -> dict[str, Any]:
    return {
        "task": {"type": "text-classification"},
        "dataset": {"name": f"{split} split", "type": "custom", "split": split},
        "metrics": [
            {"type": name, "value": value} for name, value in values.items() if is_known(value)
        ],
    }


def _sections(meta: CheckpointMeta, evaluation: Evaluation | None) -> list[str]:
    validation = meta.validation
    return [
        "# A multi-label text classifier for rare labels",
        f"Fine-tuned from {_code(meta.encoder)} with imbtool {markdown_text(meta.version)}, "
        f"epoch {validation.epoch} of the run. {_reading(meta)}{_export(meta)}",
        f"Macro-F1 on validation {_score(validation.f1_macro)}, decisions cross-fitted on "
        f"half-splits; mean average precision {_score(validation.average_precision_macro)}.",
        *(_measured(evaluation) if evaluation else ()),
        "## Use",
        "A label is decided where its score is at or above its threshold below, not at 0.5"
        f"{_coherence(meta)}. `imbtool predict` does so; without imbtool:",
        f"```python\n{DECIDE_BY_ONNX if meta.export else DECIDE}```",
        *_columns(meta),
        "## Labels",
        _labels_table(meta),
        f"Thresholds were chosen on validation by the rule {_code(meta.threshold_rule)}. "
        "A threshold that rests on few validation positives is uncertain.",
    ]


def _code(name: str) -> str:
    """A name in the type of code, which it cannot leave."""
    return f"`{printable(' '.join(name.split())).replace('`', chr(39))}`"


def _reading(meta: CheckpointMeta) -> str:
    """Which tokens of a text are read; a plain pipeline reads the beginning of a long one."""
    longer = {
        "truncate": "",
        "head-tail": ", of a longer one a quarter of them from its head and the rest from its tail",
        "windows": " at once, a longer one in windows, whose highest scores count",
    }[meta.long_texts]
    plain = "; the code below reads the beginning alone, and may decide otherwise" if longer else ""
    beside = _words(meta) + _neighbours(meta)
    return f"It reads {meta.max_length} tokens of a text{longer}{plain}.{beside}"


def _words(meta: CheckpointMeta) -> str:
    """That weights of words are added; a plain pipeline lacks them."""
    if not (words := meta.words):
        return ""
    return (
        f" `words.safetensors` has weights of {counted(words.tokens, 'word')}, which are added to "
        "the logits; the code below has the model alone, with thresholds of its own, and may "
        "decide otherwise."
    )


def _neighbours(meta: CheckpointMeta) -> str:
    """How much the nearest training texts count; a plain pipeline has the head alone."""
    if not (nearest := meta.neighbours):
        return ""
    return (
        f" The labels of the nearest of {counted(nearest.texts, 'training text')} are "
        f"{nearest.share:.0%} of a probability; the code below has the model alone, with "
        "thresholds of its own, and may decide otherwise. `neighbours.safetensors` holds what the "
        "encoder makes of these texts, and their labels."
    )


def _export(meta: CheckpointMeta) -> str:
    """With which numbers an exported model computes, and where that was measured."""
    if (export := meta.export) is None:
        return ""
    numbers = "fp32" if export.precision == "fp32" else f"8-bit numbers ({export.precision})"
    differs = ", though it does not keep all that it should" if export.accepted else ""
    return (
        f" Exported to ONNX in {numbers} and compared with its checkpoint on "
        f"{markdown_text(export.processor)}{differs}; `export.json` has the figures."
    )


def _score(value: float | None) -> str:
    return f"{value:.3f}" if is_known(value) else "–"


def _measured(evaluation: Evaluation) -> Iterator[str]:
    data, overall = evaluation.data, evaluation.overall
    yield f"## On {data.split}"
    yield (
        f"Macro-F1 {estimate_text(overall.macro.f1)}, micro-F1 "
        f"{estimate_text(overall.micro.f1)}, mean average precision "
        f"{estimate_text(overall.macro.average_precision)} on "
        f"{data.texts_in_words}, with 95% intervals."
    )
    rows = (
        (markdown_text(name), f"{row.support:,}", estimate_text(row.f1), estimate_text(row.recall))
        for name, row in evaluation.labels.items()
    )
    yield markdown_table(("label", "positives", "F1", "recall"), rows)
    yield _calibration(evaluation.calibration.overall)
    yield _limits(evaluation)


def _calibration(overall: ReliabilityPair) -> str:
    calibrated = overall.calibrated
    after = f", {_score(calibrated.ece)} once calibrated" if calibrated else ""
    return f"Expected calibration error of the scores {_score(overall.raw.ece)}{after}."


def _limits(evaluation: Evaluation) -> str:
    few = [markdown_text(name) for name, row in evaluation.labels.items() if row.few]
    limits = (
        f"Labels with fewer than {evaluation.data.min_support} positives here are too few to say: "
        + ", ".join(few)
    )
    return (f"{limits}. " if few else "") + (
        "The intervals are those of other texts of the same kind; on texts of another kind it may "
        "do worse."
    )


def _columns(meta: CheckpointMeta) -> Iterator[str]:
    if joiner := meta.joiner:
        columns = ", ".join(map(markdown_text, as_list(meta.data.text)))
        yield (
            f"A text is the columns {columns}, those that are not empty, joined: "
            f"`decide({json.dumps(joiner)}.join(filter(None, columns)))`."
        )


def _coherence(meta: CheckpointMeta) -> str:
    ways = {
        "add-parents": ", together with all parents of a decided label",
        "drop-children": ", unless a parent of it is not decided",
        None: "",
    }
    return ways[meta.coherence]


def _labels_table(meta: CheckpointMeta) -> str:
    titles = ("label", "parent", "threshold", "validation +", "training +", "weight")
    rows = (
        (
            markdown_text(name),
            markdown_text(label.parent or ""),
            f"{label.threshold:.3f}",
            str(label.validation_positives),
            str(label.training_positives),
            f"{label.weight:.3g}",
        )
        for name, label in meta.labels.items()
    )
    return markdown_table(titles, rows, left=2)
