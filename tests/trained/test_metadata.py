"""Every value of imbtool.json is in bounds, or the file is refused with the key."""

import json
import math
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from imbtool.errors import UserError
from imbtool.trained.metadata import META, CheckpointMeta, read_meta

Document = dict[str, Any]

LABEL = {
    "parent": None,
    "threshold": 0.25,
    "validation_positives": 7,
    "training_positives": 40,
    "training_negatives": 160,
    "tier": "moderate",
    "weight": 5.0,
    "reason": "4:1",
    "slope": 0.9,
    "bias": -0.2,
    "rule": "mean",
    "requirement": {
        "asked": "recall >= 0.7",
        "verdict": "likely",
        "validation": {"value": 0.8, "low": 0.5, "high": None},
        "sentence": "recall of a: at least 0.7",
    },
}
WHOLE: Document = {
    "version": "0.1.0",
    "encoder": "somebody/encoder",
    "max_length": 256,
    "long_texts": "windows",
    "labels": {"a": LABEL, "b": LABEL | {"parent": "a"}},
    "threshold_rule": "mean",
    "threshold_scores": {"mean": 0.4},
    "threshold_micro_scores": {"mean": 0.6},
    "threshold_recalls": {"mean": 0.5},
    "coherence": "add-parents",
    "separator": "|",
    "data": {
        "text": ["title", "body"],
        "labels": {"column": "labels"},
        "id": None,
        "encoding": "utf-8",
        "quotes": None,
    },
    "joiner": " [SEP] ",
    "fingerprints": dict.fromkeys(("train", "validation", "test"), "0a" * 32),
    "validation": {
        "epoch": 2,
        "f1_macro": 0.3,
        "f1_macro_at_half": 0.2,
        "average_precision_macro": None,
        "labels": {"a": {"precision": 0.5, "recall": None, "f1": None, "support": 0}},
    },
    "digests": {},
    "neighbours": {
        "share": 0.3,
        "texts": 9,
        "thresholds": {"a": 0.5, "b": 1},
        "coherence": None,
    },
}
NAN, INFINITY = math.nan, math.inf
THRESHOLDS = (NAN, INFINITY, -5, 0, 1.5, "0.5", None, True)
COUNTS = (-1, 2**63, 1.5, "7", None, NAN)
NAMES = ("", "\ud800", 3, None)
BAD: dict[str, tuple[Any, ...]] = {
    "version": NAMES,
    "encoder": NAMES,
    "max_length": (0, -1, 2**40, "256", NAN, None),
    "long_texts": ("all", None),
    "labels": ({}, [], None, {"a": None}, {"": LABEL}, {"a": LABEL | {"parent": "c"}}),
    "labels.a.threshold": THRESHOLDS,
    "labels.a.slope": (NAN, INFINITY, 0, -1, "1", None),
    "labels.a.bias": (NAN, -INFINITY, "0"),
    "labels.a.weight": (NAN, INFINITY, -1, None),
    "labels.a.validation_positives": COUNTS,
    "labels.a.training_positives": COUNTS,
    "labels.a.training_negatives": COUNTS,
    "labels.a.tier": ("rare", None, ["head"]),
    "labels.b.parent": ("b", "nobody", "\ud800", "", 1),
    "labels.a.requirement": ("junk", [], {"asked": "recall >= 0.7"}),
    "labels.a.requirement.verdict": ("perhaps",),
    "labels.a.requirement.validation": (None, {"value": "high"}),
    "threshold_rule": NAMES,
    "threshold_scores": ({"mean": NAN}, {"mean": 2}, None),
    "threshold_micro_scores": ({"mean": 1.1}, None),
    "threshold_recalls": ({"mean": -0.1}, []),
    "coherence": ("add-children", 1),
    "separator": NAMES,
    "joiner": ("", "\udfff", 1),
    "data.text": ("", [], ["body", "body"], ["body", ""], None, ["\ud800"]),
    "data.labels": (
        {"column": "a", "columns": ["b"]},
        {"columns": []},
        {"junk": 1},
        {"columns": ["a"], "separator": ";"},
        None,
    ),
    "data.id": ("", "\ud800", 1),
    "data.encoding": ("rot13", "punycode", "utf\x00", "unheard-of", "", None),
    "fingerprints": ({}, {"train": "0a" * 32}, None),
    "fingerprints.test": ("", "0a", "zz" * 32, None),
    "validation": ({}, {"epoch": 1}, None),
    "validation.epoch": ("2", -1, None, True, 1.5),
    "validation.f1_macro": ("high", -1, 7, INFINITY),
    "validation.average_precision_macro": ([], "0.3"),
    "digests": ({"../model.safetensors": "0a" * 32}, {"model.safetensors": "0a"}, None),
    "neighbours.share": (-0.1, 1, NAN, None, "0.3"),
    "neighbours.texts": (0, -1, 1.5),
    "neighbours.thresholds": ({"a": 0.5}, {"a": 0.5, "b": 0.5, "c": 0.5}),
    "neighbours.thresholds.a": THRESHOLDS,
}
CASES = [(key, value) for key, values in BAD.items() for value in values]


