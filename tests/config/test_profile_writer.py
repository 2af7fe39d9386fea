"""A profile is written so that it reads back, with a comment beside each value."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtool.config.reader import Override, make_profile, read_profile
from imbtool.config.schema import Profile
from imbtool.config.writer import render_profile, rewrite_profile


def rendered(tmp: Path, values: dict[str, Any], inside: bool = False) -> tuple[Profile, Profile]:
    """A profile, and what is read after it was written."""
    profile = make_profile({"data": {"train": str(tmp / "t" / "train.csv")}, **values})
    path = tmp / "p.yaml"
    path.write_text(render_profile(profile, folder=tmp if inside else None), encoding="utf-8")
    return profile, read_profile(path)


@pytest.mark.parametrize("inside", [False, True])
def test_a_written_profile_reads_back_equal(tmp_path: Path, inside: bool):
    values = {
        "weights": {"custom": {"a": 2.5, "no": 1e-7}, "cap": 2},
        "loss": {"gamma": {"a": 0.5, "1.10": 3}},
        "labels": {"hierarchy": {"no": ["1.10", {"null": ["a: b"]}]}},
        "training": {"learning_rate": 1e-5},
        "thresholds": {"require": {"no": {"recall": 0.8}, "a: b": {"flags_per_1000": 20}}},
        "model": {"trust_remote_code": True},
    }
    profile, again = rendered(tmp_path, values, inside)
    assert again == profile


def test_a_written_profile_with_flag_columns_reads_back_equal(tmp_path: Path):
    data = {"train": str(tmp_path / "train.csv"), "labels": {"columns": ["a", "b"]}}
    profile, again = rendered(tmp_path, {"data": data})
    assert again == profile


def test_a_written_profile_with_bce_reads_back_with_the_same_loss(tmp_path: Path):
    profile, again = rendered(tmp_path, {"loss": {"name": "bce"}})
    assert again.loss.name == "bce"
    assert again.loss.gamma_of("any") == profile.loss.gamma_of("any")


def test_a_hierarchy_of_maps_with_nothing_below_reads_back_with_the_same_edges(tmp_path: Path):
    tree = {"violence": {"threats": None, "praise": {"armed": None}}}
    profile, again = rendered(tmp_path, {"labels": {"hierarchy": tree}})
    assert again.labels.edges == profile.labels.edges


ODD_NAMES = st.one_of(
    st.text(st.sampled_from("ab \"'`:#-?,.[]{}&*!|>%@=~<\\/\t0é中😀\u200b\xa0"), max_size=8),
    st.text(st.characters(exclude_categories=["Cs", "Zl", "Zp", "Cc"]), max_size=8),
    st.sampled_from(["no", "null", "~", "1.10", "12:30", "1e-5", "- a", "a: b", "a #b", "---"]),
)


@settings(deadline=None, max_examples=60)
@given(names=st.lists(ODD_NAMES, min_size=2, max_size=4, unique=True))
def test_label_names_with_odd_characters_survive(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
):
    values = {
        "weights": {"custom": dict.fromkeys(names, 2.0)},
        "loss": {"gamma": dict.fromkeys(names, 1.0)},
        "labels": {"hierarchy": {names[0]: names[1:]}},
        "thresholds": {"require": {name: {"precision": 0.5} for name in names}},
    }
    profile, again = rendered(tmp_path_factory.getbasetemp(), values)
    assert again == profile


@pytest.mark.parametrize("mark", ["\n", "\r", "\x85", "\u2028", "\u2029", "\x07"])
def test_label_names_with_line_breaks_survive(tmp_path: Path, mark: str):
    name = f"a{mark}b"
    values = {"weights": {"custom": {name: 2}}, "labels": {"hierarchy": {"top": [name]}}}
    profile, again = rendered(tmp_path, values)
    assert again == profile


def line_with(text: str, start: str) -> str:
    (line,) = [line for line in text.splitlines() if line.strip().startswith(start)]
    return line


def test_comments_stand_beside_their_keys():
    profile = make_profile(
        {"data": {"train": "/t.csv", "id": "key"}, "weights": {"custom": {"rare": 4.5, "no": 2.5}}}
    )
    text = render_profile(
        profile,
        {
            ("data", "id"): "differs from row to row",
            ("data", "labels"): "by its name",
            ("data", "test"): "none found",
            ("weights", "custom", "rare"): "412:1",
        },
    )
    assert line_with(text, "id:") == "  id: key  # differs from row to row"
    assert line_with(text, "rare:") == "    rare: 4.5  # 412:1"
    assert line_with(text, "'no':") == "    'no': 2.5"
    assert line_with(text, "# test:").endswith("none found")
    assert [line for line in text.splitlines() if line == "  labels:  # by its name"]


def test_a_requirement_stands_on_one_line():
    values = {"thresholds": {"require": {"threats": {"recall": 0.8}}}}
    text = render_profile(make_profile({"data": {"train": "/t.csv"}, **values}))
    assert line_with(text, "threats:") == "    threats: {recall: 0.8}"


def test_keys_without_a_comment_have_the_description_of_the_schema():
    text = render_profile(make_profile({"data": {"train": "/t.csv"}}))
    assert line_with(text, "gamma:").partition("  # ")[2].startswith("Focus on hard texts")
    assert line_with(text, "# validation:").endswith("else split off from train.")


def test_paths_are_written_relative_to_the_folder_of_the_file(tmp_path: Path):
    profile = make_profile({"data": {"train": str(tmp_path / "t" / "train.csv")}})
    text = render_profile(profile, folder=tmp_path / "profiles")
    assert line_with(text, "train:").partition("  #")[0] == "  train: ../t/train.csv"


CUSTOM = "  custom:\n    a: 2.5  # 412:1\n    'no': 3\n"
WIDE = "    custom:\n        a: 2.5  # 412:1\n        'no': 3\n"
DATA = "# mine\ndata: {train: t.csv}  # the table\n\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"\nweights:\n{CUSTOM}"),
        ("weights:\n  cap: 2  # low\n\n# end\n", f"weights:\n{CUSTOM}  cap: 2  # low\n\n# end\n"),
        (
            "weights:  # rules\n  custom: {a: 1,\n    b: 2}\n  cap: 2\n",
            f"weights:  # rules\n{CUSTOM}  cap: 2\n",
        ),
        (
            "weights:\n  cap: 2\n  custom:\n    # old\n    b: 2\n    a: 1\n\n# loss\nloss: {}",
            f"weights:\n  cap: 2\n{CUSTOM}\n# loss\nloss: {{}}",
        ),
        ("weights:\n\n# end\n", f"weights:\n{CUSTOM}\n# end\n"),
        ("weights:\n    cap: 2\n", f"weights:\n{WIDE}    cap: 2\n"),
        (
            "weights:\n  custom:\n    'no': 3.0  # by Anna\n    b: 1\n",
            "weights:\n  custom:\n    a: 2.5  # 412:1\n    'no': 3.0  # by Anna\n",
        ),
        (
            "weights:\n  custom:\n    # agreed\n    a: 1\n\n    # noisy\n    'no': 3\n",
            "weights:\n  custom:\n    # agreed\n    a: 2.5  # 412:1\n    # noisy\n    'no': 3\n",
        ),
    ],
)
def test_new_weights_leave_the_rest_of_a_file_as_its_user_wrote_it(
    tmp_path: Path, before: str, after: str
):
    path = tmp_path / "p.yaml"
    path.write_text(DATA + before)
    rules = read_profile(path).weights.model_copy(update={"custom": {"a": 2.5, "no": 3.0}})
    profile = read_profile(path).model_copy(update={"weights": rules})
    comments = {("weights", "custom", "a"): "412:1"}
    assert rewrite_profile(path, profile, comments, tmp_path / "new.yaml") == DATA + after


@pytest.mark.parametrize(
    ("text", "target"),
    [("weights: {cap: 2}\n", "new.yaml"), ("weights: {}\n", "new.yaml"), ("", "x/p.yaml")],
)
def test_a_file_whose_text_cannot_stay_is_written_anew(
    tmp_path: Path, text: str, target: str, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "p.yaml"
    path.write_text(DATA + text)
    profile = read_profile(path, [Override("weights.custom.a", "2", "--set")])
    (tmp_path / "x").mkdir()
    (tmp_path / target).write_text(rewrite_profile(path, profile, {}, tmp_path / target))
    assert read_profile(tmp_path / target) == profile
    assert f"{tmp_path / target} is written anew, without the comments of" in caplog.text


def test_a_path_below_a_link_is_relative_to_where_the_link_leads(tmp_path: Path):
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "deep")
    (tmp_path / "train.csv").write_text("text,labels\n")
    profile = make_profile({"data": {"train": str(tmp_path / "train.csv")}})
    path = tmp_path / "link" / "profile.yaml"
    path.write_text(render_profile(profile, folder=path.parent))
    assert read_profile(path).data.train == tmp_path / "train.csv"


def test_what_is_declared_of_labels_and_texts_reads_back_equal(tmp_path: Path):
    data = {
        "train": str(tmp_path / "train.csv"),
        "labels": {"column": "labels", "known": "known"},
        "chosen_by": "chosen_by",
        "answers": str(tmp_path / "answers.csv"),
    }
    descriptions = {"no": "one line: with a colon # and a mark", "a: b": "two\nlines"}
    labels = {"names": ["no", "a: b", "1.10"], "descriptions": descriptions}
    profile, again = rendered(tmp_path, {"data": data, "labels": labels})
    assert again == profile


def test_where_nothing_is_declared_the_key_is_a_comment(tmp_path: Path):
    profile, again = rendered(tmp_path, {})
    assert "\n  # names:  #" in render_profile(profile)
    assert again.labels.names == []
