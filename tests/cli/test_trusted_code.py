"""An encoder that brings code along runs it where the user says so, before and after training."""

import json
from pathlib import Path

import pytest
from conftest import Imbtool

CODE = """
from transformers import BertConfig, BertForSequenceClassification


class OwnConfig(BertConfig):
    model_type = "own"


class OwnModel(BertForSequenceClassification):
    config_class = OwnConfig
"""
TRUST = "--trust-remote-code"


@pytest.fixture
def coded(project: Path, imbtool: Imbtool) -> Path:
    """A run of an encoder with code of its own, trained with neighbours."""
    path = project / "encoder" / "config.json"
    config = json.loads(path.read_text())
    config["model_type"] = "own"
    names = {"AutoConfig": "OwnConfig", "AutoModelForSequenceClassification": "OwnModel"}
    config["auto_map"] = {auto: f"own.{name}" for auto, name in names.items()}
    path.write_text(json.dumps(config))
    (project / "encoder" / "own.py").write_text(CODE)
    arguments = ("train", "-p", "profile.yaml", "--run", "coded", "--epochs", 1)
    sets = ("training.neighbours=true", "model.trust_remote_code=true")
    trained = imbtool(*arguments, *(part for each in sets for part in ("--set", each)))
    assert trained.exit_code == 0, trained.stderr
    return project / "runs" / "coded"


def test_a_checkpoint_runs_its_code_only_where_it_is_trusted(coded: Path, imbtool: Imbtool) -> None:
    for command in (("evaluate", coded), ("predict", coded, "test.csv", "-o", "out.csv")):
        refused = imbtool(*command)
        assert refused.exit_code == 2
        assert "--trust-remote-code runs it" in refused.stderr
        assert imbtool(*command, TRUST).exit_code == 0
    shards = ("predict", coded, coded.parent.parent / "tables", "-o", "labelled")
    (coded.parent.parent / "tables").mkdir()
    Path("test.csv").rename("tables/test.csv")
    assert imbtool(*shards, TRUST).exit_code == 0
    assert Path("labelled/test.csv").is_file()


def test_an_encoder_runs_its_code_only_where_the_profile_says_so(
    coded: Path, imbtool: Imbtool
) -> None:
    refused = imbtool("train", "-p", "profile.yaml")
    assert refused.exit_code == 2
    assert "trust_remote_code" in refused.stderr
