"""Slow and obvious: every figure once more in plain Python, with loops and lists."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.metrics import by_regime, drawdowns, performance

YEAR = 365.25 * 86_400


def deviation(numbers: list[float]) -> float:
    mean = math.fsum(numbers) / len(numbers)
    return math.sqrt(math.fsum((x - mean) ** 2 for x in numbers) / (len(numbers) - 1))


def falls(dates: list[dt.datetime], values: Sequence[Any]) -> list[dict[str, Any]]:
    """Walk through the curve with one open drawdown at most."""
    found: list[dict[str, Any]] = []
    high, high_row, current = values[0], 0, None
    for row, value in enumerate(values):
        if value >= high:
            if current is not None:
                current["recovery"] = dates[row]
                current["rows"] = row - current["peak_row"]
                found.append(current)
                current = None
            high, high_row = value, row
        elif current is None:
            current = {"peak": dates[high_row], "peak_row": high_row, "high": high, "low": value, "trough": dates[row]}
        elif value < current["low"]:
            current["low"], current["trough"] = value, dates[row]
    if current is not None:
        current["recovery"] = None
        current["rows"] = len(values) - 1 - current["peak_row"]
        found.append(current)
    for fall in found:
        fall["depth"] = float(1 - fall["low"] / fall["high"])
        fall["money"] = float(fall["high"] - fall["low"])
        fall["until"] = fall["recovery"] or dates[-1]
    return found


def figures(
    dates: list[dt.datetime],
    values: list[float],
    bars: list[int],
    periods: float,
    cash: float,
    active: list[bool],
    turnover: list[float],
) -> dict[str, Any]:
    """Figures of the bars that end on some rows, by an account that stands still on the others."""
    # In fractions, so that an account that is back at its high is back at it exactly.
    account, when, returns, seconds, traded = [Fraction(values[0])], [dates[bars[0] - 1]], [], 0.0, 0.0
    won, held, won_active = 0, 0, 0
    for row in bars:
        account.append(account[-1] * Fraction(values[row]) / Fraction(values[row - 1]))
        when.append(dates[row])
        returns.append(values[row] / values[row - 1] - 1)
        seconds += (dates[row] - dates[row - 1]).total_seconds()
        won += values[row] > values[row - 1]
        held += active[row]
        won_active += active[row] and values[row] > values[row - 1]
        traded += turnover[row]
    n = len(bars)
    growth = float(account[-1] / account[0])
    excess = [r - cash / periods for r in returns]
    found = falls(when, account)
    worst = max(found, key=lambda fall: fall["depth"])
    dearest = max(found, key=lambda fall: fall["money"])
    mean = math.fsum(excess) / n
    below = math.sqrt(math.fsum(min(x, 0.0) ** 2 for x in excess) / n)
    annual = growth ** (periods / n) - 1
    compound = growth ** (YEAR / seconds) - 1
    sharpe = mean / deviation(excess) * math.sqrt(periods)
    return {
        "bars": n,
        "total_return": growth - 1,
        "annual_return": annual,
        "mean_annual_return": math.fsum(returns) / n * periods,
        "cagr": compound,
        "volatility": deviation(returns) * math.sqrt(periods),
        "sharpe": sharpe,
        "sortino": mean / below * math.sqrt(periods),
        "calmar": annual / worst["depth"],
        "max_drawdown": worst["depth"],
        "max_drawdown_peak": worst["peak"],
        "max_drawdown_trough": worst["trough"],
        "max_drawdown_recovery": worst["recovery"],
        "recovery_time": worst["recovery"] and worst["recovery"] - worst["trough"],
        "max_drawdown_money": dearest["money"],
        "money_drawdown_peak": dearest["peak"],
        "money_drawdown_trough": dearest["trough"],
        "number_of_drawdowns": len(found),
        "mean_drawdown": sum(fall["depth"] for fall in found) / len(found),
        "longest_drawdown": max(fall["until"] - fall["peak"] for fall in found),
        "win_rate_active": won_active / held,
        "win_rate_all": won / n,
        "profit_factor": sum(r for r in returns if r > 0) / -sum(r for r in returns if r < 0),
        "turnover_per_year": traded / (n / periods),
        "bps": 0.4 * sharpe + 0.3 * compound + 0.2 * won / n - 0.1 * worst["depth"],
    }


def same(found: Any, expected: Any, name: str) -> None:
    if expected is None:
        assert found is pd.NaT or pd.isna(found), name
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-10, abs=1e-13), name
    else:
        assert found == expected, name


@pytest.mark.parametrize("seed", range(6))
def test_every_figure_of_the_whole_and_of_each_regime(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(60, 400))
    moves = np.concatenate(([0.0], rng.normal(0.001 * (seed - 2), 0.02, rows - 1)))
    moves[rng.random(rows) < 0.15] = 0.0
    freq = ["B", "h"][seed % 2]
    index = pd.date_range("2021-03-01", periods=2 * rows, freq=freq)[np.sort(rng.choice(2 * rows, rows, replace=False))]
    equity = pd.Series(np.round(5e4 * np.exp(moves.cumsum()), 2), index=index)
    active = pd.Series(rng.random(rows) < 0.7, index=index)
    turnover = pd.Series(rng.random(rows), index=index)
    regimes = pd.Series(rng.choice(["up", "down", "flat"], rows), index=index)
    periods, cash = 260.0, 0.03

    measured = performance(
        equity,
        periods_per_year=periods,
        active=active,
        turnover=turnover,
        regimes=regimes,
        cash_rate=cash,
        standard_error=False,
    )
    dates = [stamp.to_pydatetime() for stamp in index]

    def again(bars: list[int]) -> dict[str, Any]:
        return figures(dates, equity.tolist(), bars, periods, cash, active.tolist(), turnover.tolist())

    expected = again(list(range(1, rows)))
    assert len(expected) == 25
    for name, value in expected.items():
        same(getattr(measured, name), value, name)

    table = measured.by_regime
    assert table is not None
    assert table.index.tolist() == ["down", "flat", "up"]
    for label in ("down", "flat", "up"):
        bars = [row for row in range(1, rows) if regimes.iloc[row] == label]
        expected = again(bars)
        for name, value in expected.items():
            same(table.loc[label, name], value, f"{label}: {name}")
        gain = sum(equity.iloc[row] - equity.iloc[row - 1] for row in bars)
        assert table.loc[label, "pnl"] == pytest.approx(gain, rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_drawdown_table_on_few_distinct_values(seed: int) -> None:
    """Whole numbers from 1 to 6: full of ties at highs and lows."""
    rng = np.random.default_rng(100 + seed)
    for _ in range(50):
        rows = int(rng.integers(2, 25))
        dates = pd.date_range("2024-01-01", periods=rows)
        equity = pd.Series(rng.integers(1, 7, rows).astype(float), index=dates)
        table = drawdowns(equity)
        expected = falls([stamp.to_pydatetime() for stamp in dates], equity.tolist())
        assert len(table) == len(expected)
        row: Any
        for row, fall in zip(table.itertuples(), expected, strict=True):
            assert (row.peak, row.trough) == (fall["peak"], fall["trough"])
            same(row.recovery, fall["recovery"], "recovery")
            assert (row.depth, row.money) == (pytest.approx(fall["depth"], rel=1e-14), fall["money"])
            assert row.bars_under_water == fall["rows"]
            assert row.bars_to_trough == (fall["trough"] - fall["peak"]).days
            assert row.time_under_water == fall["until"] - fall["peak"]
            if fall["recovery"] is not None:
                assert row.bars_to_recovery == (fall["recovery"] - fall["trough"]).days


def test_regimes_of_one_bar_each() -> None:
    dates = pd.date_range("2024-01-01", periods=5)
    equity = pd.Series([10.0, 12.0, 9.0, 9.0, 18.0], index=dates)
    table = by_regime(equity, pd.Series(range(5), index=dates), periods_per_year=1)
    assert table["total_return"].tolist() == pytest.approx([0.2, -0.25, 0.0, 1.0], rel=1e-15)
    assert table["annual_return"].tolist() == pytest.approx([0.2, -0.25, 0.0, 1.0], rel=1e-14)
    assert table[["volatility", "sharpe", "sharpe_standard_error"]].isna().all(axis=None)
