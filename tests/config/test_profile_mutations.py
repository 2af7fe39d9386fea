"""Whatever stands in a profile, it is a profile or it is refused with its place: nothing else."""

import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imbtool.config.reader import Override, parse_override, read_profile
from imbtool.config.schema import Profile
from imbtool.config.writer import render_profile
from imbtool.config.yaml_text import Key
from imbtool.errors import UserError

FULL: dict[str, Any] = {
    "data": {
        "train": "train.csv",
        "validation": "validation.csv",
        "test": "test.csv",
        "text": ["title", "body"],
        "labels": {"column": "labels", "separator": "|", "unknown": "?", "known": "known"},
        "id": "id",
        "chosen_by": "chosen_by",
        "answers": "answers.csv",
        "unlabelled": "more.csv",
        "encoding": "utf-8",
        "quotes": True,
    },
    "labels": {
        "names": ["praise", "boasting"],
        "descriptions": {"boasting": "Talks of own violence as an achievement."},
        "hierarchy": {"violence": ["praise", {"threats": ["armed threats"]}]},
    },
    "weights": {
        "custom": {"praise": 4},
        "severe": {"ratio": 100, "weight": 10},
        "moderate": {"ratio": 10, "weight": 5},
        "cap": 3,
    },
    "loss": {"name": "focal", "gamma": {"praise": 3}, "constraint": 0.5},
    "model": {
        "encoder": "bundled",
        "max_length": 256,
        "long_texts": "truncate",
        "trust_remote_code": False,
    },
    "training": {
        "epochs": 3,
        "batch_size": 32,
        "learning_rate": 1e-4,
        "warmup": 0.1,
        "precision": "fp32",
        "seed": 0,
        "save_every": 10,
        "micro_batch": 8,
        "on_nonfinite": "stop",
        "best_by": "f1_macro",
        "patience": 2,
        "compile": False,
        "head_first": True,
        "average_weights": True,
        "freeze_embeddings": True,
        "words": False,
        "neighbours": False,
    },
    "thresholds": {"method": "auto", "require": {"praise": {"recall": 0.8}}},
    "tuning": {
        "budget_runs": 8,
        "budget_minutes": 60,
        "objective": "f1_macro",
        "healthy": {"recall": 0.1, "precision": 0.6},
        "proxy": True,
    },
    "evaluation": {"min_support": 10},
}
NASTY = (
    # numbers that are none, too many digits, and other writings of numbers
    *(".inf", "-.inf", ".nan", "nan", "inf", "1e400", "-1", "-0.0", "1e-400", "0x10", "1_0", "１"),
    *(
        "9" * 20,
        "9" * 5000,
        f"{'9' * 5000} steps",
        "0 steps",
        "1.5",
        "true",
        "yes",
        "null",
        "~",
        "",
    ),
    # text that no file holds, that a terminal obeys, that is long, that is no path
    *(r'"a\0b"', r'"\ud800"', r'"\udfff.csv"', r'"\ud83d\ude00"', r'"\e[31m"', r'"\x85\u2028"'),
    *("'" + "x" * 9000 + "'", f"'{'x/' * 300}'", '""', '"  "', '"\\n"', "'~nobody-has-this/x'"),
    *("loop", "loop/x", "folder", "/dev/null", "hf:", "'hf:'", "'[a'", "'*'", "..", "utf-16"),
    *("rot13", "punycode", "undefined", "🦄", "|", "&a b", "*a", "!!binary abc", "!!python/none x"),
    # other shapes
    *("[]", "{}", "[[]]", "[a, a]", "{a: b}", "{a: {b: c}}", "{a: 1, a: 2}", "[1, {a: [b]}]"),
    *(
        "{a: a}",
        "{a: {b: a}}",
        "{[a]: b}",
        "{? {a: b} : c}",
        "{a: .nan}",
        "{'': 1}",
        "[~]",
        "{~: ~}",
    ),
    *("&a [*a]", "&a {b: *a}", "[" * 150 + "]" * 150, "{a: " * 150 + "}" * 150),
    *(
        '"open',
        "[a",
        "{a",
        "a: b: c",
        "- a",
        "\t",
        "@",
        "`",
        "%",
        "#",
        "\x07",
        "\x00",
        "---",
        "...",
    ),
)
MUTATIONS = 200


def keys(part: Any, key: Key = ()) -> Iterator[Key]:
    """The key of everything in a profile, sections too."""
    if key:
        yield key
    for name, below in part.items() if isinstance(part, dict) else ():
        yield from keys(below, (*key, name))


def written(part: Any, raw: dict[Key, str], key: Key = ()) -> str:
    """YAML on one line, with some values as they are given."""
    if key in raw:
        return raw[key]
    if not isinstance(part, dict):
        return json.dumps(part)
    inner = (f"{json.dumps(name)}: {written(at, raw, (*key, name))}" for name, at in part.items())
    return "{" + ", ".join(inner) + "}"


def profile_text(raw: dict[Key, str]) -> str:
    """A full profile, a section a line, with some values as they are given."""
    return "".join(f"{name}: {written(part, raw, (name,))}\n" for name, part in FULL.items())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


