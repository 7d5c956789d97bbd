"""What has to hold between the figures, on a long random curve."""

from __future__ import annotations

import dataclasses
import math
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests import metrics
from allocopt.backtests.metrics import Performance, by_regime, performance

P = 252.0


@pytest.fixture
def equity(rng: np.random.Generator) -> pd.Series[float]:
    returns = np.where(rng.random(1500) < 0.1, 0.0, 0.0004 + 0.01 * rng.standard_t(4, 1500))
    dates = pd.bdate_range("2015-01-02", periods=1500)
    return metrics.equity_curve(pd.Series(returns, index=dates), capital=1e5, start="2015-01-01")


@pytest.fixture
def regimes(equity: pd.Series[float], rng: np.random.Generator) -> pd.Series[int]:
    spells = np.repeat(rng.integers(1, 6, 200), 10)[: len(equity)]
    return pd.Series(spells, index=equity.index)


@pytest.fixture
def active(equity: pd.Series[float], rng: np.random.Generator) -> pd.Series[bool]:
    return pd.Series(rng.random(len(equity)) < 0.6, index=equity.index)


@pytest.fixture
def turnover(equity: pd.Series[float], rng: np.random.Generator) -> pd.Series[float]:
    return pd.Series(rng.random(len(equity)), index=equity.index)


def test_the_table_is_the_free_functions(
    equity: pd.Series[float], active: pd.Series[bool], turnover: pd.Series[float]
) -> None:
    measured = performance(equity, periods_per_year=P, active=active, turnover=turnover, cash_rate=0.02, hac_lags=7)
    assert measured.total_return == metrics.total_return(equity)
    assert measured.annual_return == metrics.annual_return(equity, periods_per_year=P)
    assert measured.mean_annual_return == metrics.mean_annual_return(equity, periods_per_year=P)
    assert measured.cagr == metrics.cagr(equity)
    assert measured.volatility == metrics.volatility(equity, periods_per_year=P)
    assert measured.sharpe == metrics.sharpe_ratio(equity, periods_per_year=P, cash_rate=0.02)
    assert measured.hac_lags == 7
    assert measured.sharpe_standard_error == metrics.sharpe_standard_error(
        equity, periods_per_year=P, cash_rate=0.02, hac_lags=7
    )
    assert measured.sortino == metrics.sortino_ratio(equity, periods_per_year=P, cash_rate=0.02)
    assert measured.calmar == metrics.calmar_ratio(equity, periods_per_year=P)
    assert measured.win_rate_all == metrics.win_rate(equity)
    assert measured.win_rate_active == metrics.win_rate(equity, active)
    assert measured.active_bars == active.iloc[1:].sum()
    assert measured.profit_factor == metrics.profit_factor(equity)
    assert measured.max_drawdown == metrics.max_drawdown(equity) == metrics.underwater(equity).max()
    table = metrics.drawdowns(equity)
    worst = table.iloc[int(table["depth"].argmax())]
    assert measured.max_drawdown == worst["depth"]
    assert measured.max_drawdown_peak == worst["peak"]
    assert measured.max_drawdown_trough == worst["trough"]
    assert measured.max_drawdown_recovery == worst["recovery"] or pd.isna(worst["recovery"])
    assert measured.max_drawdown_money == table["money"].max()
    assert measured.number_of_drawdowns == len(table)
    assert measured.mean_drawdown == pytest.approx(table["depth"].mean(), rel=1e-14)
    assert measured.longest_drawdown == table["time_under_water"].max()
    score = metrics.balanced_performance_score(
        measured.sharpe, measured.cagr, measured.win_rate_all, measured.max_drawdown
    )
    assert measured.bps == score


def test_the_table_names_every_attribute_once(equity: pd.Series[float]) -> None:
    measured = performance(equity, periods_per_year=P)
    table = measured.table()
    names = {item.name for item in dataclasses.fields(Performance)} - {"by_regime"}
    assert len(table) == 34
    assert set(table.index) == names
    assert table.index.is_unique
    assert all(table[name] is getattr(measured, name) for name in names)


def test_a_result_is_frozen_and_travels(equity: pd.Series[float], regimes: pd.Series[int]) -> None:
    measured = performance(equity, periods_per_year=P, regimes=regimes)
    with pytest.raises(dataclasses.FrozenInstanceError):
        measured.sharpe = 9.0  # type: ignore[misc]
    copied = pickle.loads(pickle.dumps(measured))
    pd.testing.assert_series_equal(copied.table(), measured.table())
    assert measured.by_regime is not None
    pd.testing.assert_frame_equal(copied.by_regime, measured.by_regime)
    assert "by_regime" not in repr(measured)


def test_inputs_are_left_as_they_were(equity: pd.Series[float], regimes: pd.Series[int]) -> None:
    before = equity.copy(), regimes.copy()
    performance(equity, periods_per_year=P, regimes=regimes)
    metrics.drawdowns(equity)
    pd.testing.assert_series_equal(equity, before[0])
    pd.testing.assert_series_equal(regimes, before[1])


def test_drawdowns_and_the_underwater_curve_tell_the_same(equity: pd.Series[float]) -> None:
    table, water = metrics.drawdowns(equity), metrics.underwater(equity)
    assert len(table) > 20
    below = 0
    row: Any
    for row in table.itertuples():
        assert water[row.peak] == 0.0
        assert equity[row.peak] - equity[row.trough] == row.money
        assert water[row.trough] == row.depth
        end = water.index[-1] if pd.isna(row.recovery) else row.recovery
        inside = water.loc[row.peak : end].iloc[1:]
        if not pd.isna(row.recovery):
            assert inside.iloc[-1] == 0.0
            assert equity[row.recovery] >= equity[row.peak]
            inside = inside.iloc[:-1]
        assert (inside > 0).all()
        assert inside.max() == row.depth
        below += len(inside)
    assert below == (water > 0).sum()


