"""Trades by hand, their identities with the ledger, and a plain twin."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from allocopt import ProportionalCost, SquareRootImpact
from allocopt.backtests.accounting import Execution, Financing, Ledger, account
from allocopt.backtests.trades import trade_statistics
from allocopt.costs import PerShareCost

FREE = Financing(lending=0.0, borrowing=0.0, periods_per_year=252)


def mix(weights: list[float], prices: list[float], rate: float = 0.0) -> Ledger:
    dates = pd.date_range("2024-01-01", periods=len(prices))
    return account(
        pd.DataFrame({"A": weights}, index=dates),
        pd.DataFrame({"A": prices}, index=dates),
        Execution(mode="constant-mix", costs=ProportionalCost(rate), financing=FREE),
    )


def test_a_trade_by_hand() -> None:
    # Decided one row earlier: held on rows 1 and 2, changed on row 2, flat on row 3.
    found = trade_statistics(mix([0.5, 0.3, 0.0, 0.0], [10.0, 11.0, 9.9, 9.9], rate=0.01))
    value = (1.0 + 0.5 * 0.1 - 0.005) * (1.0 - 0.3 * 0.1 - 0.002) * (1.0 - 0.003)
    trade = found.trades.iloc[0]
    assert found.count == 1
    assert found.open == 0
    assert trade["value"] == pytest.approx(value, rel=1e-14)
    assert trade["gain"] == pytest.approx(value - 1.0, rel=1e-12)
    assert trade["bars"] == 2
    assert [trade[name].day for name in ("entry", "last", "close")] == [2, 3, 4]
    parts = (found.turnover_entry, found.turnover_inside, found.turnover_close)
    assert parts == pytest.approx((0.5, 0.2, 0.3))
    assert found.table()["turnover"] == pytest.approx(1.0)


def test_a_position_that_is_open_at_the_end_is_not_liquidated() -> None:
    found = trade_statistics(mix([1.0, 1.0, 1.0], [10.0, 11.0, 12.1], rate=0.001))
    assert found.open == 1
    assert pd.isna(found.trades["close"].iloc[0])
    assert found.trades["value"].iloc[0] == pytest.approx((1.1 - 0.001) * 1.1)
    assert found.turnover_close == 0.0
    assert found.win_rate == 1.0
    assert found.profit_factor == math.inf


def test_a_change_of_sign_closes_one_trade_and_opens_another() -> None:
    found = trade_statistics(mix([0.5, -0.25, 0.0, 0.0], [10.0, 11.0, 9.9, 9.9], rate=0.01))
    assert found.trades["side"].tolist() == ["long", "short"]
    long = (1.0 + 0.05 - 0.005) * (1.0 - 0.005)
    short = (1.0 + 0.025 - 0.0025) * (1.0 - 0.0025)
    assert found.trades["value"].tolist() == pytest.approx([long, short])
    assert (found.turnover_entry, found.turnover_inside, found.turnover_close) == pytest.approx((0.75, 0.0, 0.75))


def test_no_trade_at_all() -> None:
    found = trade_statistics(mix([0.0, 0.0, 0.0], [10.0, 11.0, 9.9]))
    assert found.count == 0
    assert found.turnover == 0.0
    assert math.isnan(found.win_rate)
    assert math.isnan(found.profit_factor)


@pytest.mark.parametrize("mode", ["holdings", "constant-mix"])
def test_trades_agree_with_the_ledger_and_with_a_plain_loop(
    mode: Literal["holdings", "constant-mix"], rng: np.random.Generator
) -> None:
    dates = pd.date_range("2024-01-01", periods=200)
    prices = pd.DataFrame(50.0 * np.exp(np.cumsum(rng.normal(0, 0.02, (200, 3)), axis=0)), dates, list("ABC"))
    raw = rng.normal(0.1, 0.3, (200, 3)).round(1) * (rng.random((200, 3)) < 0.7)
    weights = pd.DataFrame(raw, dates, prices.columns)
    costs = (ProportionalCost(0.001), SquareRootImpact(0.002), PerShareCost(0.01, minimum=0.5))
    ledger = account(
        weights,
        prices,
        Execution(mode=mode, schedule="every 3", costs=costs, financing=FREE),
        capital=1e4,
    )
    found = trade_statistics(ledger)
    assert {"long", "short"} == set(found.trades["side"])
    assert found.turnover == pytest.approx(ledger.turnover.sum(), rel=1e-12)
    np.testing.assert_allclose(ledger.traded.abs().sum(axis=1), ledger.turnover, atol=1e-13)
    np.testing.assert_allclose(ledger.sleeve_cost.sum(axis=1), ledger.cost, atol=1e-9)

    before = ledger.equity.shift(1, fill_value=1e4).to_numpy()
    values = []
    for sleeve in ledger.sleeves:
        w = ledger.executed[sleeve].to_numpy()
        gain = ledger.sleeve_pnl[sleeve].to_numpy() / before
        cost = ledger.sleeve_cost[sleeve].to_numpy() / before
        traded = ledger.traded[sleeve].abs().to_numpy()
        value = None
        for t in range(200):
            flips = t > 0 and w[t] * w[t - 1] < 0.0
            own = min(abs(w[t]) / traded[t], 1.0) if flips else 1.0
            if value is not None and (w[t] == 0.0 or flips):
                values.append(value * (1.0 - cost[t] * (1.0 - own if flips else 1.0)))
                value = None
            if w[t] != 0.0:
                value = (1.0 if value is None else value) * (1.0 + gain[t] - cost[t] * own)
        if value is not None:
            values.append(value)
    np.testing.assert_allclose(found.trades["value"], values, rtol=1e-12)
    assert found.win_rate == pytest.approx(np.mean(np.array(values) > 1.0))


def test_drift_is_no_trade() -> None:
    dates = pd.date_range("2024-01-01", periods=5)
    prices = pd.DataFrame({"A": [10.0, 12.0, 9.0, 15.0, 15.0]}, index=dates)
    weights = pd.DataFrame({"A": [0.5, 0.0]}, index=dates[[0, 3]])
    found = trade_statistics(account(weights, prices))
    assert found.turnover_inside == 0.0
    assert found.turnover_entry == pytest.approx(0.5)
    assert found.turnover_close == pytest.approx(0.75 / 1.25)
    assert found.trades["gain"].iloc[0] == pytest.approx(0.25)
