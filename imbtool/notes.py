"""What was understood in a way that changes its meaning, told to whoever listens."""

from __future__ import annotations

import logging
from collections.abc import Iterable

LOG = logging.getLogger("imbtool")


def tell(notes: Iterable[str]) -> None:
    """Tell notes, one sentence each: the command line shows each of them once, on stderr.

    From Python they are warnings of the logger `imbtool`.
    """
    for note in notes:
        LOG.warning("%s", note)
