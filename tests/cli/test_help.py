"""Help is quick and shows how to begin."""

import subprocess
import sys

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


def test_help_lists_the_commands_in_the_order_of_their_use(imbtool: Imbtool) -> None:
    shown = imbtool("--help").stdout
    order = ["init", "split", "analyze", "weights", "train", "tune", "evaluate", "predict"]
    assert sorted(order) == COMMANDS
    assert sorted(order, key=lambda name: shown.index(f" {name} ")) == order


def test_module_runs_as_the_command_does() -> None:
    assert python("-m", "imbtool", "--version") == f"imbtool {package.__version__}\n"
