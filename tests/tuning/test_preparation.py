"""What a tuning needs is checked before its first round."""

import csv
from pathlib import Path

import pytest
from conftest import PARENTS, write_csv

from imbtool.config.reader import Override, read_profile
from imbtool.errors import UserError
from imbtool.tuning.preparation import read_data

OBJECTIVE = Override("tuning.objective", "secondary_f1_macro", "--set")


def without_secondary(row: dict[str, str]) -> dict[str, str]:
    labels = [name for name in row["labels"].split("|") if name not in PARENTS]
    return row | {"labels": "|".join(labels)}


def test_an_objective_that_is_not_defined_on_validation_is_refused(project: Path) -> None:
    with Path("validation.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    profile = read_profile(Path("profile.yaml"), [OBJECTIVE])
    assert read_data(profile, Path("runs/t")).names
    write_csv(Path("validation.csv"), [without_secondary(row) for row in rows])
    with pytest.raises(UserError, match="no positive of a secondary label"):
        read_data(profile, Path("runs/t"))
