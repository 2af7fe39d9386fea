"""What a tuning needs is checked before its first round."""

import csv
from pathlib import Path

import pytest
from conftest import PARENTS, write_csv

from imbtool.config.reader import Override, read_profile
from imbtool.config.schema import Profile, WeightsSection
from imbtool.data.imbalance import LabelCount
from imbtool.data.weights import StreamCount, assign_weights
from imbtool.errors import UserError
from imbtool.training.setup import RunInputs
from imbtool.tuning.preparation import TuningData, read_data

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


def test_tiers_of_a_tuning_are_those_of_texts_that_no_search_chose() -> None:
    rules, stream = WeightsSection(), StreamCount(1, 400, 20)
    (label,) = assign_weights(["a"], [LabelCount(20, 20, 0)], rules, [stream])
    inputs = RunInputs(Profile.model_validate({"data": {"train": "train.csv"}}))
    data = TuningData([label], {}, True, inputs)
    assert data.rare == ["a"]
    assert data.weights(Profile.model_validate({"data": {"train": "train.csv"}})) == {"a": 10.0}
