"""The compiled rows against the plain-Python rows, and own costs, which only the latter can charge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from allocopt import PerShareCost, ProportionalCost, SquareRootImpact
from allocopt.backtests.accounting import Execution, Financing, Ledger, account, account_grid, simple_returns
from allocopt.backtests.accounting._raw import Gaps, Mode
from allocopt.costs import Cost
from allocopt.errors import InputError

if TYPE_CHECKING:
    import cvxpy as cp

pytestmark = pytest.mark.slow

Market = Callable[..., tuple[pd.DataFrame, pd.DataFrame]]
Rates = Callable[[pd.DatetimeIndex, int], Financing]
FIGURES = ("equity", "cash", "turnover", "cost", "interest", "funding", "returns", "exposure")
TABLES = ("costs", "executed", "opening_positions", "traded", "sleeve_pnl", "sleeve_cost", "composition")
CAPITAL = 20_000.0


def require_same(one: Ledger, other: Ledger) -> None:
    assert (one.route, other.route) == ("compiled", "python")
    assert one.bankrupt == other.bankrupt
    scale = float(one.equity.abs().max())
    for name in (*FIGURES, *TABLES):
        found, wanted = getattr(one, name), getattr(other, name)
        assert found.index.equals(wanted.index)
        np.testing.assert_allclose(found.to_numpy(), wanted.to_numpy(), rtol=1e-10, atol=1e-12 * scale, err_msg=name)
    assert one.costs.columns.equals(other.costs.columns)
    assert one.gaps.to_dict() == other.gaps.to_dict()


def outcome(run: Callable[..., Ledger], *arguments: Any, **named: Any) -> Ledger | str:
    try:
        return run(*arguments, **named)
    except InputError as error:
        return str(error)


@pytest.mark.parametrize(
    ("mode", "gaps", "lot", "relative"),
    [
        case
        for case in product(("holdings", "constant-mix"), ("raise", "hold", "fill"), (0.0, 7.0), (False, True))
        if not case[2] or (case[0] == "holdings" and not case[3])  # lots need shares
    ],
)
def test_every_combination(
    mode: Mode,
    gaps: Gaps,
    lot: float,
    relative: bool,
    market: Market,
    every_cost: tuple[Cost, ...],
    rates: Rates,
    in_python: Callable[..., Ledger],
) -> None:
    charged: tuple[tuple[Cost, ...], ...] = ((), every_cost[:1], every_cost[:3] if relative else every_cost)
    found = 0
    for seed, (costs, financed, funded, missing) in enumerate(
        product(charged, (False, True), (False, True), (0.0, 0.1))
    ):
        weights, prices = market(seed, rows=20, short=seed % 3 == 0, missing=missing)
        table = simple_returns(prices.ffill()).where(prices.notna()) if relative else prices
        given: dict[str, Any] = {
            "execution": Execution(
                mode=mode, gaps=gaps, lot=lot, lag=1 + seed % 3, costs=costs,
                financing=rates(prices.index, seed) if financed else None,  # type: ignore[arg-type]
            ),
            "returns" if relative else "prices": table,
            "funding": prices.ffill() / prices.ffill().sum() / 100.0 if funded else None,
            "exposure": pd.Series(np.linspace(0.5, 1.2 if financed else 1.0, len(weights)), weights.index),
            "capital": CAPITAL,
        }  # fmt: skip
        decided = weights if seed % 5 else weights.iloc[seed % 7 :: 4]
        one, other = outcome(account, decided, **given), outcome(in_python, decided, **given)
        if isinstance(one, Ledger) and isinstance(other, Ledger):
            require_same(one, other)
            found += 1
        else:
            assert one == other
            assert missing
    assert found >= (24 if gaps != "raise" and not (relative and mode == "holdings") else 12)


@pytest.mark.parametrize(("mode", "exposure"), [("holdings", 12.0), ("constant-mix", 30.0)])
def test_leveraged_runs_into_bankruptcy(
    mode: Mode,
    exposure: float,
    market: Market,
    every_cost: tuple[Cost, ...],
    rates: Rates,
    in_python: Callable[..., Ledger],
) -> None:
    ruined = 0
    for seed in range(20):
        weights, prices = market(seed, rows=60, short=True)
        how = Execution(mode=mode, costs=every_cost, financing=rates(prices.index, seed))  # type: ignore[arg-type]
        one = account(weights.iloc[::20], prices, how, exposure=exposure, capital=CAPITAL)
        require_same(one, in_python(weights.iloc[::20], prices, how, exposure=exposure, capital=CAPITAL))
        ruined += one.bankrupt is not None
    assert 3 < ruined < 20


@pytest.mark.parametrize("n", [1, 2, 3, 7, 16, 33])
def test_any_number_of_sleeves_in_any_memory_order(n: int, market: Market, in_python: Callable[..., Ledger]) -> None:
    weights, prices = market(n, n=n)
    how = Execution(costs=ProportionalCost(0.001))
    by_rows = pd.DataFrame(np.ascontiguousarray(prices), prices.index, prices.columns, copy=False)
    by_columns = pd.DataFrame(np.asfortranarray(prices), prices.index, prices.columns, copy=False)
    spaced = pd.DataFrame(np.repeat(prices.to_numpy(), 2, axis=1)[:, ::2], prices.index, prices.columns, copy=False)
    one = account(weights, by_rows, how)
    require_same(one, in_python(weights, prices, how))
    for other in (by_columns, spaced):
        pd.testing.assert_frame_equal(account(weights, other, how).to_frame(), one.to_frame(), check_exact=True)


@dataclass(frozen=True)
class TickTax:
    """An own cost: a fraction of what is bought, none of what is sold."""

    rate: float

    @property
    def label(self) -> str:
        return "stamp duty"

    def cost(self, trades: npt.NDArray[np.float64], sleeves: pd.Index | None = None) -> npt.NDArray[np.float64]:
        assert sleeves is not None
        return self.rate * np.maximum(trades, 0.0)

    def expression(self, trades: cp.Expression, sleeves: pd.Index | None = None) -> cp.Expression:
        raise NotImplementedError


@dataclass(frozen=True)
class TicketByPrice(TickTax):
    """An own cost that depends on prices: money a share, whatever the side."""

    prices: tuple[float, ...] = ()

    def at(self, prices: Any, capital: float) -> TicketByPrice:
        return TicketByPrice(self.rate, tuple(prices))

    def cost(self, trades: npt.NDArray[np.float64], sleeves: pd.Index | None = None) -> npt.NDArray[np.float64]:
        fraction: npt.NDArray[np.float64] = self.rate * np.abs(trades) / np.array(self.prices)
        return fraction


class OwnRate(ProportionalCost):
    """A subclass may have a formula of its own, so it is charged by its method."""


class TestOwnCosts:
    def test_only_purchases_are_taxed(self, market: Market) -> None:
        weights, prices = market(0)
        ledger = account(weights, prices, Execution(costs=[TickTax(0.01), ProportionalCost(0.001)]), capital=CAPITAL)
        assert ledger.route == "python"
        assert list(ledger.costs) == ["stamp duty", "proportional cost"]
        traded = ledger.traded.to_numpy() * np.r_[CAPITAL, ledger.equity.to_numpy()[:-1]][:, None]
        np.testing.assert_allclose(ledger.costs["stamp duty"], 0.01 * np.maximum(traded, 0.0).sum(axis=1), rtol=1e-10)
        np.testing.assert_allclose(ledger.costs["proportional cost"], 0.001 * np.abs(traded).sum(axis=1), rtol=1e-10)
        np.testing.assert_allclose(ledger.sleeve_cost.sum(axis=1), ledger.cost, rtol=1e-10)

    def test_prices_of_the_row_are_handed_over(self, market: Market) -> None:
        weights, prices = market(1)
        own = account(weights, prices, Execution(costs=TicketByPrice(0.05)), capital=CAPITAL)
        ours = account(weights, prices, Execution(costs=PerShareCost(0.05)), capital=CAPITAL)
        assert (own.route, ours.route) == ("python", "compiled")
        pd.testing.assert_series_equal(own.equity, ours.equity, rtol=1e-12)
        pd.testing.assert_frame_equal(own.sleeve_cost, ours.sleeve_cost, rtol=1e-10, atol=1e-9)

    def test_a_subclass_is_an_own_cost(self, market: Market) -> None:
        weights, prices = market(2)
        for mode in ("holdings", "constant-mix"):
            own = account(weights, prices, Execution(mode=mode, costs=[OwnRate(0.002), SquareRootImpact(0.01)]))
            ours = account(
                weights, prices, Execution(mode=mode, costs=[ProportionalCost(0.002), SquareRootImpact(0.01)])
            )
            require_same(ours, own)

    def test_in_a_grid_beside_others(self, market: Market) -> None:
        weights, prices = market(3)
        how = {"own": Execution(costs=TickTax(0.01)), "compiled": Execution(costs=ProportionalCost(0.01))}
        grid = account_grid(weights, prices, how)
        for name, execution in how.items():
            alone = account(weights, prices, execution)
            pd.testing.assert_series_equal(grid.equity[name], alone.equity, check_names=False, check_exact=True)
            pd.testing.assert_series_equal(grid.cost[name], alone.cost, check_names=False, check_exact=True)


def test_every_change_of_side(market: Market, in_python: Callable[..., Ledger]) -> None:
    _, prices = market(9, rows=12, n=1)
    for mode in ("holdings", "constant-mix"):
        for before, after in product((-0.8, 0.0, 0.8), (-0.8, 0.0, 0.8)):
            weights = pd.DataFrame({"S0": [before] * 5 + [after] * 7}, prices.index)
            how = Execution(mode=mode, lot=3.0 if mode == "holdings" else 0.0, costs=PerShareCost(0.02, minimum=1.0))
            one = account(weights, prices, how, capital=CAPITAL)
            require_same(one, in_python(weights, prices, how, capital=CAPITAL))
            side = np.sign(one.executed["S0"].iloc[[5, 6]])
            assert side.tolist() == [np.sign(before), np.sign(after)]
