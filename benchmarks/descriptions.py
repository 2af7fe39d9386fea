"""Does what a label is called help its head? Names as the prior of the rows of rare labels.

python benchmarks/descriptions.py --data data/edos [--texts 1000 3000] [--seeds 0 1 2]

A head is fitted on the frozen encoder as the tool does it, on so many training texts at random, and
again with a text's likeness to the names of the labels given to it in advance: a row starts from,
and is pulled by L2 to, so many times the name's features instead of zero. Likeness is the cosine of
the features that the head sees, or of the mean of the last layer, as sentence encoders have it;
standardised over the training texts. Mean average precision on validation of all labels, and of
those with under 100 positives among the texts.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from losses import Bench, make_bench
from numpy.typing import NDArray
from texttable import table
from torch import Tensor
from turns import say

from imbtool.evaluation.metrics import mean_defined
from imbtool.model.encoder import TextModel, Tokens
from imbtool.training.head_first import feature_reader, few_texts, fit_path

FEW = 100
PRIORS = (0.0, 0.3, 1.0)
"""How much a standard deviation of likeness adds to a logit."""
BATCH = 64


def mean_of_layer(model: TextModel, encoded: Sequence[Tokens]) -> Tensor:
    """The mean of the last layer over the tokens of each text [n, width]."""
    order = sorted(range(len(encoded)), key=lambda row: len(encoded[row]))
    result: dict[int, Tensor] = {}
    with torch.no_grad():
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            inputs = model.batch([encoded[row] for row in rows])
            hidden = model.model.base_model(**inputs).last_hidden_state
            mask = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).unsqueeze(-1)
            means = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
            result.update(zip(rows, means, strict=True))
    return torch.stack([result[row] for row in range(len(encoded))])


def likeness(texts: Tensor, names: Tensor) -> Tensor:
    """Cosines of texts [n, width] and names [L, width] about their own means: [n, L]."""
    texts, names = texts - texts.mean(dim=0), names - texts.mean(dim=0)
    normal = torch.nn.functional.normalize
    return normal(texts, dim=1) @ normal(names, dim=1).T


def offsets(bench: Bench) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Each kind of likeness to the names, of the texts of training and of validation [n, L]."""
    materials, model = bench.materials, bench.materials.text_model
    names = model.encode([name.lstrip("0123456789. ") for name in bench.setting.labels.names])
    read = feature_reader(model, bench.setting.profile.training, materials.accelerator)
    yield "features", *standardised(bench.train, bench.validation, read(names))
    train = mean_of_layer(model, bench.sample.encoded)
    validation = mean_of_layer(model, materials.validation.encoded)
    yield "mean of the layer", *standardised(train, validation, mean_of_layer(model, names))


def standardised(train: Tensor, validation: Tensor, names: Tensor) -> tuple[Tensor, Tensor]:
    """Likeness, mean 0 and deviation 1 over the training texts."""
    ours, theirs = likeness(train, names), likeness(validation, names)
    mean, deviation = ours.mean(dim=0), ours.std(dim=0)
    return (ours - mean) / deviation, (theirs - mean) / deviation


def fitted(
    bench: Bench, rows: NDArray[np.int64], own: Tensor, judged: Tensor
) -> NDArray[np.float64]:
    """Average precision of each label on validation [L], of the strength that ranks best.

    Args:
        bench: features and targets.
        rows: that the head is fitted on.
        own: added to the logits of the training texts [n, L].
        judged: to those of validation.
    """
    loss, chosen = bench.setting.objective(None), torch.from_numpy(rows)
    added = own[chosen]
    fits = fit_path(
        bench.train[chosen],
        bench.setting.targets[chosen],
        lambda logits, targets: loss(logits + added, targets),
    )
    ranked = [
        bench.ranked((head.logits(bench.validation) + judged).double().numpy())
        for head in fits.values()
    ]
    return max(ranked, key=mean_defined)


def main() -> None:
    """Fit heads with each prior, and print what they reach."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--texts", type=int, nargs="+", default=[1_000, 3_000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    bench = make_bench(options.data, None, max(options.texts))
    shown = [["texts", "likeness of", "prior", "mean AP", "labels of few positives"]]
    for kind, train, validation in offsets(bench):
        for texts in options.texts:
            for prior in PRIORS:
                figures = np.array(
                    [
                        reached(bench, texts, seed, prior * train, prior * validation)
                        for seed in options.seeds
                    ]
                ).mean(axis=0)
                shown.append(
                    [f"{texts:,}", kind, f"{prior:g}", *(f"{each:.3f}" for each in figures)]
                )
                say("  ".join(shown[-1]))
    print(table(shown))


def reached(bench: Bench, texts: int, seed: int, own: Tensor, judged: Tensor) -> list[float]:
    """Mean average precision of all labels, and of those with few positives among the texts."""
    indexed = replace(bench.sample, rows=range(len(bench.sample.rows)))
    few = few_texts(indexed, texts, seed)
    ranked = fitted(bench, np.array(few.rows), own, judged)
    positives = few.targets.sum(axis=0)
    return [mean_defined(ranked), mean_defined(ranked[positives < FEW])]


if __name__ == "__main__":
    main()
