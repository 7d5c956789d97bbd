"""How labels are put out of step with the market: shifts and shuffles, as frozen specifications."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from allocopt.backtests.statistics._bootstrap import require_blocks
from allocopt.backtests.statistics._pair import IntArray
from allocopt.backtests.statistics.methods import whole
from allocopt.errors import ShapeError, SpecificationError

#: Fewer permutations cannot reach the usual level of 5 percent.
_FEWEST: Final = 19


@dataclass(frozen=True)
class CircularShift:
    """Shift all labels by the same number of rows; what leaves at the end comes back at the start.

    Spells and their order are kept but for one joint, so that the shifted labels are as persistent as the real ones.
    The test to take by default.

    Parameters
    ----------
    seed : int
        From 0 up; no default.
    permutations : int, default 999
        Different shifts, drawn without repetition; below the number of rows.

    Raises
    ------
    SpecificationError
        A number is out of its range.

    Examples
    --------
    >>> from allocopt.backtests.statistics import CircularShift
    >>> CircularShift(seed=7)
    CircularShift(seed=7, permutations=999)
    """

    seed: int
    permutations: int = 999

    def __post_init__(self) -> None:
        _require_settings(self.seed, self.permutations)


@dataclass(frozen=True)
class BlockShuffle:
    """Cut the labels into blocks of fixed length and put the blocks in a random order.

    The cuts fall elsewhere each time. Persistence is kept within the blocks only: take blocks several times as long as
    a spell. More different orders than `CircularShift` has, for short samples.

    Parameters
    ----------
    seed : int
        From 0 up; no default.
    block : int
        Rows of a block, at most a tenth of the rows.
    permutations : int, default 999
        Random orders.

    Raises
    ------
    SpecificationError
        A number is out of its range.

    Examples
    --------
    >>> from allocopt.backtests.statistics import BlockShuffle
    >>> BlockShuffle(seed=7, block=63)
    BlockShuffle(seed=7, block=63, permutations=999)
    """

    seed: int
    block: int
    permutations: int = 999

    def __post_init__(self) -> None:
        _require_settings(self.seed, self.permutations)
        whole(self.block, 1, "block", "give rows")


@dataclass(frozen=True)
class PlainShuffle:
    """Put the labels in a random order, row by row: too optimistic for labels that persist.

    Shuffled labels change on nearly every row. Any figure that gains from persistence, and every figure of returns that
    are themselves dependent, then looks significant too often. For labels that are independent from row to row, and
    for showing the difference.

    Parameters
    ----------
    seed : int
        From 0 up; no default.
    permutations : int, default 999
        Random orders.

    Raises
    ------
    SpecificationError
        A number is out of its range.

    Examples
    --------
    >>> from allocopt.backtests.statistics import PlainShuffle
    >>> PlainShuffle(seed=7)
    PlainShuffle(seed=7, permutations=999)
    """

    seed: int
    permutations: int = 999

    def __post_init__(self) -> None:
        _require_settings(self.seed, self.permutations)


Permutation = CircularShift | BlockShuffle | PlainShuffle


def _require_settings(seed: int, permutations: int) -> None:
    whole(seed, 0, "seed", "give 0")
    whole(permutations, _FEWEST, "permutations", "give 999; no p-value is below 1 / (permutations + 1)")


def require_permutation(permutation: Permutation, rows: int) -> None:
    """Raise unless the permutation is a specification that the rows allow."""
    if not isinstance(permutation, Permutation):
        raise ShapeError(
            "the permutation is not a specification",
            value=type(permutation).__name__,
            remedy="pass CircularShift(seed), BlockShuffle(seed, block) or PlainShuffle(seed)",
        )
    if isinstance(permutation, CircularShift) and permutation.permutations >= rows:
        raise SpecificationError(
            "there are not so many different shifts",
            value=f"{permutation.permutations} shifts of {rows} rows",
            remedy=f"give at most {rows - 1} permutations, or BlockShuffle",
        )
    if isinstance(permutation, BlockShuffle):
        require_blocks(rows, permutation.block)


def orders(permutation: Permutation, rows: int) -> Iterator[IntArray]:
    """Row numbers in their new order, one array a permutation; the first label of the new order is for row 0."""
    rng = np.random.default_rng(permutation.seed)
    steps = np.arange(rows)
    if isinstance(permutation, CircularShift):
        for shift in rng.choice(rows - 1, size=permutation.permutations, replace=False) + 1:
            yield (steps - shift) % rows
        return
    for _ in range(permutation.permutations):
        if isinstance(permutation, PlainShuffle):
            yield rng.permutation(rows)
            continue
        blocks = np.split(np.roll(steps, rng.integers(rows)), range(permutation.block, rows, permutation.block))
        yield np.concatenate([blocks[place] for place in rng.permutation(len(blocks))])
