"""Other ways to choose what to label: baselines, and the strategies of small-text.

All work on the features of imbtool's frozen encoder and with the same head, one logistic regression
a label with a strong L2 penalty, fitted anew before each batch. The baselines are told which labels
are severe by the whole of the data. So are those of small-text whose name ends in `severe`: they
get the severe labels alone, the others get all labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.neighbors import NearestNeighbors

from benchmarks.quality.annotator import Plan, Study
from imbtool.evaluation.calibration import sigmoid
from imbtool.search.scores import fit_linear
from imbtool.types import Floats, Rows, Targets

RANDOM_SHARE = 0.1
"""Of each batch of the highest scores, as in imbtool."""
PEER = "small-text"

Features = NDArray[np.float32]


@dataclass(frozen=True)
class State:
    """What is known before a batch.

    Attributes:
        features: of all texts [n, d].
        targets: of the labels that are told [n, L]; only rows of labelled texts may be read.
        labelled: rows of labelled texts.
        free: rows of all others.
        size: of the batch.
        rng: of the run.
        memory: what a strategy keeps between the batches of a run.
    """

    features: Features
    targets: Targets
    labelled: Rows
    free: Rows
    size: int
    rng: np.random.Generator
    memory: dict[str, Any]

    def probabilities(self) -> Floats:
        """Of the labels of the free texts [free, L], by heads on what is labelled."""
        weight, bias = fit_linear(self.features[self.labelled], self.targets[self.labelled])
        return sigmoid(self.features[self.free] @ weight + bias)


Choose = Callable[[State], Rows]


def search(study: Study, features: Features, choose: Choose, seed: int, told: Rows) -> list[Rows]:
    """The rows of all batches that a strategy chooses.

    Args:
        study: the data set.
        features: of its pool [n, d].
        choose: the strategy.
        seed: of the start, and of what is random.
        told: columns of the labels that the strategy knows of.
    """
    plan: Plan = study.plan
    targets = np.ascontiguousarray(study.targets[:, told])
    rng = np.random.default_rng((seed, 1))
    np.random.seed(seed)  # small-text draws from numpy's global state
    labelled, batches, memory = study.start(seed), list[Rows](), dict[str, Any]()
    for _ in range(plan.batches):
        free = np.setdiff1d(np.arange(len(study.pool)), labelled)
        chosen = choose(State(features, targets, labelled, free, plan.size, rng, memory))
        if len(np.unique(chosen)) != plan.size or not np.isin(chosen, free).all():
            raise SystemExit("a strategy chose a text twice, or one that is labelled")
        batches.append(np.asarray(chosen, dtype=np.int64))
        labelled = np.concatenate([labelled, chosen])
    return batches


def at_random(state: State) -> Rows:
    """Texts drawn at random."""
    return state.rng.choice(state.free, state.size, replace=False)


def most_uncertain(state: State) -> Rows:
    """The texts nearest to probability 0.5 of any label."""
    distance = np.abs(state.probabilities() - 0.5).min(axis=1)
    return state.free[np.argsort(distance, kind="stable")[: state.size]]


def highest_in_turn(state: State) -> Rows:
    """The highest scores of each label in turn, beside texts drawn at random."""
    drawn = state.rng.choice(state.free, round(RANDOM_SHARE * state.size), replace=False)
    ranked = np.argsort(-state.probabilities(), axis=0, kind="stable")
    taken = dict.fromkeys(drawn.tolist())
    for row in state.free[ranked].ravel().tolist():
        if len(taken) == state.size:
            break
        taken.setdefault(row)
    return np.array(list(taken), dtype=np.int64)


class SameHead:
    """A classifier as small-text's strategies ask for one: the head that all strategies have."""

    def __init__(self, state: State) -> None:
        self._linear = fit_linear(state.features[state.labelled], state.targets[state.labelled])
        self.num_classes = state.targets.shape[1]

    def predict_proba(self, dataset: Any) -> Floats:
        """Probabilities of a data set's texts [m, L]."""
        weight, bias = self._linear
        return sigmoid(dataset.x @ weight + bias)

    def embed(self, dataset: Any, return_proba: bool = False, **_: Any) -> Any:
        """Features of a data set's texts [m, d], and probabilities [m, L] if they are asked for."""
        return (dataset.x, self.predict_proba(dataset)) if return_proba else dataset.x