def changed(key: str, value: Any) -> Document:
    """The whole document with one value changed."""
    document = deepcopy(WHOLE)
    *above, last = key.split(".")
    part = document
    for name in above:
        part = part[name]
    part[last] = value
    return document


def read(folder: Path, document: Document) -> CheckpointMeta:
    (folder / META).write_text(json.dumps(document))
    return read_meta(folder)


def keys(document: Any, above: str = "") -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield f"{above}{key}"
            yield from keys(value, f"{above}{key}.")


def test_a_whole_document_is_read(tmp_path: Path) -> None:
    meta = read(tmp_path, WHOLE)
    assert meta.model_dump(mode="json") == json.loads(json.dumps(WHOLE))
    assert meta.data_section(Path("new.csv")).text == ["title", "body"]


def test_the_common_tier_is_also_read_by_its_name_of_version_0_1(tmp_path: Path) -> None:
    assert read(tmp_path, changed("labels.a.tier", "head")).tiers == ["common", "moderate"]


@pytest.mark.parametrize(
    ("key", "value"), CASES, ids=[f"{key}={value!r:.30}" for key, value in CASES]
)
def test_a_value_out_of_bounds_is_refused_with_its_key(
    key: str, value: Any, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as refused:
        read(tmp_path, changed(key, value))
    (problem,) = refused.value.problems
    assert problem.where.startswith(f"{tmp_path / META}")
    # what a document as a whole contradicts is said of both parts
    assert key.split(".")[0] in f"{problem.where} {problem.found}"
    assert "train it again" in problem.fix


@pytest.mark.parametrize("key", [key for key in keys(WHOLE) if "threshold_" not in key])
def test_a_key_that_is_missing_is_no_traceback(key: str, tmp_path: Path) -> None:
    document = changed(key, None)
    *above, last = key.split(".")
    part = document
    for name in above:
        part = part[name]
    del part[last]
    try:
        read(tmp_path, document)
    except UserError as error:
        assert META in str(error)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("null", "found +null"),
        ("[]", r"found +\[\]"),
        ('{"version": ', "Expecting value"),
        ('{"a": ' * 100_000 + "1" + "}" * 100_000, "nested too deep"),
        ('{"version": "1", "version": "2"}', 'the key "version" twice'),
        ('{"labels": {"a": {}, "a": {}}}', 'the key "a" twice'),
        ("\ufeff{}", "BOM"),
        (b"\xff\xfe{}", "utf-8"),
        (b"", "Expecting value"),
    ],
)
def test_what_is_no_object_is_refused(content: str | bytes, found: str, tmp_path: Path) -> None:
    raw = content.encode() if isinstance(content, str) else content
    (tmp_path / META).write_bytes(raw)
    with pytest.raises(UserError, match=found):
        read_meta(tmp_path)
