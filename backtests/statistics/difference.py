"""Testing whether one stream of returns has a higher Sharpe ratio than another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

from allocopt.backtests._checks import plain
from allocopt.backtests.statistics._bootstrap import critical_value, p_value, politis_white, require_blocks, resample
from allocopt.backtests.statistics._covariance import normal_error, standard_error
from allocopt.backtests.statistics._pair import Pair, read_pair
from allocopt.backtests.statistics.calibration import BlockCalibration, calibrate
from allocopt.backtests.statistics.methods import HAC, CalibratedBlock, JobsonKorkieMemmel, Method, StudentisedBootstrap
from allocopt.backtests.statistics.result import SharpeDifference
from allocopt.errors import InputError, ShapeError, SpecificationError


def sharpe_difference(
    first: pd.Series[float],
    second: pd.Series[float],
    *,
    periods_per_year: float,
    cash_rate: float | pd.Series[float] = 0.0,
    method: Method = HAC(),  # noqa: B008 - frozen
    confidence: float = 0.95,
) -> SharpeDifference:
    """Test whether two strategies have the same Sharpe ratio, from their returns on the same dates.

    The test is paired: what the two have in common cancels, so that two strategies on the same market can be told
    apart in fewer years than their own standard errors suggest.

    Parameters
    ----------
    first, second : Series of shape (n,), n >= 30
        Returns as decimals per row, on the same dates in order. Leave out rows without a period, such as row 0 of a
        ledger: ``ledger.returns.iloc[1:]``.
    periods_per_year : float
        P, the rows of one year: 252 for exchange days, 8760 for hours round the clock.
    cash_rate : float or Series, default 0.0
        Decimal per year, taken off both streams as ``cash_rate / P`` a row. A Series gives it by date.
    method : HAC, StudentisedBootstrap or JobsonKorkieMemmel, default HAC()
        How the standard error and the p-value are found. For a decision take `StudentisedBootstrap`.
    confidence : float, default 0.95
        Of the interval, a decimal; ``1 - confidence`` is the level of `SharpeDifference.significant`.

    Returns
    -------
    SharpeDifference
        Both ratios, their difference, standard error, p-value and interval, annualised, and how they were found.

    Raises
    ------
    LabelError
        The dates differ, are out of order, or are twice there; the date is named.
    InputError
        A return is missing, infinite or below -1; a stream has no volatility; the difference has no error.
    ShapeError
        An argument is no Series, or there are fewer than 30 rows.
    SpecificationError
        A setting is out of its range; the rows hold fewer than 10 blocks.

    Notes
    -----
    With mean m, deviation s and ratio S = m / s of a stream x, each row adds ``z - S / 2 (z^2 - 1)``, z = (x - m) / s,
    to the error of S; the difference between these two numbers, row by row, has the long-run variance that is needed.
    This is the gradient of the paper's section 3.1 times its moments. Streams that are multiples of each other up to
    rounding have p = 1 by definition.

    References
    ----------
    O. Ledoit and M. Wolf, "Robust Performance Hypothesis Testing with the Sharpe Ratio", Journal of Empirical Finance
    15 (2008), 850-859.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import StudentisedBootstrap, sharpe_difference
    >>> days = pd.bdate_range("2015-01-01", periods=2500)
    >>> rng = np.random.default_rng(5)
    >>> market = rng.normal(0.0003, 0.01, 2500)
    >>> first = pd.Series(market + rng.normal(0.0002, 0.003, 2500), days)
    >>> second = pd.Series(market, days)
    >>> test = sharpe_difference(first, second, periods_per_year=252, method=StudentisedBootstrap(block=5))
    >>> round(test.difference, 2), round(test.standard_error, 2), test.significant
    (0.46, 0.09, True)
    """
    if isinstance(confidence, bool) or not isinstance(confidence, float) or not 0.0 < confidence < 1.0:
        raise SpecificationError("confidence is not between 0 and 1", value=plain(confidence), remedy="give 0.95")
    if not isinstance(method, Method):
        raise ShapeError(
            "the method is not a specification",
            value=type(method).__name__,
            remedy="pass HAC(), StudentisedBootstrap() or JobsonKorkieMemmel()",
        )
    pair, periods = read_pair(first, second, cash_rate, periods_per_year)
    if pair.same:
        # The first ratio stands for both, so that the difference is zero and not a unit in the last place.
        return _result(pair, periods, method, confidence, _Found(0.0, 0.0, 1.0, 0.0))
    if isinstance(method, HAC):
        error, bandwidth = standard_error(pair, method)
        found = _by_normal(pair, error, confidence, bandwidth)
    elif isinstance(method, JobsonKorkieMemmel):
        found = _by_normal(pair, normal_error(pair), confidence, None)
    else:
        found = _by_bootstrap(pair, method, confidence)
    return _result(pair, periods, method, confidence, found)


@dataclass(frozen=True, eq=False)
class _Found:
    difference: float
    error: float
    p_value: float
    critical: float
    bandwidth: float | None = None
    block: int | None = None
    calibration: BlockCalibration | None = None


def _require_error(pair: Pair, error: float) -> float:
    if not error > 1e-14 * (1.0 + float(np.abs(pair.ratios).max())):
        raise InputError(
            "the difference of the Sharpe ratios has no sampling error",
            value=error,
            remedy="give streams that vary apart from each other in more than their mean",
        )
    return error


def _by_normal(pair: Pair, error: float, confidence: float, bandwidth: float | None) -> _Found:
    statistic = abs(pair.difference) / _require_error(pair, error)
    critical = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    return _Found(pair.difference, error, math.erfc(statistic / math.sqrt(2.0)), critical, bandwidth)


def _by_bootstrap(pair: Pair, method: StudentisedBootstrap, confidence: float) -> _Found:
    error, bandwidth = standard_error(pair, method.error)
    _require_error(pair, error)
    sampling, choosing = np.random.SeedSequence(method.seed).spawn(2)
    calibration = None
    if isinstance(method.block, CalibratedBlock):
        calibration = calibrate(pair, method.block, method.error, choosing)
        block = calibration.chosen
    elif isinstance(method.block, str):
        block = politis_white(pair)
    else:
        block = method.block
    require_blocks(pair.rows, block)
    drawn = resample(pair, block, method.replications, np.random.default_rng(sampling)).studentised(pair.difference)
    p = p_value(drawn, abs(pair.difference) / error)
    critical = critical_value(drawn, confidence)
    return _Found(pair.difference, error, p, critical, bandwidth, block, calibration)


def _result(pair: Pair, periods: float, method: Method, confidence: float, found: _Found) -> SharpeDifference:
    root = math.sqrt(periods)
    first = float(pair.sharpe[0])
    half = found.critical * found.error
    return SharpeDifference(
        first=root * first,
        second=root * (first if pair.same else float(pair.sharpe[1])),
        difference=root * found.difference,
        standard_error=root * found.error,
        t_statistic=0.0 if pair.same else found.difference / found.error,
        p_value=found.p_value,
        interval=(root * (found.difference - half), root * (found.difference + half)),
        confidence=confidence,
        correlation=float((pair.standardised[:, 0] * pair.standardised[:, 1]).mean()),
        rows=pair.rows,
        periods_per_year=periods,
        method=method,
        bandwidth=found.bandwidth,
        block=found.block,
        calibration=found.calibration,
        same=pair.same,
    )
