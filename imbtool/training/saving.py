"""When a run saves its state: every so often, and before it stops."""

from __future__ import annotations

import math
import time
from pathlib import Path

from imbtool.distributed.signals import Stopped, StopRequest
from imbtool.training.loop import TrainingLoop


class StateSaver:
    """Saves an loop's state every so many minutes or steps, and where a signal asks for a stop.

    All processes stop and save together: what one of them sees, all act on.
    """

    def __init__(
        self, loop: TrainingLoop, link: Path, save_every: float | str, request: StopRequest
    ) -> None:
        """Save to `link` every `save_every` minutes, or steps as in `500 steps`."""
        self._engine, self._link, self._request = loop, link, request
        if isinstance(save_every, str):
            self._steps: int | None = int(save_every.split()[0])
            self._seconds = math.inf
        else:
            self._steps, self._seconds = None, 60.0 * save_every
        self._saved = time.monotonic()

    def after_step(self) -> None:
        """Save if it is time.

        Raises:
            Stopped: a signal asked for it; the state is saved.
        """
        signum, due = self._engine.ranks.max([self._request.signum or 0, self._is_due()])
        if signum:
            self.save()
            raise Stopped(int(signum))
        if due:
            self.save()

    def save(self) -> None:
        """Save now."""
        self._engine.save(self._link)
        self._saved = time.monotonic()

    def _is_due(self) -> bool:
        if self._steps is not None:
            return self._engine.progress.step % self._steps == 0
        return time.monotonic() - self._saved >= self._seconds