def outcome(path: Path, overrides: list[Override]) -> Profile | UserError:
    """What comes of reading; anything else that is raised fails the test."""
    try:
        return read_profile(path, overrides)
    except UserError as error:
        return error


def require_good(result: Profile | UserError, path: Path) -> None:
    """A profile can be written and read again; a refusal says where, on lines that can be shown."""
    if isinstance(result, Profile):
        path.write_text(render_profile(result), encoding="utf-8")
        assert read_profile(path) == result
        return
    assert result.problems
    for problem in result.problems:
        assert re.match(rf"{re.escape(str(path))}(:\d+|$)|--set ", problem.where)
        assert len(str(problem)) < 4000
        assert all(line.isprintable() for line in str(problem).splitlines())


def test_the_profile_that_is_spoiled_is_a_good_one(folder: Path) -> None:
    path = folder / "profile.yaml"
    path.write_text(profile_text({}))
    profile = read_profile(path)
    named = {key for key in keys(FULL) if key[-1] != "columns"}
    assert {key[:2] for key in named if len(key) > 1} == {
        (name, field) for name, section in profile for field in type(section).model_fields
    }
    require_good(profile, path)


def test_any_key_with_any_value_in_the_file(folder: Path) -> None:
    rng, every = random.Random(0), list(keys(FULL))
    path = folder / "profile.yaml"
    for number in range(MUTATIONS):
        key = every[number % len(every)]
        raw = {key: rng.choice(NASTY)}
        if number % 5 == 0:
            raw[rng.choice(every)] = rng.choice(NASTY)
        path.write_text(profile_text(raw), encoding="utf-8")
        require_good(outcome(path, []), path)


def test_any_key_with_any_value_by_set(folder: Path) -> None:
    rng, every = random.Random(1), list(keys(FULL))
    path = folder / "profile.yaml"
    for number in range(MUTATIONS):
        path.write_text(profile_text({}), encoding="utf-8")
        key, value = every[number % len(every)], rng.choice((*NASTY, "\ud800", "a\0b"))
        override = parse_override(f"{'.'.join(map(str, key))}={value}")
        require_good(outcome(path, [override]), path)


@pytest.mark.parametrize(
    ("value", "line", "found"),
    [
        (r'"a\0b"', 1, r"the character '\x00' in 'a\x00b'"),
        (r'"\ud800.csv"', 1, r"the character '\ud800' in '\ud800.csv'"),
        ("'~nobody-has-this/x'", 1, "'~nobody-has-this/x', a home folder that is not there"),
        ("loop/x", 1, "'loop/x': a circle of symbolic links"),
        ('""', 1, "an empty path"),
    ],
)
def test_a_path_that_none_can_have_is_named_with_its_line_and_key(
    folder: Path, value: str, line: int, found: str
) -> None:
    path = folder / "profile.yaml"
    for key in (("data", "train"), ("data", "test")):
        path.write_text(profile_text({key: value}), encoding="utf-8")
        result = outcome(path, [])
        assert isinstance(result, UserError)
        ((where, said),) = [(each.where, each.found) for each in result.problems]
        assert (where, said) == (f"{path}:{line}: {'.'.join(key)}", found)


@pytest.mark.parametrize(
    ("content", "where", "found"),
    [
        (b"data:\n  train: \xe9.csv\n", ":2", "the byte 0xe9, which is not UTF-8"),
        (b"data:\n  train: a\0b\n", ":2", r"the character '\x00'"),
        (b"data:\n\ttrain: a\n", ":2", "that cannot start any token"),
        (b"data: {train: a}\nlabels: &a\n  hierarchy: *a\n", ":2", "nested too deeply"),
        (b"data: {train: a}\nlabels: " + b"[" * 1000, "", "nested too deeply"),
    ],
)
def test_a_file_that_is_no_profile_is_refused_at_its_line(
    folder: Path, content: bytes, where: str, found: str
) -> None:
    path = folder / "profile.yaml"
    path.write_bytes(content)
    result = outcome(path, [])
    assert isinstance(result, UserError)
    assert [each.where for each in result.problems] == [f"{path}{where}"]
    assert found in result.problems[0].found


@pytest.mark.parametrize(
    "name", ["loop", "folder", "a\0b.yaml", "\ud800.yaml", os.fsdecode(b"\xff.yaml"), "x" * 999]
)
def test_a_path_to_a_profile_that_cannot_be_read_is_refused(folder: Path, name: str) -> None:
    result = outcome(Path(name), [])
    assert isinstance(result, UserError)
    assert [each.where for each in result.problems] == [name]


def test_two_halves_of_a_character_are_one_as_in_json(folder: Path) -> None:
    path = folder / "profile.yaml"
    path.write_text(profile_text({("weights", "custom"): r'{"\ud83d\ude00": 2}'}))
    assert read_profile(path).weights.custom == {"😀": 2.0}


def test_a_byte_order_mark_is_none_of_the_text(folder: Path) -> None:
    path = folder / "profile.yaml"
    path.write_text(profile_text({}), encoding="utf-8-sig")
    assert isinstance(outcome(path, []), Profile)
