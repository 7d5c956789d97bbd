"""How a difference of Sharpe ratios is tested: the methods and their settings, as frozen specifications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from allocopt.backtests._checks import plain, require_kind, require_option
from allocopt.errors import SpecificationError

Kernel = Literal["qs", "parzen"]
Moments = Literal["standardised", "percent"]


def whole(value: object, fewest: int, what: str, remedy: str) -> None:
    """Raise a `SpecificationError` unless the value is a whole number from `fewest` up."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < fewest:
        raise SpecificationError(
            f"{what} is not a whole number of at least {fewest}", value=plain(value), remedy=remedy
        )


@dataclass(frozen=True)
class HAC:
    """Test by a standard error that is robust to heteroskedasticity and autocorrelation, and the normal distribution.

    Fast and deterministic. In short or strongly dependent samples it rejects a true hypothesis too often.

    Parameters
    ----------
    kernel : {"qs", "parzen"}, default "qs"
        Quadratic spectral or Parzen. Neither gives a negative variance. The bandwidth is chosen by Andrews (1991),
        equation (6.4), from first-order autoregressions, with equal weights.
    prewhiten : bool, default True
        Whether a first-order vector autoregression is taken out before and put back after (Andrews and Monahan 1992),
        its singular values cut at 0.97. Without it the bandwidth is too short for strong autocorrelation.
    moments : {"standardised", "percent"}, default "standardised"
        What the bandwidth is chosen from. "standardised": each stream centred and over its deviation, and its square,
        so that the scale of the returns does not matter. "percent": returns in percent and their squares, the
        unscaled moments of the paper; its published numbers come from percent. The same test but for the bandwidth.

    Raises
    ------
    SpecificationError
        An unknown word, or `prewhiten` is not True or False.

    References
    ----------
    O. Ledoit and M. Wolf, "Robust Performance Hypothesis Testing with the Sharpe Ratio", Journal of Empirical Finance
    15 (2008), section 3.1. D. W. K. Andrews, "Heteroskedasticity and Autocorrelation Consistent Covariance Matrix
    Estimation", Econometrica 59 (1991). D. W. K. Andrews and J. C. Monahan, "An Improved Heteroskedasticity and
    Autocorrelation Consistent Covariance Matrix Estimator", Econometrica 60 (1992).

    Examples
    --------
    >>> from allocopt.backtests.statistics import HAC
    >>> HAC(kernel="parzen")
    HAC(kernel='parzen', prewhiten=True, moments='standardised')
    """

    kernel: Kernel = "qs"
    prewhiten: bool = True
    moments: Moments = "standardised"

    def __post_init__(self) -> None:
        require_option(self.kernel, ("qs", "parzen"), "kernel")
        require_option(self.moments, ("standardised", "percent"), "moments")
        if not isinstance(self.prewhiten, bool):
            raise SpecificationError("prewhiten is not a bool", value=self.prewhiten, remedy="pass True or False")


@dataclass(frozen=True)
class CalibratedBlock:
    """Choose the block length whose test has the right size on data made like the given ones; slow.

    A first-order vector autoregression is fitted to the two streams. Its residuals are resampled by the stationary
    bootstrap, and K pseudo-samples are made from them. In each of them, and for each block length, the studentised
    bootstrap tests the difference of the given data, which is true there. The length that rejects nearest to `level`
    wins; of equals, the first one listed.

    Parameters
    ----------
    lengths : tuple of int, default (1, 3, 6, 10)
        Candidates in rows, without duplicates.
    samples : int, default 1000
        K. The rate of rejection has a standard error of ``sqrt(level (1 - level) / K)``: 0.7 percent by default.
    replications : int, default 199
        Bootstrap samples within each pseudo-sample.
    level : float, default 0.05
        Nominal size of the test, a decimal. ``level * (replications + 1)`` has to be at least 1.
    mean_block : float, default 5.0
        Mean block length of the stationary bootstrap of the residuals, in rows.
    warm_up : int, default 50
        Rows of each pseudo-sample that are thrown away.
    n_jobs : int, default 1
        Processes, as in joblib; -1 for all cores. The answer does not depend on it.

    Raises
    ------
    SpecificationError
        A number is out of its range.

    Notes
    -----
    The autoregression carries no clustering of volatility over to the pseudo-samples beyond the blocks of its
    residuals, so lengths much above `mean_block` are not told apart well.

    References
    ----------
    O. Ledoit and M. Wolf (2008), Algorithm 3.1, with the defaults of the authors' published code.

    Examples
    --------
    >>> from allocopt.backtests.statistics import CalibratedBlock, StudentisedBootstrap
    >>> StudentisedBootstrap(block=CalibratedBlock(samples=200)).block.lengths
    (1, 3, 6, 10)
    """

    lengths: tuple[int, ...] = (1, 3, 6, 10)
    samples: int = 1000
    replications: int = 199
    level: float = 0.05
    mean_block: float = 5.0
    warm_up: int = 50
    n_jobs: int = 1

    def __post_init__(self) -> None:
        require = "give rows"
        if not isinstance(self.lengths, tuple) or not self.lengths or len(set(self.lengths)) != len(self.lengths):
            raise SpecificationError(
                "lengths is not a tuple of different block lengths", value=self.lengths, remedy="give (1, 3, 6, 10)"
            )
        for length in self.lengths:
            whole(length, 1, "a block length", require)
        whole(self.samples, 1, "samples", "give 1000")
        whole(self.warm_up, 0, "warm_up", require)
        whole(self.replications, 1, "replications", "give 199")
        if not isinstance(self.level, float) or not 0.0 < self.level < 1.0:
            raise SpecificationError("level is not between 0 and 1", value=plain(self.level), remedy="give 0.05")
        if self.level * (self.replications + 1) < 1.0 - 1e-9:
            raise SpecificationError(
                "the replications cannot reach the level",
                value=self.replications,
                remedy=f"no p-value is below 1 / (replications + 1); give at least {round(1 / self.level) - 1}",
            )
        if not isinstance(self.mean_block, (int, float)) or not 1.0 <= self.mean_block < float("inf"):
            raise SpecificationError("mean_block is below one row", value=plain(self.mean_block), remedy="give 5.0")
        if isinstance(self.n_jobs, bool) or not isinstance(self.n_jobs, int) or self.n_jobs == 0:
            raise SpecificationError(
                "n_jobs is not a number of processes", value=self.n_jobs, remedy="give 1, 2, ..., or -1 for all cores"
            )


