"""Ideas for rare labels that the tool does not have, each a patch of its modules in place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from losses import LOSSES, Setting
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as distance

from imbtool.config.schema import Profile
from imbtool.model.head import head_layer
from imbtool.model.losses import Size
from imbtool.training import loop as engine
from imbtool.training import run
from imbtool.training.batches import plan_epoch
from imbtool.training.optimizer import WeightAverage
from imbtool.training.setup import Materials

Idea = Callable[[Profile], Profile]
"""Patches modules in place, in a process that trains once, and returns the profile to train by."""

LAYER = re.compile(r"(?:^|\.)layers?\.(\d+)\.")
"""In the name of a parameter, with the number of its layer."""


def as_shipped(profile: Profile) -> Profile:
    """Nothing."""
    return profile


def square_roots(profile: Profile) -> Profile:
    """The square roots of the weights that the rules give."""
    rules = profile.weights
    softer = rules.model_copy(
        update={
            "severe": rules.severe.model_copy(update={"weight": rules.severe.weight**0.5}),
            "moderate": rules.moderate.model_copy(update={"weight": rules.moderate.weight**0.5}),
            "cap": rules.cap**0.5,
        }
    )
    return profile.model_copy(update={"weights": softer})


def repeat_factor(least: float, profile: Profile) -> Profile:
    """Texts with labels rarer than `least` come several times an epoch (LVIS, arXiv 1908.03195).

    A label of prevalence f asks for sqrt(least / f) times, a text comes as often as the rarest of
    its labels asks for, and the fraction of a time is a matter of chance in each epoch.
    """
    prepare = engine.Engine.__init__

    def repeated(self: Any, *arguments: Any) -> None:
        prepare(self, *arguments)
        self.repeats = repeats_of(self.sample.targets, least)
        batches = -(-int(self.repeats.sum()) // self.section.batch_size)
        self.steps = self.epochs.value * batches
        self.average = WeightAverage(self.text_model.model, self.steps)

    def plan(self: Any, epoch: int) -> list[NDArray[np.int64]]:
        rng = np.random.default_rng((self.section.seed, epoch, 1))
        times = np.floor(self.repeats + rng.random(len(self.repeats))).astype(np.int64)
        rows = np.repeat(np.arange(len(times)), times)
        lengths = [self.lengths[row] for row in rows]
        planned = plan_epoch(lengths, self.section.batch_size, self.section.seed, epoch)
        return [rows[batch] for batch in planned]

    engine.Engine.__init__, engine.Engine.plan = repeated, plan  # type: ignore[method-assign]
    return profile


def repeats_of(targets: NDArray[np.float32], least: float) -> NDArray[np.float64]:
    """How often each text of targets [n, L] comes in an epoch, on average [n]."""
    prevalence = np.nanmean(targets, axis=0)
    asked = np.sqrt(np.maximum(1.0, least / prevalence))
    return np.asarray(np.where(targets == 1, asked, 1.0).max(axis=1), dtype=np.float64)


def head_rate(factor: float, profile: Profile) -> Profile:
    """The head's last layer has its own learning rate, so many times that of the encoder."""

    def factors(model: nn.Module) -> dict[Tensor, float]:
        layer = head_layer(model)
        assert layer is not None
        return dict.fromkeys(layer.parameters(), factor)

    return with_rates(factors, profile)


def layer_decay(factor: float, profile: Profile) -> Profile:
    """Each layer of the encoder has so many times the learning rate of the one above it.

    The embeddings lie below all layers; what is of no layer lies above them, a pooler, say.
    """

    def factors(model: nn.Module) -> dict[Tensor, float]:
        named = dict(model.base_model.named_parameters())  # type: ignore[operator]
        layers = {name: LAYER.search(name) for name in named}
        numbers = [int(found[1]) for found in layers.values() if found]
        if not numbers:
            raise SystemExit("no numbered layers among the encoder's parameters")
        depth = {
            name: int(found[1]) if found else -1 if "embeddings" in name else max(numbers)
            for name, found in layers.items()
        }
        return {named[name]: factor ** (max(numbers) - number) for name, number in depth.items()}

    return with_rates(factors, profile)


