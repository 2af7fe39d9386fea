"""Locating encoders: the bundled one, folders and hub ids; and the digests of their files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imbtool.errors import user_error
from imbtool.files.model_folder import is_folder
from imbtool.files.writing import sha256
from imbtool.model.bundled import BUNDLED, EXPECTED

DECISIVE = {".json", ".safetensors", ".txt", ".model", ".codes", ".tiktoken", ".py"}
"""Suffixes of the files that determine the output of an encoder: weights, tokenizer, code."""


def encoder_folder(name: str) -> str:
    """The folder or hub id behind `model.encoder`.

    Raises:
        UserError: there is no such folder; or a bundled encoder is not installed, cannot be
            unpacked, or has other weights than the published ones.
    """
    if bundled := BUNDLED.get(name):
        return str(bundled.folder())
    if Path(name).is_absolute() and not is_folder(Path(name)):
        where, fix = f"model.encoder: {name}", "check the path"
        raise user_error(where, "no such folder", "a folder or a hub id", fix)
    return name


def public_name(encoder: str) -> str:
    """The public form of `model.encoder`: a hub id, or the name of a folder without its path."""
    if bundled := BUNDLED.get(encoder):
        return bundled.name
    return Path(encoder).name if Path(encoder).is_absolute() else encoder


def encoder_files(name: str) -> dict[str, str]:
    """The sha256 of every file that determines the output of an encoder, by the file's name.

    Args:
        name: `model.encoder`; for a hub id, the files in the cache.

    Returns:
        Empty for a hub id that is not in the cache.

    Raises:
        UserError: as for `encoder_folder`; or a file cannot be read.
    """
    where = encoder_folder(name)
    folder = Path(where) if is_folder(Path(where)) else _cached(where)
    return (
        {} if folder is None else {path.name: sha256(path, EXPECTED) for path in _decisive(folder)}
    )


def _decisive(folder: Path) -> Iterator[Path]:
    paths = sorted(path for path in folder.iterdir() if path.suffix in DECISIVE)
    return (path for path in paths if path.is_file())


def _cached(name: str) -> Path | None:
    """The folder of a hub id in the hub's cache, if it has been downloaded."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return Path(path).parent if isinstance(path, str) else None
