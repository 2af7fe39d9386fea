"""Install the wheel of a folder into a new environment, and train and evaluate with it there.

python tests/wheel.py dist
"""

import subprocess
import sys
import venv
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from conftest import write_project

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


def main() -> None:
    """Fail with the first command that fails."""
    (wheel,) = Path(sys.argv[1]).resolve().glob("imbtool-*.whl")
    other = [name for name in ZipFile(wheel).namelist() if not name.startswith("imbtool")]
    if other:
        sys.exit(f"the wheel holds files that are not of the package: {', '.join(other)}")
    with TemporaryDirectory() as name:
        folder, environment = Path(name) / "project", Path(name) / "environment"
        folder.mkdir()
        write_project(folder, seed=0)
        venv.create(environment, with_pip=True)
        pip = (environment / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check")
        run(folder, *pip, "-c", CONSTRAINTS, wheel)
        imbtool = environment / "bin" / "imbtool"
        run(folder, imbtool, "--version")
        run(folder, imbtool, "analyze", "profile.yaml", "-o", "analysis")
        run(folder, imbtool, "train", "--profile", "profile.yaml", "--run", "first")
        run(folder, imbtool, "evaluate", "runs/first")
        run(folder, imbtool, "predict", "runs/first", "test.csv", "-o", "predicted.csv")
        if not (folder / "runs" / "first" / "report.html").is_file():
            sys.exit("the wheel's imbtool wrote no report.html")


def run(folder: Path, *command: object) -> None:
    """Run a command in a folder, without what this process has on its path."""
    subprocess.run([*map(str, command)], cwd=folder, check=True, env={"PATH": "/usr/bin:/bin"})


if __name__ == "__main__":
    main()
