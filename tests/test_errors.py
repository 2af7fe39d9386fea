"""A message says where, what was found, what was expected and how to fix it."""

import pickle

import pytest

from imbtool.errors import Problem, TextError, UserError, user_error
from imbtool.wording import counted, did_you_mean, printable, some, three_digits


def test_a_problem_reads_in_four_lines():
    problem = Problem("p.yaml:3: loss.gama", "an unknown key 'gama'", "a key", "use gamma")
    assert str(problem).splitlines() == [
        "p.yaml:3: loss.gama",
        "  found     an unknown key 'gama'",
        "  expected  a key",
        "  fix       use gamma",
    ]


def test_an_error_carries_every_problem():
    problems = [Problem(name, "x", "y", "z") for name in ("first", "second")]
    error = UserError(*problems)
    assert error.problems == tuple(problems)
    assert "first" in str(error)
    assert "second" in str(error)


def test_text_from_others_cannot_steer_the_terminal():
    message = str(user_error("t.csv", "the label '\x1b[2Jgone\r'", "text", "fix it"))
    assert "\x1b" not in message
    assert "\\x1b[2Jgone\\r" in message
    assert printable("naïve ☕ العربية") == "naïve ☕ العربية"


def test_what_was_found_is_shown_with_both_ends_however_long_it_is():
    line = str(user_error("f", f"<{'x' * 10**6}>", "text", "fix it")).splitlines()[1]
    assert line.startswith("  found     <x")
    assert line.endswith("x>")
    assert "... 998,514 characters left out ..." in line


def test_the_nearest_known_name_is_offered_and_else_all_of_them():
    assert did_you_mean("gama", ["gamma", "name"]) == "did you mean 'gamma'?"
    assert did_you_mean("zzz", ["gamma", "name"]) == "use one of: gamma, name"


def test_long_lists_are_cut_and_counted():
    assert some([1, 2, 3]) == "1, 2, 3"
    assert some(range(9), most=2) == "0, 1 and 7 more"
    assert (counted(1, "row"), counted(2000, "row")) == ("1 row", "2,000 rows")


def test_the_mark_between_columns_is_a_broken_bar_on_a_terminal():
    assert printable("title \x1f body") == "title ¦ body"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.000012345, "1.23e-05"), (0.51234, "0.512"), (647.4, "647"), (999.6, "1,000")],
)
def test_a_number_is_cut_to_three_digits(value: float, shown: str) -> None:
    assert three_digits(value) == shown


def test_a_large_number_is_no_power_of_ten() -> None:
    assert three_digits(6992.3) == "6,992"
    assert three_digits(-6992.3) == "-6,992"


def test_an_error_of_another_process_tells_the_same_problems():
    error = TextError(3, "a text", "nothing", "write some")
    received = pickle.loads(pickle.dumps(error))
    assert type(received) is UserError
    assert received.problems == error.problems
    assert str(received) == str(error)