@dataclass(frozen=True)
class StudentisedBootstrap:
    """Test by the studentised circular block bootstrap: nearer to the nominal size than `HAC`, and slower.

    Pairs of returns are resampled in circular blocks of fixed length, so that both the dependence between the streams
    and that over time are kept. Each resampled difference is centred and divided by its own standard error; the
    distribution of that replaces the normal one.

    Parameters
    ----------
    block : int, "politis-white" or CalibratedBlock, default "politis-white"
        Block length in rows. "politis-white": the length that suits the variance of the difference, estimated from
        its influence values (``arch.bootstrap.optimal_block_length``, "circular"), at least 1 row; fast.
        `CalibratedBlock`: the paper's choice, by simulation; slow. There have to be at least 10 blocks.
    replications : int, default 4999
        M, the number of bootstrap samples. The smallest possible p-value is 1 / (M + 1).
    seed : int, default 0
        From 0 up. The same seed gives the same answer on every number of processes.
    error : HAC, default HAC()
        Standard error of the given data.

    Raises
    ------
    SpecificationError
        A number is out of its range, or a word is unknown.

    References
    ----------
    O. Ledoit and M. Wolf (2008), section 3.2.2 and Remark 3.2. D. N. Politis and H. White, "Automatic Block-Length
    Selection for the Dependent Bootstrap", Econometric Reviews 23 (2004), with the correction of A. Patton, D. N.
    Politis and H. White, ibid. 28 (2009).

    Examples
    --------
    >>> from allocopt.backtests.statistics import StudentisedBootstrap
    >>> StudentisedBootstrap(block=5, seed=7).replications
    4999
    """

    block: int | Literal["politis-white"] | CalibratedBlock = "politis-white"
    replications: int = 4999
    seed: int = 0
    error: HAC = HAC()

    def __post_init__(self) -> None:
        if isinstance(self.block, str):
            require_option(self.block, ("politis-white",), "block")
        elif not isinstance(self.block, CalibratedBlock):
            whole(self.block, 1, "block", "give rows, 'politis-white' or CalibratedBlock()")
        whole(self.replications, 19, "replications", "give 4999; fewer make the p-value coarse")
        whole(self.seed, 0, "seed", "give 0")
        require_kind(self.error, HAC, "error")


@dataclass(frozen=True)
class JobsonKorkieMemmel:
    """Test as Jobson and Korkie did, with Memmel's correction: valid for independent normal returns only.

    For comparison with older studies. With fat tails or dependence over time it rejects too often.

    References
    ----------
    J. D. Jobson and B. M. Korkie, "Performance Hypothesis Testing with the Sharpe and Treynor Measures", Journal of
    Finance 36 (1981). C. Memmel, "Performance Hypothesis Testing with the Sharpe Ratio", Finance Letters 1 (2003).

    Examples
    --------
    >>> from allocopt.backtests.statistics import JobsonKorkieMemmel
    >>> JobsonKorkieMemmel()
    JobsonKorkieMemmel()
    """


Method = HAC | StudentisedBootstrap | JobsonKorkieMemmel
