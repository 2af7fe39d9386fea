"""What stands behind the routes: the queue, the limits and the metrics, and a reload on demand."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from imbtool.errors import ModelError, TextError, UserError
from imbtool.serving.batching import Batcher, Batching
from imbtool.serving.documents import ModelDocument, PredictResponse
from imbtool.serving.limits import Limits, Refused, queue_full
from imbtool.serving.metrics import Metrics
from imbtool.serving.reading import TEXTS, read_texts
from imbtool.serving.served_model import Predicted, ServedModel, load_model

Tell = Callable[[str], None]
"""Called with a line for the operator, which never holds a text."""


class Service:
    """One model at work."""

    def __init__(self, model: ServedModel, limits: Limits, batching: Batching, tell: Tell) -> None:
        """Start the threads that predict.

        Args:
            model: to begin with.
            limits: of requests.
            batching: how requests are gathered.
            tell: for reloads and failures.
        """
        self.limits = limits
        self.metrics = Metrics()
        self.batcher = Batcher(model, batching, limits.queue, self.metrics.batch)
        self.metrics.watch_queue(lambda: self.batcher.open_texts)
        self.metrics.model(model.name, model.checkpoint.labels.names)
        self._tell = tell
        self._bodies = 0
        self._reload: threading.Thread | None = None

    @property
    def ready(self) -> bool:
        """Whether requests are taken in."""
        return self.batcher.alive and not self.batcher.closed

    @property
    def drained(self) -> bool:
        """Whether all that was taken in is predicted, after `batcher.close`."""
        return self.batcher.closed and not (self.batcher.alive and self.batcher.open_texts)

    @property
    def reloading(self) -> bool:
        """Whether a model is being read."""
        return self._reload is not None and self._reload.is_alive()

    def document(self) -> ModelDocument:
        """What there is to know of the model in use."""
        return self.batcher.model.document(self.limits)

    async def predict(
        self, headers: Mapping[str, str], chunks: AsyncIterator[bytes], calibrated: bool
    ) -> PredictResponse:
        """Read a request and predict its texts.

        Args:
            headers: of the request, by lower-case name.
            chunks: of its body.
            calibrated: whether its probabilities are calibrated.

        Raises:
            Refused: it gets no predictions.
        """
        texts = await self._read(headers, chunks)
        future = self.batcher.submit(texts)
        try:
            predicted = await asyncio.wrap_future(future)
        except Exception as error:
            raise self._failure(error) from None
        response = _response(predicted, calibrated)
        self.metrics.results(response.results)
        return response

    async def _read(
        self, headers: Mapping[str, str], chunks: AsyncIterator[bytes]
    ) -> Sequence[str]:
        """The texts of a request; as many bodies as texts are read at a time, for their memory."""
        if self._bodies >= self.limits.queue:
            raise queue_full(self.limits.queue)
        self._bodies += 1
        try:
            return await read_texts(headers, chunks, self.limits)
        finally:
            self._bodies -= 1

    def _failure(self, error: Exception) -> Refused:
        """What a client is told of a failure; libraries quote texts, so their words are not."""
        if isinstance(error, TextError):
            (problem,) = error.problems
            found = f"The model cannot predict {TEXTS}[{error.place}]"
            return Refused(422, f"{found}: it has {problem.found}.")
        if isinstance(error, UserError) and not isinstance(error, ModelError):
            return Refused(422, "The tokenizer of the model fails on one of these texts.")
        self._tell(f"the model failed: {without_message(error.__cause__ or error)}")
        return Refused(503, "The model failed on these texts. The server's log says where.")

    def reload(self, path: Path, trust_remote_code: bool) -> None:
        """Begin to read the model anew; it is used once it is whole, and else the old one stays.

        Args:
            path: of the checkpoint, or of the run folder around it.
            trust_remote_code: whether to run code that comes with the model.
        """
        read = threading.Thread(
            target=self._load_and_replace, args=(path, trust_remote_code), daemon=True
        )
        self._reload = read
        read.start()

    def _load_and_replace(self, path: Path, trust_remote_code: bool) -> None:
        try:
            model = load_model(path, trust_remote_code, self.batcher.model.threads)
        except UserError as error:
            self._keep_old(str(error))
        except Exception as error:  # whatever it is, the old model goes on
            self._keep_old(without_message(error))
        else:
            self.batcher.replace(model)
            self.metrics.model(model.name, model.checkpoint.labels.names)
            self.metrics.reload("accepted")
            self._tell(f"reloaded: {model.name.name}, sha256 {model.name.sha256[:12]}")

    def _keep_old(self, why: str) -> None:
        self.metrics.reload("refused")
        self._tell(f"not reloaded, the old model goes on: {why}")


def _response(predicted: Predicted, calibrated: bool) -> PredictResponse:
    try:
        return predicted.response(calibrated)
    except UserError:
        raise Refused(422, "This model has no calibration: leave out `calibrated`.") from None


def without_message(error: BaseException) -> str:
    """The kind of an error and where it came from, without its message, which may quote a text."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{type(error).__name__}\n{frames}".rstrip()
