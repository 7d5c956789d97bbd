"""Costs of trading: the accounting's numbers and the optimiser's expression are the same formula."""

# cvxpy annotates its values as optional and its constraints as bool.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalOperand=false

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

from allocopt import (
    Cost,
    LabelError,
    Limits,
    PerShareCost,
    ProportionalCost,
    ShapeError,
    SpecificationError,
    SpreadCost,
    SquareRootImpact,
    allocate,
)
from allocopt.solvers import ConvexProgram, CostPenalty, PreviousWeights
from allocopt.solvers.base import FloatArray

SLEEVES = pd.Index(["a", "b", "c"])
COSTS: list[Cost] = [
    ProportionalCost(0.001),
    ProportionalCost([0.001, 0.0, 0.003]),
    ProportionalCost({"c": 0.003, "a": 0.001, "b": 0.002}),
    ProportionalCost(pd.Series([0.003, 0.001, 0.002], index=["c", "a", "b"])),
    SquareRootImpact(0.02),
    SquareRootImpact(np.array([0.02, 0.0, 0.01])),
    SquareRootImpact({"c": 0.03, "a": 0.01, "b": 0.0}),
    SpreadCost(0.0004),
    SpreadCost({"c": 0.003, "a": 0.001, "b": 0.002}, slippage=[0.001, 0.0, 0.002]),
    PerShareCost(0.005, prices={"a": 10.0, "c": 30.0, "b": 20.0}),
]


@pytest.mark.parametrize("cost", COSTS, ids=lambda cost: cost.label)
def test_numbers_and_expression_agree(cost: Cost) -> None:
    assert isinstance(cost, Cost)
    rng = np.random.default_rng(3)
    trades = rng.normal(scale=0.2, size=(20, 3))
    trades[0] = 0.0
    found = cost.cost(trades, SLEEVES)
    assert found.shape == trades.shape
    assert (found >= 0.0).all()
    assert (found[0] == 0.0).all()
    assert np.array_equal(cost.cost(-trades, SLEEVES), found)
    variable = cp.Variable(3)
    expression = cost.expression(variable, SLEEVES)
    assert expression.is_scalar()
    assert expression.is_convex()
    for row in range(20):
        variable.value = trades[row]
        assert abs(float(expression.value) - found[row].sum()) <= 1e-15


def test_formulas() -> None:
    trades = np.array([0.1, -0.25, 0.0])
    assert np.allclose(ProportionalCost([1.0, 2.0, 3.0]).cost(trades), [0.1, 0.5, 0.0], rtol=1e-15)
    assert np.allclose(SquareRootImpact(2.0).cost(np.array([0.25, -0.01])), [0.25, 0.002], rtol=1e-15)


def test_impact_from_market() -> None:
    # One percent a day, a tenth of a percent of the daily turnover: .01 sqrt(1e8 / 1e11).
    found = SquareRootImpact.from_market({"a": 0.01, "b": 0.02}, {"b": 1e10, "a": 1e11}, capital=1e8, constant=0.5)
    coefficient: Any = found.coefficient
    assert coefficient["a"] == pytest.approx(0.5 * 0.01 * np.sqrt(1e-3), rel=1e-15)
    assert coefficient["b"] == pytest.approx(0.5 * 0.02 * 0.1, rel=1e-15)
    series = SquareRootImpact.from_market(pd.Series({"a": 0.01}), pd.Series({"a": 1e11}), capital=1e8)
    assert series.coefficients(1, pd.Index(["a"]))[0] == pytest.approx(0.01 * np.sqrt(1e-3), rel=1e-15)


@pytest.mark.parametrize(
    ("volatility", "volume", "settings", "words"),
    [
        ({"a": 0.01}, {"b": 1e9}, {}, "different sleeves"),
        ({"a": 0.01}, {"a": 0.0}, {}, "positive"),
        ({"a": 0.01}, {"a": 1e9}, {"capital": 0.0}, "capital"),
        ({"a": 0.01}, {"a": 1e9}, {"constant": -1.0}, "constant"),
        ({"a": -0.01}, {"a": 1e9}, {}, "at least 0"),
        ({"a": float("nan")}, {"a": 1e9}, {}, "at least 0"),
    ],
)
def test_bad_market(volatility: Any, volume: Any, settings: dict[str, float], words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        SquareRootImpact.from_market(volatility, volume, **{"capital": 1e8, **settings})


@pytest.mark.parametrize("kind", [ProportionalCost, SquareRootImpact])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), True, "0.1", [0.1, -0.1], {"a": -1.0}, None])
def test_bad_rates(kind: Any, value: Any) -> None:
    with pytest.raises(SpecificationError, match="at least 0"):
        kind(value)


