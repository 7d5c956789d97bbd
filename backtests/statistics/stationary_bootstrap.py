"""The stationary bootstrap that the tests of many strategies and the intervals of figures have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from allocopt.backtests._checks import plain, require_option
from allocopt.backtests.statistics._bootstrap import FEWEST_BLOCKS
from allocopt.backtests.statistics._pair import FloatArray, IntArray
from allocopt.backtests.statistics.methods import whole
from allocopt.errors import InputError, SpecificationError

#: Rows of counts that are multiplied at once: 8 MB at 5,000 rows.
_CHUNK: Final = 1_000_000


@dataclass(frozen=True)
class StationaryBootstrap:
    """How returns are resampled: rows in blocks of random length, so that dependence over time is kept.

    Each block starts at a row drawn at random and ends after every row with probability one over the mean length; the
    sample wraps round from the last row to the first. The resampled series is stationary, and whole rows are drawn, so
    that what happened on one date to several strategies stays together.

    Parameters
    ----------
    seed : int
        From 0 up; there is no default. The rows drawn are those of ``arch.bootstrap.StationaryBootstrap`` with this
        seed, and the same seed gives the same answer.
    block : float or "politis-white", default "politis-white"
        Mean length of a block in rows, at least 1.0, at most a tenth of the rows. "politis-white": estimated from the
        data; each function says from which series. Every result reports the length that was used.
    replications : int, default 1000
        Number of samples, at least 99.

    Raises
    ------
    SpecificationError
        A number is out of its range, or a word is unknown.

    References
    ----------
    D. N. Politis and J. P. Romano, "The Stationary Bootstrap", Journal of the American Statistical Association 89
    (1994). D. N. Politis and H. White, "Automatic Block-Length Selection for the Dependent Bootstrap", Econometric
    Reviews 23 (2004), with the correction of A. Patton, D. N. Politis and H. White, ibid. 28 (2009).

    Examples
    --------
    >>> from allocopt.backtests.statistics import StationaryBootstrap
    >>> StationaryBootstrap(seed=7)
    StationaryBootstrap(seed=7, block='politis-white', replications=1000)
    """

    seed: int
    block: float | Literal["politis-white"] = "politis-white"
    replications: int = 1000

    def __post_init__(self) -> None:
        whole(self.seed, 0, "seed", "give 0")
        whole(self.replications, 99, "replications", "give 1000; fewer make p-values and quantiles coarse")
        if isinstance(self.block, str):
            require_option(self.block, ("politis-white",), "block")
            return
        number = isinstance(self.block, (int, float, np.integer, np.floating)) and not isinstance(self.block, bool)
        if not number or not 1.0 <= self.block < math.inf:
            raise SpecificationError(
                "block is not a mean length of at least one row",
                value=plain(self.block),
                remedy="give rows, or 'politis-white'",
            )


def block_in_use(bootstrap: StationaryBootstrap, estimated: FloatArray, rows: int) -> float:
    """Give the block length: the given one, or the median of the estimated ones between 1 and a tenth of the rows."""
    if isinstance(bootstrap.block, str):
        return float(min(max(1.0, float(np.median(estimated))), rows / FEWEST_BLOCKS))
    if rows / bootstrap.block < FEWEST_BLOCKS:
        raise SpecificationError(
            f"the rows hold fewer than {FEWEST_BLOCKS} blocks",
            value=f"{rows} rows, blocks of {bootstrap.block:g}",
            remedy=f"give a mean block of at most {rows / FEWEST_BLOCKS:g} rows",
        )
    return float(bootstrap.block)


def politis_white_lengths(columns: FloatArray, names: list[str]) -> FloatArray:
    """Block length of the stationary bootstrap for the mean of each column; an `InputError` where there is none."""
    from arch.bootstrap import optimal_block_length

    lengths: FloatArray = optimal_block_length(columns)["stationary"].to_numpy(dtype=np.float64)
    if not np.isfinite(lengths).all():
        worst = int(np.argmin(np.isfinite(lengths)))
        raise InputError(
            "no block length suits the data",
            where=names[worst],
            value=float(lengths[worst]),
            remedy="give the mean block length in rows: StationaryBootstrap(seed, block=10.0)",
        )
    return lengths


def resampled_rows(rows: int, block: float, bootstrap: StationaryBootstrap) -> Iterator[IntArray]:
    """Row numbers of each sample, shape (rows,)."""
    import arch.bootstrap

    # Annotated as whole rows there; only one over it is used, the probability that a block ends.
    samplers: Any = arch.bootstrap.StationaryBootstrap
    sampler = samplers(block, np.arange(rows), seed=int(bootstrap.seed))
    for (drawn,), _ in sampler.bootstrap(int(bootstrap.replications)):
        yield drawn


def resampled_means(columns: FloatArray, block: float, bootstrap: StationaryBootstrap) -> FloatArray:
    """Mean of each column in each sample, shape (replications, columns).

    A sample matters by how often each row is in it, so that the means of many samples are one matrix product.
    """
    rows = len(columns)
    size = max(1, min(bootstrap.replications, _CHUNK // rows))
    counts = np.empty((size, rows))
    means = np.empty((bootstrap.replications, columns.shape[1]))
    filled = done = 0
    for drawn in resampled_rows(rows, block, bootstrap):
        counts[filled] = np.bincount(drawn, minlength=rows)
        filled += 1
        if filled == size or done + filled == bootstrap.replications:
            means[done : done + filled] = counts[:filled] @ columns
            done, filled = done + filled, 0
    return means / rows


def long_run_deviation(columns: FloatArray, block: float) -> FloatArray:
    """Deviation of root n times the mean of each column under the stationary bootstrap, without sampling.

    Politis and Romano (1994), lemma 1; Hansen (2005), section 3.1: ``w^2 = g_0 + 2 sum_i k(n, i) g_i`` with the
    autocovariances g and ``k(n, i) = (n - i)/n (1 - p)^i + i/n (1 - p)^(n - i)``, p one over the block length.
    """
    rows = len(columns)
    lags = np.arange(1, rows)
    stay = 1.0 - 1.0 / block
    weights = (rows - lags) / rows * stay**lags + lags / rows * stay ** (rows - lags)
    found = np.empty(columns.shape[1])
    step = max(1, _CHUNK // rows)  # all lags by Fourier transform, padded against wrapping
    for start in range(0, columns.shape[1], step):
        part = columns[:, start : start + step]
        transformed = np.fft.rfft(part - part.mean(axis=0), 2 * rows, axis=0)
        covariances = np.fft.irfft((transformed * transformed.conj()).real, 2 * rows, axis=0)[:rows] / rows
        found[start : start + step] = covariances[0] + 2.0 * weights @ covariances[1:]
    return np.sqrt(np.maximum(found, 0.0))