def with_rates(factors: Callable[[nn.Module], Mapping[Tensor, float]], profile: Profile) -> Profile:
    """Have parameters trained at multiples of the learning rate; 1 where nothing is said."""
    make = engine.make_optimizer

    def grouped(model: nn.Module, rate: float) -> torch.optim.AdamW:
        of = factors(model)
        groups: dict[tuple[float, float], list[Tensor]] = {}
        for group in make(model, rate).param_groups:
            for parameter in group["params"]:
                key = (group["weight_decay"], of.get(parameter, 1.0))
                groups.setdefault(key, []).append(parameter)
        chosen = [
            {"params": parameters, "weight_decay": decay, "factor": factor}
            for (decay, factor), parameters in groups.items()
        ]
        return torch.optim.AdamW(chosen, lr=rate, fused=True)

    def step(optimizer: torch.optim.AdamW, norm: Tensor, rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        optimizer.grad_scale = norm.clamp_min(1.0)  # type: ignore[attr-defined]
        optimizer.step()

    engine.make_optimizer, engine.clipped_step = grouped, step
    return profile


def with_loss(name: str, profile: Profile) -> Profile:
    """One of the losses from the papers, for the head as for the fine-tune.

    It stands in the place of the focal part, as large as that where all logits are the prior,
    since the head's strengths of L2 and the penalty, which stays, are made for that size.
    """
    gather = run.gather_materials

    def gathered(*arguments: Any) -> Materials:
        materials = gather(*arguments)
        known = torch.from_numpy(materials.train.targets)
        if known.isnan().any():
            raise SystemExit(f"{name} has no meaning for labels that are unknown")
        setting = Setting(profile, materials.corpus.labels, materials.weights, known)
        loss, shipped = LOSSES[name](setting), materials.objective
        focal = replace(shipped, constraint=0.0)
        prior = setting.prior.expand_as(known)
        scale = float(focal(prior, known) / loss(prior, known))

        def objective(logits: Tensor, targets: Tensor, size: Size | None = None) -> Tensor:
            share = len(targets) / size.texts if size else 1.0
            penalty = shipped(logits, targets, size) - focal(logits, targets, size)
            return share * scale * loss(logits.float(), targets) + penalty

        return replace(materials, objective=objective)  # type: ignore[arg-type]

    run.gather_materials = gathered
    return profile


def mixed_features(alpha: float, profile: Profile) -> Profile:
    """What the head reads of a text is mixed with that of another one, and the loss likewise.

    The share is drawn from Beta(alpha, alpha) for each batch (manifold mixup, arXiv 1806.05236).
    """
    gather = run.gather_materials

    def gathered(*arguments: Any) -> Materials:
        materials = gather(*arguments)
        shipped, layer = materials.objective, head_layer(materials.text_model.model)
        assert layer is not None
        drawn: list[tuple[float, Tensor]] = []
        rng = np.random.default_rng(profile.training.seed)

        def mix(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor] | None:
            if not torch.is_grad_enabled():
                return None
            share, features = float(rng.beta(alpha, alpha)), inputs[0]
            others = torch.from_numpy(rng.permutation(len(features)))
            drawn.append((share, others))
            return (share * features + (1 - share) * features[others],)

        def objective(logits: Tensor, targets: Tensor, size: Size | None = None) -> Tensor:
            if not drawn:
                return shipped(logits, targets, size)
            share, others = drawn.pop()
            own, other = shipped(logits, targets, size), shipped(logits, targets[others], size)
            return share * own + (1 - share) * other

        layer.register_forward_pre_hook(mix)
        return replace(materials, objective=objective)  # type: ignore[arg-type]

    run.gather_materials = gathered
    return profile


def adversarial(length: float, profile: Profile) -> Profile:
    """Half of the loss is that of texts whose embeddings are moved to where it rises fastest.

    By so many times the mean length of a token's embedding (FGM, arXiv 1605.07725); a step takes
    twice as long.
    """
    shipped = engine.Engine._backward

    def backward(self: Any, piece: Any, size: Size) -> Tensor:
        words = self.text_model.model.get_input_embeddings()
        moves: list[Tensor] = []

        def move(_: nn.Module, __: object, output: Tensor) -> Tensor:
            if not moves:
                moves.append(torch.zeros_like(output, requires_grad=True))
            return output + moves[0]

        half = replace(piece, share=piece.share / 2)
        with words.register_forward_hook(move):
            loss = shipped(self, half, size)
            slope = moves[0].grad
            assert slope is not None
            with torch.no_grad():
                norms = slope.norm(dim=-1, keepdim=True).clamp_min(1e-12)
                moves[0] = length * words.weight.norm(dim=1).mean() * slope / norms
            return loss + shipped(self, half, size)

    engine.Engine._backward = backward  # type: ignore[method-assign]
    return profile


def taught(share: float, profile: Profile) -> Profile:
    """So much of the loss is distance to what teachers say of texts that they have not seen.

    Two teachers, each trained as shipped on half of the texts, read the other half, so that an
    annotator's slip can be outvoted (distillation, arXiv 1503.02531, into a model of the same size
    as in 1805.04770). BCE against their probabilities stands beside the shipped loss, as large as
    that at the labels' prior. A run reads the texts twice as often.
    """
    gather, prepare = run.gather_materials, engine.Engine.__init__
    heard: list[Tensor] = []

    def gathered(*arguments: Any) -> Materials:
        heard.append(opinions_of(partial(gather, *arguments), profile.training.seed))
        return gather(*arguments)

    def beside(self: Any, *arguments: Any) -> None:
        prepare(self, *arguments)
        if not heard:
            return
        shipped, known, opinion = self.objective, torch.from_numpy(self.sample.targets), heard[0]
        if known.isnan().any():
            raise SystemExit("a target and an opinion go together where all labels are known")
        prior = torch.logit(known.mean(dim=0)).expand_as(known)
        scale = float(shipped(prior, known) / distance(prior, opinion))
        # a target and an opinion in one number, since only targets go along with a text
        self.sample = replace(self.sample, targets=(known + opinion / 2).numpy())

        def objective(logits: Tensor, both: Tensor, size: Size) -> Tensor:
            targets = both.floor()
            opinion, part = 2 * (both - targets), len(targets) / size.texts
            soft = part * scale * distance(logits.float(), opinion)
            return (1 - share) * shipped(logits, targets, size) + share * soft

        self.objective = objective

    run.gather_materials = gathered
    engine.Engine.__init__ = beside  # type: ignore[method-assign]
    return profile


def opinions_of(gather: Callable[[], Materials], seed: int) -> Tensor:
    """Probabilities [n, L] of the training texts, by models trained on the half they are not in."""
    halves: NDArray[np.int64] | None = None
    for half in (0, 1):
        materials = gather()
        sample = materials.train
        if halves is None:
            halves = np.random.default_rng(seed).permutation(len(sample.rows)) % 2
            opinions = torch.zeros(sample.targets.shape)
        read = np.flatnonzero(halves == half)
        teaching = replace(materials, train=sample.take(np.flatnonzero(halves != half)))
        loop = teaching.engine(run.ignore)
        run._fit_head(teaching, loop)
        for _ in range(loop.epochs.value):
            loop.run_epoch(lambda: None)
        with loop.average.in_place():
            logits = teaching.text_model.logits_of(sample.take(read).encoded)
        opinions[read] = torch.sigmoid(torch.from_numpy(logits).float())
    return opinions


NOTHING = "as shipped"
IDEAS: dict[str, Idea] = {
    NOTHING: as_shipped,
    "square roots of the weights": square_roots,
    "repeat-factor sampling": partial(repeat_factor, 0.03),
    "head rate x 10": partial(head_rate, 10.0),
    "layer decay 0.8": partial(layer_decay, 0.8),
    "asymmetric loss": partial(with_loss, "asymmetric 0, 4, 0.05"),
    "class-balanced loss": partial(with_loss, "class-balanced focal"),
    "distribution-balanced loss": partial(with_loss, "distribution-balanced, scale 2"),
    "BCE without weights": partial(with_loss, "BCE"),
    "mixed features 0.2": partial(mixed_features, 0.2),
    "mixed features 1": partial(mixed_features, 1.0),
    "adversarial 0.1": partial(adversarial, 0.1),
    "adversarial 0.3": partial(adversarial, 0.3),
    "taught 0.5": partial(taught, 0.5),
}
