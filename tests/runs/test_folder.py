"""A run's folder is there whole or not at all, is one command's, and goes on from any kill."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Imbtool

from imbtool.events import read_events
from imbtool.files.locks import locked
from imbtool.runs import folder
from imbtool.training.loop import TrainingLoop

TRAIN = ("train", "-p", "profile.yaml", "--set", "training.epochs=1")
FOLDER = Path("runs/stopped")


class KilledError(BaseException):
    """Stands in for a kill: nothing catches it."""


def train(imbtool: Imbtool, name: str) -> Any:
    return imbtool(*TRAIN, "--set", "training.head_first=true", "--run", name)


def weights_of(name: str) -> bytes:
    return Path("runs", name, "checkpoint", "model.safetensors").read_bytes()


def dying_at(step: int) -> Callable[..., None]:
    take_step = TrainingLoop.train_step

    def dying(loop: TrainingLoop, *arguments: Any) -> None:
        if loop.progress.step == step:
            raise KilledError
        take_step(loop, *arguments)

    return dying


def die(*_: object) -> None:
    raise KilledError


@pytest.fixture
def stopped(project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a run that was killed before its first save."""
    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "train_step", dying_at(3))
        with pytest.raises(KilledError):
            train(imbtool, "stopped")
    assert not list(FOLDER.glob("last*"))
    return project


def test_killed_before_its_first_save_a_run_begins_again_and_comes_to_the_same_weights(
    stopped: Path, imbtool: Imbtool
) -> None:
    assert train(imbtool, "whole").exit_code == 0
    resumed = imbtool("train", "--resume", FOLDER)
    assert resumed.exit_code == 0, resumed.stderr
    assert "begins again at the first step" in resumed.stderr
    assert weights_of("stopped") == weights_of("whole")
    both = [
        [event for event in read_events(Path("runs", name)) if event.event in ("head", "epoch")]
        for name in ("stopped", "whole")
    ]
    assert both[0][-2:] == both[1]


@pytest.mark.parametrize("part", ["write_text", "write_json"])
def test_killed_before_its_folder_is_whole_a_run_has_none_and_its_name_is_free(
    part: str, project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(folder, part, die)
        with pytest.raises(KilledError):
            train(imbtool, "stopped")
    assert [path.name for path in Path("runs").iterdir()] == ["first"]
    # what no handler could delete
    half = Path("runs", f".stopped.{'0a' * 8}.tmp")
    half.mkdir()
    monkeypatch.setattr(TrainingLoop, "train_step", die)
    with pytest.raises(KilledError):
        train(imbtool, "stopped")
    assert (FOLDER / "manifest.json").is_file()
    assert not half.exists()


def test_a_run_whose_state_is_gone_does_not_begin_again(project: Path, imbtool: Imbtool) -> None:
    for path in Path("runs/first").glob("last*"):
        path.unlink() if path.is_symlink() else shutil.rmtree(path)
    refused = imbtool("train", "--resume", "runs/first")
    assert refused.exit_code == 2
    assert "no saved state, although" in refused.stderr


@pytest.mark.parametrize(
    "place",
    [
        lambda last: last.symlink_to("gone"),
        lambda last: last.symlink_to("last"),
        lambda last: last.write_text("mine"),
        lambda last: last.mkdir(),
    ],
    ids=["link to nothing", "loop", "file", "empty folder"],
)
def test_something_else_at_the_place_of_the_state_is_refused(
    place: Callable[[Path], object], project: Path, imbtool: Imbtool
) -> None:
    last = Path("runs/first/last")
    last.unlink()
    place(last)
    refused = imbtool("train", "--resume", "runs/first", "--allow-changed")
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-4] == f"error: {last}"


def test_without_the_checkpoint_of_its_best_epoch_a_run_does_not_go_on(
    project: Path, imbtool: Imbtool
) -> None:
    checkpoint = Path("runs/first/checkpoint")
    checkpoint.unlink()
    checkpoint.symlink_to("gone")
    refused = imbtool("train", "--resume", "runs/first", "--allow-changed")
    assert refused.exit_code == 2
    assert f"error: {checkpoint}\n" in refused.stderr


def test_a_copy_with_links_followed_goes_on(project: Path, imbtool: Imbtool) -> None:
    shutil.copytree("runs/first", "runs/copy")
    assert not Path("runs/copy/last").is_symlink()
    before = weights_of("copy")
    resumed = imbtool("train", "--resume", "runs/copy", "--allow-changed")
    assert resumed.exit_code == 0, resumed.stderr
    assert weights_of("copy") == before


