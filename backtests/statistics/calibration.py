"""Choosing the block length of the bootstrap by simulation: Ledoit and Wolf (2008), Algorithm 3.1."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from allocopt.backtests.statistics._bootstrap import p_value, require_blocks, resample
from allocopt.backtests.statistics._covariance import standard_error
from allocopt.backtests.statistics._pair import FloatArray, IntArray, Pair, pair_of
from allocopt.backtests.statistics.methods import HAC, CalibratedBlock
from allocopt.errors import InputError

#: Pseudo-samples that share one random stream; part of what a seed means, so it is fixed.
_GROUP: Final = 25


@dataclass(frozen=True, eq=False)
class BlockCalibration:
    """What each candidate block length rejected on pseudo-samples in which the hypothesis is true.

    Attributes
    ----------
    rejections : Series
        Share of the pseudo-samples in which the test rejects, a decimal, by block length in rows.
    chosen : int
        The block length whose share is nearest to `level`.
    level : float
        Nominal size, a decimal.
    samples : int
        Number of pseudo-samples.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import CalibratedBlock, StudentisedBootstrap, sharpe_difference
    >>> days = pd.bdate_range("2020-01-01", periods=100)
    >>> rng = np.random.default_rng(1)
    >>> first, second = (pd.Series(rng.normal(0.0004, 0.01, 100), days) for _ in range(2))
    >>> method = StudentisedBootstrap(block=CalibratedBlock(lengths=(1, 5), samples=50, replications=99))
    >>> calibration = sharpe_difference(first, second, periods_per_year=252, method=method).calibration
    >>> calibration.rejections.index.tolist(), calibration.chosen in (1, 5)
    ([1, 5], True)
    """

    rejections: pd.Series[float]
    chosen: int
    level: float
    samples: int


def calibrate(pair: Pair, settings: CalibratedBlock, error: HAC, seed: np.random.SeedSequence) -> BlockCalibration:
    """Choose the block length whose test of the true difference rejects nearest to the nominal level."""
    from joblib import Parallel, delayed

    for block in settings.lengths:
        require_blocks(pair.rows, block)
    constant, slopes, residuals = fit_autoregression(pair.returns)
    groups = [min(_GROUP, settings.samples - done) for done in range(0, settings.samples, _GROUP)]
    seeds = seed.spawn(len(groups))
    counted: Any = Parallel(n_jobs=settings.n_jobs)(
        delayed(_rejections)(pair, settings, error, (constant, slopes, residuals), size, child)
        for size, child in zip(groups, seeds, strict=True)
    )
    shares = np.sum(np.array(counted, dtype=np.int64), axis=0) / settings.samples
    chosen = settings.lengths[int(np.argmin(np.abs(shares - settings.level)))]
    rejections = pd.Series(shares, pd.Index(settings.lengths, name="block"), name="rejections")
    return BlockCalibration(rejections, chosen, settings.level, settings.samples)


def fit_autoregression(returns: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Fit a first-order vector autoregression with a constant: constant (2,), slopes (2, 2), residuals (n - 1, 2)."""
    design = np.column_stack((np.ones(len(returns) - 1), returns[:-1]))
    coefficients = np.asarray(np.linalg.lstsq(design, returns[1:], rcond=None)[0], dtype=np.float64)
    slopes = coefficients[1:].T
    radius = float(np.abs(np.linalg.eigvals(slopes)).max())
    if radius >= 1.0:
        raise InputError(
            "the autoregression of the returns explodes",
            value=radius,
            remedy="check that returns were given and not prices, or give the block length as a number",
        )
    return coefficients[0], slopes, returns[1:] - design @ coefficients


def stationary_rows(rng: np.random.Generator, size: int, length: int, rows: int, mean_block: float) -> IntArray:
    """Row numbers of `size` stationary bootstrap samples, shape (size, length): blocks of geometric length."""
    fresh = rng.random((size, length)) < 1.0 / mean_block
    fresh[:, 0] = True
    starts = rng.integers(0, rows, size=(size, length))
    steps = np.arange(length)
    latest = np.maximum.accumulate(np.where(fresh, steps, 0), axis=1)
    drawn: IntArray = (np.take_along_axis(starts, latest, axis=1) + steps - latest) % rows
    return drawn


def _rejections(
    pair: Pair,
    settings: CalibratedBlock,
    error: HAC,
    fitted: tuple[FloatArray, FloatArray, FloatArray],
    size: int,
    seed: np.random.SeedSequence,
) -> IntArray:
    rng = np.random.default_rng(seed)
    constant, slopes, residuals = fitted
    length = settings.warm_up + pair.rows
    rows = stationary_rows(rng, size, length - 1, len(residuals), settings.mean_block)
    paths = np.empty((size, length, 2))
    paths[:, 0] = pair.returns[0]
    for before, now in itertools.pairwise(range(length)):
        paths[:, now] = constant + paths[:, before] @ slopes.T + residuals[rows[:, before]]
    rejected = np.zeros(len(settings.lengths), dtype=np.int64)
    for path in paths[:, settings.warm_up :]:
        sample = pair_of(path)
        observed = abs(sample.difference - pair.difference) / standard_error(sample, error)[0]
        for place, block in enumerate(settings.lengths):
            drawn = resample(sample, block, settings.replications, rng).studentised(sample.difference)
            rejected[place] += p_value(drawn, observed) <= settings.level + 1e-12
    return rejected
