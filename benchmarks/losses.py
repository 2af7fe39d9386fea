"""Which loss makes the best head? Losses from the papers, fitted on features that stay as they are.

python benchmarks/losses.py --data data/edos [--run runs/NAME] [--texts 20000] [--json]

A head is fitted in seconds, so every loss can be tried at every strength of L2, which a fine-tune
could not. The features are those of the untrained encoder, or of a run's fine-tuned one. Of the
strengths the one with the best mean average precision on validation counts, for each loss alike;
F1 is by thresholds as training chooses them, cross-fitted. A loss that is no better here is not
thereby worse in a fine-tune, where it also shapes the features; it has no claim to be tried first.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tasks import find_profile
from texttable import table
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus
from turns import say

from imbtool.config.hierarchy import Labels
from imbtool.config.reader import Override, read_profile
from imbtool.config.schema import Profile
from imbtool.data.weights import LabelWeight, effective_number_weights
from imbtool.evaluation.calibration import sigmoid
from imbtool.evaluation.metrics import average_precision, confusion, mean_defined
from imbtool.evaluation.thresholds import choose_thresholds
from imbtool.files.json_text import to_json
from imbtool.model.checkpoint import read_checkpoint
from imbtool.model.losses import Objective, make_objective, weighted_focal_loss
from imbtool.training.head_first import Sample, feature_reader, fit_path, log_odds
from imbtool.training.setup import Materials, gather_materials, make_accelerator

STRENGTHS = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
"""Of L2; losses differ in size, so the right one does too."""
EFFECTIVE_BETA = 0.999

Loss = Callable[[Tensor, Tensor], Tensor]
"""Logits and targets [n, L] become one number."""
Figures = dict[str, float]


@dataclass(frozen=True)
class Setting:
    """What losses are made from: targets of training [n, L], the labels' weights, the forest."""

    profile: Profile
    labels: Labels
    weights: list[LabelWeight]
    targets: Tensor

    def objective(self, weights: NDArray[np.float64] | None, **loss: Any) -> Objective:
        """The tool's own loss with other weights of positives or other settings."""
        section = self.profile.loss.model_copy(update=loss)
        chosen = [weight.weight for weight in self.weights] if weights is None else weights
        return make_objective(section, self.labels, list(chosen), self.targets.device)

    @property
    def ones(self) -> NDArray[np.float64]:
        """No weights."""
        return np.ones(len(self.labels))

    @property
    def effective(self) -> NDArray[np.float64]:
        """Class-balanced weights by effective number, mean 1 (arXiv 1901.05555)."""
        counts = [weight.count for weight in self.weights]
        return effective_number_weights(counts, EFFECTIVE_BETA)

    @property
    def prior(self) -> Tensor:
        """Each label's log-odds in training [L]."""
        return log_odds(self.targets.numpy())


# ---- the losses


def class_balanced(setting: Setting) -> Loss:
    """Class-balanced focal loss: a label's whole loss has its weight (arXiv 1901.05555)."""
    weight = torch.from_numpy(setting.effective).float()
    ones, gamma = torch.ones_like(weight), torch.full_like(weight, 2.0)

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        return (weight * weighted_focal_loss(logits, targets, ones, gamma)).mean()

    return loss


def asymmetric(positive: float, negative: float, margin: float) -> Callable[[Setting], Loss]:
    """Asymmetric loss: another focus for negatives, easy ones left out (arXiv 2009.14119)."""

    def make(_: Setting) -> Loss:
        def loss(logits: Tensor, targets: Tensor) -> Tensor:
            p = torch.sigmoid(logits)
            shifted = (p - margin).clamp_min(0.0)
            of_positive = -((1 - p) ** positive) * logsigmoid(logits)
            of_negative = -(shifted**negative) * torch.log1p(-shifted.clamp_max(1 - 1e-6))
            return torch.where(targets == 1, of_positive, of_negative).mean()

        return loss

    return make


