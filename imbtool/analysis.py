"""A corpus becomes the analysis document: how imbalanced it is, and what in it will sink you."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from imbtool.corpus import Corpus, Split, text_key
from imbtool.errors import counted, some
from imbtool.imbalance import co_occurrence, count_labels, labels_per_text
from imbtool.weighting import LabelWeight, effective_number_weights

Document = dict[str, Any]

FEW_POSITIVES = 20
"""Below this many training positives a label is learned from single texts."""
FEW_MEASURED = 10
"""Below this many positives a split says next to nothing of a label."""


def analyze_corpus(corpus: Corpus, weights: Sequence[LabelWeight]) -> Document:
    """Everything `imbtool analyze` shows, as in analysis.json."""
    document: Document = {
        "labels": label_rows(corpus, weights),
        "splits": {name: _split_row(split) for name, split in corpus.splits.items()},
        "co_occurrence": {
            "labels": list(corpus.labels.names),
            "texts": co_occurrence(corpus.train.targets).tolist(),
        },
        "hierarchy": _hierarchy(corpus),
    }
    findings = [*_label_findings(document), *_text_findings(corpus), *_hierarchy_findings(document)]
    order = {"blocks": 0, "warns": 1, "note": 2}
    document["findings"] = sorted(findings, key=lambda finding: order[finding["severity"]])
    return document


def label_rows(corpus: Corpus, weights: Sequence[LabelWeight]) -> Document:
    """Counts, tier, weight and reason of each label, by name."""
    counts = {name: count_labels(split.targets) for name, split in corpus.splits.items()}
    effective = effective_number_weights([weight.count for weight in weights])
    parents = corpus.labels.parents
    return {
        weight.label: {
            "parent": corpus.labels.names[parents[index]] if parents[index] >= 0 else None,
            "positives": weight.count.positives,
            "negatives": weight.count.negatives,
            "unknown": weight.count.unknown,
            "ratio": weight.count.ratio,
            "tier": weight.tier,
            "weight": weight.weight,
            "reason": weight.reason,
            "effective_number_weight": float(effective[index]),
            "splits": {name: rows[index].positives for name, rows in counts.items()},
        }
        for index, weight in enumerate(weights)
    }


def _split_row(split: Split) -> Document:
    numbers = labels_per_text(split.targets)
    return {
        "source": str(split.source),
        "texts": len(split),
        "labels_per_text": numbers,
        "mean_labels": sum(number * texts for number, texts in numbers.items()) / len(split),
        "unlabelled": numbers.get(0, 0),
        "unlabelled_share": numbers.get(0, 0) / len(split),
        "duplicates": len(split) - len(set(map(text_key, split.texts))),
        "fingerprint": split.fingerprint,
    }


def _hierarchy(corpus: Corpus) -> Document:
    """For each edge the texts, over all splits, that have the child and not its parent."""
    targets = np.concatenate([split.targets for split in corpus.splits.values()])
    # an unknown parent breaks nothing
    children, parents = corpus.labels.pairs()
    broken = ((targets[:, children] == 1) & (targets[:, parents] == 0)).sum(axis=0)
    names = corpus.labels.names
    return {
        "edges": [
            {"child": names[child], "parent": names[parent], "violations": int(count)}
            for (child, parent), count in zip(corpus.labels.edges, broken, strict=True)
        ]
    }


def _label_findings(document: Document) -> Iterable[Document]:
    for name, row in document["labels"].items():
        for split in ("validation", "test"):
            count = row["splits"][split]
            if count == 0:
                message = f"{name!r} has no positive in {split}: nothing can be said of it there"
                mend = "split so that each part has some, or add texts"
                yield _finding("label-absent", "warns", message, 0, mend)
            elif count < FEW_MEASURED:
                message = f"{name!r} has {counted(count, 'positive')} in {split}: figures will jump"
                yield _finding("few-positives", "note", message, count, "add texts if you can")
        if row["positives"] < FEW_POSITIVES:
            message = f"{name!r} has {counted(row['positives'], 'positive')} in training"
            mend = "label more texts that have it; a few dozen change most"
            yield _finding("few-positives", "warns", message, row["positives"], mend)


def _text_findings(corpus: Corpus) -> Iterable[Document]:
    keys = {name: [text_key(text) for text in split.texts] for name, split in corpus.splits.items()}
    for name, texts in keys.items():
        repeated = [text for text, count in Counter(texts).items() if count > 1]
        if repeated:
            rows = len(texts) - len(set(texts))
            message = (
                f"{counted(rows, 'text')} of {name} repeat another, such as {_shown(repeated[0])}"
            )
            yield _finding("duplicate", "note", message, rows, "keep one of each")
            yield from _contradictions(corpus.splits[name], texts)
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        shared = set(keys[first]) & set(keys[second])
        if shared:
            rows = sum(text in shared for text in keys[second])
            message = f"{counted(rows, 'text')} of {second} also in {first}"
            mend = f"remove them from {first}: results on {second} are too good with them"
            yield _finding("leak-exact", "warns", message, rows, mend)


def _contradictions(split: Split, keys: Sequence[str]) -> Iterable[Document]:
    seen: dict[str, set[bytes]] = {}
    for key, row in zip(keys, split.targets, strict=True):
        seen.setdefault(key, set()).add(row.tobytes())
    texts = [text for text, targets in seen.items() if len(targets) > 1]
    if texts:
        message = (
            f"{counted(len(texts), 'text')} of {split.name} with different labels in different "
            f"rows, such as {_shown(texts[0])}"
        )
        yield _finding("contradiction", "warns", message, len(texts), "agree on one")


def _hierarchy_findings(document: Document) -> Iterable[Document]:
    broken = [edge for edge in document["hierarchy"]["edges"] if edge["violations"]]
    if broken:
        rows = sum(edge["violations"] for edge in broken)
        pairs = some([f"{e['child']} without {e['parent']} ({e['violations']})" for e in broken])
        message = f"children without their parents: {pairs}"
        mend = "give each such text the parent too, or correct labels.hierarchy"
        yield _finding("orphan-child", "warns", message, rows, mend)


def _finding(name: str, severity: str, message: str, rows: int, mend: str) -> Document:
    return {"id": name, "severity": severity, "message": message, "rows": rows, "mend": mend}


def _shown(text: str) -> str:
    return repr(text[:50] + "…" if len(text) > 50 else text)
