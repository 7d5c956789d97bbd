"""The landing contract holds for programs too: cap, floor and budget by plain comparison, sums exact in any order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from allocopt import Limits, Outcome, ProportionalCost, allocate
from allocopt.solvers import (
    ConvexProgram,
    CostPenalty,
    Distance,
    GroupLimits,
    PreviousWeights,
    RiskPenalty,
    SleeveLimits,
    Term,
    TurnoverLimit,
    VolatilityLimit,
)

UNIT = 2.0**-53
LIMITS = [
    Limits(),
    Limits(cap=0.3, floor=0.1),
    Limits(cap=1 / 3, floor=0.0),
    Limits(cap=0.35, floor=0.07, budget=0.9),
    Limits(cap=1.0, floor=0.011, budget=0.1),
    Limits(cap=0.45, floor=0.2, budget=1 / 3),
]


@dataclass(frozen=True)
class Problem:
    """A small random program."""

    scores: tuple[float, ...]
    limits: Limits
    distance: Distance
    group: float | None
    turnover: float | None
    volatility: float | None
    aversion: float | None
    rate: float | None
    pinched: bool
    free: bool
    seed: int

    @property
    def matrix(self) -> Any:
        factor = np.random.default_rng(self.seed).normal(size=(len(self.scores), len(self.scores)))
        return 0.01 * factor @ factor.T

    @property
    def previous(self) -> Any:
        return np.random.default_rng(self.seed + 1).dirichlet(np.ones(len(self.scores))) * 0.9

    @property
    def terms(self) -> tuple[Term, ...]:
        found: list[Term] = []
        if self.group is not None:
            found.append(GroupLimits({"g": range(0, len(self.scores), 2)}, upper=self.group))
        if self.turnover is not None:
            found.append(TurnoverLimit(self.turnover))
        if self.volatility is not None:
            found.append(VolatilityLimit(self.matrix, self.volatility))
        if self.aversion is not None:
            found.append(RiskPenalty(self.matrix, self.aversion))
        if self.rate is not None:
            found.append(CostPenalty(ProportionalCost(self.rate), 20.0))
        if self.pinched:
            found.append(SleeveLimits(cap={0: 0.2}, floor={0: 0.2}))
        return tuple(found)

    @property
    def program(self) -> ConvexProgram:
        return ConvexProgram(
            self.distance, self.terms, PreviousWeights(self.previous), spend="free" if self.free else "most",
            on_failure="cash", route="cvxpy",
        )  # fmt: skip


@st.composite
def problems(draw: st.DrawFn, volatile: bool) -> Problem:
    scores = draw(st.lists(st.sampled_from([0.0, 1.0, 1.0, 2.0, 0.3, 5.0, 17.0, 1e-3]), min_size=1, max_size=5))
    return Problem(
        scores=tuple(scores),
        limits=draw(st.sampled_from(LIMITS)),
        distance=draw(st.sampled_from(("euclidean", "kl"))),
        group=draw(st.sampled_from((None, 0.3, 0.5))),
        turnover=draw(st.sampled_from((None, 0.3, 1.1))),
        volatility=draw(st.sampled_from((0.04, 0.1, 0.3))) if volatile else None,
        aversion=draw(st.sampled_from((None, 3.0))),
        rate=draw(st.sampled_from((None, 0.002))),
        pinched=draw(st.booleans()),
        free=draw(st.booleans()),
        seed=draw(st.integers(0, 5)),
    )


def check(problem: Problem) -> None:
    n = len(problem.scores)
    result: Any = allocate(np.array(problem.scores), problem.limits, solver=problem.program)
    w = result.weights
    cap, floor = np.full(n, problem.limits.cap), np.full(n, problem.limits.floor)
    if problem.pinched:
        cap[0] = floor[0] = 0.2
    if result.failures:
        # A program of upper limits can always hold cash. A turnover limit may ask for more than the other limits let.
        assert result.status.outcome is Outcome.INFEASIBLE, result.failures
        assert problem.turnover is not None, result.failures
        assert (w == 0.0).all()
        return
    assert ((w == 0.0) | ((w >= floor) & (w <= cap))).all()
    assert not np.signbit(w).any()
    assert (w[np.array(problem.scores) == 0.0] == 0.0).all()
    units = w / UNIT
    assert ((units == np.rint(units)) | (cap - floor < UNIT) | (w == floor)).all()
    assert sum(map(Fraction, w.tolist())) <= Fraction(problem.limits.budget)
    if (units == np.rint(units)).all():
        assert float(np.sum(w)) == float(np.sum(w[::-1])) == float(np.sort(w).sum()) == result.invested
    assert math.fsum(w.tolist()) == result.invested
    assert result.cash == 1.0 - result.invested
    certificate = result.certificate
    assert certificate.cap_residual == certificate.floor_residual == 0.0
    assert certificate.bound <= certificate.objective
    # Linear limits hold to rounding, a volatility limit to 1e-8 of itself.
    if problem.group is not None:
        assert w[::2].sum() <= problem.group + 1e-9
    if problem.turnover is not None:
        assert np.abs(w - problem.previous).sum() <= problem.turnover + 1e-9
    if problem.volatility is not None:
        assert math.sqrt(w @ problem.matrix @ w) <= problem.volatility * (1.0 + 1e-8)
    if result.status.outcome is Outcome.FULL:
        assert result.invested == math.floor(problem.limits.budget / UNIT) * UNIT


PLAIN = Problem((1.0, 2.0, 5.0), Limits(), "euclidean", None, None, None, None, None, False, False, 0)


@settings(max_examples=60)
@given(problems(volatile=False))
@example(PLAIN)
@example(Problem((5.0, 2.0, 1.0), Limits(), "kl", 0.5, None, None, None, None, True, False, 0))
@example(
    Problem((5.0, 2.0, 1.0), Limits(cap=1 / 3, floor=1 / 3), "euclidean", None, None, None, 3.0, None, False, False, 0)
)
def test_contract(problem: Problem) -> None:
    check(problem)


@settings(max_examples=25)
@given(problems(volatile=True).filter(lambda problem: problem.distance == "euclidean"))
def test_contract_with_a_volatility_limit(problem: Problem) -> None:
    check(problem)


@pytest.mark.parametrize("distance", ["euclidean", "kl"])
def test_weights_at_their_limits_are_the_limits_bit_for_bit(distance: Distance) -> None:
    # One sleeve at its cap, one at its floor, two between: cap and floor are given numbers, not nearly.
    limits = SleeveLimits(cap=[0.375, 1.0, 1.0, 1.0], floor=[0.0, 0.0, 0.0, 0.125], always=[3])
    terms = (limits, RiskPenalty(np.zeros((4, 4)), 1.0))
    result = allocate([10.0, 6.0, 3.0, 0.6], Limits(cap=1.0), solver=ConvexProgram(distance, terms))
    assert result.weights[0] == 0.375
    assert result.weights[3] == 0.125
    assert sum(result.weights) == result.invested == 1.0
    # What is not traded stays what it was, to rounding: a kink is no bound that the landing knows of.
    cost = CostPenalty(ProportionalCost(0.1), 100.0)
    held = PreviousWeights([0.375, 0.25, 0.125, 0.25])
    kept = allocate([1.0, 2.0, 3.0, 4.0], Limits(cap=1.0), solver=ConvexProgram(distance, (cost,), held, route="cvxpy"))
    assert np.abs(np.array(kept.weights) - [0.375, 0.25, 0.125, 0.25]).max() <= 1e-14
