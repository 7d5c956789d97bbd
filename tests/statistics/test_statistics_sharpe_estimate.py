"""The Sharpe ratio with its error: the metrics' own numbers, analytic errors, the size of the test, input errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.metrics import equity_curve, newey_west_lags, sharpe_ratio, sharpe_standard_error
from allocopt.backtests.statistics import sharpe_estimate
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError


def stream(values: object, start: str = "2015-01-01") -> pd.Series:
    array = np.asarray(values, dtype=np.float64)
    return pd.Series(array, pd.bdate_range(start, periods=len(array)))


def test_numbers_are_those_of_the_metrics(rng: np.random.Generator) -> None:
    returns = stream(rng.normal(0.0005, 0.01, 400))
    curve = equity_curve(returns, capital=1.0, start=returns.index[0] - pd.Timedelta(days=1))
    for lags in (None, 0, 12):
        found = sharpe_estimate(returns, periods_per_year=252, cash_rate=0.03, hac_lags=lags)
        ratio = sharpe_ratio(curve, periods_per_year=252, cash_rate=0.03)
        error = sharpe_standard_error(curve, periods_per_year=252, cash_rate=0.03, hac_lags=lags)
        assert found.ratio == pytest.approx(ratio, rel=1e-9)
        assert found.standard_error == pytest.approx(error, rel=1e-9)
        assert found.lags == (newey_west_lags(400) if lags is None else lags)


def test_error_of_independent_normal_returns(rng: np.random.Generator) -> None:
    # Lo (2002), "IID Returns": sqrt((1 + S^2 / 2) / n), S = 0.5 a row.
    found = sharpe_estimate(stream(rng.normal(0.005, 0.01, 40_000)), periods_per_year=1)
    assert found.standard_error == pytest.approx(math.sqrt((1.0 + found.ratio**2 / 2.0) / 40_000), rel=0.05)


def test_error_of_an_autoregression(rng: np.random.Generator) -> None:
    # With a true ratio of 0 the error is the long-run deviation over the deviation: sqrt((1 + a) / (1 - a) / n).
    a, rows = 0.3, 40_000
    x = rng.normal(0.0, 0.01, rows)
    for t in range(1, rows):
        x[t] += a * x[t - 1]
    found = sharpe_estimate(stream(x, "1900-01-01"), periods_per_year=1, hac_lags=40)
    assert found.standard_error == pytest.approx(math.sqrt((1 + a) / (1 - a) / rows), rel=0.08)


def test_interval_p_value_and_units_agree(rng: np.random.Generator) -> None:
    returns = stream(rng.normal(0.0008, 0.01, 500))
    for confidence in (0.5, 0.9, 0.95, 0.99):
        found = sharpe_estimate(returns, periods_per_year=252, confidence=confidence)
        assert found.significant == (not found.interval[0] <= 0.0 <= found.interval[1])
        assert sum(found.interval) == pytest.approx(2.0 * found.ratio)
    found = sharpe_estimate(returns, periods_per_year=252)
    assert found.interval[1] - found.ratio == pytest.approx(1.959964 * found.standard_error, rel=1e-6)
    assert found.p_value == pytest.approx(math.erfc(found.t_statistic / math.sqrt(2.0)), rel=1e-12)
    quarter = sharpe_estimate(7.0 * returns, periods_per_year=63)
    assert quarter.ratio == pytest.approx(found.ratio / 2.0, rel=1e-12)
    assert quarter.p_value == pytest.approx(found.p_value, rel=1e-9)
    assert quarter.ratio_per_row == pytest.approx(found.ratio_per_row, rel=1e-12)
    by_date = pd.Series(0.02, returns.index)
    assert sharpe_estimate(returns, periods_per_year=252, cash_rate=by_date).ratio == pytest.approx(
        sharpe_estimate(returns, periods_per_year=252, cash_rate=0.02).ratio, rel=1e-12
    )
    assert repr(found) == str(found) == found.message
    assert f"standard error {found.standard_error:.2f}" in repr(found)


def test_p_values_are_uniform_without_skill() -> None:
    rng = np.random.default_rng(11)
    p = np.array([sharpe_estimate(stream(x), periods_per_year=252).p_value for x in rng.normal(0, 0.01, (300, 500))])
    # Mean of 300 uniform values: 0.5 with error 0.017; share below 0.05 with error 0.013.
    assert p.mean() == pytest.approx(0.5, abs=0.05)
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.035)


def test_unusable_input_is_refused(rng: np.random.Generator) -> None:
    returns = stream(rng.normal(0.0, 0.01, 60))
    for bad, what in ((math.nan, "missing"), (math.inf, "missing"), (-1.01, "more than everything")):
        broken = returns.copy()
        broken.iloc[7] = bad
        with pytest.raises(InputError, match=rf"{what}.* at 2015-01-12"):
            sharpe_estimate(broken, periods_per_year=252)
    with pytest.raises(ShapeError, match="29 rows"):
        sharpe_estimate(returns.iloc[:29], periods_per_year=252)
    with pytest.raises(ShapeError, match="not of type Series"):
        sharpe_estimate(returns.to_numpy(), periods_per_year=252)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no volatility"):
        sharpe_estimate(0.0 * returns + 0.001, periods_per_year=252)
    with pytest.raises(LabelError, match="not sorted"):
        sharpe_estimate(returns.iloc[::-1], periods_per_year=252)
    with pytest.raises(LabelError, match="cash_rate has other dates"):
        sharpe_estimate(returns, periods_per_year=252, cash_rate=pd.Series(0.01, returns.index[:-1]))
    rates = pd.Series(0.01, returns.index)
    rates.iloc[3] = math.nan
    with pytest.raises(InputError, match="cash_rate is missing"):
        sharpe_estimate(returns, periods_per_year=252, cash_rate=rates)
    with pytest.raises(InputError, match="no sampling error"):
        # Two values with skewness 1.5 and a ratio of 4/3 a row: what mean and deviation add to the error cancels.
        sharpe_estimate(stream(0.01 * (np.tile([2.0, -0.5, -0.5, -0.5, -0.5], 12) + 4 / 3)), periods_per_year=252)
    wrong: list[dict[str, Any]] = [{"confidence": 1.0}, {"confidence": 95}, {"hac_lags": 60}, {"cash_rate": 4.0}]
    for settings in wrong:
        with pytest.raises(SpecificationError):
            sharpe_estimate(returns, periods_per_year=252, **settings)
    with pytest.raises(SpecificationError, match="periods_per_year"):
        sharpe_estimate(returns, periods_per_year=0)
