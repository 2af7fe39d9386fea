"""Runs that share what they read end with the weights of runs that read everything themselves."""

import gc
import weakref
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from conftest import read_csv, write_csv

from imbtool.config.reader import Override, read_profile
from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus, read_corpus
from imbtool.data.unlabelled import read_unlabelled
from imbtool.data.weights import weigh_labels
from imbtool.distributed.accelerator import make_accelerator
from imbtool.events import ignore
from imbtool.model import encoder
from imbtool.runs.soft_targets import SoftTargets
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


def test_the_prevalence_that_thresholds_assume_is_that_of_texts_no_search_chose(
    project: Path,
) -> None:
    rows = [row | {"chosen_by": ""} for row in read_csv(project / "train.csv")]
    for row in rows:
        row["chosen_by"] = "score" * ("threats" in row["labels"])
    write_csv(project / "train.csv", rows)
    inputs = setup.make_setup(settings(data__chosen_by="chosen_by"), make_accelerator())
    threats = inputs.corpus.labels.names.index("threats")
    held = inputs.corpus.validation.targets[:, threats]
    unchosen = int((~inputs.corpus.train.chosen).sum()) + len(held)
    assert inputs.prevalence[threats] == pytest.approx((held.sum() + 0.5) / (unchosen + 1))


def test_once_the_tokens_are_there_no_text_is_held_and_the_fingerprints_stay(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpora: list[weakref.ref[Corpus]] = []

    def remembered(profile: Profile) -> Corpus:
        corpus = read_corpus(profile)
        corpora.append(weakref.ref(corpus))
        return corpus

    monkeypatch.setattr(setup, "read_corpus", remembered)
    held = setup.make_setup(settings(), make_accelerator())
    gc.collect()
    assert [corpus() for corpus in corpora] == [None]
    anew = read_corpus(settings())
    for name, split in held.corpus.splits.items():
        assert (len(split.texts), len(split)) == (0, len(anew.splits[name]))
        assert split.fingerprint == anew.splits[name].fingerprint
    assert weigh_labels(held.corpus, settings().weights) == held.weights


def test_the_targets_of_training_are_written_out_by_the_batch(project: Path) -> None:
    held = setup.make_setup(settings(), make_accelerator())
    loop = held.make_loop(ignore)
    loop.train_step(loop.plan(1)[0])
    assert "targets" not in vars(held.train)
    assert "targets" not in vars(held.corpus.train)


def test_a_teacher_that_draws_numbers_changes_no_random_state(project: Path) -> None:
    def teach(profile: Profile, corpus: Corpus, _: Accelerator) -> SoftTargets:
        logits = torch.rand(len(corpus.train), len(corpus.labels)).numpy()
        return SoftTargets(read_unlabelled(profile.data, corpus), logits, {"": ""})

    states = []
    for each in (None, teach):
        inputs = RunInputs(settings(), teach=each)
        setup.make_setup(settings(), make_accelerator(), inputs=inputs)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)
