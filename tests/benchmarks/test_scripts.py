"""Benchmarks keep up with the package: each starts, and what each replaces in it is there."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "benchmarks").rglob("*.py")
)
START = """
import contextlib, importlib, io, sys

for name in sys.argv[1:]:
    module = importlib.import_module(name)
    if hasattr(module, "main"):
        sys.argv = [name, "--help"]
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
            module.main()
        assert "usage:" in shown.getvalue(), name

from benchmarks.shared.levers import LEVERS
from imbtool import Profile

profile = Profile.model_validate({"data": {"train": "train.csv"}})
for name, switched_off in LEVERS.items():
    assert isinstance(switched_off(profile), Profile), name
"""


def test_every_benchmark_starts_and_every_lever_can_be_switched_off() -> None:
    # in a process of its own, since levers change modules in place
    done = subprocess.run(
        [sys.executable, "-c", START, *SCRIPTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_table_of_benchmarks_names_every_script() -> None:
    table = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    started = [
        name
        for name in SCRIPTS
        if "__main__" in (ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
    ]
    assert [name for name in started if f"python -m {name}" not in table] == []
