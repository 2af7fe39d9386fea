"""What a tuning reads and checks before its first round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imbtool.config.schema import Profile
from imbtool.data.weights import LabelWeight, assign_weights
from imbtool.distributed.accelerator import make_accelerator
from imbtool.model.head import head_layer
from imbtool.training.data_checks import require_measurable
from imbtool.training.setup import RunInputs, make_setup


@dataclass(frozen=True)
class TuningData:
    """What a tuning knows of its data and its encoder.

    Attributes:
        labels: counts, tiers and weights, as the baseline's rules gave them.
        fingerprints: of the splits.
        has_head_layer: whether a head can be fitted with the encoder frozen.
        inputs: what all rounds read: the corpus, its tokens and the untrained encoder.
    """

    labels: Sequence[LabelWeight]
    fingerprints: dict[str, str]
    has_head_layer: bool
    inputs: RunInputs

    @property
    def names(self) -> list[str]:
        """Names of the labels."""
        return [label.label for label in self.labels]

    @property
    def rare(self) -> list[str]:
        """The labels whose weights and gammas the guide changes."""
        return [label.label for label in self.labels if label.rare]

    def weights(self, profile: Profile) -> dict[str, float]:
        """The weight of each label by the rules of a profile."""
        counts = [label.count for label in self.labels]
        streams = [label.stream for label in self.labels]
        rules = assign_weights(self.names, counts, profile.weights, streams)
        return {label.label: label.weight for label in rules}


def read_data(profile: Profile, folder: Path) -> TuningData:
    """Read and check what all rounds need.

    Args:
        profile: resolved.
        folder: of the tuning, beside which the tokens of large splits are kept.

    Raises:
        UserError: the data or the encoder cannot be used, or the objective is not defined on them.
    """
    accelerator = make_accelerator()
    try:
        inputs = RunInputs(profile, folder, shared=True)
        setup = make_setup(profile, accelerator, inputs=inputs)
    finally:
        accelerator.end_training()
    require_measurable("tuning.objective", profile.tuning.objective, setup.corpus)
    fingerprints = {name: split.fingerprint for name, split in setup.corpus.splits.items()}
    layer = head_layer(setup.text_model.model)
    return TuningData(setup.weights, fingerprints, layer is not None, inputs)
