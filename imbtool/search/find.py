"""Which texts of a pool to label next: from a profile or a run to a batch in a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from imbtool.annotation.batch import (
    AnswerColumns,
    Batch,
    BatchText,
    ChosenBy,
    LabelNeed,
    PoolReport,
    Progress,
    Remaining,
    answer_columns,
    text_of,
)
from imbtool.annotation.batch_files import require_writable, write_batch
from imbtool.data.corpus import read_corpus
from imbtool.data.duplicates import text_key
from imbtool.errors import user_error
from imbtool.files.locks import locked
from imbtool.files.writing import new_folder, require_utf8
from imbtool.search.allocation import LabelState
from imbtool.search.choice import Chosen
from imbtool.search.features import CACHE
from imbtool.search.pool import cells_of, random_order, read_pool
from imbtool.search.remaining import remaining_positives
from imbtool.search.scorers import open_scorer
from imbtool.search.selection import Search, Selection, Wish
from imbtool.version import __version__
from imbtool.wording import counted, did_you_mean

Tell = Callable[[str], None]

MOST_SEED = 10**12
"""As large as a number of the document may be."""
WHY_RANDOM = (
    "It was drawn at random: only such texts can show what the pool holds, or measure a model."
)


def find_texts(
    source: Path,
    pool: Path,
    folder: Path,
    wish: Wish,
    command: Sequence[str] = (),
    tell: Tell = lambda _: None,
    trust_remote_code: bool = False,
) -> Batch:
    """Choose the texts of a pool that are to be labelled next, and write them into a folder.

    Args:
        source: a profile, whose encoder is taken as it is, or a run or checkpoint, whose scores
            are taken.
        pool: a table of texts that nobody has labelled.
        folder: for the batch; earlier batches are looked for beside it.
        wish: how many texts, and which.
        command: that asked for it, for the document.
        tell: called with a line of progress now and then.
        trust_remote_code: whether to run code that comes with a checkpoint.

    Returns:
        The batch, as batch.json holds it.

    Raises:
        UserError: a table, the profile or the encoder cannot be used; the folder is there already;
            another search is at work beside it; no text is left.

    Examples:
        >>> from pathlib import Path
        >>> from imbtool import Wish, find_texts
        >>> wish = Wish(texts=200)
        >>> batch = find_texts(Path("profile.yaml"), Path("pool.csv"), Path("batches/01"), wish)
        >>> len(batch.texts)
        200
    """
    _require_sense(wish, folder)
    scorer = open_scorer(source, folder.parent / CACHE, tell, trust_remote_code)
    corpus = read_corpus(scorer.profile, learnable=False, complete=False)
    _require_labels(wish, corpus.labels.names)
    answer = answer_columns(scorer.profile.data.labels, corpus.labels.names)
    require_writable(answer, corpus.labels.names, wish.tool)
    texts = read_pool(pool, scorer.profile.data)
    with locked(folder.parent):  # two searches at once would ask the same texts
        search = Search.begin(scorer, corpus, texts, folder.parent, wish)
        selection = search.select()
        batch = _document(search, selection, answer, str(source), command)
        if beyond := search.beyond_reserve(selection.drawn):
            tell(
                f"note: {beyond:,} of the {counted(len(selection.drawn), 'random text')} come from "
                "what scores have left over, which holds fewer positives than the pool. Figures "
                "that are measured on them are too low; a larger pool or fewer random texts help."
            )
        with new_folder(folder) as draft:
            write_batch(batch, draft, wish.tool)
    return batch


def _require_sense(wish: Wish, folder: Path) -> None:
    require_utf8(folder)
    if folder.exists():
        raise user_error(f"-o {folder}", "a folder", "a new folder", "choose another -o")
    if wish.texts < 1:
        raise user_error("-n", f"{wish.texts}", "at least one text", "choose how many, such as 200")
    if not 0 <= wish.random_share <= 1:
        found = f"{wish.random_share:g}"
        raise user_error("--random", found, "a share of the batch, 0 to 1", "0.1 is a tenth")
    if wish.seed is not None and not 0 <= wish.seed <= MOST_SEED:
        expected = f"a whole number from 0 to {MOST_SEED:,}"
        raise user_error("--seed", f"{wish.seed}", expected, "0 is as good as any")
    _require_examples(wish)


def _require_examples(wish: Wish) -> None:
    if not all(map(str.strip, wish.like)):
        raise user_error("--like", "no text", "an example of the label", "write one, or leave out")
    if wish.pattern is not None:
        if not wish.pattern.strip():
            found, fix = "an empty pattern, which all texts match", "write one, or leave it out"
            raise user_error("--pattern", found, "a regular expression", fix)
        try:
            re.compile(wish.pattern)
        except re.error as error:
            found = f"{wish.pattern!r}: {error}"
            raise user_error("--pattern", found, "a regular expression", "correct it") from None
    if (wish.like or wish.pattern) and len(wish.labels) != 1:
        option = "--like" if wish.like else "--pattern"
        found = f"{len(wish.labels) or 'no'} labels to search for"
        raise user_error(option, found, "one label", "name it once: --label LABEL")


def _require_labels(wish: Wish, names: Sequence[str]) -> None:
    for name in wish.labels:
        if name not in names:
            fix = f"{did_you_mean(name, names)}; labels.names in the profile declares new ones"
            raise user_error("--label", f"the label {name!r}, which is not known", "a label", fix)


def _document(
    search: Search, of: Selection, answer: AnswerColumns, source: str, command: Sequence[str]
) -> Batch:
    """The batch, as batch.json holds it."""
    free = search.free
    return Batch(
        imbtool=__version__,
        command=list(command),
        source=source,
        seed=search.seed,
        labels=list(search.corpus.labels.names),
        answer=answer,
        pool=PoolReport(
            source=str(search.pool.source),
            fingerprint=search.pool.fingerprint,
            texts=len(search.pool),
            population=len(free.rows) + len(_asked_here(search)),
            labelled=free.labelled,
            chosen_before=free.chosen_before,
            repeated=free.repeated,
            reserved=search.reserved,
            salt=search.salt,
        ),
        needs=_needs(of),
        progress=_progress(search, of.needy),
        remaining=_remaining(search),
        texts=_texts(search, of),
    )


def _asked_here(search: Search) -> set[str]:
    """The keys of the texts that earlier batches asked from this pool."""
    batches = search.history.batches.values()
    own = [batch for batch in batches if batch.pool.fingerprint == search.pool.fingerprint]
    return {text_key(text_of(text)) for batch in own for text in batch.texts}


def _needs(of: Selection) -> list[LabelNeed]:
    """What each label needs and gets, the rarest in training first."""
    counts = np.bincount([each.label for each in of.chosen], minlength=len(of.needy))
    total = len(of.chosen) + len(of.drawn)
    needs = [
        LabelNeed(
            label=state.name,
            positives=state.positives,
            known=state.known,
            texts=int(texts),
            expected=texts * state.expected_yield + len(of.drawn) * state.prevalence,
            at_random=total * state.prevalence,
            why=_why_needed(state),
        )
        for state, texts in zip(of.needy, counts, strict=True)
    ]
    return sorted(needs, key=lambda need: need.positives)


def _why_needed(state: LabelState) -> str:
    """Why a label gets as many texts as it does, in a sentence or two."""
    reasons = []
    if state.unseen:
        reasons.append("The model finds none of its positives on validation.")
    elif not state.positives:
        reasons.append("No training text has it.")
    if state.asked:
        asked, yielded = sum(state.asked), sum(state.yielded)
        reasons.append(f"Of {counted(asked, 'text')} chosen for it so far, {yielded:,} had it.")
    else:
        reasons.append("No text chosen for it has been answered yet.")
    return " ".join(reasons)


def _progress(search: Search, needy: Sequence[LabelState]) -> list[Progress]:
    """What the answers to each earlier batch from the pool gave of the labels in need."""
    history, columns = (
        search.history,
        [search.corpus.labels.names.index(each.name) for each in needy],
    )
    rate = sum(state.prevalence for state in needy)
    result = []
    for name, batch in history.batches.items():
        if batch.pool.fingerprint == search.pool.fingerprint:
            answers = history.answers_to(batch)
            result.append(
                Progress(
                    batch=name,
                    texts=len(answers),
                    positives=int((answers[:, columns] == 1).sum()),
                    at_random=len(answers) * rate,
                )
            )
    return result


def _remaining(search: Search) -> list[Remaining]:
    """What the pool still holds of each label, once random texts have been answered."""
    texts, targets = search.history.answered(search.pool.fingerprint)
    drawn = search.history.drawn(search.pool.fingerprint)
    if not drawn:
        return []
    population = len(search.free.rows) + len(_asked_here(search))
    order = random_order(texts, search.seed, search.salt)
    front = order <= random_order(drawn, search.seed, search.salt).max()
    result = []
    for name, target in zip(search.corpus.labels.names, targets.T, strict=True):
        known = ~np.isnan(target)
        sample, found = int((front & known).sum()), int((target == 1).sum())
        hits = int((target[front] == 1).sum())
        if not sample:
            continue
        bounds = remaining_positives(population, sample, hits, int(known.sum()), found)
        result.append(
            Remaining(
                label=name,
                sample=sample,
                positives=hits,
                found=found,
                low=bounds.low,
                high=bounds.high,
                recall_low=bounds.recall_low,
                recall_high=bounds.recall_high,
            )
        )
    return result


def _texts(search: Search, of: Selection) -> list[BatchText]:
    """The texts of a batch in random order, so that who labels does not see what is expected."""
    rows = np.array([*(each.row for each in of.chosen), *of.drawn], dtype=np.int64)
    cells = cells_of(search.pool, rows, search.profile.data)
    prefill: list[list[str]] | None = None
    if search.wish.prefill and of.chosen:
        own = rows[: len(of.chosen)]
        prefill = search.scorer.suggestions(search.pool, own, search.corpus)
    undrawn = len(search.free.rows)
    probability = min(1.0, len(of.drawn) / undrawn)
    texts = []
    for place, row in enumerate(rows.tolist()):
        name, cell = search.pool.ids[row], cells[row]
        if place < len(of.chosen):
            suggested = None if prefill is None else prefill[place]
            texts.append(_chosen_text(search, of, of.chosen[place], name, cell, suggested))
        else:
            texts.append(
                BatchText(
                    id=name,
                    cells=cell,
                    ask=[],
                    why=WHY_RANDOM,
                    score=None,
                    chosen_by="random",
                    inclusion_probability=probability,
                    prefill=None,
                )
            )
    mixed = np.random.default_rng((search.seed, len(search.history.batches))).permutation(
        len(texts)
    )
    return [texts[place] for place in mixed]


def _chosen_text(
    search: Search,
    of: Selection,
    chosen: Chosen,
    name: str,
    cells: dict[str, str],
    suggested: list[str] | None,
) -> BatchText:
    state = of.needy[chosen.label]
    chosen_by, why = _how(search, of, chosen, state)
    return BatchText(
        id=name,
        cells=cells,
        ask=[state.name],
        why=why,
        score=round(of.score(chosen), 4),
        chosen_by=chosen_by,
        inclusion_probability=None,
        prefill=suggested,
    )


def _how(search: Search, of: Selection, chosen: Chosen, state: LabelState) -> tuple[ChosenBy, str]:
    """How a text was chosen, as a word and as a sentence."""
    label, rank = repr(state.name), f"It ranks {chosen.rank:,} of {len(of.scored):,} texts"
    if chosen.row in of.matches:
        return "pattern", f"It matches the pattern for {label}."
    if state.name in of.stand_ins and not state.positives:
        described = state.name in search.profile.labels.descriptions
        like = "the description" if described else "the name"
        like = "the examples" if search.wish.like else like
        return "similar", f"{rank} by likeness to {like} of {label}."
    return "score", f"{rank} by its score for {label}."
