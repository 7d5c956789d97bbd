"""The whole rotation beside a plain loop over days: shares, cash, costs and interest, decided as the rules read."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.overlays import VixSteps
from allocopt.backtests.sector_rotation import SectorRotation


def month_starts(days: list[pd.Timestamp]) -> list[bool]:
    return [i == 0 or day.month != days[i - 1].month for i, day in enumerate(days)]


def weekly(days: list[pd.Timestamp]) -> list[bool]:
    found, last = [], None
    for day in days:
        now = last is None or (day - last).total_seconds() >= 7 * 86_400
        last = day if now else last
        found.append(now)
    return found


def chosen(prices: dict[str, list[float]], names: list[str], row: int, rule: SectorRotation) -> dict[str, float]:
    """Weights before leverage, from the closes up to a row."""
    sessions = int(rule.momentum) if isinstance(rule.momentum, int) else 0
    momentum = {}
    for name in names:
        if row >= sessions and not math.isnan(prices[name][row - sessions]):
            momentum[name] = prices[name][row] / prices[name][row - sessions] - 1.0
    best = sorted(momentum, key=lambda name: -momentum[name])[: rule.top_n]
    kept = [name for name in best if momentum[name] >= rule.min_momentum]
    if rule.trend_filter is not None:
        before = prices["SPY"][row - rule.trend_filter : row]
        if prices["SPY"][row] <= sum(before) / len(before):
            kept = []
    return {name: 1.0 / len(kept) for name in kept} if kept else {"TLT": 1.0}


def loop(
    closes: pd.DataFrame, rule: SectorRotation, first: int, deciding: list[bool], leverage: dict[pd.Timestamp, float]
) -> list[float]:
    """Value at each close from row ``first`` on."""
    names = [str(name) for name in rule.universe]
    prices = {str(name): closes[name].tolist() for name in closes.columns}
    days = list(pd.DatetimeIndex(closes.index))
    assert isinstance(rule.financing_rate, float)
    shares = dict.fromkeys([*names, "TLT"], 0.0)
    cash, values = 100_000.0, [100_000.0]
    for row in range(first, len(days) - 1):
        if deciding[row - first]:
            value = values[-1]
            weights = chosen(prices, names, row, rule)
            for name in shares:
                price = prices[name][row]
                wanted = weights.get(name, 0.0) * leverage[days[row]] * value
                trade = wanted - (shares[name] * price if shares[name] else 0.0)
                if trade:
                    cash -= trade + 0.0015 * abs(trade)
                    shares[name] = wanted / price
        if cash < 0.0:
            cash *= 1.0 + rule.financing_rate / 252.0
        held = sum(number * prices[name][row + 1] for name, number in shares.items() if number)
        values.append(cash + held)
    return values


@pytest.mark.parametrize("schedule", ["month-start", "7D"])
@pytest.mark.parametrize("trend", [None, 30])
def test_ledger_equals_the_loop(closes: pd.DataFrame, small: SectorRotation, schedule: str, trend: int | None) -> None:
    rule = replace(small, schedule=schedule, trend_filter=trend)
    first = 60
    result = rule.run(closes, start=closes.index[first])
    days = list(pd.DatetimeIndex(closes.index[first:]))
    deciding = month_starts(days) if schedule == "month-start" else weekly(days)
    expected = loop(closes, rule, first, deciding, dict.fromkeys(days, 1.25))
    assert len(expected) == len(result.equity) == 360
    np.testing.assert_allclose(result.equity.to_numpy(), expected, rtol=1e-10)
    assert result.ledger.interest.sum() < 0.0
    assert 0.0 < result.time_defensive < 1.0, "both sides of the rule are at work"
    assert result.decisions.without_history["EE"] > 0


def test_ledger_equals_the_loop_with_a_policy(
    closes: pd.DataFrame, vix: pd.Series[float], small: SectorRotation
) -> None:
    rule = replace(small, leverage=VixSteps(base=1.25), schedule="7D")
    first = 60
    result = rule.run(closes, vix, start=closes.index[first])
    days = list(pd.DatetimeIndex(closes.index[first:]))
    steps = {day: 1.25 * (1.2 if v < 15 else 1.0 if v < 20 else 0.8 if v < 30 else 0.6) for day, v in vix.items()}
    expected = loop(closes, rule, first, weekly(days), {pd.Timestamp(str(day)): s for day, s in steps.items()})
    np.testing.assert_allclose(result.equity.to_numpy(), expected, rtol=1e-10)
    assert result.decisions.exposure.nunique() == 4


def test_metrics_equal_their_definitions(closes: pd.DataFrame, small: SectorRotation) -> None:
    result = small.run(closes)
    value = result.equity.to_numpy()
    returns = value[1:] / value[:-1] - 1.0
    years = (result.dates[-1] - result.dates[0]).days / 365.25
    m = result.metrics
    assert m["cagr"] == pytest.approx((value[-1] / 100_000.0) ** (1 / years) - 1, rel=1e-12)
    assert m["sharpe"] == pytest.approx(returns.mean() / returns.std(ddof=1) * math.sqrt(252), rel=1e-10)
    assert m["max_drawdown"] == pytest.approx((1 - value / np.maximum.accumulate(value)).max(), rel=1e-12)
    assert m["win_rate"] == (returns > 0).mean()
    assert m["bps"] == pytest.approx(
        0.4 * m["sharpe"] + 0.3 * m["cagr"] + 0.2 * m["win_rate"] - 0.1 * m["max_drawdown"], rel=1e-12
    )
    assert m["trades"] == len(result.trades)
    held = result.holdings.iloc[1:]
    assert m["average_leverage"] == pytest.approx(held.sum(axis=1).mean(), rel=1e-12)
    assert m["time_invested"] + result.time_defensive == pytest.approx(1.0)
    assert m["turnover"] == pytest.approx(result.ledger.turnover.sum() / (len(returns) / 252), rel=1e-12)
    assert (result.ledger.identities <= 1e-9).all()


def test_benchmark_is_bought_once_and_held(closes: pd.DataFrame, small: SectorRotation) -> None:
    result = small.run(closes)
    index = result.closes["SPY"].to_numpy()
    # All the capital is bought and 15 basis points of it are owed; owed money of this kind bears no interest here.
    expected = 100_000.0 * (index / index[0] - 0.0015)
    np.testing.assert_allclose(result.benchmark_ledger.equity.to_numpy()[1:], expected[1:], rtol=1e-12)
    assert result.benchmark["trades"] == 1.0
    assert result.benchmark["time_invested"] == 1.0
