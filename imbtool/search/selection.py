"""A search: the labelled texts, the pool and its earlier batches, and what is chosen from them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imbtool.annotation.tasks import AnnotationTool
from imbtool.config.data_sections import DataSection
from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus, split_column
from imbtool.data.duplicates import text_key
from imbtool.data.imbalance import count_labels
from imbtool.data.tables import read_table
from imbtool.errors import user_error
from imbtool.formats.cells import cell_text
from imbtool.search.allocation import LabelState, allot, expected_prevalence, labels_in_need
from imbtool.search.choice import Chosen, Scores, choose_by_score, choose_random
from imbtool.search.history import History, read_history
from imbtool.search.pool import ID, Candidates, Pool, candidates, random_order
from imbtool.search.scorers import Scorer, StandIns
from imbtool.types import Counts, Floats, Rows
from imbtool.wording import counted, some

RESERVED_BATCHES, MOST_RESERVED = 20, 0.05
"""The front of the random order that scores leave alone: the random texts of so many batches, or
this share of the pool if that is less."""
FIRST = 1e3
"""Added to the standard scores of texts that match a pattern, so that they come first; a larger
number would leave float32 no digits to tell them apart."""


@dataclass(frozen=True)
class Wish:
    """What a batch is to be like.

    Attributes:
        texts: how many.
        labels: to search for; none: those in need.
        like: examples of texts to search for.
        pattern: a regular expression of texts to search for.
        random_share: the share of the texts that is drawn at random.
        seed: of the random order; None: that of earlier batches, or 0.
        prefill: whether the annotator sees what the model would answer.
        tool: an annotation tool whose tasks are written too.

    Examples:
        >>> from imbtool import Wish
        >>> Wish(texts=200, labels=["grief"], like=["I miss her so much"]).random_share
        0.1
    """

    texts: int
    labels: Sequence[str] = ()
    like: Sequence[str] = ()
    pattern: str | None = None
    random_share: float = 0.1
    seed: int | None = None
    prefill: bool = False
    tool: AnnotationTool | None = None


@dataclass(frozen=True)
class Selection:
    """The texts of a batch.

    Attributes:
        needy: the labels that were searched for.
        chosen: texts that were chosen for one of them.
        drawn: rows of texts that were drawn at random.
        scores: standard scores [scored texts, labels].
        scored: rows of the texts that have a score.
        matches: rows of texts that match the pattern.
        stand_ins: texts that stood for positives of labels.
    """

    needy: list[LabelState]
    chosen: list[Chosen]
    drawn: Rows
    scores: Scores
    scored: Rows
    matches: frozenset[int]
    stand_ins: StandIns

    def score(self, chosen: Chosen) -> float:
        """The score of a chosen text for its label."""
        place = int(np.searchsorted(self.scored, chosen.row))
        return float(self.scores[place, chosen.label])


@dataclass(frozen=True)
class Search:
    """What a batch is chosen from.

    Attributes:
        scorer: what says how likely a text has a label.
        corpus: the labelled texts.
        pool: the others.
        history: earlier batches and their answers.
        free: what of the pool can be chosen.
        order: the random order of the pool [n].
        salt: of the order: of what an earlier pool's order has at its front, much has been read.
        reserved: the front of that order which scores leave alone.
        seed: of the order.
        wish: what the batch is to be like.
    """

    scorer: Scorer
    corpus: Corpus
    pool: Pool
    history: History
    free: Candidates
    order: Floats
    salt: str
    reserved: float
    seed: int
    wish: Wish

    @classmethod
    def begin(cls, scorer: Scorer, corpus: Corpus, pool: Pool, folder: Path, wish: Wish) -> Search:
        """Leave out what has been read, and order the rest at random.

        Args:
            scorer: what says how likely a text has a label.
            corpus: the labelled texts.
            pool: the others.
            folder: of earlier batches.
            wish: what the batch is to be like.

        Raises:
            UserError: no text is left, an earlier batch is damaged or had another seed.
        """
        history = read_history(folder, corpus)
        seed = _one_seed(wish, history)
        free = _free_texts(corpus, pool, history, scorer.profile.data)
        first = history.first_of(pool.fingerprint)
        number = RESERVED_BATCHES * wish.random_share * wish.texts
        reserved = min(MOST_RESERVED, number / len(free.rows)) if first is None else first.reserved
        salt = history.salt(pool.fingerprint)
        order = random_order(pool.texts, seed, salt)
        return cls(scorer, corpus, pool, history, free, order, salt, reserved, seed, wish)

    @property
    def profile(self) -> Profile:
        """That says which texts are labelled."""
        return self.scorer.profile

    def beyond_reserve(self, drawn: Rows) -> int:
        """How many random texts come from what scores have left over in earlier batches."""
        own = [
            batch
            for batch in self.history.batches.values()
            if batch.pool.fingerprint == self.pool.fingerprint
        ]
        if all(text.chosen_by == "random" for batch in own for text in batch.texts):
            return 0
        return int((self.order[drawn] >= self.reserved).sum())

    def select(self) -> Selection:
        """Choose the texts of a batch: as many as are wished for, or all that are left."""
        rows = self.free.rows
        number = min(self.wish.texts, len(rows))
        drawn = choose_random(self.order, rows, round(self.wish.random_share * number))
        states = self._states()
        needy = [each for each in states if each.name in self.wish.labels] or labels_in_need(
            states, self.profile.weights
        )
        selection = self._by_score(needy, allot(needy, number - len(drawn)), drawn)
        missing = number - len(drawn) - len(selection.chosen)
        if not missing:
            return selection
        # what scores cannot give is reserved, or nearly the same as what they gave
        left = np.setdiff1d(rows, [each.row for each in selection.chosen])
        more = choose_random(self.order, left, len(drawn) + missing)
        return Selection(**{**vars(selection), "drawn": more})

    def _by_score(self, needy: list[LabelState], quotas: Counts, drawn: Rows) -> Selection:
        rows, names = self.free.rows, [each.name for each in needy]
        is_reserved = self.order[rows] < self.reserved
        scored = np.setdiff1d(rows[~is_reserved], drawn)
        stand_ins = self._stand_ins(needy)
        if not quotas.sum() or not len(scored):
            nothing = np.empty((len(scored), len(needy)), dtype=np.float32)
            return Selection(needy, [], drawn, nothing, scored, frozenset(), stand_ins)
        scores = self.scorer.scores(self.pool, scored, self.corpus, names, stand_ins)
        matching = self._matching(scored)
        raised = scores + FIRST * matching[:, None] if matching.any() else scores
        apart = np.union1d(rows[is_reserved], drawn)
        chosen = choose_by_score(self.pool.texts, raised, scored, quotas, apart)
        matches = frozenset(scored[matching].tolist())
        return Selection(needy, chosen, drawn, scores, scored, matches, stand_ins)

    def _matching(self, rows: Rows) -> NDArray[np.bool_]:
        if self.wish.pattern is None:
            return np.zeros(len(rows), dtype=bool)
        search = re.compile(self.wish.pattern, re.IGNORECASE).search
        return np.array([search(self.pool.texts[row]) is not None for row in rows], dtype=bool)

    def _stand_ins(self, needy: Sequence[LabelState]) -> StandIns:
        """Examples of the user; for a label without positives its description, or its name."""
        descriptions = self.profile.labels.descriptions
        found = {
            state.name: [descriptions.get(state.name, state.name)]
            for state in needy
            if not state.positives
        }
        if self.wish.like:
            found[self.wish.labels[0]] = list(self.wish.like)
        return found

    def _states(self) -> list[LabelState]:
        """What is known of each label, in the order of the labels."""
        train, validation = self.corpus.train, self.corpus.validation
        positives = [count.positives for count in count_labels(train.targets)]
        stream = np.concatenate([train.unchosen().targets, validation.unchosen().targets])
        states = []
        for name, own, of in zip(
            self.corpus.labels.names, positives, count_labels(stream), strict=True
        ):
            asked, yielded = self.history.yields(name)
            prevalence = expected_prevalence(of, self.profile.weights)
            unseen = name in self.scorer.unseen
            states.append(LabelState(name, own, prevalence, of.known, unseen, asked, yielded))
        return states


def _one_seed(wish: Wish, history: History) -> int:
    earlier = history.seed()
    if earlier is None or wish.seed in (None, earlier):
        return wish.seed or 0 if earlier is None else earlier
    raise user_error(
        f"--seed {wish.seed}",
        f"earlier batches beside it that were drawn with seed {earlier}",
        "one seed, so that the random texts of all batches are one sample",
        f"leave --seed out, or write {earlier}",
    )


def _free_texts(corpus: Corpus, pool: Pool, history: History, data: DataSection) -> Candidates:
    asked = {text_key(text) for text in history.asked}
    labelled = [
        text
        for split in corpus.splits.values()
        for text in split.texts
        if text_key(text) not in asked
    ]
    ids = history.asked_ids | _labelled_ids(corpus, data)
    free = candidates(pool, labelled, history.asked, ids)
    if not len(free.rows):
        found = f"no text that is left: {free.labelled:,} are labelled, or nearly, and "
        found += f"{free.chosen_before:,} are in earlier batches"
        raise user_error(pool.source, found, "texts that nobody has read", "name another pool")
    if data.id is None:
        _refuse_ids_of_others(corpus, pool, free.rows, data)
    return free


def _refuse_ids_of_others(corpus: Corpus, pool: Pool, free: Rows, data: DataSection) -> None:
    """Refuse ids that labelled texts have too: once answered, the texts could not be merged."""
    ids = {pool.ids[row] for row in free.tolist()}
    for source in dict.fromkeys(split.source for split in corpus.splits.values() if len(split)):
        frame = read_table(source, data.text_format)
        shared = ids.intersection(map(cell_text, frame[ID].tolist()) if ID in frame else ())
        if shared and ID not in {*data.text_columns, data.labels.column}:
            found = f"{counted(len(shared), 'id')} that other texts have in {source}: "
            fix = (
                f"set data.id: {ID} in the profile if an id names one text in both tables, which "
                "leaves these out; else rename the column of one of them"
            )
            expected = "ids that no labelled text has"
            raise user_error(pool.source, found + some(sorted(shared)), expected, fix)


def _labelled_ids(corpus: Corpus, data: DataSection) -> set[str]:
    """The ids of the labelled texts, where the tables have ids."""
    if data.id is None:
        return set()
    splits = [split for split in corpus.splits.values() if len(split)]
    columns = (split_column(split, data.id, data.text_format) for split in splits)
    return {name for names in columns for name in names}
