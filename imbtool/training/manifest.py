"""What a run was made of: command, versions, seed, data, device, commit."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from imbtool import __version__
from imbtool.corpus import Corpus
from imbtool.errors import fail, some
from imbtool.profile import Profile


def manifest(
    command: list[str], profile: Profile, corpus: Corpus, device: dict[str, Any]
) -> dict[str, Any]:
    """The content of manifest.json."""
    packages = ("torch", "transformers", "accelerate", "numpy", "pandas")
    return {
        "command": command,
        "imbtool": __version__,
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
        "seed": profile.training.seed,
        "profile": profile.model_dump(mode="json"),
        "data": {
            name: {
                "source": str(split.source),
                "texts": len(split),
                "fingerprint": split.fingerprint,
            }
            for name, split in corpus.splits.items()
        },
        "device": {
            **device,
            "threads": torch.get_num_threads(),
            "platform": platform.platform(),
        },
        "git": _git_commit(),
    }


def refuse_changes(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Check that a run would go on with what it was started with.

    Raises:
        UserError: naming every key of profile, data, versions or number of processes that differs.
    """
    changed = [
        f"{key} ({before_value} -> {now_value})"
        for part in ("profile", "data", "versions", "device.processes")
        for key, before_value, now_value in differences(part, _at(before, part), _at(now, part))
    ]
    if changed:
        mend = "restore it, start a new run, or --allow-changed to go on all the same"
        raise fail(folder, f"changed since the start: {some(changed, 8)}", "the same", mend)


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


def _git_commit() -> str | None:
    """The commit of the folder that the command ran in, if it is a checkout."""
    try:
        shown = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return shown.stdout.strip()
