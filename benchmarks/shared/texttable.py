"""Tables as the benchmarks print them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells in columns, the first one aligned left and all others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(_aligned(row, widths)).rstrip() for row in rows)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for position, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if position else cell.ljust(width)
