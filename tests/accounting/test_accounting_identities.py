"""The ledger adds up: every identity recomputed from the public tables of runs of all kinds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.accounting import Execution, Financing, Ledger, account, simple_returns
from allocopt.backtests.accounting._raw import Gaps, Mode
from allocopt.costs import Cost

Market = Callable[..., tuple[pd.DataFrame, pd.DataFrame]]
Rates = Callable[[pd.DatetimeIndex, int], Financing]
CAPITAL = 25_000.0


def run(
    case: tuple[Any, ...], market: Market, every_cost: tuple[Cost, ...], rates: Rates
) -> tuple[Ledger, pd.DataFrame, pd.DataFrame]:
    """A ledger, its prices with gaps filled, and its funding."""
    seed, mode, gaps, short, lot, relative = case
    rng = np.random.default_rng(seed)
    weights, prices = market(seed, rows=60, short=short, missing=0.0 if gaps == "raise" else 0.15)
    financing = rates(prices.index, seed)  # type: ignore[arg-type]
    how = Execution(
        mode=mode,
        gaps=gaps,
        lot=lot,
        lag=int(rng.integers(1, 4)),
        costs=every_cost[:3] if relative else every_cost,
        financing=financing,
    )
    funding = pd.DataFrame(rng.normal(0.0, 1e-4, prices.shape), prices.index, prices.columns)
    exposure = pd.Series(rng.uniform(0.5, 1.5, len(weights)), weights.index)
    given: dict[str, Any] = {"returns": simple_returns(prices)} if relative else {"prices": prices}
    ledger = account(weights, execution=how, funding=funding, exposure=exposure, capital=CAPITAL, **given)
    assert len(ledger.dates) == 60
    return ledger, prices.ffill(), funding


CASES = [
    (seed, mode, gaps, short, lot, relative)
    for seed, (mode, gaps, short, lot, relative) in enumerate(
        product(("holdings", "constant-mix"), ("raise", "hold", "fill"), (False, True), (0.0, 3.0), (False, True))
    )
    if not (mode == "constant-mix" and lot) and not (relative and (lot or gaps != "raise"))
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_row_adds_up(
    case: tuple[int, Mode, Gaps, bool, float, bool], market: Market, every_cost: tuple[Cost, ...], rates: Rates
) -> None:
    ledger, prices, funding = run(case, market, every_cost, rates)
    equity, cash, cost = ledger.equity.to_numpy(), ledger.cash.to_numpy(), ledger.cost.to_numpy()
    start, pnl = ledger.opening_positions.to_numpy(), ledger.sleeve_pnl.to_numpy()
    interest, paid = ledger.interest.to_numpy(), ledger.funding.to_numpy()
    before = np.r_[CAPITAL, equity[:-1]]
    near: Any = {"rtol": 1e-11, "atol": 1e-9 * CAPITAL}

    # Cash and positions are the value: after the trades at the start of a row, and at its close.
    after_trades = cash - interest - paid
    np.testing.assert_allclose(after_trades + start.sum(axis=1), before - cost, **near)
    np.testing.assert_allclose(cash + ledger.positions.sum(axis=1), equity, **near)
    np.testing.assert_allclose(ledger.positions, start * (1.0 + prices.pct_change().fillna(0.0)), **near)
    np.testing.assert_allclose(ledger.borrowed, np.maximum(-after_trades, 0.0) / before, rtol=1e-9, atol=1e-12)
    # What the sleeves brought, less costs, with interest and funding, is what the value changed by.
    np.testing.assert_allclose(pnl.sum(axis=1) - cost + interest + paid, equity - before, **near)
    assert pnl.sum() - cost.sum() + interest.sum() + paid.sum() == pytest.approx(equity[-1] - CAPITAL, rel=1e-10)
    # Costs by cause and by sleeve are the costs.
    np.testing.assert_allclose(ledger.costs.sum(axis=1), cost, **near)
    np.testing.assert_allclose(ledger.sleeve_cost.sum(axis=1), cost, **near)
    assert (cost[ledger.turnover > 0.0] > 0.0).all()
    assert (cost[ledger.turnover == 0.0] == 0.0).all()
    assert cost.sum() > 0.0
    # Every entry follows from what it is made of.
    growth = prices.pct_change().fillna(0.0).to_numpy()
    np.testing.assert_allclose(pnl, start * growth, **near)
    np.testing.assert_allclose(ledger.executed, start / before[:, None], rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(ledger.turnover, ledger.traded.abs().sum(axis=1), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(paid[1:], -(start * funding.to_numpy()).sum(axis=1)[1:], **near)
    np.testing.assert_allclose(ledger.sleeve_funding.sum(axis=1), paid, **near)
    np.testing.assert_array_equal(ledger.invested, (start != 0.0).any(axis=1))
    np.testing.assert_allclose(ledger.returns, equity / before - 1.0, rtol=1e-11, atol=1e-13)
    financing = ledger.execution.financing
    assert financing is not None
    lending, borrowing = financing.per_row(ledger.dates)
    rate = np.where(after_trades[1:] >= 0.0, lending[:-1], borrowing[:-1])
    np.testing.assert_allclose(interest[1:], after_trades[1:] * rate, **near)
    # The ledger's own checks.
    assert len(ledger.identities) == 3
    assert (ledger.identities <= 1e-12).all()


@pytest.mark.parametrize("mode", ["holdings", "constant-mix"])
def test_positions_follow_from_trades_and_prices(mode: Mode, market: Market, every_cost: tuple[Cost, ...]) -> None:
    weights, prices = market(3)
    ledger = account(weights.iloc[::4], prices, Execution(mode=mode, costs=every_cost), capital=CAPITAL)
    before = np.r_[CAPITAL, ledger.equity.to_numpy()[:-1]]
    traded = ledger.traded.to_numpy() * before[:, None]
    if mode == "holdings":
        shares = (traded[1:] / prices.to_numpy()[:-1]).cumsum(axis=0)
        opening = shares * prices.to_numpy()[:-1]
        np.testing.assert_allclose(ledger.opening_positions.iloc[1:], opening, rtol=1e-10, atol=1e-9)
        np.testing.assert_allclose(ledger.shares.iloc[1:], shares, rtol=1e-10, atol=1e-12)
    else:
        np.testing.assert_allclose(ledger.executed, ledger.traded.cumsum(), rtol=1e-12, atol=1e-12)


def test_the_first_row_ends_no_period(market: Market, every_cost: tuple[Cost, ...]) -> None:
    weights, prices = market(4)
    first = account(weights, prices, Execution(costs=every_cost), capital=CAPITAL).to_frame().iloc[0]
    assert first["ledger"][["equity", "cash"]].tolist() == [CAPITAL, CAPITAL]
    assert (first.drop([("ledger", "equity"), ("ledger", "cash")]) == 0.0).all()
