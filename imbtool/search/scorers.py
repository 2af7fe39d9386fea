"""What scores a pool: a head on the encoder of a profile, or the model of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imbtool.config.reader import read_profile
from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus
from imbtool.distributed.accelerator import make_accelerator
from imbtool.errors import TextError, rows_named, user_error
from imbtool.evaluation.calibration import sigmoid
from imbtool.files.paths import real_path
from imbtool.inference.predict import use_gpu
from imbtool.model.encoder import TextModel, load_encoder
from imbtool.model.encoder_files import encoder_files
from imbtool.runs.folder import read_run_profile
from imbtool.search.choice import Scores
from imbtool.search.features import FeatureFile, Tell, feature_key
from imbtool.search.pool import Pool
from imbtool.search.scores import (
    Examples,
    HashedWords,
    Scale,
    fit_linear,
    joined_rows,
    score_pool,
    standardised,
    with_ancestors,
)
from imbtool.trained.checkpoint import Checkpoint, checkpoint_folder, read_checkpoint
from imbtool.training.automatic import autocast, choose_precision
from imbtool.types import Rows, Targets

METHOD = 2
"""Changes with what features are made of, so that files of other versions are not read."""
PRESUMED = 100
"""Negatives that a label is to have: so many texts of the pool are taken for some if it lacks them.
"""
SUGGESTED = 0.5
"""The probability from which on a label is suggested to the annotator."""

StandIns = Mapping[str, Sequence[str]]
"""For labels that need them, texts that stand for positives: examples, a description, a name."""


class Scorer(Protocol):
    """What says how likely the texts of a pool have each label."""

    @property
    def profile(self) -> Profile:
        """Which tables are labelled, and how."""

    @property
    def unseen(self) -> frozenset[str]:
        """Labels of which the model finds no positive on validation."""

    def scores(
        self, pool: Pool, rows: Rows, corpus: Corpus, names: Sequence[str], stand_ins: StandIns
    ) -> Scores:
        """Standard scores [rows, labels] of some texts of a pool for the labels of these names."""

    def suggestions(self, pool: Pool, rows: Rows, corpus: Corpus) -> list[list[str]]:
        """The labels that the model would give to some texts of a pool."""


def open_scorer(source: Path, cache: Path, tell: Tell, trust_remote_code: bool = False) -> Scorer:
    """The scorer of a profile, or of a run or checkpoint.

    Args:
        source: of either.
        cache: the folder for features.
        tell: called with a line of progress now and then.
        trust_remote_code: whether to run code that comes with a checkpoint.

    Raises:
        UserError: it is neither, or cannot be read.
    """
    if source.suffix.lower() in (".yaml", ".yml"):
        return FrozenScorer(read_profile(source), cache, tell)
    checkpoint = read_checkpoint(source, trust_remote_code)
    use_gpu(checkpoint, 0)
    return CheckpointScorer(checkpoint, FrozenScorer(_profile_of_run(source), cache, tell))


def _profile_of_run(source: Path) -> Profile:
    """The profile beside a checkpoint, which says where the labelled texts are."""
    for folder in (source, source.parent, real_path(checkpoint_folder(source)).parent):
        if (folder / "profile.yaml").is_file():
            return read_run_profile(folder)
    fix = "give the run folder that `imbtool train` named at its end, or a profile"
    raise user_error(source, "no profile.yaml beside it", "a run, with its profile", fix)


@dataclass(frozen=True)
class FrozenScorer:
    """A head, fitted in seconds on what the encoder of a profile makes of the labelled texts.

    Attributes:
        profile: whose encoder is taken as it is.
        cache: the folder for features.
        tell: called with a line of progress now and then.
    """

    profile: Profile
    cache: Path
    tell: Tell
    unseen: frozenset[str] = frozenset()

    @cached_property
    def _encoder(self) -> tuple[TextModel, Callable[[Sequence[str]], NDArray[np.float32]]]:
        accelerator = make_accelerator()
        model = load_encoder(self.profile.model, ["label"])
        model.model.to(accelerator.device)
        precision = choose_precision(self.profile.training, accelerator.device).value

        def embed(texts: Sequence[str]) -> NDArray[np.float32]:
            context = autocast(precision, accelerator.device)
            rows = model.embeddings(model.encode(texts), context)
            if (bad := np.flatnonzero(~np.isfinite(rows).all(axis=1))).size:
                row, fix = int(bad[0]), "try training.precision: fp32, or choose another encoder"
                raise TextError(row, texts[row], "a feature that is no finite number", fix)
            return rows

        return model, embed

    def scores(
        self, pool: Pool, rows: Rows, corpus: Corpus, names: Sequence[str], stand_ins: StandIns
    ) -> Scores:
        """As `Scorer.scores`: a logistic head on features, and ridge regression on words."""
        _, embed = self._encoder
        features = self._features(pool)
        scale = Scale.of(features)
        words = HashedWords(pool.texts)
        added = [(text, name) for name in names for text in stand_ins.get(name, ())]
        above = [corpus.labels.with_ancestors(corpus.labels.names.index(name)) for name in names]
        scored = list(dict.fromkeys(label for line in above for label in line))
        others = _even_sample(pool.texts, rows)
        targets = _with_negatives(corpus.train.targets[:, scored], len(others))
        targets = _with_stand_ins(targets, added, [corpus.labels.names[each] for each in scored])
        texts = [*corpus.train.texts, *others, *(text for text, _ in added)]
        examples = Examples(
            scale(self._of_labelled(pool, features, texts, embed)),
            joined_rows([words.of(texts)]),
            targets,
        )
        scores = score_pool(features, scale, words.rows, examples, rows)
        return with_ancestors(scores, [[scored.index(label) for label in line] for line in above])

    def suggestions(self, pool: Pool, rows: Rows, corpus: Corpus) -> list[list[str]]:
        """As `Scorer.suggestions`: what a head on features alone finds more likely than not."""
        _, embed = self._encoder
        features = self._features(pool)
        scale = Scale.of(features)
        train = self._of_labelled(pool, features, corpus.train.texts, embed)
        weight, bias = fit_linear(scale(train), corpus.train.targets)
        likely = sigmoid(scale(np.asarray(features[rows], np.float32)) @ weight + bias)
        return _named(likely >= SUGGESTED, corpus.labels.names)

    def _features(self, pool: Pool) -> NDArray[np.float16]:
        model, embed = self._encoder
        section = self.profile.model
        key = feature_key(
            METHOD,
            pool.fingerprint,
            encoder_files(section.encoder) or section.encoder,
            model.max_length,
            section.long_texts,
            choose_precision(self.profile.training, model.device).value,
        )
        width = embed(["a"]).shape[1]
        return FeatureFile(self.cache, key).read(pool.texts, width, embed, self.tell)

    def _of_labelled(
        self,
        pool: Pool,
        features: NDArray[np.float16],
        texts: Sequence[str],
        embed: Callable[[Sequence[str]], NDArray[np.float32]],
    ) -> NDArray[np.float32]:
        """Features of labelled texts; of those that came from the pool they are there already."""
        place = {text: row for row, text in enumerate(pool.texts)}
        there = [place.get(text, -1) for text in texts]
        result = np.empty((len(texts), features.shape[1]), dtype=np.float32)
        own = np.flatnonzero(np.array(there) >= 0)
        if own.size:
            result[own] = features[np.array(there)[own]]
        others = np.flatnonzero(np.array(there) < 0)
        if others.size:
            missing = [texts[row] for row in others.tolist()]
            with rows_named(lambda index: f"the text {missing[index][:40]!r}"):
                result[others] = embed(missing)
        return result


@dataclass(frozen=True)
class CheckpointScorer:
    """The scores of a trained model; labels that it does not know are left to a frozen encoder."""

    checkpoint: Checkpoint
    frozen: FrozenScorer

    @property
    def profile(self) -> Profile:
        """That of the run."""
        return self.frozen.profile

    @property
    def unseen(self) -> frozenset[str]:
        """Labels with positives on validation, of which no one is found there."""
        metrics = self.checkpoint.meta.validation.labels
        return frozenset(
            name
            for name, of_label in metrics.items()
            if isinstance(of_label, dict) and of_label.get("recall") == 0
        )

    def scores(
        self, pool: Pool, rows: Rows, corpus: Corpus, names: Sequence[str], stand_ins: StandIns
    ) -> Scores:
        """As `Scorer.scores`: the logits of the model."""
        known = self.checkpoint.labels.names
        result = np.empty((len(rows), len(names)), dtype=np.float32)
        others = [name for name in names if name not in known]
        if len(others) < len(names):
            logits = self._logits(pool)
            for place, name in enumerate(names):
                if name in known:
                    column = np.asarray(logits[:, known.index(name)], dtype=np.float32)[rows]
                    result[:, place] = standardised(column)
        if others:
            places = [names.index(name) for name in others]
            result[:, places] = self.frozen.scores(pool, rows, corpus, others, stand_ins)
        return result

    def suggestions(self, pool: Pool, rows: Rows, corpus: Corpus) -> list[list[str]]:  # noqa: ARG002
        """As `Scorer.suggestions`: the decisions of the model by its thresholds."""
        decided = self.checkpoint.decide(
            self.checkpoint.probabilities([pool.texts[r] for r in rows])
        )
        return _named(decided, self.checkpoint.labels.names)

    def _logits(self, pool: Pool) -> NDArray[np.float16]:
        folder = self.checkpoint.folder
        files = encoder_files(str(real_path(folder)))
        key = feature_key(METHOD, pool.fingerprint, files)

        def compute(texts: Sequence[str]) -> NDArray[np.float32]:
            return self.checkpoint.logits(texts).astype(np.float32)

        width = len(self.checkpoint.labels)
        file = FeatureFile(self.frozen.cache, key)
        return file.read(pool.texts, width, compute, self.frozen.tell)


def _even_sample(texts: Sequence[str], rows: Rows) -> list[str]:
    """Some texts of a pool, from its beginning to its end."""
    places = np.linspace(0, len(rows) - 1, min(PRESUMED, len(rows))).astype(np.int64)
    return [texts[row] for row in rows[places].tolist()]


def _with_negatives(targets: Targets, others: int) -> Targets:
    """Targets with rows for texts of the pool, all unknown, unless a label lacks negatives.

    A label that hardly any text is known of is rare: where nobody was asked about it, texts of
    training and of the pool count as not having it.
    """
    more = np.full((others, targets.shape[1]), np.nan, dtype=np.float32)
    result = np.concatenate([targets, more])
    for column in result.T:
        if (column == 0).sum() < PRESUMED:
            column[np.isnan(column)] = 0
    return result


def _with_stand_ins(
    targets: Targets, added: Sequence[tuple[str, str]], names: Sequence[str]
) -> Targets:
    """Targets with a row for each stand-in, which is a positive of its label, all else unknown."""
    more = np.full((len(added), len(names)), np.nan, dtype=np.float32)
    for row, (_, name) in zip(more, added, strict=True):
        row[names.index(name)] = 1
    return np.concatenate([targets, more])


def _named(decided: NDArray[np.bool_], names: Sequence[str]) -> list[list[str]]:
    return [[names[label] for label in np.flatnonzero(row).tolist()] for row in decided]
