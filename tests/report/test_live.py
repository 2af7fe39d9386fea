"""A run on screen: what its end says."""

from rich.text import Text

from imbtool.report.live import event_views

END = {"event": "end", "best_epoch": 2, "early": False, "f1_macro": 0.5}


def test_the_end_says_what_each_requirement_came_to_and_marks_those_not_met() -> None:
    said = {
        "a": {"verdict": "met", "sentence": "recall of a: at least 0.8 with 95% confidence"},
        "b": {"verdict": "likely", "sentence": "recall of b\x1b[31m: is likely"},
        "c": {"verdict": "unmet", "sentence": "recall of c: is not reached"},
    }
    kept, *sentences = event_views(END | {"requirements": said})
    assert kept == "kept epoch 2, validation macro-F1 0.500"
    assert [text.plain for text in sentences] == [
        "recall of a: at least 0.8 with 95% confidence",
        r"recall of b\x1b[31m: is likely",
        "recall of c: is not reached",
    ]
    assert all(isinstance(text, Text) for text in sentences)
    assert [text.style for text in sentences] == ["", "yellow", "yellow"]


def test_the_end_of_a_run_without_requirements_says_nothing_of_them() -> None:
    for nothing in ({}, {"requirements": {}}, {"requirements": None}):
        assert len(list(event_views(END | nothing))) == 1
