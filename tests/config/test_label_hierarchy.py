"""The label set knows its forest and makes decisions fit it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imbtool.config.hierarchy import Coherence, Labels, hierarchy_edges, label_set, spelled_alike
from imbtool.types import Decisions

FOREST = {"violence": ["praise", {"threats": ["armed threats"]}], "insults": None}
NAMES = ("armed threats", "insults", "praise", "threats", "violence")


def forest() -> Labels:
    return label_set(NAMES, hierarchy_edges(FOREST))


def decided(*rows: set[str]) -> Decisions:
    return np.array([[name in row for name in NAMES] for row in rows], dtype=np.bool_)


def names_of(decisions: Decisions) -> list[set[str]]:
    return [{NAMES[index] for index in np.flatnonzero(row)} for row in decisions]


@pytest.mark.parametrize(
    ("tree", "edges"),
    [
        (None, []),
        ({}, []),
        ({"a": None}, []),
        ({"a": "b"}, [("b", "a")]),
        ({"a": ["b", "c"]}, [("b", "a"), ("c", "a")]),
        ({"a": {"b": ["c"], "d": None}}, [("b", "a"), ("c", "b"), ("d", "a")]),
        ({"a": [{"b": {"c": [{"d": "e"}]}}]}, [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d")]),
        (["lone", {"a": ["b"]}], [("b", "a")]),
        ({"a": ["b", "b"]}, [("b", "a")]),
    ],
)
def test_a_hierarchy_of_any_shape_and_depth_becomes_child_parent_pairs(tree, edges):
    assert hierarchy_edges(tree) == edges


def test_a_label_under_two_parents_is_refused_with_both_named():
    with pytest.raises(ValueError, match="'c' stands under 'a' and under 'b'"):
        hierarchy_edges({"a": ["c"], "b": ["c"]})


@pytest.mark.parametrize(
    "tree", [{"a": ["a"]}, {"a": ["b"], "b": ["a"]}, {"a": {"b": {"c": "a"}}, "x": ["y"]}]
)
def test_a_label_that_stands_under_itself_is_refused(tree):
    with pytest.raises(ValueError, match="a cycle: "):
        hierarchy_edges(tree)


def test_a_cycle_is_named_from_the_top_down():
    with pytest.raises(ValueError, match="a cycle: b > c > a > b"):
        hierarchy_edges({"a": {"b": {"c": ["a"]}}})


@pytest.mark.parametrize("tree", [{"a": 1}, {"a": [2.5]}, {"a": [["b", True]]}])
def test_anything_but_maps_lists_and_text_is_refused(tree):
    with pytest.raises(ValueError, match="neither a label, a list nor a map"):
        hierarchy_edges(tree)


def test_pairs_stand_from_the_top_of_the_forest_down_whatever_the_order_of_the_columns():
    children, parents = forest().pairs()
    named = [(NAMES[c], NAMES[p]) for c, p in zip(children, parents, strict=True)]
    assert named == [
        ("praise", "violence"),
        ("threats", "violence"),
        ("armed threats", "threats"),
    ]


def test_a_label_in_the_middle_is_primary_and_secondary_and_a_lone_one_neither():
    groups = {name: {NAMES[i] for i in rows} for name, rows in forest().groups.items()}
    assert groups == {
        "primary": {"violence", "threats"},
        "secondary": {"praise", "threats", "armed threats"},
    }


def test_without_a_hierarchy_there_are_no_groups_no_pairs_and_no_violations():
    flat = label_set(["a", "b"], [])
    assert flat.groups == {}
    assert flat.pairs() == ([], [])
    assert flat.violations(np.ones((3, 2), dtype=np.bool_)).tolist() == []
    assert flat.violation_rate(np.ones((3, 2), dtype=np.bool_)) == 0.0


@pytest.mark.parametrize(
    ("edges", "said"),
    [([("a", "c")], "'c', which is no label"), ([("a", "b"), ("b", "a")], "a cycle: ")],
)
def test_edges_that_make_no_forest_of_the_labels_are_refused(edges, said):
    with pytest.raises(ValueError, match=said):
        label_set(["a", "b"], edges)


def chain(length: int) -> dict[str, list[str]]:
    """Each label under the one before, written flat."""
    return {f"n{number}": [f"n{number + 1}"] for number in range(length - 1)}


def test_a_chain_of_thousands_of_labels_is_a_forest_like_any_other():
    length = 3000
    names = [f"n{number}" for number in range(length)]
    labels = label_set(sorted(names), hierarchy_edges(chain(length)))
    deepest = labels.names.index(names[-1])
    assert [labels.names[label] for label in labels.with_ancestors(deepest)] == names[::-1]
    children, _ = labels.pairs()
    assert [labels.names[child] for child in children] == names[1:]
    decisions = np.zeros((1, length), dtype=np.bool_)
    decisions[0, deepest] = True
    assert labels.coherent(decisions, "add-parents").all()
    assert not labels.coherent(decisions, "drop-children").any()


def test_a_tree_nested_thousands_deep_becomes_pairs_too():
    tree: dict[str, object] = {"n3000": None}
    for number in reversed(range(3000)):
        tree = {f"n{number}": tree}
    assert hierarchy_edges(tree) == hierarchy_edges(chain(3001))


def test_a_cycle_of_thousands_of_labels_is_refused_also_where_others_lead_into_it():
    tree = {**chain(3000), "n2999": ["n100"], "n0": ["n1"]}
    with pytest.raises(ValueError, match="stands under"):
        hierarchy_edges(tree)
    edges = [("below", "n5"), *((f"n{n + 1}", f"n{n}") for n in range(3000)), ("n0", "n3000")]
    names = ["below", *(f"n{n}" for n in range(3001))]
    with pytest.raises(ValueError, match="a cycle: n5 > n6 > "):
        label_set(names, edges)


def test_add_parents_decides_every_ancestor():
    result = forest().coherent(decided({"armed threats"}, {"praise"}, {"insults"}), "add-parents")
    assert names_of(result) == [
        {"armed threats", "threats", "violence"},
        {"praise", "violence"},
        {"insults"},
    ]


def test_drop_children_withdraws_every_label_with_an_undecided_ancestor():
    before = decided(
        {"armed threats", "threats"},
        {"armed threats", "violence"},
        {"armed threats", "threats", "violence", "insults"},
    )
    assert names_of(forest().coherent(before, "drop-children")) == [
        set(),
        {"violence"},
        {"armed threats", "threats", "violence", "insults"},
    ]


def test_violations_are_counted_by_edge_and_their_rate_by_row():
    decisions = decided(
        {"praise", "threats"}, {"armed threats", "violence"}, {"violence", "threats"}, {"praise"}
    )
    assert forest().violations(decisions).tolist() == [2, 1, 1]
    assert forest().violation_rate(decisions) == pytest.approx(3 / 4)


def test_no_rows_have_no_violations():
    assert forest().violation_rate(np.zeros((0, len(NAMES)), dtype=np.bool_)) == 0.0


@pytest.mark.parametrize("how", ["add-parents", "drop-children"])
@settings(deadline=None, max_examples=50)
@given(decisions=arrays(np.bool_, (6, len(NAMES))))
def test_coherent_decisions_break_no_edge_and_are_left_as_they_are(
    how: Coherence, decisions: Decisions
):
    before = decisions.copy()
    once = forest().coherent(decisions, how)
    assert forest().violation_rate(once) == 0.0
    assert np.array_equal(forest().coherent(once, how), once)
    assert np.array_equal(decisions, before)


@settings(deadline=None, max_examples=50)
@given(parents=st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_any_forest_survives_being_written_as_nested_maps(parents: list[int]):
    edges = {(f"n{child + 1}", f"n{min(above, child)}") for child, above in enumerate(parents)}

    def below(name: str) -> dict:
        return {child: below(child) for child, parent in edges if parent == name}

    assert set(hierarchy_edges({"n0": below("n0")})) == edges


def test_labels_that_differ_by_case_blanks_or_encoding_alone_stand_together():
    names = [
        "refund",
        "REFUND",
        "gift  voucher",
        "Gift voucher",
        "gro\u0308\u00dfe",
        "Gr\u00f6\u00dfe",
        "spam",
    ]
    assert spelled_alike(names) == [names[:2], names[2:4], names[4:6]]


def test_without_a_label_its_children_attach_to_the_next_one_above():
    kept = [index for index, name in enumerate(NAMES) if name != "threats"]
    labels = forest().only(kept)
    assert labels.names == ("armed threats", "insults", "praise", "violence")
    above = {labels.names[child]: labels.names[parent] for child, parent in labels.edges}
    assert above == {"armed threats": "violence", "praise": "violence"}


def test_without_a_root_its_children_are_roots():
    labels = forest().only([NAMES.index("praise"), NAMES.index("threats")])
    assert (labels.names, labels.parents) == (("praise", "threats"), (-1, -1))
