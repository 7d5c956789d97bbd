"""Holdings against vectorbt's from_orders with target percent and shared cash; skipped where it is not installed.

Where the two differ by definition: vectorbt fills an order at the close of its own row, and pays its fee in that row's
value. Here what is decided on row t is traded at the start of row t+1, at the same price, and the fee is booked there.
So our equity less the cost of the next row is vectorbt's value. Both size orders on the value before fees; vectorbt
cuts an order that cash cannot pay for, so weights sum to 0.9 here.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import ProportionalCost
from allocopt.backtests.accounting import Execution, account


@pytest.fixture(scope="module")
def vectorbt() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn of what is not ours to mend
        return pytest.importorskip("vectorbt")


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("every", [1, 7])
@pytest.mark.parametrize("fee", [0.0, 0.0005, 0.01])
def test_value(fee: float, every: int, short: bool, vectorbt: Any, rng: np.random.Generator) -> None:
    rows, n = 500, 5
    dates = pd.bdate_range("2020-01-01", periods=rows)
    names = list("ABCDE")
    prices = pd.DataFrame(50.0 * np.exp(rng.normal(0.0, 0.015, (rows, n)).cumsum(axis=0)), dates, names)
    weights = pd.DataFrame(rng.dirichlet(np.ones(n), rows) * 0.9, dates, names).iloc[::every]
    if short:
        weights *= rng.choice([-0.5, 1.0], weights.shape)
    ledger = account(weights, prices, Execution(costs=ProportionalCost(fee)), capital=1e6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        portfolio = vectorbt.Portfolio.from_orders(
            prices, weights.reindex(dates), size_type="targetpercent", fees=fee, init_cash=1e6,
            cash_sharing=True, group_by=True, call_seq="auto", freq="1D",
        )  # fmt: skip
        value, cash, assets = portfolio.value(), portfolio.cash(), portfolio.assets()
        orders = portfolio.orders.records
    ours = ledger.equity - ledger.cost.shift(-1, fill_value=0.0)
    known = slice(None, rows - 1)  # the orders of the last row earn nothing: here they are not carried out
    np.testing.assert_allclose(ours.iloc[known], value.iloc[known], rtol=1e-10)
    after_trades = ledger.cash.iloc[1:]  # no interest: what is left after the trades is there at the close
    np.testing.assert_allclose(after_trades, cash.iloc[known], rtol=1e-9, atol=1e-4)
    shares = ledger.opening_positions.to_numpy()[1:] / prices.to_numpy()[:-1]
    np.testing.assert_allclose(shares, assets.iloc[known], rtol=1e-9, atol=1e-6)
    fees = np.bincount(orders["idx"], orders["fees"], minlength=rows)
    np.testing.assert_allclose(ledger.cost.iloc[1:], fees[known], rtol=1e-9, atol=1e-6)
