"""How many cells go to a worker at once: enough that handing them over costs little, few enough that none waits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from allocopt.backtests.runs._work import Cell, Done

#: Seconds of work in a batch; a function with a batch axis gains from longer ones.
TARGET, TARGET_MANY = 0.1, 1.0
_LEAST = 0.004  # seconds: below this, handing over costs more than an idle end saves


class Batches:
    """Cuts cells into batches by the time that finished ones took.

    The first batches are of one cell, and near the end they shrink so that the workers end together.
    """

    def __init__(self, cells: Sequence[Cell], workers: int, *, many: bool) -> None:
        self._cells = cells
        self._workers = workers
        self._target = TARGET_MANY if many else TARGET
        self._first = 16 if many else 1
        self._seconds, self._finished = 0.0, 0
        self._next = 0

    def learn(self, done: Done) -> None:
        """Take note of the time that a batch took."""
        self._seconds += done.seconds
        self._finished += len(done.rows)

    def __iter__(self) -> Iterator[tuple[Cell, ...]]:
        while self._next < len(self._cells):
            size = self._size()
            start, self._next = self._next, self._next + size
            yield tuple(self._cells[start : self._next])

    def _size(self) -> int:
        remaining = len(self._cells) - self._next
        share = math.ceil(remaining / (3 * self._workers)) if self._workers > 1 else remaining
        if not self._finished:
            return min(self._first, share)
        each = max(self._seconds / self._finished, 1e-6)
        return max(1, min(int(self._target / each), max(share, int(_LEAST / each))))