class SameNeighbours:
    """The nearest texts of all texts, looked for once; small-text would before each batch.

    The texts are the same each time, in another order: free ones, then labelled ones.
    """

    def __init__(self, state: State, most: int) -> None:
        """Take those of earlier batches, or look for so many of each text."""
        if "neighbours" not in state.memory:
            lengths = np.linalg.norm(state.features, axis=1, keepdims=True)
            unit = state.features / np.maximum(lengths, 1e-12)
            found = NearestNeighbors(n_neighbors=most).fit(unit).kneighbors(return_distance=False)
            own = np.arange(len(unit))[:, None]
            state.memory["neighbours"] = np.hstack([own, found[:, : most - 1]])
        order = np.concatenate([state.free, state.labelled])
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        self._rows = place[state.memory["neighbours"][state.free]]
        self._next = 0

    def kneighbors(self, texts: Features, n_neighbors: int, return_distance: bool) -> Rows:  # noqa: ARG002
        """Places of the nearest texts of the next free ones [m, n_neighbors]."""
        start, self._next = self._next, self._next + len(texts)
        return self._rows[start : self._next, :n_neighbors]


@dataclass(frozen=True)
class BySmallText:
    """A query strategy of small-text.

    Attributes:
        kind: the name of its class.
        all_labels: whether it is told of all labels instead of the severe ones.
    """

    kind: str
    all_labels: bool = False

    def __call__(self, state: State) -> Rows:
        """The texts that it asks for."""
        import small_text

        kind = getattr(small_text, self.kind)
        has_bar = "pbar" in signature(kind.__init__).parameters
        strategy = kind(**({"pbar": None} if has_bar else {}))
        embeds = issubclass(kind, small_text.EmbeddingBasedQueryStrategy)
        quiet = {"pbar": None} if embeds else {}
        if self.kind == "ContrastiveActiveLearning":
            self._keep_neighbours(strategy, state)
        wanted = csr_matrix(np.nan_to_num(state.targets[state.labelled]).astype(np.int64))
        unknown = csr_matrix(state.targets.shape, dtype=np.int64)
        columns = np.arange(state.targets.shape[1])
        dataset = small_text.SklearnDataset(state.features, unknown, target_labels=columns)
        chosen = strategy.query(
            SameHead(state), dataset, state.free, state.labelled, wanted, n=state.size, **quiet
        )
        return np.asarray(chosen, dtype=np.int64)

    def _keep_neighbours(self, strategy: Any, state: State) -> None:
        choose, neighbours = (
            strategy._contrastive_active_learning,
            SameNeighbours(state, strategy.k),
        )

        def sample(*given: Any, embeddings_proba: Floats) -> Rows:
            _, dataset, free, _, _, number, embeddings = given
            return choose(dataset, embeddings, embeddings_proba, free, neighbours, number)

        strategy.sample = sample


BASELINES: dict[str, Choose] = {
    "random": at_random,
    "uncertainty": most_uncertain,
    "top": highest_in_turn,
}
PEERS: dict[str, BySmallText] = {
    f"{PEER}-{short}{'' if all_labels else '-severe'}": BySmallText(kind, all_labels)
    for short, kind in (
        ("cvirs", "CategoryVectorInconsistencyAndRanking"),
        ("least-confidence", "LeastConfidence"),
        ("breaking-ties", "BreakingTies"),
        ("entropy", "PredictionEntropy"),
        ("contrastive", "ContrastiveActiveLearning"),
        ("kmeans", "EmbeddingKMeans"),
        ("lightweight-coreset", "LightweightCoreset"),
        ("greedy-coreset", "GreedyCoreset"),
    )
    for all_labels in (True, False)
}


def there(name: str) -> bool:
    """Whether the packages of a strategy are installed."""
    return name not in PEERS or find_spec("small_text") is not None


def labels_told(name: str, study: Study) -> Rows:
    """Columns of the labels that a strategy knows of."""
    told = name in PEERS and PEERS[name].all_labels
    return np.arange(len(study.labels)) if told else study.severe
