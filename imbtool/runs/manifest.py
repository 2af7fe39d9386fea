"""The manifest of a run: command, versions, seed, profile, data, encoder, device and commit."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field

from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus, Split
from imbtool.errors import user_error
from imbtool.files.documents import Count, Typed, read_document
from imbtool.model.encoder_files import encoder_files
from imbtool.version import __version__
from imbtool.wording import shown, some

MANIFEST = "manifest.json"
PROFILE = "profile.yaml"
MOST_THREADS = max(1024, os.cpu_count() or 1)
FIX = "restore it, or start the run anew"


class SplitManifest(Typed):
    """A split of the data."""

    source: str
    texts: Count
    fingerprint: str


class DistillationManifest(Typed):
    """What teachers taught a student."""

    teachers: dict[str, str]
    """sha256 of each checkpoint, by its folder."""
    unlabelled: SplitManifest | None
    """The unlabelled texts; None if there were none."""
    left_out: dict[str, Count]
    """Number of unlabelled texts that were not used, by reason."""
    logits: str
    """sha256 of what the teachers say of all texts."""
    temperature: float
    label_share: float


class DeviceManifest(Typed):
    """The devices and processes of a run."""

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
    profile: dict[str, object]
    data: dict[str, SplitManifest]
    encoder: dict[str, str] | None = None
    """sha256 of its files by name; None in manifests of older versions."""
    distillation: DistillationManifest | None = None
    """None for a run without teachers."""
    labels: list[str] | None = None
    """Their names, in order; None in manifests of older versions."""
    device: DeviceManifest
    git: str | None = None


def read_manifest(run: Path) -> Manifest:
    """Read the manifest of a run.

    Raises:
        UserError: the folder has no manifest.json, or a damaged one.
    """
    path = run / MANIFEST
    if path.is_file():
        return read_document(path, Manifest, FIX)
    if not run.exists():
        found, fix = "no such folder", "give the folder that `imbtool train` named"
    elif (run / PROFILE).is_file():
        found = f"no {MANIFEST} in it: it was stopped before it began, or is damaged"
        fix = "restore it; or delete the folder and start the run again under its name"
    else:
        found, fix = f"no {MANIFEST} in it", "give the folder that holds `profile.yaml`"
    raise user_error(run, found, "a run folder", fix)


def split_manifest(split: Split) -> SplitManifest:
    """What the manifest says of a split."""
    source = _printed(str(split.source))
    return SplitManifest(source=source, texts=len(split), fingerprint=split.fingerprint)


def make_manifest(
    command: Sequence[str],
    profile: Profile,
    corpus: Corpus,
    device: str,
    processes: int,
    distillation: DistillationManifest | None = None,
) -> Manifest:
    """Gather the content of manifest.json.

    Args:
        command: the command line.
        profile: resolved.
        corpus: the data.
        device: type of the device.
        processes: number of processes.
        distillation: what teachers taught; None if there are none.

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
        data={name: split_manifest(split) for name, split in corpus.splits.items()},
        encoder=encoder_files(profile.model.encoder),
        distillation=distillation,
        labels=[_printed(name) for name in corpus.labels.names],
        device=DeviceManifest(
            type=device,
            processes=processes,
            threads=torch.get_num_threads(),
            platform=platform.platform(),
        ),
        git=_git_commit(),
    )


def refuse_changes(folder: Path, before: Manifest, now: Manifest) -> None:
    """Check that nothing has changed that a resumed run needs to end with the same weights.

    The files of the encoder are not compared if the earlier manifest does not have them.

    Raises:
        UserError: naming every key of profile, data, versions, encoder or number of processes that
            differs.
    """
    trees = [_decisive(each, before.encoder is not None) for each in (before, now)]
    changed = [
        f"{key} ({shown(before_value)} -> {shown(now_value)})"
        for key, before_value, now_value in differences("", *trees)
    ]
    if changed:
        fix = "restore it, start a new run, or --allow-changed to go on all the same"
        raise user_error(folder, f"changed since the start: {some(changed, 8)}", "the same", fix)


def refuse_other_labels(folder: Path, before: Manifest, names: Sequence[str]) -> None:
    """Check that a run has the labels that it began with, for which its weights are.

    Raises:
        UserError: it has others, or in another order.
    """
    now = [_printed(name) for name in names]
    if before.labels is not None and before.labels != now:
        odd = sorted(set(before.labels) ^ set(now))
        found = f"other labels than at the start: {some(odd or now)}"
        raise user_error(folder, found, "the labels that it began with", FIX)


def _decisive(manifest: Manifest, with_encoder: bool) -> dict[str, object]:
    """The parts of a manifest that determine the weights."""
    return {
        "profile": manifest.profile,
        "data": {name: split.model_dump() for name, split in manifest.data.items()},
        "versions": manifest.versions,
        "encoder": manifest.encoder if with_encoder else None,
        "distillation": manifest.distillation and manifest.distillation.model_dump(),
        "device": {"processes": manifest.device.processes},
    }


def differences(key: str, before: object, now: object) -> Iterator[tuple[str, object, object]]:
    """Yield every dotted key below `key` whose value differs, with both values.

    A key that is not there is one without a value, or with an empty one, and before also one that
    is off: older versions lack some.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*before, *now]):
            below = f"{key}.{name}" if key else name
            if name in before or now[name] is not False:
                yield from differences(below, before.get(name), now.get(name))
    elif before != now and not (_is_nothing(before) and _is_nothing(now)):
        yield key, before, now


def _is_nothing(value: object) -> bool:
    return value is None or value in ([], {})


def _printed(text: str) -> str:
    """Text in which bytes of file names that are not UTF-8 are escaped."""
    return text.encode(errors="backslashreplace").decode()


def _git_commit() -> str | None:
    """The commit of the current folder, if it is a git checkout."""
    try:
        shown = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return shown.stdout.strip()