def test_rates_that_do_not_fit_the_sleeves() -> None:
    cost = ProportionalCost({"a": 0.1, "b": 0.2})
    with pytest.raises(LabelError, match="'c'"):
        cost.cost(np.zeros(3), SLEEVES)
    with pytest.raises(LabelError, match="'b'"):
        cost.cost(np.zeros(1), pd.Index(["a"]))
    with pytest.raises(ShapeError, match="3 numbers"):
        ProportionalCost([0.1, 0.2]).cost(np.zeros(3))
    with pytest.raises(SpecificationError, match="not a cost"):
        CostPenalty(0.001, 1.0)  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="aversion"):
        CostPenalty(ProportionalCost(0.1), -1.0)


def test_a_cost_cannot_be_changed_through_what_it_was_made_of() -> None:
    rates = np.array([0.1, 0.2])
    mapping: dict[Hashable, float] = {"a": 0.1}
    cost, named = ProportionalCost(rates), ProportionalCost(mapping)
    rates[0], mapping["a"] = 9.0, 9.0
    assert cost.rates(2).tolist() == [0.1, 0.2]
    assert named.rates(1, pd.Index(["a"])).tolist() == [0.1]


@pytest.mark.parametrize(
    ("cost", "rate"),
    [
        (SpreadCost([0.002, 0.004, 0.0], slippage=0.001), [0.002, 0.003, 0.001]),
        (PerShareCost([0.01, 0.04, 0.0], prices=[5.0, 10.0, 1.0]), [0.002, 0.004, 0.0]),
        (PerShareCost(0.01, minimum=[3.0, 0.0, 1.0], prices=10.0, capital=1000.0), [0.003, 0.001, 0.001]),
    ],
    ids=["spread", "per share", "per share with a minimum"],
)
def test_costs_that_are_rates_times_trades_are_solved_as_such(cost: Cost, rate: list[float]) -> None:
    scores, held = np.array([[5.0, 3.0, 2.0], [1.0, 4.0, 5.0], [2.0, 2.0, 6.0]]), PreviousWeights([0.1, 0.3, 0.6])
    known = CostPenalty(ProportionalCost(rate), 30.0)
    wanted = allocate(scores, solver=ConvexProgram(terms=(known,), previous=held))
    kernels = allocate(scores, solver=ConvexProgram(terms=(CostPenalty(cost, 30.0),), previous=held))
    general = allocate(scores, solver=ConvexProgram(terms=(CostPenalty(cost, 30.0),), previous=held, route="cvxpy"))
    assert wanted.route == kernels.route == "separable, compiled, branch and bound"
    assert general.route.startswith("cvxpy")
    assert np.abs(kernels.weights - wanted.weights).max() <= 1e-15
    assert np.abs(general.weights - wanted.weights).max() <= 1e-9
    unpaid = allocate(scores)
    assert np.abs(kernels.weights - unpaid.weights).max() > 0.01, "the cost must matter"


def test_a_spread_of_an_own_formula_is_not_taken_for_the_spread() -> None:
    class Double(SpreadCost):
        def expression(self, trades: cp.Expression, sleeves: pd.Index | None = None) -> cp.Expression:
            return 2.0 * super().expression(trades, sleeves)

    held = PreviousWeights([0.4, 0.3, 0.3])
    one: Any = allocate([5.0, 3.0, 2.0], solver=ConvexProgram(terms=(CostPenalty(Double(0.002), 10.0),), previous=held))
    two: Any = allocate(
        [5.0, 3.0, 2.0], solver=ConvexProgram(terms=(CostPenalty(SpreadCost(0.004), 10.0),), previous=held)
    )
    assert one.route.startswith("cvxpy")
    assert two.route.startswith("separable")
    assert one.weights == pytest.approx(two.weights, abs=1e-9)


class Quadratic:
    """An own cost."""

    label = "quadratic"

    def cost(self, trades: FloatArray, sleeves: pd.Index | None = None) -> FloatArray:
        found: FloatArray = 0.5 * trades**2
        return found

    def expression(self, trades: cp.Expression, sleeves: pd.Index | None = None) -> cp.Expression:
        return 0.5 * cp.sum_squares(trades)


def test_an_own_cost_is_a_cost() -> None:
    # 1/2 (w - t)^2 + a/2 (w - p)^2 is least at (t + a p) / (1 + a), whose sum is one.
    program = ConvexProgram(terms=(CostPenalty(Quadratic(), 3.0),), previous=PreviousWeights([0.1, 0.3, 0.6]))
    found: Any = allocate([5.0, 3.0, 2.0], Limits(cap=1.0, floor=0.0), solver=program)
    assert found.route == "cvxpy, clarabel"
    wanted = (np.array([0.5, 0.3, 0.2]) + 3.0 * np.array([0.1, 0.3, 0.6])) / 4.0
    assert np.abs(np.array(found.weights) - wanted).max() <= 1e-15
    trades = np.array(found.weights) - [0.1, 0.3, 0.6]
    distance = 0.5 * float(((np.array(found.weights) - [0.5, 0.3, 0.2]) ** 2).sum())
    assert abs(found.certificate.objective - distance - 3.0 * float(Quadratic().cost(trades).sum())) <= 1e-15
