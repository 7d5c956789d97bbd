"""empyrical-reloaded, quantstats and ffn: the same numbers where the definitions agree, and why where they do not.

Written against empyrical-reloaded 0.7.1, quantstats 0.0.86 and ffn 1.4.1. All three are optional.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from arch.data import sp500

from allocopt.backtests import metrics
from allocopt.backtests.metrics import Performance, performance

pytestmark = pytest.mark.filterwarnings("ignore")  # their own use of pandas, not ours

P = 252


@pytest.fixture(scope="module", params=["index", "seeded"])
def equity(request: pytest.FixtureRequest) -> pd.Series[float]:
    if request.param == "index":
        return sp500.load()["Adj Close"].astype(float)
    rng = np.random.default_rng(42)
    returns = np.where(rng.random(900) < 0.2, 0.0, rng.normal(0.0005, 0.012, 900))  # a fifth of the days in cash
    dates = pd.bdate_range("2019-01-02", periods=900)
    return metrics.equity_curve(pd.Series(returns, index=dates), capital=1e5, start="2019-01-01")


@pytest.fixture
def returns(equity: pd.Series[float]) -> pd.Series[float]:
    """The T - 1 returns: row 0 is where the account starts and has none."""
    return equity.pct_change().iloc[1:]


@pytest.fixture
def ours(equity: pd.Series[float]) -> Performance:
    return performance(equity, periods_per_year=P, cash_rate=0.02, standard_error=False)


def close(expected: float, rel: float = 1e-10) -> Any:
    return pytest.approx(expected, rel=rel)


def test_empyrical_agrees(ours: Performance, returns: pd.Series[float]) -> None:
    empyrical = pytest.importorskip("empyrical")
    cash = 0.02 / P  # it takes the rate of one bar
    assert ours.total_return == close(empyrical.cum_returns_final(returns))
    assert ours.annual_return == close(empyrical.annual_return(returns, annualization=P))
    assert ours.volatility == close(empyrical.annual_volatility(returns, annualization=P))
    assert ours.sharpe == close(empyrical.sharpe_ratio(returns, risk_free=cash, annualization=P))
    assert ours.sortino == close(empyrical.sortino_ratio(returns, required_return=cash, annualization=P))
    assert ours.calmar == close(empyrical.calmar_ratio(returns, annualization=P))
    assert ours.max_drawdown == close(-empyrical.max_drawdown(returns))


def test_empyrical_counts_bars_where_it_says_cagr(
    ours: Performance, equity: pd.Series[float], returns: pd.Series[float]
) -> None:
    empyrical = pytest.importorskip("empyrical")
    assert empyrical.cagr(returns, annualization=P) == close(ours.annual_return)
    assert empyrical.cagr(returns, annualization=P) != pytest.approx(ours.cagr, rel=1e-4)
    # A stream that keeps a zero for the first row has one bar too many, and grows slower.
    padded = equity.pct_change().fillna(0.0)
    slower = empyrical.annual_return(padded, annualization=P)
    assert slower == close((1 + ours.total_return) ** (P / len(padded)) - 1)
    assert abs(slower) < abs(ours.annual_return)


def test_all_three_divide_by_the_deviation_of_rounding() -> None:
    empyrical, ffn = pytest.importorskip("empyrical"), pytest.importorskip("ffn")
    stats = pytest.importorskip("quantstats").stats
    equity = pd.Series(100 * 1.01 ** np.arange(300), index=pd.bdate_range("2020-01-01", periods=300))
    steady = equity.pct_change().iloc[1:]
    for theirs in (
        empyrical.sharpe_ratio(steady, annualization=P),
        stats.sharpe(steady, periods=P),
        ffn.calc_sharpe(steady, nperiods=P),
    ):
        assert theirs > 1e12
    assert math.isnan(metrics.sharpe_ratio(equity, periods_per_year=P))
    # Without a loss there is no downside deviation and no drawdown.
    assert empyrical.sortino_ratio(steady, annualization=P) == math.inf
    assert ffn.calc_sortino_ratio(steady, nperiods=P) == math.inf
    assert math.isnan(stats.sortino(steady, periods=P))
    assert math.isnan(metrics.sortino_ratio(equity, periods_per_year=P))
    assert math.isnan(empyrical.calmar_ratio(steady, annualization=P))
    assert ffn.calc_calmar_ratio(equity) == math.inf
    with pytest.raises(ZeroDivisionError):
        stats.calmar(steady, periods=P)
    assert math.isnan(metrics.calmar_ratio(equity, periods_per_year=P))


def test_quantstats_agrees(equity: pd.Series[float], returns: pd.Series[float]) -> None:
    stats = pytest.importorskip("quantstats").stats
    ours = performance(equity, periods_per_year=P, standard_error=False)
    assert ours.total_return == close(stats.comp(returns))
    assert ours.volatility == close(stats.volatility(returns, periods=P))
    assert ours.sharpe == close(stats.sharpe(returns, periods=P))
    assert ours.sortino == close(stats.sortino(returns, periods=P))
    assert ours.max_drawdown == close(-stats.max_drawdown(returns))
    assert ours.profit_factor == close(stats.profit_factor(returns))


def test_quantstats_counts_bars_where_it_says_cagr(ours: Performance, returns: pd.Series[float]) -> None:
    stats = pytest.importorskip("quantstats").stats
    assert stats.cagr(returns, periods=P) == close(ours.annual_return)
    assert stats.calmar(returns, periods=P) == close(ours.calmar)
    assert stats.cagr(returns, periods=P) != pytest.approx(ours.cagr, rel=1e-4)
    padded = pd.concat([pd.Series(0.0, index=[ours.start]), returns])
    assert stats.cagr(padded, periods=P) == close((1 + ours.total_return) ** (P / (ours.bars + 1)) - 1)


def test_quantstats_and_ffn_compound_the_cash_rate(equity: pd.Series[float], returns: pd.Series[float]) -> None:
    stats = pytest.importorskip("quantstats").stats
    ffn = pytest.importorskip("ffn")
    geometric = P * (1.05 ** (1 / P) - 1)
    expected = metrics.sharpe_ratio(equity, periods_per_year=P, cash_rate=geometric)
    assert stats.sharpe(returns, rf=0.05, periods=P) == close(expected)
    assert ffn.calc_sharpe(returns, rf=0.05, nperiods=P) == close(expected)
    assert metrics.sharpe_ratio(equity, periods_per_year=P, cash_rate=0.05) < expected


def test_quantstats_leaves_out_bars_without_a_change(equity: pd.Series[float], returns: pd.Series[float]) -> None:
    stats = pytest.importorskip("quantstats").stats
    moved = equity.diff() != 0.0
    assert stats.win_rate(returns) == close(metrics.win_rate(equity, moved))
    still = float((returns == 0.0).mean())
    assert metrics.win_rate(equity) == close(stats.win_rate(returns) * (1 - still))


def test_quantstats_drawdowns_begin_a_row_later_and_end_a_row_earlier(
    equity: pd.Series[float], returns: pd.Series[float]
) -> None:
    stats = pytest.importorskip("quantstats").stats
    ours = metrics.drawdowns(equity)
    theirs = stats.drawdown_details(-metrics.underwater(equity))
    assert len(theirs) == len(ours)
    place = {str(day.date()): row for row, day in enumerate(equity.index)}
    mine: Any
    other: Any
    for mine, other in zip(ours.itertuples(), theirs.itertuples(index=False), strict=True):
        start, valley, end = (str(date)[:10] for date in other[:3])
        assert place[start] == place[str(mine.peak.date())] + 1
        assert valley == str(mine.trough.date())
        if not pd.isna(mine.recovery):
            assert place[end] == place[str(mine.recovery.date())] - 1
        assert other[4] == close(-100 * mine.depth)


@pytest.fixture
def ffn_stats(equity: pd.Series[float]) -> Any:
    ffn = pytest.importorskip("ffn")
    return ffn.PerformanceStats(equity, annualization_factor=P)


def test_ffn_agrees(equity: pd.Series[float], ffn_stats: Any) -> None:
    ours = performance(equity, periods_per_year=P, standard_error=False)
    assert ours.total_return == close(ffn_stats.total_return)
    assert ours.cagr == close(ffn_stats.cagr)  # on the calendar, 365.25 days
    assert ours.mean_annual_return == close(ffn_stats.daily_mean)
    assert ours.volatility == close(ffn_stats.daily_vol)
    assert ours.sharpe == close(ffn_stats.daily_sharpe)
    assert ours.sortino == close(ffn_stats.daily_sortino)
    assert ours.max_drawdown == close(-ffn_stats.max_drawdown)
    assert ours.mean_drawdown == close(-ffn_stats.avg_drawdown)
    assert ours.number_of_drawdowns == len(ffn_stats.drawdown_details)


def test_ffn_puts_calendar_growth_over_the_drawdown(ours: Performance, ffn_stats: Any) -> None:
    assert ffn_stats.calmar == close(ours.cagr / ours.max_drawdown)
    assert ffn_stats.calmar != pytest.approx(ours.calmar, rel=1e-4)


def test_ffn_drawdowns_begin_a_row_later_and_close_an_open_one(equity: pd.Series[float], ffn_stats: Any) -> None:
    ours, theirs = metrics.drawdowns(equity), ffn_stats.drawdown_details
    rows = equity.index.get_indexer(pd.DatetimeIndex(theirs["Start"]))
    assert (rows == equity.index.get_indexer(pd.DatetimeIndex(ours["peak"])) + 1).all()
    assert (pd.DatetimeIndex(theirs["End"]) == pd.DatetimeIndex(ours["recovery"].fillna(equity.index[-1]))).all()
    np.testing.assert_allclose(-theirs["drawdown"].astype(float), ours["depth"], rtol=1e-10)
