"""What the files for clusters start could be typed so, and they are in the shape of their tool."""

import re
from pathlib import Path

import pytest
import yaml
from commandchecks import PROGRAMS, problems
from docpages import ROOT
from shellcommands import Command, shown_commands

FOLDER = ROOT / "docs" / "clusters"
SLURM, SKYPILOT = FOLDER / "predict.sbatch", FOLDER / "predict.sky.yaml"
SKYPILOT_KEYS = {
    "": {"name", "num_nodes", "resources", "volumes", "envs", "secrets", "setup", "run"},
    "resources": {"infra", "accelerators", "cpus", "memory", "use_spot"},
}
"""Those of its documentation that are used or likely to be."""
SET_BY = {"SLURM_": SLURM, "SKYPILOT_": SKYPILOT}
"""How variables begin that a scheduler sets."""

pytest.importorskip("ray")


def sky_task() -> dict:
    return yaml.safe_load(SKYPILOT.read_text("utf-8"))


def script(path: Path) -> str:
    """What a file has the machines do."""
    if path == SLURM:
        return path.read_text("utf-8")
    return "\n".join(sky_task()[stage] for stage in ("setup", "run"))


def started(path: Path) -> list[Command]:
    """The commands of programs that are known; the others are the shell's and the scheduler's."""
    commands = shown_commands(f"```bash\n{script(path)}\n```\n", PROGRAMS)
    return [command for command in commands if command.words[0] in PROGRAMS]


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_commands_of_cluster_files_can_be_typed_as_they_stand(path: Path) -> None:
    commands = started(path)
    assert any("imbtool predict" in command.text for command in commands)
    assert [problem for command in commands for problem in problems(command, whole=True)] == []


def test_a_wrong_option_behind_ray_is_told() -> None:
    text = "ray symmetric-run --min-node 2 -- imbtool predict runs/NAME --outptu x"
    (command,) = shown_commands(f"    {text}\n", PROGRAMS)
    told = " ".join(problems(command, whole=True))
    assert "--min-node" in told
    assert "--outptu" in told


@pytest.mark.parametrize("path", [SLURM, SKYPILOT], ids=lambda path: path.name)
def test_variables_of_cluster_files_are_set_somewhere(path: Path) -> None:
    here = [begin for begin, file in SET_BY.items() if file == path]
    given = {*sky_task()["envs"], *sky_task()["secrets"]} if path == SKYPILOT else {"first"}
    used = set(re.findall(r"\$\{?([A-Za-z_]\w*)", script(path)))
    assert used
    assert {name for name in used if not name.startswith(*here)} <= given


def test_the_task_of_skypilot_has_keys_that_skypilot_knows() -> None:
    task = sky_task()
    for section, keys in SKYPILOT_KEYS.items():
        assert set(task[section] if section else task) <= keys
    assert all(path.startswith("/data") for path in (*task["volumes"], task["envs"]["RUN"]))


@pytest.mark.parametrize("path", [SLURM, SKYPILOT], ids=lambda path: path.name)
def test_a_cluster_is_started_with_a_token_of_its_own(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "RAY_AUTH_TOKEN" in text
    assert re.search("RAY_AUTH_MODE[=:] ?token", text)
