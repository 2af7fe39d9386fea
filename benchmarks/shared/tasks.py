"""What contenders train on: the texts of a folder, read by one profile, and what all share."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imbtool.config.reader import Override, read_profile
from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus

PROFILES = Path(__file__).parents[2] / "profiles"
BATCH_SIZE = 32
LEARNING_RATE = 1e-4
"""What imbtool takes for an encoder of the bundled one's size."""

Tokens = list[int]


@dataclass(frozen=True)
class Task:
    """What every contender trains on.

    Attributes:
        data: folder with train.csv, validation.csv and test.csv.
        profile: how to read it; None looks for the profile of this folder.
        encoder: instead of the profile's.
        learning_rate: of every contender.
        device: cpu or cuda.
        steps: optimizer steps in all; they shape the schedule of the learning rate.
        tokens: replace the texts by ones of exactly this many tokens.
    """

    data: Path
    profile: Path | None
    encoder: str | None
    learning_rate: float
    device: str
    steps: int
    tokens: int | None = None


def profile_of(task: Task) -> Profile:
    """The profile of a task's folder, with what all contenders share laid over it."""
    settings = {
        **{f"data.{name}": task.data / f"{name}.csv" for name in ("train", "validation", "test")},
        "training.batch_size": BATCH_SIZE,
        "training.learning_rate": task.learning_rate,
    }
    if task.encoder is not None:
        settings["model.encoder"] = task.encoder
    if task.tokens is not None:
        settings["model.max_length"] = task.tokens
    overrides = [Override(key, json.dumps(str(text)), key) for key, text in settings.items()]
    return read_profile(task.profile or find_profile(task.data), overrides)


def find_profile(data: Path) -> Path:
    """The profile that is named after a data folder, or else one that reads it."""
    named = PROFILES / f"{data.resolve().name}.yaml"
    if named.is_file():
        return named
    for path in sorted(PROFILES.glob("*.yaml")):
        if read_profile(path).data.train.parent == data.resolve():
            return path
    raise SystemExit(f"no profile for {data}: give --profile")


def with_training(profile: Profile, **settings: Any) -> Profile:
    """The profile with other values in its section `training`."""
    section = profile.training.model_copy(update=settings)
    return profile.model_copy(update={"training": section})


def rows_of(task: Task, encoded: Sequence[Tokens]) -> list[Tokens]:
    """The encoded texts, or as many of exactly `tokens` tokens cut from them in turn."""
    if task.tokens is None:
        return list(encoded)
    first, last = encoded[0][0], encoded[0][-1]
    inner = itertools.chain.from_iterable(ids[1:-1] for ids in itertools.cycle(encoded))
    return [[first, *itertools.islice(inner, task.tokens - 2), last] for _ in encoded]


def steps_an_epoch(corpus: Corpus) -> int:
    """Batches that hold every training text once."""
    return -(-len(corpus.train) // BATCH_SIZE)