def distribution_balanced(weights: bool, scale: float) -> Callable[[Setting], Loss]:
    """Distribution-balanced focal loss with negative-tolerant regularisation.

    arXiv 2007.09654, for text 2109.04712: alpha 0.1, beta 10, mu 0.9, kappa 0.05. Weights balance
    how often a label is seen through all labels of its texts; logits are shifted by the labels'
    log-odds, and those of negatives scaled.
    """

    def make(setting: Setting) -> Loss:
        counts = setting.targets.sum(dim=0).clamp_min(1.0)
        shift = 0.05 * setting.prior
        alone = 1.0 / counts

        def rebalanced(targets: Tensor) -> Tensor:
            together = (targets / counts).sum(dim=1, keepdim=True).clamp_min(1e-12)
            ratio = alone / together
            return 0.1 + torch.sigmoid(10.0 * (ratio - 0.9))

        def loss(logits: Tensor, targets: Tensor) -> Tensor:
            moved = logits + shift
            positive = softplus(-moved)
            negative = softplus(scale * moved) / scale
            p_t = torch.where(targets == 1, torch.sigmoid(moved), torch.sigmoid(-scale * moved))
            each = (1 - p_t) ** 2 * torch.where(targets == 1, positive, negative)
            return (rebalanced(targets) * each if weights else each).mean()

        return loss

    return make


def logit_adjusted(setting: Setting) -> Loss:
    """BCE of the logits plus the labels' log-odds (arXiv 2007.07314, one against the rest)."""
    plain = setting.objective(setting.ones, name="bce", constraint=0.0)
    prior = setting.prior
    return lambda logits, targets: plain(logits + prior, targets)


def coherent(setting: Setting) -> Loss:
    """Weighted focal loss under the max constraint of C-HMCNN, instead of the penalty (2010.10151).

    A parent's logit is the highest of its line; where it is true only true children count.
    """
    inner = setting.objective(None, constraint=0.0)

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        true = constrained(torch.where(targets == 1, logits, -1e4), setting.labels)
        false = constrained(logits, setting.labels)
        return inner(torch.where(targets == 1, true, false), targets)

    return loss


def constrained(logits: Tensor, labels: Labels) -> Tensor:
    """Logits [n, L] of which no child's is above its parent's: parents are raised."""
    columns = list(logits.unbind(dim=1))
    for child, parent in reversed(labels.edges):
        columns[parent] = torch.maximum(columns[parent], columns[child])
    return torch.stack(columns, dim=1)


def tool(weights: str | None = None, **loss: Any) -> Callable[[Setting], Loss]:
    """The tool's own loss with weights of this name and other settings."""
    return lambda setting: setting.objective(weights and getattr(setting, weights), **loss)


LOSSES: Mapping[str, Callable[[Setting], Loss]] = {
    "BCE": tool("ones", name="bce", constraint=0.0),
    "BCE, weights of the tiers": tool(name="bce", constraint=0.0),
    "focal": tool("ones", constraint=0.0),
    "focal, weights of the tiers": tool(constraint=0.0),
    "focal, weights of the tiers, penalty (shipped)": tool(),
    "focal, weights by effective number": tool("effective", constraint=0.0),
    "class-balanced focal": class_balanced,
    "asymmetric 0, 4, 0.05": asymmetric(0.0, 4.0, 0.05),
    "asymmetric 1, 4, 0.05": asymmetric(1.0, 4.0, 0.05),
    "distribution-balanced, scale 2": distribution_balanced(True, 2.0),
    "the same without its weights": distribution_balanced(False, 2.0),
    "logit adjustment": logit_adjusted,
}
OF_A_FOREST: Mapping[str, Callable[[Setting], Loss]] = {
    "focal, weights of the tiers, max constraint": coherent,
}


# ---- what they give


