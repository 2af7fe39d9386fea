"""What a run was made of: command, versions, seed, data, device, commit."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from typing import Any

import torch

from imbtool import __version__
from imbtool.corpus import Corpus
from imbtool.profile import Profile


def manifest(command: list[str], profile: Profile, corpus: Corpus, device: str) -> dict[str, Any]:
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
        "data": {
            name: {
                "source": str(split.source),
                "texts": len(split),
                "fingerprint": split.fingerprint,
            }
            for name, split in corpus.splits.items()
        },
        "device": {
            "type": device,
            "threads": torch.get_num_threads(),
            "platform": platform.platform(),
        },
        "git": _git_commit(),
    }


def _git_commit() -> str | None:
    """The commit of the folder that the command ran in, if it is a checkout."""
    try:
        shown = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return shown.stdout.strip()
