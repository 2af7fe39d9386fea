"""YAML is read as it was written: scalars stay text and every key knows its line."""

import pytest

from imbtool.config.yaml_text import parse_yaml
from imbtool.errors import UserError


def refused(text: str) -> UserError:
    with pytest.raises(UserError) as caught:
        parse_yaml(text, "p.yaml")
    return caught.value


@pytest.mark.parametrize(
    "scalar",
    ["1e-5", "no", "1.10", "12:30", "null", "0x1F", "007", "2024-01-01", "true", "=", ".5"],
)
def test_scalars_stay_text_as_values_as_keys_and_in_lists(scalar: str):
    assert parse_yaml(f"{scalar}: [{scalar}]\nb: {scalar}", "p.yaml").value == {
        scalar: [scalar],
        "b": scalar,
    }


def test_nothing_and_a_tilde_are_none_but_quoted_they_are_text():
    document = parse_yaml("a:\nb: ~\nc: ''\nd: '~'", "p.yaml")
    assert document.value == {"a": None, "b": None, "c": "", "d": "~"}


@pytest.mark.parametrize("text", ["", "# only a comment\n"])
def test_an_empty_document_is_none(text: str):
    assert parse_yaml(text, "p.yaml").value is None


def test_every_key_and_list_item_knows_its_line():
    document = parse_yaml("# head\na:\n  b: 1\n\n  c:\n  - x\n  - y: {z: 1}\n", "p.yaml")
    assert document.lines[("a",)] == 2
    assert document.lines[("a", "b")] == 3
    assert document.lines[("a", "c")] == 5
    assert document.lines[("a", "c", 0)] == 6
    assert document.lines[("a", "c", 1, "y", "z")] == 7


def test_a_duplicate_key_is_a_problem_that_names_both_lines():
    document = parse_yaml("a: 1\nb: 2\na: 3\n", "p.yaml")
    (problem,) = document.problems
    assert problem.where == "p.yaml:3"
    assert "'a'" in problem.found
    assert "first on line 1" in problem.found


def test_every_duplicate_key_is_reported_at_any_depth():
    document = parse_yaml("a: {x: 1, x: 2}\nb:\n  y: 1\n  y: 2\n", "p.yaml")
    assert [problem.where for problem in document.problems] == ["p.yaml:1", "p.yaml:4"]


def test_equal_keys_of_different_maps_are_no_duplicates():
    assert parse_yaml("a: {x: 1}\nb: {x: 1}\n", "p.yaml").problems == []


def test_a_key_that_is_no_text_is_a_problem():
    (problem,) = parse_yaml("a: 1\n? [b, c]\n: 2\n", "p.yaml").problems
    assert problem.where == "p.yaml:2"


def test_what_is_no_yaml_is_refused_with_its_line():
    assert refused("a: 1\nb: : c\n").problems[0].where == "p.yaml:2"


def test_an_alias_stands_for_its_anchor():
    assert parse_yaml("a: &x [1]\nb: *x\n", "p.yaml").value == {"a": ["1"], "b": ["1"]}


def test_aliases_that_multiply_without_end_are_refused():
    layers = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 9)]
    bomb = "\n".join(["l0: &l0 [x]", *layers])
    assert "aliases" in refused(bomb).problems[0].found


def test_an_alias_inside_its_own_anchor_is_refused():
    assert "p.yaml" in refused("a: &a [*a]\n").problems[0].where


def test_tags_run_no_code():
    text = "a: !!python/object/apply:os.getcwd []\n"
    assert parse_yaml(text, "p.yaml").value == {"a": []}