@dataclass(frozen=True)
class Bench:
    """Features of training and validation, and what judges heads that are fitted on them.

    Attributes:
        setting: what losses are made from.
        materials: of the data, the validation texts among them.
        sample: the training texts that are fitted on.
        train: their features [n, features].
        validation: features of the validation texts.
    """

    setting: Setting
    materials: Materials
    sample: Sample
    train: Tensor
    validation: Tensor

    def best(self, name: str, loss: Loss) -> Figures:
        """The figures of the strength of L2 that ranks best on validation."""
        start = time.perf_counter()
        fits = fit_path(self.train, self.setting.targets, loss, STRENGTHS)
        logits = {
            strength: self.logits(name, head.logits(self.validation))
            for strength, head in fits.items()
        }
        best = max(logits, key=lambda strength: mean_defined(self.ranked(logits[strength])))
        seconds = time.perf_counter() - start
        return {"l2": best, **self.figures(logits[best]), "seconds": seconds}

    def logits(self, name: str, logits: Tensor) -> NDArray[np.float64]:
        """What a loss means by the logits of its head [n, L]."""
        if name in OF_A_FOREST:
            logits = constrained(logits, self.setting.labels)
        return logits.double().numpy()

    def ranked(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Average precision of each label on validation [L]."""
        return average_precision(sigmoid(logits), self.materials.validation.targets)

    def figures(self, logits: NDArray[np.float64]) -> Figures:
        """Of logits on validation."""
        targets = self.materials.validation.targets
        choice = choose_thresholds(self.setting.labels, logits, targets, self.materials.prevalence)
        f1, ranked = confusion(choice.cross_fitted, targets).f1, self.ranked(logits)
        severe = [weight.tier == "severe" for weight in self.setting.weights]
        return {
            "average_precision_macro": mean_defined(ranked),
            "average_precision_severe": mean_defined(ranked[severe]),
            "f1_macro": mean_defined(f1),
            "f1_severe": mean_defined(f1[severe]),
        }


def make_bench(data: Path, run: Path | None, texts: int) -> Bench:
    """Read the data and take them through the encoder once, at most so many training texts."""
    tables = {f"data.{name}": data / f"{name}.csv" for name in ("train", "validation", "test")}
    overrides = [Override(key, f"'{path}'", key) for key, path in tables.items()]
    profile = read_profile(find_profile(data), overrides)
    materials = gather_materials(profile, make_accelerator())
    model = read_checkpoint(run).text_model if run else materials.text_model
    read = feature_reader(model, profile.training, materials.accelerator)
    rows = np.random.default_rng(0).permutation(len(materials.train.rows))[:texts]
    train = materials.train.take(np.sort(rows))
    setting = Setting(
        profile, materials.corpus.labels, materials.weights, torch.from_numpy(train.targets)
    )
    say(f"{len(train.rows):,} texts of training go through the encoder")
    features = read(train.encoded), read(materials.validation.encoded)
    return Bench(setting, materials, train, *features)


def measure(bench: Bench) -> Iterator[tuple[str, Figures]]:
    """Yield each loss with its figures."""
    forest = OF_A_FOREST if bench.setting.labels.edges else {}
    for name, make in {**LOSSES, **forest}.items():
        figures = bench.best(name, make(bench.setting))
        say(f"  {name}: {figures['average_precision_macro']:.4f}, {figures['seconds']:.0f} s")
        yield name, figures


def show(measured: Mapping[str, Figures]) -> str:
    """A table, one row a loss."""
    keys = ("average_precision_macro", "average_precision_severe", "f1_macro", "f1_severe")
    titles = ("mean AP", "severe", "macro-F1", "severe")
    rows = [["", *titles, "L2"]]
    for name, row in measured.items():
        rows.append([name, *(f"{row[key]:.3f}" for key in keys), f"{row['l2']:g}"])
    return table(rows)


def main() -> None:
    """Fit a head by each loss, and print what it gives."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="a finished run, for its fine-tuned encoder")
    parser.add_argument("--texts", type=int, default=20_000, help="of training, at most")
    parser.add_argument("--json", action="store_true", help="last line: all figures")
    options = parser.parse_args()
    measured = dict(measure(make_bench(options.data, options.run, options.texts)))
    print(show(measured))
    if options.json:
        print(to_json(measured, indent=None))


if __name__ == "__main__":
    main()
