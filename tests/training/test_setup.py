"""Runs that share what they read end with the weights of runs that read everything themselves."""

from pathlib import Path

import pytest

from imbtool.config.reader import Override, read_profile
from imbtool.config.schema import Profile
from imbtool.model import encoder
from imbtool.training import setup
from imbtool.training.run import train
from imbtool.training.setup import RunInputs


def settings(**sets: object) -> Profile:
    sets |= {"training__head_first": True, "training__freeze_embeddings": True}
    overrides = [Override(key.replace("__", "."), str(sets[key]), key) for key in sets]
    return read_profile(Path("profile.yaml"), overrides)


PROFILES = {
    "gentle": {"training__learning_rate": "1e-4"},
    "weighted": {"loss__gamma": 1, "weights__custom": "{threats: 7}", "training__epochs": 1},
}


def test_shared_inputs_change_no_result(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []

    def counted(section: object, names: list[str]) -> encoder.TextModel:
        loads.append("an encoder")
        return encoder.load_encoder(section, names)  # type: ignore[arg-type]

    monkeypatch.setattr(setup, "load_encoder", counted)
    shared = RunInputs(settings(), shared=True)
    for name, sets in PROFILES.items():
        weights = [
            train(settings(**sets), Path("runs") / f"{name}-{way}", inputs=inputs).checkpoint
            / "model.safetensors"
            for way, inputs in (("alone", None), ("shared", shared))
        ]
        assert weights[0].read_bytes() == weights[1].read_bytes()
    assert len(loads) == len(PROFILES) + 1, "the runs that share it load it once"


@pytest.mark.parametrize(
    "other",
    [{"model__max_length": 8}, {"training__seed": 3}, {"labels__hierarchy": "{}"}],
    ids=str,
)
def test_a_run_that_reads_something_else_does_not_take_part(other: dict, project: Path) -> None:
    inputs = RunInputs(settings())
    assert inputs.suit(settings(loss__gamma=1))
    assert not inputs.suit(settings(**other))
