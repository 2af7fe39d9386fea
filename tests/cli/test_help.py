"""Help is quick and shows how to begin."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Imbtool
from typer.main import get_command

import imbtool as package
from imbtool.cli import app

COMMANDS = sorted(get_command(app).commands)


def python(*arguments: str) -> str:
    """What a new Python process prints."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_loads_nothing_heavy(command: str) -> None:
    arguments = [*command.split(), "--help"]
    shown = python(
        "-c",
        "import sys\n"
        "from imbtool.cli import app\n"
        f"app({arguments}, standalone_mode=False)\n"
        "print(sorted({'torch', 'transformers', 'pandas', 'matplotlib'} & set(sys.modules)))",
    )
    assert "Usage" in shown
    assert shown.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_shows_an_example(command: str, imbtool: Imbtool) -> None:
    shown = imbtool(command, "--help").stdout
    assert f"imbtool {command} " in shown.partition("Examples:")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_says_in_a_sentence_what_it_does(command: str) -> None:
    for parameter in get_command(app).commands[command].params:
        text = parameter.help or ""
        assert text[:1].isupper(), f"{parameter.name}: {text}"
        assert text.endswith("."), f"{parameter.name}: {text}"
        assert " " in text, f"{parameter.name}: {text}"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_no_two_blank_lines_and_ends_with_the_documentation(
    command: str, imbtool: Imbtool
) -> None:
    shown = imbtool(*command.split(), "--help").stdout
    lines = [line.strip() for line in shown.strip().splitlines()]
    assert not [place for place in range(1, len(lines)) if not (lines[place] or lines[place - 1])]
    assert lines[-1].startswith("Documentation: ")


@pytest.mark.parametrize("command", ["train", "tune"])
def test_the_profile_is_an_argument_or_an_option_but_not_both(
    command: str, project: Path, imbtool: Imbtool
) -> None:
    refused = imbtool(command, "profile.yaml", "-p", "profile.yaml")
    assert refused.exit_code == 2
    assert "one profile" in refused.stderr


def test_help_lists_the_commands_in_the_order_of_their_use(imbtool: Imbtool) -> None:
    shown = imbtool("--help").stdout
    order = ["init", "split", "analyze", "weights", "train", "tune", "distil", "evaluate"]
    order += ["predict", "export", "serve", "prevalence", "monitor", "queue", "find", "merge"]
    assert sorted(order) == COMMANDS
    assert sorted(order, key=lambda name: shown.index(f" {name} ")) == order


def test_module_runs_as_the_command_does() -> None:
    assert python("-m", "imbtool", "--version") == f"imbtool {package.__version__}\n"
