"""Cases that a search, a solver or a refinement gets wrong if it is written carelessly."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

from allocopt import LabelError, Limits, Outcome, ProportionalCost, SpecificationError, allocate
from allocopt.solvers import (
    ConvexProgram,
    CostPenalty,
    Custom,
    ExposureLimits,
    GroupLimits,
    PreviousWeights,
    SleeveLimits,
    TurnoverLimit,
)

pytestmark = pytest.mark.slow

LOOSE = (GroupLimits({"g": [0, 1]}, upper=0.3),)


def exact_sum(weights: Any) -> Fraction:
    return sum((Fraction(float(w)) for w in weights), Fraction(0))


def test_a_search_among_sleeves_without_any_room_ends() -> None:
    floors = [0.175, 0.104, 0.155, 0.179, 0.146, 0.132]
    program = ConvexProgram(terms=(SleeveLimits(cap=floors, floor=floors),))
    result: Any = allocate([1.8, 1.7, 1.5, 1.6, 1.7, 1.1], Limits(1.0, 0.0, 0.5), solver=program)
    # Each sleeve holds its one weight or nothing: the sum is the largest of 64 that is at most a half.
    sums = [sum(f for f, on in zip(floors, chosen, strict=True) if on) for chosen in product([0, 1], repeat=6)]
    assert result.invested == pytest.approx(max(x for x in sums if x <= 0.5), abs=1e-15)
    assert all(w in (0.0, f) for w, f in zip(result.weights, floors, strict=True))


def test_no_mixed_integer_solver_spends_more_than_there_is(rng: np.random.Generator) -> None:
    pytest.importorskip("pyscipopt")
    # The float 0.05 is more than 1/20: twenty floors fit the budget to any solver's tolerance, but not exactly.
    d = rng.uniform(0.9, 1.0, size=20)
    result: Any = allocate(d, solver=ConvexProgram(terms=LOOSE, search="mixed-integer"))
    assert (result.weights > 0.0).sum() <= 19
    assert exact_sum(result.weights) <= 1
    assert float(np.sum(result.weights)) == math.fsum(result.weights) == result.invested


@pytest.mark.parametrize("n", [25, 60])
def test_many_sleeves_end_with_weights_that_spend_the_budget(
    n: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("allocopt.solvers._worker.available", lambda solvers: [])
    for d in (np.ones(n), rng.uniform(size=n)):
        result: Any = allocate(d, solver=ConvexProgram(terms=LOOSE, max_nodes=60))
        assert result.invested == 1.0
        assert result.status.outcome in (Outcome.FULL, Outcome.UNPROVED)
        closed: Any = allocate(d)
        t = d / d.sum()
        # Weights that any rule finds are a bound from above on what the certificate may claim from below.
        assert result.certificate.bound <= 0.5 * float(np.sum((closed.weights - t) ** 2)) + 1e-9


def test_refinement_of_the_entropy_keeps_what_is_best() -> None:
    groups = (GroupLimits({"g": [0]}, upper=0.4),)
    result: Any = allocate([1.0, 1e-2, 1e-4, 1e-30], Limits(0.5, 0.0), solver=ConvexProgram("kl", terms=groups))
    assert result.weights == pytest.approx([0.4, 0.5, 0.1, 0.0], abs=1e-6)
    # By hand: the last sleeve is worth nothing, 0.4 and 0.5 are at their limits, and the rest is left.
    excluded: Any = allocate(
        [3.0, 2.0, 1.0], Limits(1.0, 0.0), solver=ConvexProgram("kl", terms=(GroupLimits({"g": [0]}, upper=0.0),))
    )
    assert excluded.weights == pytest.approx([0.0, 2.0 / 3.0, 1.0 / 3.0], abs=1e-5)


def test_a_bound_is_below_what_others_reach(rng: np.random.Generator) -> None:
    for distance in ("euclidean", "kl"):
        rows = np.exp(2.0 * rng.normal(size=(6, 5)))
        program: Any = ConvexProgram(distance, terms=LOOSE)
        result: Any = allocate(rows, solver=program)
        for d, w, bound, objective in zip(
            rows, result.weights, result.certificate.bound, result.certificate.objective, strict=True
        ):
            t = d / d.sum()
            held = w > 0.0
            mine = (
                0.5 * ((w - t) ** 2).sum() if distance == "euclidean" else (w[held] * np.log(w[held] / t[held])).sum()
            )
            assert objective == pytest.approx(mine, abs=1e-12)
            assert bound <= objective
            assert objective - bound <= 1e-6


@pytest.mark.parametrize(
    "terms", [(TurnoverLimit(0.3),), (CostPenalty(ProportionalCost(0.001), 10.0),)], ids=["cvxpy", "separable"]
)
def test_dates_in_the_wrong_order_are_refused_where_they_depend_on_each_other(terms: Any) -> None:
    dates = pd.to_datetime(["2024-01-02", "2024-01-01"])
    scores = pd.DataFrame([[1.0, 2.0, 3.0]] * 2, index=dates)
    with pytest.raises(LabelError, match="not in ascending order"):
        allocate(scores, solver=ConvexProgram(terms=terms, previous=PreviousWeights()))


@pytest.mark.parametrize("unit", [1e-10, 1e-8, 1.0, 1e8])
def test_exposures_mean_the_same_in_any_unit(unit: float) -> None:
    beta = np.array([[1.4], [1.0], [0.6]])
    limit = ExposureLimits(beta * unit, upper=0.95 * unit)
    result: Any = allocate([5.0, 3.0, 2.0], solver=ConvexProgram(terms=(limit,)))
    assert result.weights == pytest.approx([0.275, 0.325, 0.4], abs=1e-9)
    never = ExposureLimits(beta * unit, lower=2.0 * unit)
    failed: Any = allocate([5.0, 3.0, 2.0], solver=ConvexProgram(terms=(never,), on_failure="cash"))
    assert failed.status.outcome is Outcome.INFEASIBLE
    assert any("exposure" in name for name in failed.failures[0].conflict)
    # At most 0.4 * 1.4 + 0.4 * 1.0 + 0.2 * 0.6 = 1.08 can be had.
    given = next(v for k, v in failed.failures[0].relaxation.items() if "exposure" in k)
    assert given == pytest.approx(0.92 * unit, rel=1e-6)


def test_own_terms_that_cannot_be_evaluated_are_refused() -> None:
    other = cp.Variable()
    for own, what in (
        (Custom("epigraph", objective=lambda w: other), "variable of its own"),
        (Custom("epigraph", constraints=lambda w: [w[0] <= other]), "variable of its own"),
        (Custom("unset", constraints=lambda w: [w[0] <= cp.Parameter()]), "has no value"),
    ):
        with pytest.raises(SpecificationError, match=what):
            allocate([1.0, 2.0, 3.0], solver=ConvexProgram(terms=(own,)))
    single = Custom("one constraint", constraints=lambda w: w[2] <= 0.3)
    result: Any = allocate([1.0, 2.0, 3.0], solver=ConvexProgram(terms=(single,)))
    assert result.weights[2] == pytest.approx(0.3, abs=1e-12)


def test_a_cost_with_a_formula_of_its_own_is_not_taken_for_a_proportional_one() -> None:
    class Double(ProportionalCost):
        def expression(self, trades: Any, sleeves: Any = None) -> Any:
            return 2.0 * super().expression(trades, sleeves)

    program = ConvexProgram(terms=(CostPenalty(Double(0.001), 10.0),), previous=PreviousWeights([0.4, 0.3, 0.3]))
    plain = ConvexProgram(
        terms=(CostPenalty(ProportionalCost(0.002), 10.0),), previous=PreviousWeights([0.4, 0.3, 0.3])
    )
    one: Any = allocate([5.0, 3.0, 2.0], solver=program)
    two: Any = allocate([5.0, 3.0, 2.0], solver=plain)
    assert one.route.startswith("cvxpy")
    assert two.route.startswith("separable")
    assert one.weights == pytest.approx(two.weights, abs=1e-9)


def test_values_of_a_wrong_kind_are_refused_by_name() -> None:
    for make in (
        lambda: ConvexProgram(previous=[0.5, 0.5]),  # type: ignore[arg-type]
        lambda: GroupLimits([0, 1], upper=0.3),  # type: ignore[arg-type]
        lambda: GroupLimits({"g": "AB"}, upper=0.3),
        lambda: ExposureLimits(np.ones((2, 1)), lower=2.0, upper=1.0),
        lambda: ConvexProgram("kl", search="mixed-integer"),
        lambda: ConvexProgram(time_limit=math.nan),
    ):
        with pytest.raises(SpecificationError):
            make()
