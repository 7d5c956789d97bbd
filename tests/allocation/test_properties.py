"""Properties of `allocate` on whatever rows and limits hypothesis thinks of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from allocopt import Limits, Outcome, allocate
from allocopt.solvers import Distance

UNIT = 2.0**-53
DISTANCES: st.SearchStrategy[Distance] = st.sampled_from(("euclidean", "kl"))
NUMBERS = st.one_of(
    st.floats(0.0, 1e308),
    st.floats(0.001, 10.0),
    st.integers(0, 6).map(float),
    st.sampled_from([0.0, 5e-324, 1e-300, 1e-20, 1e300]),
)
ROWS = st.lists(NUMBERS, min_size=1, max_size=9)
FRACTIONS = st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.0, 0.05, 0.0625, 0.1, 0.2, 0.25, 1 / 3, 0.4, 0.5, 1.0]))


@st.composite
def limits_of(draw: st.DrawFn, budgets: tuple[float, ...] = (1.0, 0.9, 0.75, 0.5, 0.1)) -> Limits:
    floor, cap = sorted((draw(FRACTIONS), draw(FRACTIONS)))
    return Limits(cap=cap, floor=floor, budget=draw(st.sampled_from(budgets)))


@given(ROWS, limits_of(), DISTANCES)
@settings(max_examples=500)
def test_feasible(row: list[float], limits: Limits, distance: Distance) -> None:
    result = allocate(row, limits, solver=distance)
    assert len(result.weights) == len(row)
    for d, w in zip(row, result.weights, strict=True):
        assert w == 0.0 or (d > 0.0 and limits.floor <= w <= limits.cap)
    assert 0.0 <= result.invested <= limits.budget
    assert abs(result.invested - math.fsum(result.weights)) <= UNIT
    exact = float(limits.attainable(sum(d > 0.0 for d in row)))
    assert abs(result.invested - exact) <= (len(row) + 1) * UNIT
    assert result.cash == 1.0 - result.invested


@given(
    st.lists(NUMBERS, min_size=1, max_size=9, unique=True), limits_of(), DISTANCES, st.randoms(use_true_random=False)
)
@settings(max_examples=300)
def test_permutation(row: list[float], limits: Limits, distance: Distance, random: object) -> None:
    order = list(range(len(row)))
    random.shuffle(order)  # type: ignore[attr-defined]
    weights = allocate(row, limits, solver=distance).weights
    assert allocate([row[i] for i in order], limits, solver=distance).weights == [weights[i] for i in order]


@given(ROWS, limits_of(), DISTANCES, st.integers(-60, 60))
@settings(max_examples=300)
def test_scale(row: list[float], limits: Limits, distance: Distance, power: int) -> None:
    scaled = [d * 2.0**power for d in row]
    assume(all(s / 2.0**power == d and s < math.inf for s, d in zip(scaled, row, strict=True)))
    assert allocate(scaled, limits, solver=distance).weights == allocate(row, limits, solver=distance).weights


@given(ROWS, limits_of(budgets=(1.0, 0.75, 0.5)), DISTANCES)
@settings(max_examples=500)
def test_idempotence(row: list[float], limits: Limits, distance: Distance) -> None:
    first: Any = allocate(row, limits, solver=distance)
    assume(first.status.outcome in (Outcome.FULL, Outcome.CAPPED))
    assert allocate(first.weights, limits, solver=distance).weights == first.weights


@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.lists(NUMBERS, min_size=n, max_size=n), min_size=1, max_size=5)),
       limits_of(), DISTANCES)  # fmt: skip
@settings(max_examples=200)
def test_batch(rows: list[list[float]], limits: Limits, distance: Distance) -> None:
    batch = allocate(np.array(rows), limits, solver=distance)
    assert batch.weights.tolist() == [allocate(row, limits, solver=distance).weights for row in rows]


@given(ROWS, limits_of(), DISTANCES)
@settings(max_examples=500)
def test_monotone(row: list[float], limits: Limits, distance: Distance) -> None:
    weights = allocate(row, limits, solver=distance).weights
    for d, w in zip(row, weights, strict=True):
        for e, v in zip(row, weights, strict=True):
            if d > e:
                assert w >= v
            elif d == e and w > 0.0 and v > 0.0:
                assert abs(w - v) <= UNIT


@given(ROWS, limits_of(), FRACTIONS, DISTANCES)
@settings(max_examples=300)
def test_raising_the_cap_never_lowers_what_is_invested(
    row: list[float], limits: Limits, cap: float, distance: Distance
) -> None:
    assume(cap >= limits.cap)
    higher = Limits(cap=cap, floor=limits.floor, budget=limits.budget)
    low, high = allocate(row, limits, solver=distance), allocate(row, higher, solver=distance)
    # Only where no grid point fits do the limits themselves stand, and those may lie a last bit above the grid.
    slack = len(row) * UNIT if low.status.outcome is Outcome.ROUNDED else 0.0
    assert high.invested >= low.invested - slack


@given(ROWS, limits_of())
@settings(max_examples=300)
def test_the_heuristic_ends_and_never_goes_negative(row: list[float], limits: Limits) -> None:
    assume(limits.cap == 0.0 or limits.cap > 1e-290)  # doubles below have too few bits to be divided by their sum
    result = allocate(row, limits, solver="heuristic")
    assert len(result.weights) == len(row)
    assert all(0.0 <= w <= 1.0 + 1e-12 for w in result.weights)
    assert result.invested <= limits.budget * (1.0 + 1e-12)
