"""Combinatorially symmetric cross-validation on arrays: performance of every trial in every half of the blocks.

A split is a choice of half the blocks to select in; the others test. Splits come in the order of
`itertools.combinations`, in which the complement of split c is split C - 1 - c: each half is measured once and serves
two splits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from allocopt.backtests._checks import plain
from allocopt.backtests.statistics._streams import ROUNDING, FloatArray, IntArray
from allocopt.errors import InputError, ShapeError

Metric = Callable[[FloatArray], FloatArray]

#: Performances closer than this, relative to 1 plus their size, are equal: rounding is far smaller, luck far larger.
TIE: Final = 1e-12
#: Cells of a chunk of splits, so that what is worked on stays in the cache.
_CHUNK: Final = 100_000

#: First split of a chunk, and the performance of each trial in the halves with block 0 and without it.
Chunk = tuple[int, FloatArray, FloatArray]


@dataclass(frozen=True, eq=False)
class Choices:
    """What each split selected: column, its performance in and out of sample, and its rank out of sample from 1."""

    selected: IntArray
    inside: FloatArray
    outside: FloatArray
    rank: FloatArray


def number_of_splits(blocks: int) -> int:
    """Count the choices of half the blocks."""
    return math.comb(blocks, blocks // 2)


def first_halves(blocks: int) -> IntArray:
    """Masks of the blocks in sample, block 0 the highest bit, for the splits with block 0 in sample.

    As numbers they fall where the combinations rise, so that the order is that of the combinations.
    """
    masks = np.arange((1 << blocks) - 1, (1 << (blocks - 1)) - 1, -1)
    found: IntArray = masks[np.bitwise_count(masks) == blocks // 2]
    return found


def subset_sums(rows: FloatArray) -> FloatArray:
    """Sum of every subset of some rows, by the mask of the subset; the first row has the highest bit."""
    table = np.zeros((1, *rows.shape[1:]))
    for row in rows[::-1]:
        table = np.concatenate((table, table + row))
    return table


class _HalfSums:
    """Sums over any choice of blocks: two look-ups and one addition, from all subsets of either half of the blocks.

    A matrix product would do the same, but its order of additions may differ between equal columns.
    """

    def __init__(self, rows: FloatArray) -> None:
        self._bits = len(rows) // 2
        self._high, self._low = subset_sums(rows[: self._bits]), subset_sums(rows[self._bits :])

    def __call__(self, masks: IntArray) -> FloatArray:
        found: FloatArray = self._high[masks >> self._bits]
        found += self._low[masks & ((1 << self._bits) - 1)]
        return found


def sharpe_chunks(excess: FloatArray, bounds: IntArray, periods: float) -> Iterator[Chunk]:
    """Annualised Sharpe ratios in all halves, from each block's sum and sum of squares.

    Each column is centred and scaled by its own moments first: then nothing cancels, and columns that are multiples of
    each other have the same sums up to rounding.
    """
    blocks, trials = len(bounds) - 1, excess.shape[1]
    spread = excess.std(axis=0)
    ratio = excess.mean(axis=0) / spread
    z = excess / spread - ratio
    sums = _HalfSums(np.add.reduceat(z, bounds[:-1], axis=0))
    squares = _HalfSums(np.add.reduceat(z * z, bounds[:-1], axis=0))
    lengths = _HalfSums(np.diff(bounds).astype(np.float64)[:, None])
    masks, everything = first_halves(blocks), (1 << blocks) - 1
    size, root = max(1, _CHUNK // trials), math.sqrt(periods)
    for start in range(0, len(masks), size):
        taken = masks[start : start + size]
        found = []
        for half in (taken, everything - taken):
            rows = lengths(half)
            mean = sums(half) / rows
            variance = (squares(half) - rows * mean * mean) / (rows - 1.0)
            found.append(root * (ratio + mean) / np.sqrt(variance))
        yield start, found[0], found[1]


def metric_chunks(excess: FloatArray, bounds: IntArray, metric: Metric, labels: Sequence[Any]) -> Iterator[Chunk]:
    """Any performance in all halves: the rows of a half are put together in order, and the metric measures them."""
    blocks = len(bounds) - 1
    bits = first_halves(blocks)[:, None] >> np.arange(blocks - 1, -1, -1) & 1
    inside, lengths = bits.astype(np.bool_), np.diff(bounds)
    trials = excess.shape[1]
    size = max(1, _CHUNK // trials)
    for start in range(0, len(inside), size):
        halves = inside[start : start + size]
        found = np.empty((2, len(halves), trials))
        for number, taken in enumerate(halves):
            rows = np.repeat(taken, lengths)
            for side, chosen in enumerate((rows, ~rows)):
                values = np.asarray(metric(excess[chosen]), dtype=np.float64)
                _require_finite(values, labels, start + number, side)
                found[side, number] = values
        yield start, found[0], found[1]


def _require_finite(values: FloatArray, labels: Sequence[Any], split: int, side: int) -> None:
    if values.shape != (len(labels),):
        raise ShapeError(
            "the metric does not give one number a trial",
            value=f"shape {values.shape}",
            remedy=f"take an array of shape (rows, {len(labels)}) and return one of shape ({len(labels)},)",
        )
    if not np.isfinite(values).all():
        column = int(np.argmin(np.isfinite(values)))
        raise InputError(
            f"the metric of trial {plain(labels[column])!r} is missing or infinite",
            where=f"the {'out of' if side else 'in'} sample rows of split {split}",
            value=float(values[column]),
            remedy="give a metric that every trial has in every half, or fewer blocks",
        )


def choose(chunks: Iterable[Chunk], blocks: int) -> tuple[Choices, float, float]:
    """Select the best trial in every split and rank it out of sample; also the lowest and the highest performance."""
    total = number_of_splits(blocks)
    found = Choices(np.empty(total, dtype=np.int64), np.empty(total), np.empty(total), np.empty(total))
    low, high = math.inf, -math.inf
    for start, with_first, without in chunks:
        low = min(low, float(with_first.min()), float(without.min()))
        high = max(high, float(with_first.max()), float(without.max()))
        here = np.arange(start, start + len(with_first))
        _choose(found, here, with_first, without)
        _choose(found, total - 1 - here, without, with_first)
    return found, low, high


def _choose(found: Choices, splits: IntArray, inside: FloatArray, outside: FloatArray) -> None:
    best = inside.max(axis=1, keepdims=True)
    selected = np.argmax(inside >= best - TIE * (1.0 + np.abs(best)), axis=1)
    rows = np.arange(len(splits))
    mine = outside[rows, selected][:, None]
    tie = TIE * (1.0 + np.abs(mine))
    below = np.count_nonzero(outside < mine - tie, axis=1)
    not_above = np.count_nonzero(outside <= mine + tie, axis=1)
    found.selected[splits] = selected
    found.inside[splits] = inside[rows, selected]
    found.outside[splits] = mine[:, 0]
    found.rank[splits] = 0.5 * (below + not_above + 1)  # the mean rank of those that are equal


def count_levels(chunks: Iterable[Chunk], edges: FloatArray) -> IntArray:
    """Count the performances of all trials in all halves between the edges, which are evenly spaced."""
    counts = np.zeros(len(edges) - 1, dtype=np.int64)
    for _, with_first, without in chunks:
        for half in (with_first, without):
            counts += np.histogram(half, bins=len(edges) - 1, range=(edges[0], edges[-1]))[0]
    return counts


def flat_half(excess: FloatArray, bounds: IntArray) -> tuple[int, list[int]] | None:
    """First column that is flat over half the blocks at one value, and those blocks; None if there is none."""
    lowest = np.minimum.reduceat(excess, bounds[:-1], axis=0)
    highest = np.maximum.reduceat(excess, bounds[:-1], axis=0)
    half = (len(bounds) - 1) // 2
    tolerance = ROUNDING * (1.0 + np.abs(excess).max(axis=0))
    flat = highest - lowest <= tolerance
    for column in np.flatnonzero(flat.sum(axis=0) >= half):
        where = np.flatnonzero(flat[:, column])
        order = where[np.argsort(lowest[where, column], kind="stable")]
        for first in range(len(order) - half + 1):
            group = order[first : first + half]
            if highest[group, column].max() - lowest[group, column].min() <= tolerance[column]:
                return int(column), sorted(int(block) for block in group)
    return None