def test_sum_of_logs_is_the_annual_return(equity: pd.Series[float]) -> None:
    logs = np.log1p(equity.pct_change().iloc[1:])
    assert math.log1p(metrics.annual_return(equity, periods_per_year=P)) == pytest.approx(logs.mean() * P, rel=1e-11)


def test_both_annual_returns_agree_when_the_calendar_has_the_stated_bars() -> None:
    hours = pd.date_range("2020-01-01", periods=20_000, freq="h")
    growth = np.exp(np.random.default_rng(4).normal(0, 0.01, 20_000).cumsum())
    equity = pd.Series(growth, index=hours)
    exact = metrics.annual_return(equity, periods_per_year=365.25 * 24)
    assert metrics.cagr(equity) == pytest.approx(exact, rel=1e-12)
    measured = performance(equity, periods_per_year=8760, standard_error=False)
    assert measured.bars_per_calendar_year == pytest.approx(8766.0, rel=1e-12)


def test_regimes_make_the_whole(
    equity: pd.Series[float], regimes: pd.Series[int], active: pd.Series[bool], turnover: pd.Series[float]
) -> None:
    measured = performance(equity, periods_per_year=P, active=active, turnover=turnover, regimes=regimes)
    table = measured.by_regime
    assert table is not None
    assert table.index.tolist() == [1, 2, 3, 4, 5]
    bars = table["bars"].to_numpy()
    assert bars.sum() == measured.bars == len(equity) - 1
    assert table["share_of_bars"].sum() == pytest.approx(1.0, rel=1e-15)
    gain = measured.final_value - measured.starting_capital
    assert table["pnl"].sum() == pytest.approx(gain, rel=1e-12)
    assert np.prod(1 + table["total_return"]) == pytest.approx(1 + measured.total_return, rel=1e-12)
    assert bars @ table["mean_annual_return"] / bars.sum() == pytest.approx(measured.mean_annual_return, rel=1e-12)
    assert bars @ table["win_rate_all"] / bars.sum() == pytest.approx(measured.win_rate_all, rel=1e-12)
    assert bars @ table["turnover_per_year"] / bars.sum() == pytest.approx(measured.turnover_per_year, rel=1e-12)
    # Squares of each regime about its own mean, and of the means about the common one.
    variance, mean = table["volatility"] ** 2 / P, table["mean_annual_return"] / P
    squares = ((bars - 1) * variance + bars * (mean - measured.mean_annual_return / P) ** 2).sum()
    assert squares / (bars.sum() - 1) == pytest.approx(measured.volatility**2 / P, rel=1e-12)
    # Calendar time: log growth over the years of each part.
    years = np.log1p(table["total_return"]) / np.log1p(table["cagr"])
    elapsed = (equity.index[-1] - equity.index[0]) / pd.Timedelta(days=365.25)
    assert years.sum() == pytest.approx(elapsed, rel=1e-10)
    pd.testing.assert_frame_equal(
        table, by_regime(equity, regimes, periods_per_year=P, active=active, turnover=turnover), check_exact=True
    )


@pytest.mark.parametrize("error", [True, False])
def test_one_regime_is_the_whole(equity: pd.Series[float], active: pd.Series[bool], error: bool) -> None:
    same = pd.Series("all", index=equity.index)
    measured = performance(equity, periods_per_year=P, active=active, regimes=same, standard_error=error)
    assert measured.by_regime is not None
    row: Any = measured.by_regime.iloc[0].to_dict()
    common = [name for name in row if name not in ("share_of_bars", "pnl")]
    assert len(common) == (25 if error else 24)
    for name in common:
        expected = getattr(measured, name)
        if isinstance(expected, float):
            assert row[name] == pytest.approx(expected, rel=1e-10), name
        else:
            assert row[name] == expected or (pd.isna(row[name]) and pd.isna(expected)), name


def test_label_of_the_first_row_counts_in_nothing(equity: pd.Series[float], regimes: pd.Series[int]) -> None:
    labelled = by_regime(equity, regimes, periods_per_year=P)
    assert labelled.attrs["rows_without_regime"] == 0
    later = regimes.tolist()[1:]
    for first in (99, pd.NA):
        changed = pd.Series([first, *later], index=equity.index, dtype="Int64")
        table = by_regime(equity, changed, periods_per_year=P)
        assert table.attrs["rows_without_regime"] == int(first is pd.NA)
        pd.testing.assert_frame_equal(table, labelled, check_index_type=False)


def test_a_window_is_measured_from_its_first_value(equity: pd.Series[float], turnover: pd.Series[float]) -> None:
    """Two windows that share a row have all bars and all turnover between them."""
    first, second = slice(None, 700), slice(699, None)
    parts = [
        performance(equity.iloc[cut], periods_per_year=P, turnover=turnover.iloc[cut], standard_error=False)
        for cut in (first, second)
    ]
    whole = performance(equity, periods_per_year=P, turnover=turnover, standard_error=False)
    assert sum(part.bars for part in parts) == whole.bars
    growth = math.prod(1 + part.total_return for part in parts)
    assert growth == pytest.approx(1 + whole.total_return, rel=1e-13)
    traded = sum(part.turnover_per_year * part.bars for part in parts if part.turnover_per_year is not None)
    assert traded / whole.bars == pytest.approx(whole.turnover_per_year, rel=1e-12)


def test_returns_and_their_curve_are_one(equity: pd.Series[float]) -> None:
    back = metrics.equity_curve(equity.pct_change().iloc[1:], capital=float(equity.iloc[0]), start=equity.index[0])
    pd.testing.assert_series_equal(back, equity, rtol=1e-12)
