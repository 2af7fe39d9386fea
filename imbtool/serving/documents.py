"""What the server reads and writes, as documents with a schema."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from imbtool.config.hierarchy import Coherence
from imbtool.config.schema import LongTexts
from imbtool.data.imbalance import Tier


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class Texts(_Document):
    """The body of a request."""

    texts: Annotated[list[str], Field(min_length=1, examples=[["a text", "another text"]])]


class ModelName(_Document):
    """Which model decided."""

    name: str
    """Of the run or the folder."""
    sha256: str
    """Of all of its files but the card."""


class TextResult(_Document):
    """What the model says of one text."""

    labels: list[str]
    """Those that are decided, by thresholds and hierarchy, in the order of the model."""
    probabilities: dict[str, float]
    """Of each label, sigmoid(logit) unless calibrated ones are asked for."""


class PredictResponse(_Document):
    """The results, in the order of the texts."""

    results: list[TextResult]
    model: ModelName


class ServedLabel(_Document):
    """A label of the model."""

    threshold: float
    """A text has the label if its probability, not calibrated, is at or above it."""
    parent: str | None
    tier: Tier
    training_positives: int
    validation_positives: int


class ServedLimits(_Document):
    """What a request may have at most; see `Limits`."""

    texts: int
    characters: int
    body: int
    queue: int


class ModelDocument(_Document):
    """What the server knows of its model."""

    model: ModelName
    version: str
    """Of imbtool, when the model was trained."""
    encoder: str
    max_length: int
    """Tokens that are read at once."""
    long_texts: LongTexts
    columns: list[str]
    """Of the training tables, that made a text."""
    joiner: str | None
    """What stands between several columns of a text; None for a single one."""
    labels: dict[str, ServedLabel]
    coherence: Coherence | None
    """How decisions are made to fit the hierarchy."""
    calibrated: bool
    """Whether calibrated probabilities can be asked for."""
    limits: ServedLimits
    card: str
    """The model card, in Markdown."""


class Status(_Document):
    """Whether the server works."""

    status: str


class Problem(_Document):
    """Why there is no result."""

    detail: str
    """A sentence. It quotes nothing of the request."""
