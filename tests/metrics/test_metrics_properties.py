"""What holds for every curve."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocopt.backtests import metrics
from allocopt.backtests.metrics import by_regime, drawdowns, performance

CENTS = st.lists(st.integers(1, 10**7), min_size=3, max_size=40)
NAMES_WITHOUT_DATES = (
    "total_return", "annual_return", "mean_annual_return", "cagr", "volatility", "sharpe", "sortino", "calmar",
    "max_drawdown", "number_of_drawdowns", "mean_drawdown", "win_rate_all", "profit_factor", "bps",
)  # fmt: skip


def curve(cents: list[int], unit: float = 100.0) -> pd.Series[float]:
    return pd.Series(np.array(cents) / unit, index=pd.date_range("2022-01-01", periods=len(cents)))


@given(CENTS)
def test_bounds(cents: list[int]) -> None:
    equity = curve(cents)
    measured = performance(equity, periods_per_year=252, standard_error=False)
    assert 0.0 <= measured.max_drawdown < 1.0
    assert 0.0 <= measured.win_rate_all <= 1.0
    assert measured.total_return > -1.0
    assert measured.annual_return >= -1.0
    assert measured.volatility >= 0.0
    assert not measured.profit_factor < 0.0
    assert measured.max_drawdown_money < equity.max()
    # The account ends no lower than its depth below the highest value, and no drawdown is deeper than the span.
    assert measured.max_drawdown >= 1.0 - equity.iloc[-1] / equity.max() - 1e-15
    assert measured.max_drawdown <= 1.0 - equity.min() / equity.max() + 1e-15


@given(CENTS)
def test_money_counts_in_proportion(cents: list[int]) -> None:
    """Twice or half the money changes no bit of a rate or a ratio, and doubles what is in money."""
    base = performance(curve(cents), periods_per_year=252, standard_error=False)
    twice = performance(curve(cents, 50.0), periods_per_year=252, standard_error=False)
    for name in NAMES_WITHOUT_DATES:
        assert getattr(twice, name) == getattr(base, name) or math.isnan(getattr(base, name)), name
    assert twice.max_drawdown_money == 2 * base.max_drawdown_money
    assert twice.max_drawdown_trough == base.max_drawdown_trough or base.max_drawdown_trough is pd.NaT


@given(CENTS, st.floats(1.0, 10_000.0))
def test_annualised_figures_scale_as_they_should(cents: list[int], periods: float) -> None:
    one = performance(curve(cents), periods_per_year=1.0, standard_error=False)
    many = performance(curve(cents), periods_per_year=periods, standard_error=False)
    assert many.mean_annual_return == pytest.approx(one.mean_annual_return * periods, rel=1e-12)
    for name in ("volatility", "sharpe", "sortino"):
        expected = getattr(one, name) * math.sqrt(periods)
        assert getattr(many, name) == pytest.approx(expected, rel=1e-12, nan_ok=True)
    if math.isfinite(many.annual_return) and many.annual_return > -1.0:
        assert math.log1p(many.annual_return) == pytest.approx(math.log1p(one.annual_return) * periods, rel=1e-6)
    for name in ("cagr", "max_drawdown", "win_rate_all", "profit_factor", "mean_drawdown"):
        assert getattr(many, name) == getattr(one, name) or math.isnan(getattr(one, name))


@given(CENTS)
def test_order_of_the_bars_matters_to_neither_growth_nor_deviation(cents: list[int]) -> None:
    equity = curve(cents)
    order = np.random.default_rng(len(cents)).permutation(len(cents) - 1)
    returns = equity.pct_change().iloc[1:]
    shuffled = metrics.equity_curve(
        pd.Series(returns.to_numpy()[order], index=returns.index),
        capital=float(equity.iloc[0]),
        start=equity.index[0],
    )
    one, other = (performance(e, periods_per_year=252, standard_error=False) for e in (equity, shuffled))
    for name in ("total_return", "mean_annual_return", "volatility"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-7, abs=1e-9)


@given(CENTS)
def test_drawdowns_do_not_overlap_and_cover_all_that_is_under_water(cents: list[int]) -> None:
    equity = curve(cents)
    table = drawdowns(equity)
    below = metrics.underwater(equity) > 0
    assert table["bars_under_water"].sum() - table["recovery"].notna().sum() == below.sum()
    ends = table["recovery"].fillna(equity.index[-1])
    assert (table["peak"] < table["trough"]).all()
    assert (table["trough"] <= ends).all()
    assert (ends.iloc[:-1].to_numpy() <= table["peak"].iloc[1:].to_numpy()).all()
    assert table["recovery"].iloc[:-1].notna().all()
    assert metrics.max_drawdown(equity) == (table["depth"].max() if len(table) else 0.0)


@given(st.lists(st.integers(10**4, 10**6), min_size=3, max_size=25), st.data())
def test_regimes_partition_the_curve(cents: list[int], data: st.DataObject) -> None:
    equity = curve(cents)
    labels = data.draw(st.lists(st.integers(0, 3), min_size=len(cents), max_size=len(cents)))
    regimes = pd.Series(labels, index=equity.index)
    table = by_regime(equity, regimes, periods_per_year=252, standard_error=False)
    assert table.index.tolist() == sorted(set(labels[1:]))
    assert table["bars"].sum() == len(cents) - 1
    gain = equity.iloc[-1] - equity.iloc[0]
    assert table["pnl"].sum() == pytest.approx(gain, abs=1e-12 * equity.sum())
    assert np.prod(1 + table["total_return"]) == pytest.approx(equity.iloc[-1] / equity.iloc[0], rel=1e-12)
    # The losses of the whole are those of the regimes: none can be deeper alone than all its losing bars together.
    for label, row in table.iterrows():
        moves = equity.pct_change()[regimes == label].iloc[int(labels[0] == label) :]
        assert row["max_drawdown"] <= 1 - np.prod(1 + moves.clip(upper=0)) + 1e-12
        assert row["max_drawdown"] >= -moves.min() - 1e-12


@given(CENTS, st.integers(0, 10))
def test_the_error_of_the_ratio_is_finite_and_not_negative(cents: list[int], lags: int) -> None:
    equity = curve(cents)
    bars = len(cents) - 1
    error = metrics.sharpe_standard_error(equity, periods_per_year=252, hac_lags=min(lags, bars - 1))
    ratio = metrics.sharpe_ratio(equity, periods_per_year=252)
    assert math.isnan(error) == math.isnan(ratio)
    assert math.isnan(error) or 0.0 <= error < math.inf
