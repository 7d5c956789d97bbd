"""The studentised circular block bootstrap of a difference of Sharpe ratios, on arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from allocopt.backtests.statistics._covariance import influence
from allocopt.backtests.statistics._pair import FloatArray, Pair
from allocopt.errors import InputError, SpecificationError

#: Fewer blocks do not show how blocks vary.
FEWEST_BLOCKS: Final = 10
#: Samples are drawn in chunks of about so many rows; part of what a seed means, so it is fixed.
_CHUNK: Final = 1_000_000
_UPPER: Final = np.triu_indices(4)


@dataclass(frozen=True, eq=False)
class Resampled:
    """Resampled differences per row and their standard errors, shape (replications,) each."""

    differences: FloatArray
    errors: FloatArray

    def studentised(self, difference: float) -> FloatArray:
        """Absolute distance of the resampled differences from the one they scatter around, over their errors."""
        return np.abs(self.differences - difference) / self.errors


def require_blocks(rows: int, block: int) -> None:
    """Raise a `SpecificationError` if the rows hold fewer than ten blocks."""
    if rows // block < FEWEST_BLOCKS:
        raise SpecificationError(
            f"the rows hold fewer than {FEWEST_BLOCKS} blocks",
            value=f"{rows} rows, blocks of {block}",
            remedy=f"give a block of at most {rows // FEWEST_BLOCKS} rows",
        )


def resample(pair: Pair, block: int, replications: int, rng: np.random.Generator) -> Resampled:
    """Draw ``rows // block`` circular blocks for each replication; the difference and its error in each sample.

    A sample is known by how often each block occurs in it. All that is needed is sums over its blocks of four block
    sums and their products, so one matrix product of the counts gives them for many samples at once. The features are
    the streams' difference and the second stream, and the same of the squares, so that nothing cancels where the two
    streams are nearly the same.
    """
    rows, blocks = pair.rows, pair.rows // block
    length = blocks * block
    first, second = pair.standardised.T
    apart = first - second
    features = np.column_stack((apart, second, apart * (first + second), second * second - 1.0))
    circular = np.concatenate((features, features[: block - 1]))
    sums = sliding_window_view(circular, block, axis=0).sum(axis=-1)
    table = np.column_stack((sums, sums[:, _UPPER[0]] * sums[:, _UPPER[1]]))
    step = max(1, _CHUNK // rows)
    parts = []
    for start in range(0, replications, step):
        size = min(step, replications - start)
        draws = rng.integers(0, rows, size=(size, blocks))
        draws += rows * np.arange(size)[:, None]
        counts = np.bincount(draws.ravel(), minlength=size * rows).reshape(size, rows)
        parts.append(counts.astype(np.float64) @ table)
    totals = np.concatenate(parts)

    # Mean and mean square of each stream in the sample; the features hold (1 - 2, 2).
    means = totals[:, 1:2] / length + np.column_stack((totals[:, 0] / length, np.zeros(replications)))
    squares = 1.0 + totals[:, 3:4] / length + np.column_stack((totals[:, 2] / length, np.zeros(replications)))
    variances = squares - means**2
    if not (variances > 1e-12).all():
        raise InputError(
            "a resampled stream has no volatility: it moves on too few rows for the bootstrap",
            value=f"blocks of {block} rows",
            remedy="use HAC(), or a longer stream",
        )
    spreads = np.sqrt(variances)
    ratios = (means + pair.ratios) / spreads
    # Influence of a block: linear in its features, up to a constant that centring takes out.
    linear = 1.0 / spreads + ratios * means / variances
    quadratic = -0.5 * ratios / variances
    slopes = np.column_stack(
        (linear[:, 0], linear[:, 0] - linear[:, 1], quadratic[:, 0], quadratic[:, 0] - quadratic[:, 1])
    )
    products = np.empty((replications, 4, 4))
    products[:, _UPPER[0], _UPPER[1]] = totals[:, 4:]
    products[:, _UPPER[1], _UPPER[0]] = totals[:, 4:]
    products -= totals[:, :4, None] * totals[:, None, :4] / blocks
    spread_of_blocks = np.einsum("mi,mij,mj->m", slopes, products, slopes)
    if not (spread_of_blocks > 0.0).all():
        raise InputError(
            "a resampled difference has no standard error: its blocks are all alike",
            value=f"{blocks} blocks of {block} rows",
            remedy="use HAC(), or shorter blocks",
        )
    differences = (ratios[:, 0] - ratios[:, 1]) * math.sqrt((length - 1) / length)
    return Resampled(differences, np.sqrt(spread_of_blocks) / length)


def p_value(statistics: FloatArray, observed: float) -> float:
    """Share of the statistics, the observed one among them, that are at least the observed one: Remark 3.2."""
    return (int(np.count_nonzero(statistics >= observed)) + 1) / (statistics.size + 1)


def critical_value(statistics: FloatArray, confidence: float) -> float:
    """Value that the observed statistic exceeds exactly where its p-value is at most ``1 - confidence``."""
    rank = math.ceil(confidence * (statistics.size + 1) - 1e-9)
    if rank > statistics.size:
        raise SpecificationError(
            "the replications cannot reach the confidence",
            value=f"{statistics.size} replications, confidence {confidence}",
            remedy=f"give at least {math.ceil(1.0 / (1.0 - confidence) - 1e-9) - 1} replications",
        )
    return float(np.partition(statistics, rank - 1)[rank - 1])


def politis_white(pair: Pair) -> int:
    """Block length for the variance of the difference's influence values, at least 1, leaving ten blocks."""
    from arch.bootstrap import optimal_block_length

    length = float(optimal_block_length(influence(pair.standardised, pair.ratios))["circular"].iloc[0])
    if not math.isfinite(length):
        raise InputError(
            "no block length suits the difference", value=length, remedy="give the block length as a number of rows"
        )
    return min(max(1, round(length)), pair.rows // FEWEST_BLOCKS)
