"""Spread and per-share costs: money by hand, the convex envelope, parameters for compiled code, errors."""

# cvxpy annotates its values as optional.
# pyright: reportArgumentType=false, reportOptionalOperand=false

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocopt import (
    Cost,
    LabelError,
    MarketCost,
    PerShareCost,
    ProportionalCost,
    ShapeError,
    SpecificationError,
    SpreadCost,
    SquareRootImpact,
)
from allocopt.charging import at_market, cost_labels, kernel_costs
from allocopt.solvers.base import FloatArray

SLEEVES = pd.Index(["a", "b", "c"])


def test_half_the_spread_and_the_slippage_are_paid_on_each_side() -> None:
    trades = np.array([0.5, -0.25, 0.0])
    assert SpreadCost(0.002).cost(trades).tolist() == [0.0005, 0.00025, 0.0]
    found = SpreadCost({"c": 0.1, "a": 0.002, "b": 0.004}, pd.Series({"b": 0.001, "a": 0.0, "c": 0.1}))
    assert found.rates(3, SLEEVES) == pytest.approx([0.001, 0.003, 0.15], rel=1e-15)
    assert found.cost(trades, SLEEVES) == pytest.approx([0.0005, 0.00075, 0.0], rel=1e-15)


@pytest.mark.parametrize(("shares", "price", "money"), [(100, 25.0, 1.0), (1000, 25.0, 5.0)])
def test_commission_in_money_as_a_broker_publishes_it(shares: int, price: float, money: float) -> None:
    # Interactive Brokers, fixed pricing of US stocks, 0.005 a share and at least 1.00 an order: its own two examples.
    capital = 1_000_000.0
    commission = PerShareCost(0.005, minimum=1.0, prices=price, capital=capital)
    for side in (1.0, -1.0):
        fraction = commission.cost(np.array([side * shares * price / capital, 0.0]))
        assert fraction * capital == pytest.approx([money, 0.0], rel=1e-13)


def test_each_sleeve_is_an_order_and_one_that_is_not_traded_is_none() -> None:
    fee = PerShareCost(0.0, minimum={"a": 2.0, "b": 0.0, "c": 5.0}, capital=1000.0)
    trades = np.array([[0.3, 0.3, 1e-9], [0.0, -0.0, 0.0], [-0.3, 0.0, 0.0]])
    assert fee.cost(trades, SLEEVES).tolist() == [[0.002, 0.0, 0.005], [0.0, 0.0, 0.0], [0.002, 0.0, 0.0]]
    assert np.isnan(fee.cost(np.array([np.nan, 0.0, 0.0]), SLEEVES)[0])


def test_a_commission_without_a_minimum_does_not_depend_on_the_capital() -> None:
    trades = np.array([0.1, -0.4, 0.0])
    found = PerShareCost([0.01, 0.02, 0.0], prices=pd.Series({"c": 1.0, "a": 10.0, "b": 40.0}))
    assert found.cost(trades, SLEEVES) == pytest.approx([0.0001, 0.0002, 0.0], rel=1e-15)
    later = found.at({"a": 20.0, "b": 40.0, "c": 1.0}, 5.0)
    assert later.cost(trades, SLEEVES) == pytest.approx([0.00005, 0.0002, 0.0], rel=1e-15)
    assert later.capital == 5.0
    assert found.capital is None


def test_prices_and_capital_of_the_date_are_put_in() -> None:
    commission: Cost = PerShareCost(1.0, minimum=1.0)
    impact = SquareRootImpact(0.1)
    assert isinstance(commission, MarketCost)
    assert not isinstance(impact, MarketCost)
    assert at_market(impact, [1.0], 1.0) is impact
    assert at_market(commission, [100.0], 50.0).cost(np.array([0.5, -1.0])[:1]).tolist() == [0.02]
    assert at_market(commission, [10.0], 50.0).cost(np.array([0.5])).tolist() == [0.05]


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (PerShareCost(0.01), "no prices"),
        (PerShareCost({"a": 0.0, "b": 0.0, "c": 0.1}), "no prices"),
        (PerShareCost(0.01, minimum=1.0, prices=10.0), "no capital"),
        (PerShareCost(0.0, minimum=1.0), "no capital"),
    ],
)
def test_what_is_needed_and_missing_is_named(cost: PerShareCost, words: str) -> None:
    for use in (lambda: cost.cost(np.zeros(3), SLEEVES), lambda: cost.expression(cp.Variable(3), SLEEVES)):
        with pytest.raises(SpecificationError, match=words):
            use()


