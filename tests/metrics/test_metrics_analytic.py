"""Every figure by hand, on curves short enough to compute on paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests import metrics
from allocopt.backtests.metrics import performance

DAYS = pd.date_range("2024-01-01", periods=12)


def curve(*values: float) -> pd.Series[float]:
    return pd.Series(list(values), index=DAYS[: len(values)], dtype=float)


def flags(*values: bool) -> pd.Series[bool]:
    return pd.Series(list(values), index=DAYS[: len(values)])


# Returns 0.2, -0.1, 0.0, -0.1, 0.3.
FIVE = curve(100.0, 120.0, 108.0, 108.0, 97.2, 126.36)


def test_growth() -> None:
    assert metrics.total_return(FIVE) == pytest.approx(0.2636, rel=1e-14)
    # Five bars at ten a year are half a year: the growth squared.
    assert metrics.annual_return(FIVE, periods_per_year=10) == pytest.approx(1.2636**2 - 1, rel=1e-14)
    assert metrics.mean_annual_return(FIVE, periods_per_year=10) == pytest.approx(0.06 * 10, rel=1e-13)


def test_growth_on_the_calendar_counts_days_and_not_bars() -> None:
    dates = pd.to_datetime(["2020-01-01 00:00", "2020-01-02 00:00", "2022-01-01 12:00"])  # 731.5 and 730.5 days
    assert metrics.cagr(pd.Series([100.0, 100.0, 144.0], index=dates)) == pytest.approx(1.44 ** (365.25 / 731.5) - 1)
    assert metrics.cagr(pd.Series([100.0, 144.0], index=dates[1:])) == pytest.approx(1.44 ** (365.25 / 730.5) - 1)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_growth_on_the_calendar_in_every_resolution(unit: str, zone: str | None) -> None:
    dates = pd.DatetimeIndex(["2020-01-01", "2022-01-01"]).as_unit(unit).tz_localize(zone)  # type: ignore[arg-type]
    assert metrics.cagr(pd.Series([100.0, 144.0], index=dates)) == pytest.approx(1.44 ** (365.25 / 731) - 1, rel=1e-13)


def test_deviation_and_ratios() -> None:
    # Mean 0.06; deviations .14 -.16 -.06 -.16 .24, squares sum to 0.132, over four 0.033.
    assert metrics.volatility(FIVE, periods_per_year=10) == pytest.approx(math.sqrt(0.33), rel=1e-13)
    assert metrics.sharpe_ratio(FIVE, periods_per_year=10) == pytest.approx(0.6 / math.sqrt(0.33), rel=1e-13)
    # Below zero: two losses of 0.1 among five bars, mean square 0.004.
    assert metrics.sortino_ratio(FIVE, periods_per_year=10) == pytest.approx(0.6 / math.sqrt(0.04), rel=1e-13)
    assert metrics.profit_factor(FIVE) == pytest.approx(0.5 / 0.2, rel=1e-13)
    # From 120 to 97.2.
    assert metrics.calmar_ratio(FIVE, periods_per_year=10) == pytest.approx((1.2636**2 - 1) / 0.19, rel=1e-13)


def test_cash_rate_is_spread_evenly_over_the_bars_of_a_year() -> None:
    assert metrics.sharpe_ratio(FIVE, periods_per_year=10, cash_rate=0.2) == pytest.approx(0.4 / math.sqrt(0.33))
    # Excess 0.18, -0.12, -0.02, -0.12, 0.28: mean square below zero (0.0144 + 0.0004 + 0.0144) / 5.
    expected = 0.4 / math.sqrt(10 * 0.0292 / 5)
    assert metrics.sortino_ratio(FIVE, periods_per_year=10, cash_rate=0.2) == pytest.approx(expected)
    # A rate by row: what stands on row 0 is the rate of no bar.
    rates = pd.Series([math.nan, 0.9, 0.0, 0.0, 0.0, 0.0], index=FIVE.index)
    # Excess 0.11, -0.1, 0, -0.1, 0.3: mean 0.042, squares about it .004624 + 2(.020164) + .001764 + .066564 = .11328.
    expected = 0.42 / math.sqrt(10 * 0.11328 / 4)
    assert metrics.sharpe_ratio(FIVE, periods_per_year=10, cash_rate=rates) == pytest.approx(expected)


def test_win_rates() -> None:
    assert metrics.win_rate(FIVE) == 0.4
    assert metrics.win_rate(FIVE, flags(False, True, True, False, False, True)) == 2 / 3
    # The first row ends no bar.
    assert metrics.win_rate(FIVE, flags(True, True, True, False, False, True)) == 2 / 3


def test_score_of_four_figures() -> None:
    assert metrics.balanced_performance_score(1.0, 0.1, 0.5, 0.2) == pytest.approx(0.4 + 0.03 + 0.1 - 0.02, rel=1e-15)
    assert metrics.balanced_performance_score(1.0, 0.1, 0.5, -0.2) == pytest.approx(0.51, rel=1e-15)
    assert math.isnan(metrics.balanced_performance_score(math.nan, 0.1, 0.5, 0.2))


def test_drawdown_table() -> None:
    equity = curve(100.0, 90.0, 80.0, 80.0, 90.0, 100.0, 100.0, 50.0, 200.0, 190.0)
    table = metrics.drawdowns(equity)
    assert len(table) == 3
    assert table["peak"].tolist() == [DAYS[0], DAYS[6], DAYS[8]]  # the last row at the high
    assert table["trough"].tolist() == [DAYS[2], DAYS[7], DAYS[9]]  # the first row at the low
    assert table["recovery"].iloc[:2].tolist() == [DAYS[5], DAYS[8]]
    assert table["recovery"].isna().tolist() == [False, False, True]
    assert table["depth"].tolist() == [0.2, 0.5, 0.05]
    assert table["money"].tolist() == [20.0, 50.0, 10.0]
    assert table["bars_to_trough"].tolist() == [2, 1, 1]
    assert table["bars_to_recovery"].iloc[:2].tolist() == [3, 1]
    assert table["bars_to_recovery"].isna().tolist() == [False, False, True]
    assert table["bars_under_water"].tolist() == [5, 2, 1]
    assert table["time_to_trough"].tolist() == [pd.Timedelta(days=d) for d in (2, 1, 1)]
    assert table["time_to_recovery"].iloc[:2].tolist() == [pd.Timedelta(days=d) for d in (3, 1)]
    assert table["time_under_water"].tolist() == [pd.Timedelta(days=d) for d in (5, 2, 1)]
    assert metrics.max_drawdown(equity) == 0.5
    expected = [0.0, 0.1, 0.2, 0.2, 0.1, 0.0, 0.0, 0.5, 0.0, 0.05]
    pd.testing.assert_series_equal(metrics.underwater(equity), curve(*expected).rename("underwater"))


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_drawdown_table_without_a_row_has_the_same_columns(zone: str | None) -> None:
    falls, rises = (curve(*values).tz_localize(zone) for values in ((2.0, 1.0), (1.0, 2.0)))
    assert len(metrics.drawdowns(rises)) == 0
    pd.testing.assert_series_equal(metrics.drawdowns(rises).dtypes, metrics.drawdowns(falls).dtypes)


def test_deepest_in_percent_and_deepest_in_money_have_dates_of_their_own() -> None:
    measured = performance(curve(100.0, 60.0, 1000.0, 900.0, 950.0), periods_per_year=10, standard_error=False)
    assert measured.max_drawdown == 0.4
    assert (measured.max_drawdown_peak, measured.max_drawdown_trough) == (DAYS[0], DAYS[1])
    assert measured.max_drawdown_recovery == DAYS[2]
    assert measured.recovery_time == pd.Timedelta(days=1)
    assert measured.max_drawdown_money == 100.0
    assert (measured.money_drawdown_peak, measured.money_drawdown_trough) == (DAYS[2], DAYS[3])
    assert measured.number_of_drawdowns == 2
    assert measured.mean_drawdown == 0.25
    assert measured.longest_drawdown == pd.Timedelta(days=2)


def test_equal_drawdowns_give_the_earlier_one_and_an_open_one_no_recovery() -> None:
    measured = performance(curve(100.0, 50.0, 100.0, 50.0), periods_per_year=10, standard_error=False)
    assert measured.max_drawdown_peak == DAYS[0]
    still_open = performance(curve(100.0, 90.0, 100.0, 50.0), periods_per_year=10, standard_error=False)
    assert still_open.max_drawdown_trough == DAYS[3]
    assert still_open.max_drawdown_recovery is pd.NaT
    assert still_open.recovery_time is pd.NaT


def test_turnover_over_the_years_of_the_bars() -> None:
    turnover = curve(7.0, 0.5, 0.0, 0.25, 0.0, 0.5)  # what the first row traded was before the curve began
    measured = performance(FIVE, periods_per_year=10, turnover=turnover, standard_error=False)
    assert measured.turnover_per_year == 2.5


def test_the_span() -> None:
    measured = performance(FIVE, periods_per_year=10, standard_error=False)
    assert (measured.start, measured.end, measured.bars) == (DAYS[0], DAYS[5], 5)
    assert measured.bars_per_calendar_year == pytest.approx(365.25, rel=1e-14)
    assert (measured.starting_capital, measured.final_value) == (100.0, 126.36)


def test_what_was_not_asked_is_none() -> None:
    measured = performance(FIVE, periods_per_year=10, standard_error=False)
    absent = [name for name in vars(measured) if getattr(measured, name) is None]
    expected = ["sharpe_standard_error", "win_rate_active", "turnover_per_year", "hac_lags", "active_bars", "by_regime"]
    assert sorted(absent) == sorted(expected)


def steady(rate: float, bars: int) -> pd.Series[float]:
    values = 100.0 * (1.0 + rate) ** np.arange(bars + 1)
    return pd.Series(values, index=pd.date_range("2020-01-01", periods=bars + 1))


@pytest.mark.parametrize("equity", [steady(0.01, 300), steady(-0.01, 300), steady(0.0, 30), steady(1e-12, 300)])
def test_a_steady_curve_has_no_volatility_and_no_sharpe_ratio(equity: pd.Series[float]) -> None:
    """Rounding leaves deviations of 1e-17, and a ratio of 1e15 if they are taken for volatility."""
    measured = performance(equity, periods_per_year=252)
    assert measured.volatility == 0.0
    assert math.isnan(measured.sharpe)
    assert measured.sharpe_standard_error is not None
    assert math.isnan(measured.sharpe_standard_error)
    assert math.isnan(measured.bps)


def test_small_but_real_variation_is_volatility() -> None:
    returns = np.where(np.arange(100) % 2, 1e-9, -1e-9)
    equity = metrics.equity_curve(
        pd.Series(returns, index=pd.date_range("2020-01-02", periods=100)), start="2020-01-01"
    )
    assert metrics.volatility(equity, periods_per_year=1) == pytest.approx(1e-9 * math.sqrt(100 / 99), rel=1e-6)


def test_ratios_without_a_loss() -> None:
    measured = performance(curve(100.0, 110.0, 115.0, 130.0), periods_per_year=252, standard_error=False)
    assert measured.sharpe > 0
    assert math.isnan(measured.sortino)
    assert math.isnan(measured.calmar)
    assert measured.profit_factor == math.inf
    assert measured.max_drawdown == 0.0
    assert measured.max_drawdown_money == 0.0
    assert measured.number_of_drawdowns == 0
    assert math.isnan(measured.mean_drawdown)
    for name in ("max_drawdown_peak", "max_drawdown_trough", "max_drawdown_recovery", "recovery_time"):
        assert getattr(measured, name) is pd.NaT
    for name in ("money_drawdown_peak", "money_drawdown_trough", "longest_drawdown"):
        assert getattr(measured, name) is pd.NaT


def test_nothing_happens() -> None:
    measured = performance(
        curve(100.0, 100.0, 100.0), periods_per_year=252, active=flags(False, False, False), standard_error=False
    )
    assert (measured.total_return, measured.annual_return, measured.cagr, measured.win_rate_all) == (0.0, 0.0, 0.0, 0.0)
    assert measured.win_rate_active is not None
    undefined = (measured.win_rate_active, measured.profit_factor, measured.sharpe, measured.sortino, measured.calmar)
    assert all(math.isnan(value) for value in undefined)


def test_one_bar() -> None:
    measured = performance(curve(100.0, 90.0), periods_per_year=2)
    assert measured.annual_return == pytest.approx(0.81 - 1, rel=1e-14)
    assert measured.sharpe_standard_error is not None
    assert all(math.isnan(v) for v in (measured.volatility, measured.sharpe, measured.sharpe_standard_error))
    assert measured.sortino == pytest.approx(-math.sqrt(2), rel=1e-14)


def test_a_rate_beyond_floats_is_infinite() -> None:
    hours = pd.date_range("2024-01-01", periods=2, freq="h")
    equity = pd.Series([1.0, 1.5], index=hours)
    assert metrics.annual_return(equity, periods_per_year=8760) == math.inf
    assert metrics.cagr(equity) == math.inf
    assert metrics.annual_return(1.0 / equity, periods_per_year=8760) == -1.0


@pytest.mark.parametrize("returns", [[0.1, -0.5, 0.25], [0.0, 0.1]])
def test_equity_from_returns(returns: Sequence[float]) -> None:
    stream = pd.Series(list(returns), index=DAYS[1 : 1 + len(returns)])
    equity = metrics.equity_curve(stream, capital=1000.0, start="2024-01-01")
    expected = [1000.0]
    for value in returns:
        expected.append(expected[-1] * (1.0 + value))
    assert equity.tolist() == pytest.approx(expected, rel=1e-15)
    assert equity.index.equals(DAYS[: len(returns) + 1])
    assert equity.name == "equity"
    if returns[0] == 0.0:  # the row 0 of a ledger
        ledger = metrics.equity_curve(stream)
        assert ledger.tolist() == pytest.approx([1.0, 1.1], rel=1e-15)
        assert ledger.index.equals(stream.index)


def test_regimes_by_hand() -> None:
    """Bars 0.2, -0.1, 0.0, -0.1, 0.3 with labels a b b a a."""
    regimes = pd.Series([None, "a", "b", "b", "a", "a"], index=FIVE.index)
    table = metrics.by_regime(
        FIVE,
        regimes,
        periods_per_year=10,
        active=flags(False, True, True, False, True, False),
        turnover=curve(0.0, 0.5, 0.25, 0.0, 0.1, 0.0),
        standard_error=False,
    )
    assert table.index.tolist() == ["a", "b"]
    assert table.index.name == "regime"
    assert table["bars"].tolist() == [3, 2]
    assert table["share_of_bars"].tolist() == [0.6, 0.4]
    assert table["pnl"].tolist() == pytest.approx([20.0 - 10.8 + 29.16, -12.0], rel=1e-13)
    assert table["total_return"].tolist() == pytest.approx([1.2 * 0.9 * 1.3 - 1, -0.1], rel=1e-13)
    assert table["annual_return"].tolist() == pytest.approx([1.404 ** (10 / 3) - 1, 0.9**5 - 1], rel=1e-13)
    assert table["cagr"].tolist() == pytest.approx([1.404 ** (365.25 / 3) - 1, 0.9 ** (365.25 / 2) - 1], rel=1e-11)
    assert table["mean_annual_return"].tolist() == pytest.approx([4 / 3, -0.5], rel=1e-13)
    # Squares about the mean 0.4/3: (0.2 - m)^2 + (-0.1 - m)^2 + (0.3 - m)^2 = 0.14 - 0.16/3, over two.
    assert table["volatility"].tolist() == pytest.approx([math.sqrt(10 * (0.14 - 0.16 / 3) / 2), math.sqrt(0.05)])
    assert table["sortino"].tolist() == pytest.approx([4 / 3 / math.sqrt(0.1 / 3), -0.5 / math.sqrt(0.05)])
    # Regime a alone: 100, 120, 108, 140.4. Its fall is seen on the day after b, from its own last high.
    assert table["max_drawdown"].tolist() == pytest.approx([0.1, 0.1], rel=1e-13)
    assert table["max_drawdown_money"].tolist() == pytest.approx([12.0, 10.0], rel=1e-12)
    assert table["max_drawdown_peak"].tolist() == [DAYS[1], DAYS[1]]
    assert table["max_drawdown_trough"].tolist() == [DAYS[4], DAYS[2]]
    assert table["max_drawdown_recovery"].tolist()[0] == DAYS[5]
    assert table["max_drawdown_recovery"].isna().tolist() == [False, True]
    assert table["number_of_drawdowns"].tolist() == [1, 1]
    assert table["win_rate_all"].tolist() == pytest.approx([2 / 3, 0.0])
    assert table["win_rate_active"].tolist() == [0.5, 0.0]
    assert table["profit_factor"].tolist() == pytest.approx([5.0, 0.0])
    assert table["turnover_per_year"].tolist() == pytest.approx([2.0, 1.25])
    assert table.attrs["rows_without_regime"] == 1


def test_a_quiet_regime_makes_no_drawdowns_of_rounding() -> None:
    """A regime that earns nothing between spells of another one, at values that do not divide evenly."""
    rng = np.random.default_rng(5)
    returns = np.where(np.arange(400) % 7 < 3, 0.0, rng.normal(0.002, 0.01, 400))
    stream = pd.Series(returns, index=pd.date_range("2020-01-02", periods=400))
    equity = metrics.equity_curve(stream, capital=1234.567, start="2020-01-01")
    assert (equity.diff() == 0.0).sum() == (returns == 0.0).sum()
    regimes = pd.Series(np.concatenate(([0], np.where(returns == 0.0, 1, 2))), index=equity.index)
    table = metrics.by_regime(equity, regimes, periods_per_year=252)
    assert table.loc[1, "number_of_drawdowns"] == 0
    assert table.loc[1, "max_drawdown"] == 0.0
    assert table.loc[1, "total_return"] == 0.0
    moving = performance(equity[(regimes != 1)], periods_per_year=252, standard_error=False)
    assert table.loc[2, "number_of_drawdowns"] == moving.number_of_drawdowns > 3


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (pd.Series([1, 3, 1, 3, 2, 2], dtype="int64"), [1, 2, 3]),
        (pd.Series([pd.NA, 3, 1, 3, 2, 2], dtype="Int64"), [1, 2, 3]),
        (pd.Series(["x", "up", "down", "up", "up", "up"], dtype="category"), ["down", "up"]),
        (pd.Series([True, False, True, True, True, False]), [False, True]),
        (pd.Series([0, "x", 1, "x", 1, 1], dtype=object), ["x", 1]),  # no order: as they appear
    ],
)
def test_labels_of_any_kind(labels: pd.Series[Any], expected: list[object]) -> None:
    table = metrics.by_regime(FIVE, labels.set_axis(FIVE.index), periods_per_year=10, standard_error=False)
    assert table.index.tolist() == expected
    assert table["bars"].sum() == 5
