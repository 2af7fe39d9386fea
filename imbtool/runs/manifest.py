"""What a run was made of: command, versions, seed, data, encoder, device, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus
from imbtool.errors import user_error
from imbtool.files.documents import Count, Typed, read_document
from imbtool.model.encoder_files import encoder_files
from imbtool.version import __version__
from imbtool.wording import shown, some

MANIFEST = "manifest.json"
MOST_THREADS = max(1024, os.cpu_count() or 1)
FIX = "restore it, or start the run anew"
PARTS = ("profile", "data", "versions", "encoder", "device.processes")
"""What must be as it was, for a resumed run to come to the same weights."""


class SplitManifest(Typed):
    """What a split was."""

    source: str
    texts: Count
    fingerprint: str


class DeviceManifest(Typed):
    """What a run was computed on."""

    type: str
    processes: Annotated[int, Field(ge=1, le=MOST_THREADS)]
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)]
    platform: str


class Manifest(Typed):
    """The content of manifest.json."""

    command: list[str]
    imbtool: str
    versions: dict[str, str]
    seed: int
    profile: dict[str, Any]
    data: dict[str, SplitManifest]
    encoder: dict[str, str] | None = None
    """sha256 of its files by name; None in manifests of versions that did not write it."""
    device: DeviceManifest
    git: str | None = None


def read_manifest(run: Path) -> Manifest:
    """What a run was made of.

    Raises:
        UserError: its folder has no manifest.json, or a damaged one.
    """
    path = run / MANIFEST
    if path.is_file():
        return read_document(path, Manifest, FIX)
    if not run.exists():
        found, fix = "no such folder", "give the folder that `imbtool train` named"
    elif (run / "profile.yaml").is_file():
        found = f"no {MANIFEST} in it: it was stopped before it began, or is damaged"
        fix = "restore it; or delete the folder and start the run again under its name"
    else:
        found, fix = f"no {MANIFEST} in it", "give the folder that holds `profile.yaml`"
    raise user_error(run, found, "a run folder", fix)


def make_manifest(
    command: list[str], profile: Profile, corpus: Corpus, device: str, processes: int
) -> Manifest:
    """Gather the content of manifest.json.

    Args:
        command: as typed.
        profile: resolved.
        corpus: that is trained on.
        device: its type.
        processes: how many there are.

    Raises:
        UserError: a file of the encoder cannot be read.
    """
    packages = ("torch", "transformers", "accelerate", "numpy", "pandas")
    versions = {package: version(package) for package in packages}
    return Manifest(
        command=[_printed(word) for word in command],
        imbtool=__version__,
        versions={"python": platform.python_version(), **versions},
        seed=profile.training.seed,
        profile=profile.model_dump(mode="json"),
        data={
            name: SplitManifest(
                source=_printed(str(split.source)), texts=len(split), fingerprint=split.fingerprint
            )
            for name, split in corpus.splits.items()
        },
        encoder=encoder_files(profile.model.encoder),
        device=DeviceManifest(
            type=device,
            processes=processes,
            threads=torch.get_num_threads(),
            platform=platform.platform(),
        ),
        git=_git_commit(),
    )


def refuse_changes(folder: Path, before: Manifest, now: Manifest) -> None:
    """Check that a run would go on with what it was started with.

    Files of the encoder are left out where the manifest before does not know them.

    Raises:
        UserError: naming every key of profile, data, versions, encoder or number of processes that
            differs.
    """
    trees = [each.model_dump(mode="json") for each in (before, now)]
    parts = [part for part in PARTS if part != "encoder" or before.encoder is not None]
    changed = [
        f"{key} ({shown(before_value)} -> {shown(now_value)})"
        for part in parts
        for key, before_value, now_value in differences(part, *(_at(tree, part) for tree in trees))
    ]
    if changed:
        fix = "restore it, start a new run, or --allow-changed to go on all the same"
        raise user_error(folder, f"changed since the start: {some(changed, 8)}", "the same", fix)


def differences(key: str, before: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    """Every dotted key, `key` above it, whose value differs, with the value before and now."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*before, *now]):
            below = f"{key}.{name}" if key else name
            yield from differences(below, before.get(name), now.get(name))
    elif before != now:
        yield key, before, now


def _at(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree[key]
    return tree


def _printed(text: str) -> str:
    """Text with escapes for the bytes of file names that are not UTF-8."""
    return text.encode(errors="backslashreplace").decode()


def _git_commit() -> str | None:
    """The commit of the folder that the command ran in, if it is a checkout."""
    try:
        shown = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return shown.stdout.strip()