BAD = [-0.1, float("nan"), float("inf"), True, "0.1", [0.1, -0.1], {"a": -1.0}, pd.Series({"a": np.nan}), None]


@pytest.mark.parametrize("value", BAD)
def test_bad_numbers(value: Any) -> None:
    for make in (
        lambda: SpreadCost(value),
        lambda: SpreadCost(0.1, value),
        lambda: PerShareCost(value),
        lambda: PerShareCost(0.1, value),
    ):
        with pytest.raises(SpecificationError, match="at least 0"):
            make()


@pytest.mark.parametrize("value", [bad for bad in BAD if bad is not None])
def test_a_market_that_cannot_be(value: Any) -> None:
    with pytest.raises(SpecificationError, match="positive"):
        PerShareCost(0.1).at(value, 1.0)
    with pytest.raises(SpecificationError, match="positive"):
        PerShareCost(0.1).at(1.0, value)


@pytest.mark.parametrize("value", [0.0, [0.0, 1.0], {"a": 0}])
def test_a_price_of_zero(value: Any) -> None:
    with pytest.raises(SpecificationError, match="a price is not a positive number: 0"):
        PerShareCost(0.1, prices=value)


@pytest.mark.parametrize("value", [0.0, -1, [1.0, 2.0], {"a": 1.0}, float("inf")])
def test_the_capital_is_one_number_above_zero(value: Any) -> None:
    with pytest.raises(SpecificationError, match="capital is not a positive number"):
        PerShareCost(0.1, capital=value)


def test_numbers_that_do_not_fit_the_sleeves() -> None:
    trades = np.zeros(3)
    with pytest.raises(LabelError, match="slippage of SpreadCost is missing for a sleeve: 'c'"):
        SpreadCost(0.1, {"a": 0.1, "b": 0.1}).cost(trades, SLEEVES)
    with pytest.raises(LabelError, match="prices of PerShareCost names a sleeve"):
        PerShareCost(0.1, prices={"a": 1.0, "b": 1.0, "x": 1.0}).cost(trades, SLEEVES)
    with pytest.raises(ShapeError, match="minimum of PerShareCost"):
        PerShareCost(0.1, minimum=[1.0, 2.0], prices=1.0).cost(trades, SLEEVES)


def test_a_cost_cannot_be_changed_through_what_it_was_made_of() -> None:
    prices, each, spreads = np.array([10.0, 20.0]), {0: 0.1, 1: 0.1}, pd.Series([0.1, 0.2])
    commission, spread = PerShareCost(each, prices=prices), SpreadCost(spreads)
    prices[0], each[0], spreads[0] = 1.0, 9.0, 9.0
    assert commission.rates(2).tolist() == [0.01, 0.005]
    assert spread.rates(2).tolist() == [0.05, 0.1]


money = st.floats(0.0, 100.0)
above = st.floats(0.01, 1e6)


@given(each=money, least=money, price=above, capital=above, trade=st.floats(-1.0, 1.0))
def test_the_expression_is_never_above_the_cost_and_meets_it_at_the_whole_capital(
    each: float, least: float, price: float, capital: float, trade: float
) -> None:
    cost = PerShareCost(each, least, price, capital)
    variable = cp.Variable(1)
    expression = cost.expression(variable)
    assert expression.is_convex()
    ends = (1.0, -1.0, 0.0)
    for x in (trade, *ends):
        variable.value = np.array([x])
        charged = float(cost.cost(np.array([x]))[0])
        seen = float(expression.value)
        assert seen <= charged * (1.0 + 1e-15)
        if x in ends:
            assert seen == charged


