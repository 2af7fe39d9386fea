"""Suspected label errors before any training: heads on a frozen encoder, out of fold."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np
import torch
from accelerate.utils import set_seed
from torch import Tensor

from imbtool.analysis.corpus_texts import sample_rows
from imbtool.analysis.finding import Finding
from imbtool.analysis.label_errors import (
    SAMPLED_TEXTS,
    TextSample,
    judged_labels,
    label_error_findings,
)
from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus
from imbtool.data.duplicates import text_key
from imbtool.data.splitting import stratified_split
from imbtool.distributed.accelerator import make_accelerator
from imbtool.errors import rows_named
from imbtool.evaluation.calibration import sigmoid
from imbtool.model.encoder import load_encoder
from imbtool.model.losses import Objective
from imbtool.training.head_first import FeatureReader, fit_path, make_feature_reader
from imbtool.types import Floats, Targets

FOLDS = 5
CHUNK = 2_048
"""Texts that are read between two lines of progress."""
LINE_EVERY = 30.0
"""Seconds between them, at least."""

Tell = Callable[[str], None]


def find_label_errors(profile: Profile, corpus: Corpus, tell: Tell) -> list[Finding]:
    """The labels of training texts that a model contradicts which has not seen the text.

    The profile's encoder, frozen, reads each training text once; see `out_of_fold` and
    `label_error_findings` for the rest. Of more than `SAMPLED_TEXTS` a sample by the seed is read.

    Args:
        profile: whose encoder, seed and precision are used.
        corpus: that was read by it.
        tell: called with a line of progress now and then.

    Raises:
        UserError: the encoder cannot be used, or a text cannot be read.
    """
    seed, texts = profile.training.seed, len(corpus.train)
    rows = sample_rows({"train": texts}, min(texts, SAMPLED_TEXTS), seed)["train"]
    train = corpus.train.part("train", rows)
    if len(rows) < texts:
        tell(f"label errors are looked for in a sample of {len(rows):,} of {texts:,} texts")
    with rows_named(train.row_text):
        features = frozen_features(profile, corpus.labels.names, train.texts, tell)
    keys = [text_key(text) for text in train.texts]
    targets = train.label_sets.targets()
    probabilities = out_of_fold(features, targets, keys, seed, tell)
    sample = TextSample(rows, texts)
    return list(label_error_findings(corpus.labels.names, probabilities, targets, sample))


def frozen_features(
    profile: Profile, names: Sequence[str], texts: Sequence[str], tell: Tell
) -> Tensor:
    """Features [n, features] of texts by the frozen encoder of a profile."""
    accelerator = make_accelerator()
    try:
        set_seed(profile.training.seed)
        model = load_encoder(profile.model, names)
        model.model.to(accelerator.device)
        read = make_feature_reader(model, profile.training, accelerator)
        return torch.cat(list(_chunks(read, model.encode(texts), tell)))
    finally:
        accelerator.end_training()


def _chunks(read: FeatureReader, encoded: Sequence[list[int]], tell: Tell) -> Iterator[Tensor]:
    said = time.monotonic()
    for start in range(0, len(encoded), CHUNK):
        yield read(encoded[start : start + CHUNK])
        done, now = min(start + CHUNK, len(encoded)), time.monotonic()
        if now - said >= LINE_EVERY or done == len(encoded):
            said = now
            tell(f"the encoder has read {done:,} of {len(encoded):,} texts")


def out_of_fold(
    features: Tensor, targets: Targets, keys: Sequence[Hashable], seed: int, tell: Tell
) -> Floats:
    """Probabilities [n, L] of logistic heads that have seen neither a text nor its duplicates.

    There are `FOLDS` stratified folds; a head is fitted on all but one and predicts that one. The
    strength of L2 is the one with the lowest log loss over all folds. The loss is plain log loss:
    weights, focal loss and hierarchy are for decisions, and would distort the probabilities.

    Args:
        features: [n, features].
        targets: [n, L], NaN unknown. Labels with too few of either kind get NaN.
        keys: one a text; texts with the same one are in the same fold.
        seed: of the folds.
        tell: called with a line when a fold is done.
    """
    judged = judged_labels(targets)
    result = np.full(targets.shape, np.nan)
    if judged.any():
        known = np.ascontiguousarray(targets[:, judged])
        result[:, judged] = sigmoid(_logits(features, known, keys, seed, tell))
    return result


def _logits(
    features: Tensor, targets: Targets, keys: Sequence[Hashable], seed: int, tell: Tell
) -> Floats:
    logits: dict[float, Tensor] = {}
    wanted = torch.from_numpy(targets).to(features.device)
    objective = _log_loss(targets.shape[1], features.device)
    folds = stratified_split(targets, [1 / FOLDS] * FOLDS, seed, keys)
    for number, fold in enumerate(folds, start=1):
        seen = np.setdiff1d(np.arange(len(targets)), fold)
        for strength, head in fit_path(features[seen], wanted[seen], objective).items():
            of_strength = logits.setdefault(strength, torch.zeros_like(wanted))
            of_strength[fold] = head.logits(features[fold])
        tell(f"fitted {number} of {FOLDS} heads, each on all texts but a fifth")
    best = min(logits.values(), key=lambda each: float(objective(each, wanted)))
    return best.cpu().numpy().astype(np.float64)


def _log_loss(labels: int, device: torch.device) -> Objective:
    none = torch.zeros(0, dtype=torch.long, device=device)
    return Objective(
        torch.ones(labels, device=device), torch.zeros(labels, device=device), none, none, 0.0
    )
