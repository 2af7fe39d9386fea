"""The files that decide what an encoder makes of a text, and their digests."""

import hashlib
import os
from pathlib import Path

import huggingface_hub.constants
import pytest
from huggingface_hub import file_download

from imbtool.errors import UserError
from imbtool.model.bundled import SMALL
from imbtool.model.encoder_files import encoder_files

DECISIVE = ("config.json", "model.safetensors", "tokenizer.json", "vocab.txt", "modeling_own.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files that decide, and others."""
    for name in (*DECISIVE, "README.md", "pytorch_model.bin"):
        (tmp_path / name).write_text(name)
    (tmp_path / "onnx.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    return tmp_path


def test_files_that_decide_have_their_digest(folder: Path) -> None:
    expected = {name: hashlib.sha256(name.encode()).hexdigest() for name in DECISIVE}
    assert encoder_files(str(folder)) == expected


def test_a_changed_file_has_another_digest(folder: Path) -> None:
    before = encoder_files(str(folder))
    (folder / "tokenizer.json").write_text("{}")
    after = encoder_files(str(folder))
    assert {name for name in before if before[name] != after[name]} == {"tokenizer.json"}


def test_the_bundled_encoder_is_a_folder_too() -> None:
    assert encoder_files("bundled")["model.safetensors"] == SMALL.sha256


def test_a_hub_id_is_its_files_in_the_cache(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    repository = cache / "models--owner--name"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / "abc").symlink_to(folder)
    for module in (huggingface_hub.constants, file_download.constants):
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(cache))
    assert encoder_files("owner/name") == encoder_files(str(folder))
    assert encoder_files("owner/other") == {}
    assert encoder_files("no hub id: at all") == {}


def test_a_path_that_no_folder_can_have_is_refused() -> None:
    with pytest.raises(UserError, match="no such folder"):
        encoder_files("/" + "x" * 5000)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser reads every file")
def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "vocab.txt").chmod(0)
    with pytest.raises(UserError, match="vocab"):
        encoder_files(str(folder))
