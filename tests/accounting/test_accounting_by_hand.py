"""Ledgers that were worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import PerShareCost, ProportionalCost, SpreadCost, SquareRootImpact
from allocopt.backtests.accounting import Execution, Financing, Ledger, account, simple_returns
from allocopt.backtests.accounting._raw import Mode
from allocopt.costs import Cost
from allocopt.errors import SpecificationError

Table = Callable[[Mapping[str, Sequence[float]]], pd.DataFrame]
CASH = 1000.0


@pytest.fixture
def prices(table: Table) -> pd.DataFrame:
    return table({"A": [10, 20, 10, 40], "B": [5, 5, 10, 10]})


@pytest.fixture
def once(prices: pd.DataFrame) -> pd.DataFrame:
    """Half in A and a quarter in B, decided on the first row and never again."""
    return pd.DataFrame({"A": [0.5], "B": [0.25]}, index=prices.index[:1])


@pytest.fixture
def turn(prices: pd.DataFrame) -> pd.DataFrame:
    """On the second row all of A is sold and B is raised to a half."""
    return pd.DataFrame({"A": [0.5, 0.0], "B": [0.25, 0.5]}, index=prices.index[:2])


def equal(found: pd.Series[float] | pd.DataFrame, wanted: Any) -> bool:
    return found.shape == np.shape(wanted) and np.allclose(found.to_numpy(), wanted, rtol=1e-14, atol=1e-12)


class TestHoldings:
    def test_shares_are_kept_and_weights_drift(self, once: pd.DataFrame, prices: pd.DataFrame) -> None:
        ledger = account(once, prices, capital=CASH)
        # 50 shares of A, 50 of B, 250 in cash
        assert equal(ledger.equity, [1000, 1000 + 250 + 250, 500 + 500 + 250, 2000 + 500 + 250])
        assert equal(ledger.cash, [1000, 250, 250, 250])
        assert equal(ledger.opening_positions, [[0, 0], [500, 250], [1000, 250], [500, 500]])
        assert equal(ledger.positions, [[0, 0], [1000, 250], [500, 500], [2000, 500]])
        assert equal(ledger.shares, [[0, 0], [50, 50], [50, 50], [50, 50]])
        assert ledger.invested.tolist() == [False, True, True, True]
        assert equal(ledger.borrowed, [0, 0, 0, 0])
        assert equal(ledger.executed, [[0, 0], [0.5, 0.25], [1000 / 1500, 250 / 1500], [0.4, 0.4]])
        assert equal(ledger.sleeve_pnl, [[0, 0], [500, 0], [-500, 250], [1500, 0]])
        assert equal(ledger.turnover, [0, 0.75, 0, 0])
        assert equal(ledger.traded, [[0, 0], [0.5, 0.25], [0, 0], [0, 0]])
        assert equal(ledger.returns, [0, 0.5, 1250 / 1500 - 1, 1.2])
        assert equal(ledger.cost, [0, 0, 0, 0])
        assert ledger.costs.shape == (4, 0)
        assert ledger.capital == CASH
        assert (ledger.lag, ledger.bankrupt, ledger.route) == (1, None, "compiled")
        assert ledger.gaps.tolist() == [0, 0]

    def test_a_turn_is_paid_from_cash(self, turn: pd.DataFrame, prices: pd.DataFrame) -> None:
        ledger = account(turn, prices, Execution(costs=ProportionalCost(0.01)), capital=CASH)
        # Row 1: 750 traded. Row 2, of 1492.50: 1000 of A sold, 746.25 - 250 of B bought.
        assert equal(ledger.cost, [0, 7.5, 14.9625, 0])
        assert equal(ledger.cash, [1000, 242.5, 1492.5 - 746.25 - 14.9625, 731.2875])
        assert equal(ledger.equity, [1000, 1492.5, 2223.7875, 2223.7875])
        assert equal(ledger.turnover, [0, 0.75, 1496.25 / 1492.5, 0])
        assert equal(ledger.sleeve_cost, [[0, 0], [5, 2.5], [10, 4.9625], [0, 0]])
        assert list(ledger.costs) == ["proportional cost"]

    def test_a_short_position_gains_when_the_price_falls(self, prices: pd.DataFrame) -> None:
        short = pd.DataFrame({"A": [-0.5], "B": [0.5]}, index=prices.index[1:2])
        ledger = account(short, prices, capital=CASH)
        # 25 shares of A sold short at 20, 100 of B bought at 5
        assert equal(ledger.cash, [1000, 1000, 1000, 1000])
        assert equal(ledger.equity, [1000, 1000, 1000 + 250 + 500, 1000 - 25 * 20 + 500])
        assert equal(ledger.executed.iloc[2], [-0.5, 0.5])

    def test_whole_lots_are_cut_towards_zero(self, table: Table) -> None:
        prices = table({"A": [30, 33], "B": [7, 7]})
        weights = pd.DataFrame({"A": [0.5], "B": [-0.25]}, index=prices.index[:1])
        for lot, shares in ((1.0, [16, -35]), (10.0, [10, -30]), (0.0, [500 / 30, -250 / 7])):
            ledger = account(weights, prices, Execution(lot=lot), capital=CASH)
            assert equal(ledger.opening_positions.iloc[1] / prices.iloc[0], shares)
            assert equal(ledger.equity.iloc[1:], [CASH + shares[0] * 3])

    def test_a_whole_number_of_lots_survives_rounding(self, table: Table) -> None:
        prices = table({"A": [0.1, 0.2]})
        assert 0.3 / 0.1 < 3.0
        for sign in (1.0, -1.0):
            weights = pd.DataFrame({"A": [0.3 * sign]}, index=prices.index[:1])
            assert equal(account(weights, prices, Execution(lot=1.0)).equity, [1, 1 + 0.3 * sign])

    def test_returns_are_as_good_as_prices(self, turn: pd.DataFrame, prices: pd.DataFrame) -> None:
        by_price = account(turn, prices, Execution(costs=SquareRootImpact(0.01)), capital=CASH)
        by_return = account(
            turn, returns=simple_returns(prices), execution=Execution(costs=SquareRootImpact(0.01)), capital=CASH
        )
        pd.testing.assert_frame_equal(by_price.to_frame(), by_return.to_frame(), rtol=1e-14)
        pd.testing.assert_frame_equal(by_price.sleeve_pnl, by_return.sleeve_pnl, rtol=1e-14, atol=1e-12)


class TestConstantMix:
    HOW = Execution(mode="constant-mix")

    def test_weights_are_set_anew_on_every_row(self, once: pd.DataFrame, prices: pd.DataFrame) -> None:
        ledger = account(once, prices, self.HOW, capital=CASH)
        # Returns of A: 1, -1/2, 3. Of B: 0, 1, 0.
        assert equal(ledger.equity, [1000, 1500, 1500, 3750])
        assert equal(ledger.executed, [[0, 0], [0.5, 0.25], [0.5, 0.25], [0.5, 0.25]])
        assert equal(ledger.opening_positions, [[0, 0], [500, 250], [750, 375], [750, 375]])
        assert equal(ledger.cash, [1000, 250, 375, 375])
        assert equal(ledger.sleeve_pnl, [[0, 0], [500, 0], [-375, 375], [2250, 0]])
        assert equal(ledger.turnover, [0, 0.75, 0, 0])

    def test_only_changes_of_the_decided_weights_are_charged(self, turn: pd.DataFrame, prices: pd.DataFrame) -> None:
        how = Execution(mode="constant-mix", costs=ProportionalCost(0.01))
        ledger = account(turn, prices, how, capital=CASH)
        assert equal(ledger.turnover, [0, 0.75, 0.75, 0])
        assert equal(ledger.cost, [0, 7.5, 0.0075 * 1492.5, 0])
        assert equal(ledger.equity, [1000, 1492.5, 1492.5 * (1 + 0.5 - 0.0075), 1492.5 * 1.4925])
        assert equal(ledger.cash.iloc[2:], [1492.5 * (0.5 - 0.0075), 1492.5 * 1.4925 * 0.5])
        assert equal(ledger.traded, [[0, 0], [0.5, 0.25], [-0.5, 0.25], [0, 0]])

    def test_returns_are_as_good_as_prices(self, turn: pd.DataFrame, prices: pd.DataFrame) -> None:
        by_price = account(turn, prices, self.HOW, capital=CASH)
        by_return = account(turn, returns=simple_returns(prices), execution=self.HOW, capital=CASH)
        pd.testing.assert_frame_equal(by_price.to_frame(), by_return.to_frame(), rtol=1e-14)

    def test_a_return_below_minus_one_is_possible(self, table: Table) -> None:
        returns = table({"A": [0, -1.5, 0.1]})  # a short option, say
        weights = pd.DataFrame({"A": [0.5]}, index=returns.index[:1])
        assert equal(account(weights, returns=returns, execution=self.HOW).equity, [1, 0.25, 0.2625])


COSTS: dict[str, tuple[Cost, list[float]]] = {
    # Of 1000: 500 of A at 10 are 50 shares, 40 of B at 5 are 8 shares.
    "proportional": (ProportionalCost(0.01), [5.0, 0.4]),
    "proportional, by sleeve": (ProportionalCost({"B": 0.02, "A": 0.01}), [5.0, 0.8]),
    "spread": (SpreadCost(0.02, slippage=0.005), [7.5, 0.6]),
    "impact": (SquareRootImpact(0.1), [0.1 * 0.5**1.5 * 1000, 0.1 * 0.04**1.5 * 1000]),
    "per share": (PerShareCost(0.5), [25.0, 4.0]),
    "per share, minimum": (PerShareCost(0.5, minimum=10.0), [25.0, 10.0]),
    "flat fee an order": (PerShareCost(0.0, minimum=7.0), [7.0, 7.0]),
}


@pytest.mark.parametrize("mode", ["holdings", "constant-mix"])
@pytest.mark.parametrize("kind", COSTS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_each_kind_of_cost(kind: str, mode: Mode, sign: float, prices: pd.DataFrame) -> None:
    cost, wanted = COSTS[kind]
    weights = pd.DataFrame({"A": [0.5 * sign], "B": [0.04]}, index=prices.index[:1])
    ledger = account(weights, prices, Execution(mode=mode, costs=cost), capital=CASH)
    assert equal(ledger.cost, [0, sum(wanted), 0, 0])
    assert equal(ledger.sleeve_cost.iloc[1], wanted)
    assert equal(ledger.equity.iloc[1:2], [1000 + 500 * sign - sum(wanted)])
    assert ledger.route == "compiled"


def test_a_commission_follows_price_and_value(turn: pd.DataFrame, prices: pd.DataFrame) -> None:
    ledger = account(turn, prices, Execution(costs=PerShareCost(1.0, minimum=60.0)), capital=CASH)
    # Row 1: 50 shares of each pay the minimum. Row 2, of 1380: 50 of A sold at 20, 690/5 - 50 = 88 of B bought at 5.
    assert equal(ledger.cost, [0, 120, 60 + 88, 0])
    impact = account(turn, prices, Execution(costs=SquareRootImpact(0.1)), capital=CASH)
    value = float(impact.equity.iloc[1])
    traded = np.array([1000.0, 0.5 * value - 250])
    assert equal(impact.cost.iloc[2:3], [0.1 * (traded**1.5).sum() / value**0.5])


def test_costs_are_booked_by_cause(once: pd.DataFrame, prices: pd.DataFrame) -> None:
    how = Execution(costs=[ProportionalCost(0.01), PerShareCost(0.5), ProportionalCost(0.002)])
    ledger = account(once, prices, how, capital=CASH)
    assert ledger.costs.iloc[1].round(12).to_dict() == {
        "proportional cost 1": 7.5,
        "per-share commission": 50.0,
        "proportional cost 2": 1.5,
    }
    assert equal(ledger.cost, [0, 59, 0, 0])


class TestFinancing:
    def test_idle_cash_earns_and_compounds(self, once: pd.DataFrame, prices: pd.DataFrame) -> None:
        how = Execution(financing=Financing(0.1, 0.5, periods_per_year=10))
        ledger = account(once, prices, how, capital=CASH)
        # 1 % a row on what is left after the trades: on 250, on 252.50, on 255.025. Row 0 ends no period.
        assert equal(ledger.interest, [0, 2.5, 2.525, 2.55025])
        assert equal(ledger.cash, [1000, 252.5, 255.025, 257.57525])
        assert equal(ledger.equity, [1000, 1502.5, 1255.025, 2757.57525])

    def test_before_the_first_trade_all_cash_earns(self, once: pd.DataFrame, prices: pd.DataFrame) -> None:
        how = Execution(lag=3, financing=Financing(0.1, 0.5, periods_per_year=10))
        assert equal(account(once, prices, how, capital=CASH).interest, [0, 10, 10.1, 1020.1 * 0.25 * 0.01])

    @pytest.mark.parametrize("mode", ["holdings", "constant-mix"])
    def test_borrowed_cash_pays(self, mode: Mode, prices: pd.DataFrame) -> None:
        levered = pd.DataFrame({"A": [1.0], "B": [0.5]}, index=prices.index[:1])
        how = Execution(mode=mode, financing=Financing(0.1, 0.2, periods_per_year=10))
        ledger = account(levered, prices, how, capital=CASH)
        assert equal(ledger.interest.iloc[:2], [0, -10])  # 2 % on 500 borrowed
        assert equal(ledger.equity.iloc[:2], [1000, 1000 + 1000 - 10])
        second = -510 if mode == "holdings" else -0.5 * 1990
        assert equal(ledger.interest.iloc[2:3], [0.02 * second])

    def test_proceeds_of_a_short_sale_earn(self, prices: pd.DataFrame) -> None:
        short = pd.DataFrame({"A": [-0.5], "B": [0.0]}, index=prices.index[:1])
        how = Execution(financing=Financing(0.1, 0.2, periods_per_year=10))
        ledger = account(short, prices, how, capital=CASH)
        assert equal(ledger.interest.iloc[:2], [0, 15])
        assert equal(ledger.equity.iloc[:2], [1000, 515])

    def test_the_rate_of_a_row_is_for_the_period_after_it(self, once: pd.DataFrame, prices: pd.DataFrame) -> None:
        lending = pd.Series([0.1, 0.2, -0.4, 0.9], prices.index)
        how = Execution(financing=Financing(lending, 0.7, periods_per_year=10))
        assert equal(account(once, prices, how, capital=CASH).interest, [0, 2.5, 252.5 * 0.02, -257.55 * 0.04])

    def test_free_borrowing_must_be_said(self, prices: pd.DataFrame) -> None:
        levered = pd.DataFrame({"A": [1.0], "B": [0.5]}, index=prices.index[:1])
        ledger = account(levered, prices, Execution(financing=Financing(0.0, 0.0, periods_per_year=1)), capital=CASH)
        assert equal(ledger.cash, [1000, -500, -500, -500])
        assert equal(ledger.interest, [0, 0, 0, 0])
        assert equal(ledger.borrowed, [0, 0.5, 500 / 2000, 500 / 1500])


@pytest.mark.parametrize("mode", ["holdings", "constant-mix"])
def test_longs_pay_funding_and_shorts_receive_it(mode: Mode, prices: pd.DataFrame, table: Table) -> None:
    weights = pd.DataFrame({"A": [0.5], "B": [-0.25]}, index=prices.index[:1])
    funding = table({"B": [9, 0.02, 0.0, 0.01], "A": [9, 0.01, -0.03, 0.0]})  # columns in another order
    ledger = account(weights, prices, Execution(mode=mode), funding=funding, capital=CASH)
    start = ledger.opening_positions.to_numpy()
    assert equal(ledger.opening_positions.iloc[1], [500, -250])
    assert equal(ledger.funding, [0, -500 * 0.01 + 250 * 0.02, 0.03 * start[2, 0], -0.01 * start[3, 1]])
    assert float(ledger.funding.iloc[2]) > 0.0
    assert equal(ledger.sleeve_funding.iloc[:2], [[0, 0], [-5, 5]])
    assert equal(ledger.equity.iloc[:2], [1000, 1500])


class TestExposure:
    def test_a_factor_scales_what_is_held_and_not_the_composition(
        self, once: pd.DataFrame, prices: pd.DataFrame
    ) -> None:
        ledger = account(once, prices, Execution(mode="constant-mix"), exposure=0.5, capital=CASH)
        assert equal(ledger.composition, [[0, 0], [0.5, 0.25], [0.5, 0.25], [0.5, 0.25]])
        assert equal(ledger.exposure, [0, 0.5, 0.5, 0.5])
        assert equal(ledger.executed, [[0, 0], [0.25, 0.125], [0.25, 0.125], [0.25, 0.125]])
        assert equal(ledger.equity, [1000, 1250, 1250, 1250 * 1.75])

    def test_it_is_decided_with_the_weights(self, turn: pd.DataFrame, prices: pd.DataFrame) -> None:
        exposure = pd.Series([0.5, 1.6], turn.index)
        ledger = account(turn, prices, exposure=exposure, capital=CASH)
        assert equal(ledger.exposure, [0, 0.5, 1.6, 1.6])
        assert equal(ledger.composition, [[0, 0], [0.5, 0.25], [0, 0.5], [0, 0.5]])
        assert equal(ledger.executed.iloc[:3], [[0, 0], [0.25, 0.125], [0, 0.8]])

    def test_leverage_is_borrowing(self, once: pd.DataFrame, prices: pd.DataFrame) -> None:
        how = Execution(mode="constant-mix", financing=Financing(0.0, 0.0, periods_per_year=252))
        ledger = account(once, prices, how, exposure=2.0, capital=CASH)
        assert equal(ledger.cash.iloc[:2], [1000, -500])
        assert equal(ledger.equity.iloc[:2], [1000, 2000])


def test_columns_are_matched_by_name(once: pd.DataFrame, prices: pd.DataFrame) -> None:
    swapped: Ledger = account(once[["B", "A"]], prices, capital=CASH)
    pd.testing.assert_frame_equal(swapped.to_frame(), account(once, prices, capital=CASH).to_frame())
    assert list(swapped.sleeves) == ["A", "B"]


def test_one_row_is_all_cash(once: pd.DataFrame, prices: pd.DataFrame) -> None:
    ledger = account(once, prices.iloc[:1], capital=CASH)
    assert ledger.equity.tolist() == [CASH]
    assert ledger.executed.to_numpy().tolist() == [[0.0, 0.0]]


def test_a_ledger_as_one_table(turn: pd.DataFrame, prices: pd.DataFrame) -> None:
    ledger = account(turn, prices, Execution(costs=ProportionalCost(0.01)), capital=CASH)
    frame = ledger.to_frame()
    assert list(frame.columns.get_level_values(0).unique()) == ["ledger", "cost", "executed"]
    assert equal(frame["ledger"]["equity"], ledger.equity.to_numpy())
    assert equal(frame["executed"], ledger.executed.to_numpy())
    assert equal(frame["cost"]["proportional cost"], ledger.cost.to_numpy())
    assert repr(ledger) == "Ledger(4 rows x 2 sleeves, holdings, lag 1: 1000 -> 2223.79, costs 22.46)"


def test_figures_of_the_equity(turn: pd.DataFrame, prices: pd.DataFrame) -> None:
    ledger = account(turn, prices, Execution(costs=ProportionalCost(0.01)), capital=CASH)
    found = ledger.performance(periods_per_year=252, standard_error=False)
    assert found.total_return == pytest.approx(1.2237875)
    assert found.starting_capital == CASH
    assert found.win_rate_active == pytest.approx(2 / 3)  # the last row earns nothing
    assert found.active_bars == 3
    assert found.turnover_per_year == pytest.approx((0.75 + 1496.25 / 1492.5) / 3 * 252)


def test_shares_are_only_where_shares_are_held(turn: pd.DataFrame, prices: pd.DataFrame) -> None:
    mix = account(turn, prices, Execution(mode="constant-mix"))
    relative = account(turn, returns=simple_returns(prices))
    for ledger in (mix, relative):
        with pytest.raises(SpecificationError, match="there are no shares in a constant mix or in a ledger of returns"):
            _ = ledger.shares