def lower_hull(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Andrew's monotone chain, lower half: the convex envelope of a function on a grid."""
    hull: list[tuple[float, float]] = []
    for x, y in points:
        while len(hull) > 1:
            (x0, y0), (x1, y1) = hull[-2], hull[-1]
            if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0.0:
                break
            hull.pop()
        hull.append((x, y))
    return hull


@pytest.mark.parametrize("capital", [50.0, 1000.0, 1e6])
def test_the_expression_is_the_convex_envelope_of_the_cost(capital: float) -> None:
    cost = PerShareCost(0.01, minimum=1.0, prices=20.0, capital=capital)
    grid = np.linspace(-1.0, 1.0, 401)
    hull = lower_hull(list(zip(grid.tolist(), [float(cost.cost(np.array([x]))[0]) for x in grid], strict=True)))
    envelope = np.interp(grid, *np.transpose(hull))
    assert cost.rates(1)[0] * np.abs(grid) == pytest.approx(envelope, rel=1e-12, abs=1e-15)


class Own:
    """An own cost, under a name that numbering must not hit."""

    label = "proportional cost 1"

    def cost(self, trades: FloatArray, sleeves: pd.Index | None = None) -> FloatArray:
        return 0.5 * trades**2

    def expression(self, trades: cp.Expression, sleeves: pd.Index | None = None) -> cp.Expression:
        return 0.5 * cp.sum_squares(trades)


def test_the_parameters_for_compiled_code_give_the_same_money() -> None:
    costs: list[Cost] = [
        ProportionalCost([0.001, 0.002, 0.003]),
        SpreadCost({"b": 0.002, "a": 0.001, "c": 0.0}, slippage=0.0005),
        SquareRootImpact({"c": 0.03, "a": 0.01, "b": 0.0}),
        PerShareCost({"a": 0.005, "b": 0.0, "c": 0.01}, minimum=[1.0, 2.0, 0.0]),
    ]
    found = kernel_costs(costs, 3, SLEEVES)
    assert found is not None
    assert found.kind.dtype == np.int64
    assert found.first.shape == found.second.shape == (4, 3)
    assert found.labels == ("proportional cost", "spread and slippage", "square-root impact", "per-share commission")
    prices, capital = np.array([10.0, 50.0, 0.5]), 20_000.0
    rng = np.random.default_rng(7)
    seen = set()
    for x in rng.choice([0.0, 1e-6, 0.01, 0.3, -0.2, 1.0], size=(50, 3)):
        for k, cost in enumerate(costs):
            for i in range(3):
                size = abs(float(x[i]))
                kind, first, second = int(found.kind[k]), found.first[k, i], found.second[k, i]
                if kind == 0:
                    wanted = first * size * capital
                elif kind == 1:
                    wanted = first * size**1.5 * capital
                else:
                    wanted = max(first * size * capital / prices[i], second) if size > 0.0 else 0.0
                charged = at_market(cost, prices, capital).cost(x, SLEEVES)[i] * capital
                assert charged == pytest.approx(wanted, rel=1e-13)
                seen.add((kind, wanted > 0.0))
    assert seen == {(kind, charged) for kind in range(3) for charged in (False, True)}


def test_own_costs_are_left_to_python() -> None:
    class Double(ProportionalCost):
        def cost(self, trades: FloatArray, sleeves: pd.Index | None = None) -> FloatArray:
            return 2.0 * super().cost(trades, sleeves)

    assert kernel_costs([ProportionalCost(0.1), Own()], 2) is None
    assert kernel_costs([Double(0.1)], 2) is None
    nothing = kernel_costs([], 2)
    assert nothing is not None
    assert nothing.first.shape == (0, 2)
    with pytest.raises(LabelError, match="'c'"):
        kernel_costs([SpreadCost({"a": 0.1, "b": 0.1})], 3, SLEEVES)


def test_labels_are_numbered_where_they_repeat() -> None:
    one, two = ProportionalCost(0.1), ProportionalCost(0.2)
    assert cost_labels([one, two]) == ("proportional cost 1", "proportional cost 2")
    assert cost_labels([one, Own(), two]) == ("proportional cost 2", "proportional cost 1", "proportional cost 3")
    assert cost_labels([Own(), SpreadCost(0.1)]) == ("proportional cost 1", "spread and slippage")
