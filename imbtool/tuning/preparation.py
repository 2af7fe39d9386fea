"""What a tuning must know before its first round, all of it checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imbtool.config.schema import Profile
from imbtool.data.weights import LabelWeight, assign_weights
from imbtool.distributed.accelerator import make_accelerator
from imbtool.model.head import head_layer
from imbtool.training.data_checks import require_measurable
from imbtool.training.setup import make_setup


@dataclass(frozen=True)
class TuningData:
    """What a tuning knows of its data and its encoder.

    Attributes:
        labels: counts, tiers and weights, as the baseline's rules gave them.
        fingerprints: of the splits.
        has_head_layer: whether a head can be fitted with the encoder frozen.
    """

    labels: Sequence[LabelWeight]
    fingerprints: dict[str, str]
    has_head_layer: bool

    @property
    def names(self) -> list[str]:
        """Of the labels."""
        return [label.label for label in self.labels]

    @property
    def rare(self) -> list[str]:
        """The labels whose weights and gammas the guide moves."""
        return [label.label for label in self.labels if label.rare]

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """`tier` and `training_positives` of each label."""
        return {
            label.label: {"tier": label.tier, "training_positives": label.count.positives}
            for label in self.labels
        }

    def weights(self, profile: Profile) -> dict[str, float]:
        """Of each label, by the rules of a profile."""
        counts = [label.count for label in self.labels]
        rules = assign_weights(self.names, counts, profile.weights)
        return {label.label: label.weight for label in rules}


def read_data(profile: Profile) -> TuningData:
    """Check all that a training needs, and keep what tuning needs of it.

    Raises:
        UserError: the data or the encoder cannot be used, or the objective is not defined on them.
    """
    accelerator = make_accelerator()
    try:
        setup = make_setup(profile, accelerator)
    finally:
        accelerator.end_training()
    require_measurable("tuning.objective", profile.tuning.objective, setup.corpus)
    fingerprints = {name: split.fingerprint for name, split in setup.corpus.splits.items()}
    layer = head_layer(setup.text_model.model)
    return TuningData(setup.weights, fingerprints, layer is not None)