@pytest.mark.parametrize("command", [("train", "--resume", "runs/first"), (*TRAIN, "--run", "new")])
def test_a_run_is_one_commands(
    command: tuple[str, ...], project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both_at_once(*arguments: Any) -> None:
        make_folder(*arguments)
        other.__enter__()

    make_folder, other = folder.make_folder, locked(Path(command[-1]))
    if "--run" in command:
        other = locked(Path("runs/new"))
        monkeypatch.setattr("imbtool.training.run.make_folder", both_at_once)
    else:
        other.__enter__()
    refused = imbtool(*command)
    other.__exit__(None, None, None)
    assert refused.exit_code == 2
    assert "another imbtool command at work in it" in refused.stderr


def edit(path: str, change: Callable[[Any], object]) -> None:
    document = json.loads(Path(path).read_text())
    change(document)
    Path(path).write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda: edit("encoder/config.json", lambda it: it.update(layer_norm_eps=1e-9)), "config"),
        (lambda: edit("encoder/tokenizer.json", lambda it: it.update(padding=None)), "tokenizer"),
        (lambda: Path("encoder/vocab.txt").write_text("[PAD]\n"), "vocab.txt"),
    ],
    ids=["config", "tokenizer", "a new file"],
)
def test_another_encoder_than_at_the_start_is_named_and_refused(
    change: Callable[[], object], key: str, moved: Path, imbtool: Imbtool
) -> None:
    change()
    refused = imbtool("train", "--resume", "runs/first")
    assert refused.exit_code == 2
    assert f"encoder.{key}" in refused.stderr


@pytest.fixture
def moved(project: Path) -> Path:
    """A project whose run was started where it stands."""
    manifest = Path("runs/first/manifest.json")
    profile = json.loads(manifest.read_text())["profile"]
    old = str(Path(profile["data"]["train"]).parent)
    for path in (manifest, Path("runs/first/profile.yaml")):
        path.write_text(path.read_text().replace(old, str(project)))
    return project


def test_a_manifest_that_does_not_know_the_encoders_files_is_said(
    moved: Path, imbtool: Imbtool
) -> None:
    edit("runs/first/manifest.json", lambda it: it.pop("encoder"))
    resumed = imbtool("train", "--resume", "runs/first")
    assert resumed.exit_code == 0, resumed.stderr
    assert "warning: encoder: the manifest has no digests of its files" in resumed.stderr


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda it: it.pop("device"), "device"),
        (lambda it: it["device"].update(threads=10**9), "device.threads"),
        (lambda it: it["device"].update(processes="1"), "device.processes"),
        (lambda it: it.update(data=[]), "data"),
        (lambda it: it.update(versions=None), "versions"),
        (lambda it: it["data"].update(train={}), "data.train.source"),
    ],
)
def test_a_damaged_manifest_is_refused_with_its_key(
    change: Callable[[Any], object], key: str, project: Path, imbtool: Imbtool
) -> None:
    edit("runs/first/manifest.json", change)
    refused = imbtool("train", "--resume", "runs/first")
    assert refused.exit_code == 2
    assert f"error: runs/first/manifest.json: {key}\n" in refused.stderr


@pytest.mark.parametrize("content", [b"null", b"[1]", b"", b"\xff\xfe", b"[" * 10**5])
def test_a_manifest_that_is_none_is_refused(
    content: bytes, project: Path, imbtool: Imbtool
) -> None:
    Path("runs/first/manifest.json").write_bytes(content)
    refused = imbtool("train", "--resume", "runs/first")
    assert refused.exit_code == 2
    assert "error: runs/first/manifest.json" in refused.stderr


def test_damaged_events_are_said_and_the_run_goes_on(moved: Path, imbtool: Imbtool) -> None:
    path = Path("runs/first/events.jsonl")
    path.write_bytes(b'{"event": "epoch"}\nnull\n' + path.read_bytes())
    resumed = imbtool("train", "--resume", "runs/first")
    assert resumed.exit_code == 0, resumed.stderr
    assert "2 damaged lines left out, the first at runs/first/events.jsonl:1" in resumed.stderr


def test_a_folder_without_a_manifest_says_what_to_do(project: Path, imbtool: Imbtool) -> None:
    Path("runs/first/manifest.json").unlink()
    refused = imbtool("train", "--resume", "runs/first")
    assert refused.exit_code == 2
    assert "delete the folder and start the run again under its name" in refused.stderr


@pytest.mark.parametrize("spoil", [os.mkfifo, os.mkdir, lambda path: None])
def test_the_profile_of_a_run_is_a_regular_file(
    spoil: Callable[[Path], None], project: Path, imbtool: Imbtool
) -> None:
    path = Path("runs/first/profile.yaml")
    path.unlink()
    spoil(path)
    for command in ("train", "tune"):
        refused = imbtool(command, "--resume", "runs/first")
        assert refused.exit_code == 2
    assert "runs/first/profile.yaml\n  found" in imbtool("train", "--resume", "runs/first").stderr
