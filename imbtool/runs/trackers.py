"""What a run's events tell an experiment tracker, through Accelerate."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any

from accelerate import Accelerator

from imbtool.config.schema import Profile
from imbtool.errors import user_error
from imbtool.events import EpochEvent, Event, StepEvent

TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio")


def require_trackers(names: Sequence[str]) -> None:
    """Check that trackers are known and installed; Accelerate leaves them out without a word.

    Raises:
        UserError: one is not.
    """
    for name in names:
        if name not in TRACKERS:
            raise user_error("--track", repr(name), " or ".join(TRACKERS), "choose one of them")
        if importlib.util.find_spec(name) is None:
            found, fix = f"the package {name} is not installed", f"pip install {name}"
            raise user_error(f"--track {name}", found, "the tracker's package", fix)


def start_tracking(accelerator: Accelerator, profile: Profile) -> None:
    """Open the accelerator's trackers with the profile as their configuration."""
    if accelerator.log_with:
        settings = profile.model_dump(mode="json")
        accelerator.init_trackers("imbtool", config=dict(_flat("", settings, ".")))


def track(accelerator: Accelerator, event: Event) -> None:
    """Log a step's or an epoch's numbers."""
    if accelerator.trackers and isinstance(event, StepEvent | EpochEvent):
        numbers = {
            key: value
            for key, value in _flat(event.event, event.model_dump(), "/")
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        accelerator.log(numbers, step=event.step)


def _flat(prefix: str, tree: Any, between: str) -> Iterator[tuple[str, Any]]:
    """Leaves by path; what is neither number nor text as text."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from _flat(f"{prefix}{between}{key}" if prefix else str(key), value, between)
    else:
        yield prefix, tree if isinstance(tree, bool | int | float | str) else str(tree)
