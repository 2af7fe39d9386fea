"""Train multi-label text classifiers whose important labels are the rare ones.

The names of `__all__` are for use from Python; what a profile decides they take from a `Profile`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imbtool.assessment import assess as evaluate
    from imbtool.checkpoint import Checkpoint, read_checkpoint
    from imbtool.corpus import read_corpus
    from imbtool.profile import Profile
    from imbtool.profilefile import read_profile
    from imbtool.training.run import train
    from imbtool.weighting import assign_weights

__version__ = "0.1.0"

__all__ = [
    "Checkpoint",
    "Profile",
    "assign_weights",
    "evaluate",
    "read_checkpoint",
    "read_corpus",
    "read_profile",
    "train",
]

_HOMES = {
    "Checkpoint": "checkpoint:Checkpoint",
    "Profile": "profile:Profile",
    "assign_weights": "weighting:assign_weights",
    "evaluate": "assessment:assess",
    "read_checkpoint": "checkpoint:read_checkpoint",
    "read_corpus": "corpus:read_corpus",
    "read_profile": "profilefile:read_profile",
    "train": "training.run:train",
}


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used: `imbtool --help` need not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, home = _HOMES[name].partition(":")
    return getattr(import_module(f"{__name__}.{module}"), home)
