"""Standard error of the Sharpe ratio: closed forms, a loop, statsmodels by other routes, simulation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from allocopt.backtests.metrics import (
    by_regime,
    equity_curve,
    newey_west_lags,
    performance,
    sharpe_ratio,
    sharpe_standard_error,
)


def grown(returns: Sequence[float] | NDArray[np.floating[Any]]) -> pd.Series[float]:
    dates = pd.date_range("2000-01-02", periods=len(returns))
    return equity_curve(pd.Series(np.asarray(returns), index=dates), start="2000-01-01")


def autoregressive(rng: np.random.Generator, bars: int, phi: float, paths: int) -> NDArray[np.float64]:
    """Gaussian AR(1) returns with standard deviation 0.01 and mean zero, one column a path."""
    x = np.empty((bars, paths))
    x[0] = rng.normal(size=paths)
    noise = rng.normal(size=(bars, paths)) * math.sqrt(1 - phi**2)
    for t in range(1, bars):
        x[t] = phi * x[t - 1] + noise[t]
    return 0.01 * x


def fat_tailed(seed: int, bars: int = 400) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    noise = 0.008 * rng.standard_t(5, bars + 1)
    return 0.001 + noise[1:] + 0.3 * noise[:-1]


@pytest.mark.parametrize(("bars", "lags"), [(1, 1), (2, 1), (25, 2), (100, 4), (252, 4), (1000, 6), (5030, 9)])
def test_rule_for_the_lags(bars: int, lags: int) -> None:
    assert newey_west_lags(bars) == lags


def test_gains_and_losses_of_one_size() -> None:
    """With equal distances from the mean the variance is estimated without error: that of the mean is left."""
    equity = grown([0.03, -0.01] * 50)
    # Per bar: mean 0.01, deviation 0.02, error of the ratio 1 / sqrt(100).
    assert sharpe_standard_error(equity, periods_per_year=1, hac_lags=0) == pytest.approx(0.1, rel=1e-10)
    assert sharpe_standard_error(equity, periods_per_year=256, hac_lags=0) == pytest.approx(1.6, rel=1e-10)
    # One lag: the products of neighbours are all -1, 99 of them, at weight 1/2 and twice.
    expected = math.sqrt(100 - 99) / 100
    assert sharpe_standard_error(equity, periods_per_year=1, hac_lags=1) == pytest.approx(expected, rel=1e-9)


def test_without_lags_it_is_the_formula_with_skewness_and_kurtosis() -> None:
    """Mertens (2002): variance (1 - S skew + S^2 (kurtosis - 1) / 4) / n for independent returns."""
    returns = grown(fat_tailed(1)).pct_change().iloc[1:].to_numpy()
    z = (returns - returns.mean()) / returns.std()
    ratio = returns.mean() / returns.std()
    variance = (1 - ratio * (z**3).mean() + ratio**2 * ((z**4).mean() - 1) / 4) / returns.size
    found = sharpe_standard_error(grown(returns), periods_per_year=252, hac_lags=0)
    assert found == pytest.approx(math.sqrt(252 * variance), rel=1e-9)


def test_independent_normal_returns_have_the_error_of_lo() -> None:
    """Lo (2002): sqrt((1 + S^2 / 2) / n), here with a ratio per bar of 0.5, so that its second part shows."""
    n, ratio = 50_000, 0.5
    returns = np.random.default_rng(3).normal(0.005, 0.01, n)
    expected = math.sqrt((1 + ratio**2 / 2) / n)
    for lags in (0, 5):
        found = sharpe_standard_error(grown(returns), periods_per_year=1, hac_lags=lags)
        assert found == pytest.approx(expected, rel=0.02)
    assert abs(expected - math.sqrt(1 / n)) > 0.05 * expected


def test_it_is_the_spread_of_simulated_ratios() -> None:
    rng = np.random.default_rng(7)
    paths, n = 1500, 250
    ratios, errors = np.empty(paths), np.empty(paths)
    for k in range(paths):
        equity = grown(rng.normal(0.003, 0.01, n))
        ratios[k] = sharpe_ratio(equity, periods_per_year=252)
        errors[k] = sharpe_standard_error(equity, periods_per_year=252)
    # The spread of 1,500 is known to 1.8 percent; short samples make the error a few percent too small.
    assert errors.mean() == pytest.approx(ratios.std(ddof=1), rel=0.07)
    assert errors.mean() == pytest.approx(math.sqrt(252 * (1 + 0.3**2 / 2) / n), rel=0.05)
    truth = 0.3 * math.sqrt(252)
    covered = np.mean(np.abs(ratios - truth) < 1.96 * errors)
    assert 0.92 < covered < 0.97


def test_autocorrelation_widens_it_as_it_should() -> None:
    """AR(1) with mean zero: the variance of the mean is (1 + phi) / (1 - phi) times that of independent returns."""
    phi, n, paths = 0.4, 3000, 60
    sample = autoregressive(np.random.default_rng(11), n, phi, paths)
    robust = np.mean([sharpe_standard_error(grown(x), periods_per_year=1, hac_lags=40) for x in sample.T])
    naive = np.mean([sharpe_standard_error(grown(x), periods_per_year=1, hac_lags=0) for x in sample.T])
    assert naive == pytest.approx(1 / math.sqrt(n), rel=0.02)
    assert robust == pytest.approx(math.sqrt((1 + phi) / (1 - phi) / n), rel=0.06)
    ratios = [sharpe_ratio(grown(x), periods_per_year=1) for x in sample.T]
    assert np.std(ratios) > 1.2 * naive


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lags", [0, 1, 6, None])
def test_delta_method_with_the_covariance_of_both_moments(seed: int, lags: int | None) -> None:
    """Ledoit and Wolf (2008), section 3.1, written out: gradient on both sides of a two by two matrix."""
    from statsmodels.stats.sandwich_covariance import S_hac_simple

    returns = fat_tailed(seed)
    excess = grown(returns).pct_change().iloc[1:].to_numpy() - 0.02 / 252
    mean, second = excess.mean(), (excess**2).mean()
    covariance = S_hac_simple(np.column_stack((excess - mean, excess**2 - second)), nlags=lags) / excess.size
    gradient = np.array([second, -mean / 2]) / (second - mean**2) ** 1.5
    expected = math.sqrt(252 * gradient @ covariance @ gradient / excess.size)
    found = sharpe_standard_error(grown(returns), periods_per_year=252, cash_rate=0.02, hac_lags=lags)
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("lags", [0, 3, 12])
def test_mean_part_is_that_of_a_regression_on_a_constant(lags: int) -> None:
    """With a mean of zero the error of the deviation drops out, and OLS with HAC errors says the same."""
    from statsmodels.regression.linear_model import OLS

    returns = fat_tailed(9)
    returns -= returns.mean()
    fitted = OLS(returns, np.ones(returns.size)).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}
    )
    expected = float(fitted.bse[0]) / returns.std() * math.sqrt(252)
    assert sharpe_standard_error(grown(returns), periods_per_year=252, hac_lags=lags) == pytest.approx(expected, 1e-8)


def newey_west(parts: list[float | None], lags: int) -> float:
    """Sum of products of all pairs up to the lag, by two loops; None is a gap."""
    total = 0.0
    for t, a in enumerate(parts):
        for s, b in enumerate(parts):
            if a is not None and b is not None and abs(t - s) <= lags:
                total += (1 - abs(t - s) / (lags + 1)) * a * b
    return total


def moment_parts(x: list[float]) -> list[float]:
    n = len(x)
    mean = math.fsum(x) / n
    second = math.fsum(v * v for v in x) / n
    cube = (second - mean**2) ** 1.5
    return [(second * (v - mean) - mean / 2 * (v * v - second)) / cube for v in x]


@pytest.mark.parametrize("lags", [0, 2, 7])
def test_twin_by_two_loops(lags: int) -> None:
    equity = grown(fat_tailed(21, 120))
    x = [b / a - 1 for a, b in pairwise(equity.tolist())]
    expected = math.sqrt(newey_west(list(moment_parts(x)), lags) * 252) / len(x)
    assert sharpe_standard_error(equity, periods_per_year=252, hac_lags=lags) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("lags", [0, 3])
def test_regimes_leave_gaps_of_their_true_length(lags: int) -> None:
    equity = grown(fat_tailed(22, 150))
    labels = pd.Series(np.random.default_rng(1).choice(["a", "b", "c"], len(equity)), index=equity.index)
    table = by_regime(equity, labels, periods_per_year=252, hac_lags=lags)
    x = [b / a - 1 for a, b in pairwise(equity.tolist())]
    for label in ("a", "b", "c"):
        places = [t for t in range(len(x)) if labels.iloc[t + 1] == label]
        parts: list[float | None] = [None] * len(x)
        for t, part in zip(places, moment_parts([x[t] for t in places]), strict=True):
            parts[t] = part
        expected = math.sqrt(newey_west(parts, lags) * 252) / len(places)
        assert table.loc[label, "sharpe_standard_error"] == pytest.approx(expected, rel=1e-9)


def test_lags_that_were_used_are_on_the_result() -> None:
    equity = grown(fat_tailed(2))
    assert performance(equity, periods_per_year=252).hac_lags == newey_west_lags(400) == 5
    usual = sharpe_standard_error(equity, periods_per_year=252)
    assert sharpe_standard_error(equity, periods_per_year=252, hac_lags=5) == usual
    assert sharpe_standard_error(equity, periods_per_year=252, hac_lags=6) != usual


def test_a_mean_far_above_the_deviation_costs_no_digits() -> None:
    """Ratio of a thousand per bar: written with raw moments, the difference of squares would lose all of them."""
    rng = np.random.default_rng(2)
    returns = 0.5 + 0.0005 * rng.choice([-1.0, 1.0], 200)
    returns[100:] = 1.0 - returns[:100]  # as many up as down
    equity = grown(returns)
    assert sharpe_standard_error(equity, periods_per_year=1, hac_lags=0) == pytest.approx(1 / math.sqrt(200), rel=1e-6)
