"""Keep the memory of one step for the next."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of glibc's parameters, as malloc.h numbers them."""


def keep_freed_memory() -> None:
    """On Linux, let the C library keep large blocks that a step frees.

    By default it gives every block over 32 MiB back at once, such as the gradient of the word
    embeddings, and the next step pays for fresh pages. Where the library is another one, nothing
    happens.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(MMAP_THRESHOLD, 1 << 30)
            mallopt(TRIM_THRESHOLD, (1 << 31) - 1)
