"""Metrics for Prometheus; none of them holds a text."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from imbtool.serving.documents import ModelName, TextResult

# when each was first counted says nothing here
disable_created_metrics()  # type: ignore[no-untyped-call]
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCH_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
OTHER = "other"
"""Stands for paths that the server does not have: clients could make up any number of them."""


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        """Begin to count."""
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "imbtool_requests", "Requests.", ("path", "status"), registry=registry
        )
        self._seconds = Histogram(
            "imbtool_predict_seconds",
            "Seconds from a request's arrival to its answer.",
            buckets=SECONDS,
            registry=registry,
        )
        self._texts = Counter("imbtool_texts", "Texts that were predicted.", registry=registry)
        self._decided = Counter(
            "imbtool_labels", "Texts that got a label.", ("label",), registry=registry
        )
        self._batches = Histogram(
            "imbtool_batch_texts", "Texts of a batch.", buckets=BATCH_TEXTS, registry=registry
        )
        self._open = Gauge(
            "imbtool_open_texts", "Texts that wait or are being predicted.", registry=registry
        )
        self._reloads = Counter(
            "imbtool_reloads", "Models that were read anew.", ("outcome",), registry=registry
        )
        self._model = Gauge(
            "imbtool_model", "The model in use.", ("name", "sha256"), registry=registry
        )

    def request(self, path: str, status: int, seconds: float, known: Iterable[str]) -> None:
        """Count a request, of a path that is among the known ones or another."""
        self._requests.labels(path if path in known else OTHER, str(status)).inc()
        if path == "/predict":
            self._seconds.observe(seconds)

    def batch(self, texts: int) -> None:
        """Count a batch of so many texts."""
        self._batches.observe(texts)

    def results(self, results: Iterable[TextResult]) -> None:
        """Count texts and the labels that they got."""
        for result in results:
            self._texts.inc()
            for label in result.labels:
                self._decided.labels(label).inc()

    def watch_queue(self, open_texts: Callable[[], int]) -> None:
        """Show the length of a queue from now on."""
        self._open.set_function(open_texts)

    def model(self, name: ModelName, labels: Iterable[str]) -> None:
        """Show another model as the one in use; its labels begin at 0."""
        self._model.clear()
        self._model.labels(name.name, name.sha256).set(1)
        for label in labels:
            self._decided.labels(label)

    def reload(self, outcome: str) -> None:
        """Count a model that was read anew, and whether it was `accepted` or `refused`."""
        self._reloads.labels(outcome).inc()

    def text(self) -> bytes:
        """All of it in the format of Prometheus."""
        return generate_latest(self._registry)
