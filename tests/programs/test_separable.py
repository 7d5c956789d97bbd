"""Separable programs against their slow, obvious twin (every support, exact numbers) and from first principles."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocopt import Limits, allocate
from allocopt.solvers import Distance
from allocopt.solvers.base import FloatArray
from allocopt.solvers.separable import NOT_SOLVED, SeparableResult, solve_separable

BOTH = pytest.mark.parametrize("distance", ["euclidean", "kl"])
FULL, ROUNDED, CAPPED, FLOORED, EMPTY, UNAFFORDABLE, INFEASIBLE, UNPROVED = 0, 1, 2, 3, 4, 5, 9, 10
GRID = 2**53

Number = Any  # Fraction or Decimal, never both at once


@dataclass(frozen=True)
class Program:
    """One date, in plain lists."""

    d: list[float]
    caps: list[float]
    floors: list[float]
    always: list[bool]
    rates: list[float]
    previous: list[float]
    budget: float = 1.0

    @property
    def n(self) -> int:
        return len(self.d)

    def solve(self, distance: Distance, max_nodes: int = 100_000) -> SeparableResult:
        return solve_separable(
            np.array([self.d]),
            np.array([self.caps]),
            np.array([self.floors]),
            np.array(self.always),
            np.array(self.rates),
            self.budget,
            distance,
            previous=np.array(self.previous) if any(self.rates) else None,
            max_nodes=max_nodes,
        )


# The twin.


@dataclass
class Truth:
    """All supports of a program: the largest sum, and the weights and value of each support that attains it."""

    attainable: Fraction | None  # None: no weights at all
    found: list[tuple[Fraction | Decimal, int, list[Fraction]]] = field(default_factory=list)


def twin(program: Program, distance: Distance) -> Truth:
    """Try every subset of the sleeves that may be zero or not."""
    n = program.n
    floors = [Fraction(x) for x in program.floors]
    caps = [Fraction(x) for x in program.caps]
    entropic = distance == "kl"
    fixed, choices = [], []
    for i in range(n):
        if program.d[i] > 0 and not program.always[i] and floors[i] > 0:
            choices.append(i)
        elif program.d[i] > 0 or (program.always[i] and not entropic):
            fixed.append(i)
        elif program.always[i] and floors[i] > 0:
            return Truth(None)
    sets = []
    best = None
    for size in range(len(choices) + 1):
        for some in itertools.combinations(choices, size):
            held = sorted([*fixed, *some])
            low = sum((floors[i] for i in held), Fraction(0))
            high = sum((caps[i] for i in held), Fraction(0))
            if low <= Fraction(program.budget):
                sets.append((held, low, high, size))
                best = max(best or Fraction(0), min(high, Fraction(program.budget)))
    if best is None:
        return Truth(None)
    truth = Truth(best)
    if best == 0:
        return truth
    total = sum(map(Fraction, program.d))
    t = [best * Fraction(x) / total if total else Fraction(0) for x in program.d]
    with localcontext(prec=80, Emin=-(10**9), Emax=10**9):
        for held, low, high, size in sets:
            if not low <= best <= high:
                continue
            if entropic:
                w = solve_held(program, held, best, [decimal(x) for x in t], Decimal(0), entropic=True)
            else:
                w = solve_held(program, held, best, t, Fraction(0), entropic=False)
            truth.found.append((value(program, w, t, entropic), size, w))
    return truth


def decimal(x: Fraction | float) -> Decimal:
    x = Fraction(x)
    return Decimal(x.numerator) / Decimal(x.denominator)


def solve_held(
    program: Program, held: list[int], b: Fraction, t: list[Number], zero: Number, entropic: bool
) -> list[Fraction]:
    """Evaluate the sum of the responses at every level where one may bend, and interpolate between two of them."""

    def number(x: float | Fraction) -> Number:
        return decimal(x) if isinstance(zero, Decimal) else Fraction(x)

    floor, cap = [number(x) for x in program.floors], [number(x) for x in program.caps]
    p, k = [number(x) for x in program.previous], [number(x) for x in program.rates]
    up = [x.exp() if isinstance(x, Decimal) else x for x in k]

    def response(i: int, m: Number) -> Number:
        more = m * t[i] * up[i] if entropic else m + t[i] + up[i]
        fewer = m * t[i] / up[i] if entropic else m + t[i] - up[i]
        free = more if more < p[i] else (fewer if fewer > p[i] else p[i])
        return min(max(free, floor[i]), cap[i])

    levels: set[Number] = {zero} if entropic else set()
    for i in held:
        for at in (floor[i], cap[i], p[i]):
            if entropic:
                levels |= {at / t[i] / up[i], at / t[i] * up[i]}
            else:
                levels |= {at - t[i] - up[i], at - t[i] + up[i]}
    spent = number(b)
    ordered = sorted(levels)
    tolerance = Decimal(10) ** -70 if isinstance(zero, Decimal) else Fraction(0)

    def weights(m: Number) -> list[Fraction]:
        return [Fraction(response(i, m)) if i in held else Fraction(0) for i in range(program.n)]

    def total(m: Number) -> Number:
        return sum((response(i, m) for i in held), zero)

    for left, right in itertools.pairwise(ordered):
        at_left, at_right = total(left), total(right)
        if at_left - tolerance <= spent <= at_right + tolerance:
            part = (spent - at_left) / (at_right - at_left) if at_right > at_left else zero
            return weights(left + part * (right - left))
    return weights(ordered[0])


def value(program: Program, w: list[Fraction], t: list[Fraction], entropic: bool) -> Fraction | Decimal:
    cost = sum(
        (Fraction(k) * abs(x - Fraction(p)) for k, x, p in zip(program.rates, w, program.previous, strict=True)),
        Fraction(0),
    )
    if not entropic:
        return cost + sum(((x - y) ** 2 for x, y in zip(w, t, strict=True)), Fraction(0)) / 2
    entropy = sum((decimal(x) * decimal(x / y).ln() for x, y in zip(w, t, strict=True) if x > 0), Decimal(0))
    return decimal(cost) + entropy + decimal(sum(t, Fraction(0)) - sum(w, Fraction(0)))


def check(program: Program, distance: Distance) -> None:
    """The kernel's answer is the twin's."""
    result = program.solve(distance)
    truth = twin(program, distance)
    w = result.weights[0].tolist()
    case = f"{program}, {distance} -> {w}, outcome {result.outcome[0]}"
    assert result.proved[0], case
    contract(program, distance, result)
    if truth.attainable is None:
        assert result.outcome[0] == INFEASIBLE, case
        return
    assert result.attainable[0] == float(truth.attainable), case
    if truth.attainable == 0:
        assert not any(w), case
        return
    best = min(found[0] for found in truth.found)
    scale = float(truth.attainable) * (1.0 + max(program.rates)) * (1.0 if distance == "euclidean" else 100.0)
    rounding = 1e-14 * scale
    assert abs(result.objective[0] - float(best)) <= rounding, (case, float(best))
    assert abs(result.bound[0] - float(best)) <= rounding, (case, float(best))
    ties = [found for found in truth.found if found[0] == best]
    near = [found for found in truth.found if float(found[0] - best) <= 1e3 * rounding]  # type: ignore[operator]
    if len(near) == len(ties):
        largest = max(size for _, size, _ in ties)
        near = [found for found in ties if found[1] == largest]
    tolerance = 1e-15 * program.n * (1.0 + max(program.rates)) + (3 * program.n + 3) / GRID
    near = [x for x in near if max(abs(Fraction(a) - b) for a, b in zip(w, x[2], strict=True)) <= tolerance]
    assert near, (case, [[float(x) for x in found[2]] for found in truth.found if found[0] == best])


def contract(program: Program, distance: Distance, result: SeparableResult) -> None:
    """What holds of every answer, without knowing the optimum."""
    w = result.weights[0].tolist()
    case = f"{program} -> {w}"
    if result.outcome[0] == INFEASIBLE:
        assert not any(w), case
        return
    off_grid = False
    for i in range(program.n):
        can = program.d[i] > 0 or (program.always[i] and distance == "euclidean")
        if not can:
            assert w[i] == 0.0, case
        elif program.always[i] or w[i] != 0.0:
            assert program.floors[i] <= w[i] <= program.caps[i], case
        off_grid |= not (w[i] * GRID).is_integer()
    exact = sum(map(Fraction, w))
    assert exact <= Fraction(program.budget), case
    assert result.invested[0] == float(exact), case
    if not off_grid:
        for order in (w, w[::-1], sorted(w), sorted(w, reverse=True)):
            assert sum(order) == result.invested[0], case
        assert float(np.sum(result.weights[0])) == result.invested[0], case
    if result.outcome[0] in (FULL, ROUNDED):
        assert result.attainable[0] == program.budget
        assert 0 <= Fraction(program.budget) - exact <= Fraction(program.n + 1, GRID), case
        if result.outcome[0] == FULL:
            assert exact == Fraction(math.floor(Fraction(program.budget) * GRID), GRID), case
    assert result.bound[0] <= result.objective[0] + 1e-13 * (1.0 + max(program.rates)), case


# Random programs.


def random_program(rng: np.random.Generator, n: int, cost: bool) -> Program:
    d = rng.uniform(size=n) if rng.uniform() < 0.7 else np.exp(rng.normal(scale=2.0, size=n))
    if rng.uniform() < 0.3:
        d = d * (rng.uniform(size=n) < 0.7)
    high = rng.choice([0.2, 0.4, 1.0])
    caps = rng.uniform(0.05, high, size=n)
    floors = caps * rng.uniform(0.0, rng.choice([0.3, 0.7, 1.0]), size=n) * (rng.uniform(size=n) < 0.8)
    if rng.uniform() < 0.3:
        floors[:] = floors.min()
    if rng.uniform() < 0.2:
        caps[:] = caps.max()
    always = rng.uniform(size=n) < rng.choice([0.0, 0.3])
    rates = np.zeros(n)
    previous = np.zeros(n)
    if cost:
        rates = np.full(n, rng.choice([0.002, 0.02, 0.2])) if rng.uniform() < 0.6 else rng.uniform(0.0, 0.1, size=n)
        previous = rng.dirichlet(np.ones(n)) * (rng.uniform(size=n) < 0.7)
    budget = 1.0 if rng.uniform() < 0.6 else float(rng.uniform(0.1, 1.0))
    return Program(
        d.tolist(), caps.tolist(), floors.tolist(), always.tolist(), rates.tolist(), previous.tolist(), budget
    )


@BOTH
@pytest.mark.parametrize("cost", [False, True])
@pytest.mark.parametrize(("n", "count"), [(1, 60), (2, 120), (3, 150), (4, 120), (5, 60), (6, 30), (8, 5)])
def test_equals_enumeration(rng: np.random.Generator, n: int, count: int, cost: bool, distance: Distance) -> None:
    for _ in range(count):
        check(random_program(rng, n, cost), distance)


@BOTH
@pytest.mark.parametrize("cost", [False, True])
def test_search_equals_trying_every_support(rng: np.random.Generator, cost: bool, distance: Distance) -> None:
    """With more sleeves: the search against one solve for each support, in which nothing is left to decide."""
    n = 10
    searched = 0
    for _ in range(12):
        d = rng.uniform(0.01, 1.0, size=n) if rng.uniform() < 0.5 else rng.integers(1, 5, size=n).astype(np.float64)
        caps = rng.uniform(0.15, 0.6, size=n)
        floors = caps * rng.uniform(0.2, 0.9, size=n) if rng.uniform() < 0.7 else np.full(n, 0.14)
        rates = rng.uniform(0.0, 0.05, size=n) if cost else np.zeros(n)
        previous = rng.dirichlet(np.ones(n))
        program = Program(
            d.tolist(), caps.tolist(), floors.tolist(), [False] * n, rates.tolist(), previous.tolist(), 0.97
        )
        result = program.solve(distance)
        searched += result.nodes[0] > 1
        best = math.inf
        for held in itertools.product([False, True], repeat=n):
            some = np.array(held)
            if not floors[some].sum() <= 0.97 <= caps[some].sum():
                continue
            fixed = Program(
                program.d, (caps * some).tolist(), (floors * some).tolist(), [True] * n, program.rates,
                program.previous, 0.97,
            ).solve(distance)  # fmt: skip
            if fixed.attainable[0] == result.attainable[0]:
                best = min(best, fixed.objective[0])
        assert result.objective[0] == pytest.approx(best, rel=1e-12, abs=1e-14)
    assert searched > 3


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Small programs of round numbers, in which ties and coinciding limits are common."""
    n = draw(st.integers(1, 4))
    d = draw(st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, 5.0]), min_size=n, max_size=n))
    eighths = st.integers(0, 8)
    caps, floors = [], []
    for _ in range(n):
        cap = draw(eighths)
        floor = min(draw(eighths), cap)
        unit = draw(st.sampled_from([0.125, 0.1, 0.05]))
        caps.append(cap * unit)
        floors.append(floor * unit)
    always = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    rates = draw(st.one_of(st.just([0.0] * n), st.lists(st.sampled_from([0.0, 0.125, 3.0]), min_size=n, max_size=n)))
    previous = draw(st.lists(st.sampled_from([0.0, 0.125, 0.25, 0.3]), min_size=n, max_size=n))
    return Program(d, caps, floors, always, rates, previous, draw(st.sampled_from([1.0, 0.75, 0.5, 0.3])))


@BOTH
@settings(max_examples=300)
@given(program=programs())
def test_equals_enumeration_on_round_numbers(program: Program, distance: Distance) -> None:
    check(program, distance)


@BOTH
def test_extreme_ranges(rng: np.random.Generator, distance: Distance) -> None:
    values = np.array([0.0, 5e-324, 1e-310, 1e-300, 1e-200, 1e-20, 1.0, 1e17, 1e200, 1e308, 1.7e308])
    for _ in range(60):
        d = rng.choice(values, size=4).tolist()
        check(Program(d, [0.4, 0.7, 0.3, 0.6], [0.05, 0.1, 0.0, 0.2], [False] * 4, [0.0] * 4, [0.0] * 4), distance)
        rates = [0.01, 0.01, 0.5, 2.0]
        check(Program(d, [0.4, 0.7, 0.3, 0.6], [0.05, 0.1, 0.0, 0.2], [False] * 4, rates, [0.25] * 4), distance)


@BOTH
def test_large_rates_far_apart(rng: np.random.Generator, distance: Distance) -> None:
    for _ in range(60):
        caps, floors = rng.uniform(0.3, 0.8, size=4), rng.choice([0.0, 0.1, 0.25], size=4)
        rates, previous = rng.choice([0.0, 3.0, 60.0, 130.0], size=4), rng.dirichlet(np.ones(4))
        d = rng.uniform(size=4)
        check(
            Program(d.tolist(), caps.tolist(), floors.tolist(), [False] * 4, rates.tolist(), previous.tolist()),
            distance,
        )


def test_a_floor_that_takes_the_whole_budget() -> None:
    # The third sleeve is always held, without a floor, and nothing is left for it: its multiplier is infinite.
    program = Program(
        [3.0, 4.0, 2.0], [0.4, 1.0, 0.6], [0.2, 0.5, 0.0], [False, False, True], [0.0] * 3, [0.0] * 3, 0.5
    )
    check(program, "kl")
    only = Program([0.0, 4.0, 2.0], [0.4, 1.0, 0.6], [0.2, 0.5, 0.0], [False, True, True], [0.0] * 3, [0.0] * 3, 0.5)
    check(only, "kl")
    assert only.solve("kl").weights[0].tolist() == [0.0, 0.5, 0.0]


@BOTH
def test_floors_that_fit_only_off_the_grid(distance: Distance) -> None:
    third = 1 / 3
    program = Program([3.0, 5.0, 5.0], [2 / 3] * 3, [third] * 3, [False] * 3, [0.0] * 3, [0.0] * 3)
    check(program, distance)
    result = program.solve(distance)
    assert result.weights[0].tolist() == [third] * 3
    assert result.outcome[0] == ROUNDED
    # One sleeve between whose limits no grid point lies: it stays at its floor, the others are on the grid.
    program = Program([3.0, 5.0, 5.0], [0.1, 1.0, 1.0], [0.1, 0.2, 0.2], [False] * 3, [0.0] * 3, [0.0] * 3)
    check(program, distance)
    assert program.solve(distance).weights[0, 0] == 0.1


# Common limits: the projection.

COMMON = [
    Limits(),
    Limits(cap=0.3, floor=0.12),
    Limits(cap=1.0, floor=0.15),
    Limits(cap=0.55, floor=0.2, budget=0.9),
    Limits(floor=0.0),
    Limits(cap=0.2, floor=0.2),
    Limits(cap=1 / 3, floor=1 / 3),
    Limits(cap=0.2, floor=0.16, budget=0.3),
    Limits(cap=0.3, floor=0.1, budget=0.05),
    Limits(cap=0.3, floor=0.1, budget=1e-3),
    Limits(cap=0.4, floor=2.0**-53),
    Limits(cap=0.4, floor=1e-300),
    Limits(cap=0.0, floor=0.0),
]


def solve_common(rows: FloatArray, limits: Limits, distance: Distance) -> SeparableResult:
    n = rows.shape[1]
    cap, floor = np.full((1, n), limits.cap), np.full((1, n), limits.floor)
    return solve_separable(rows, cap, floor, np.zeros(n, np.bool_), np.zeros(n), limits.budget, distance)


@BOTH
@pytest.mark.parametrize("limits", COMMON, ids=repr)
def test_common_limits_are_the_projection(rng: np.random.Generator, limits: Limits, distance: Distance) -> None:
    for n in (1, 2, 3, 6, 15, 40):
        rows = rng.uniform(size=(200, n))
        rows[1::3] = np.exp(rng.normal(scale=3.0, size=rows[1::3].shape))
        rows[2::3] *= rng.uniform(size=rows[2::3].shape) < 0.6
        result, projection = solve_common(rows, limits, distance), allocate(rows, limits, solver=distance)
        assert result.proved.all()
        if limits.floor > 1e-15:
            assert np.array_equal(result.weights > 0.0, projection.weights > 0.0)
        assert np.abs(result.weights - projection.weights).max() * GRID <= 2.0
        assert np.array_equal(result.invested, projection.invested)
        assert result.outcome.tolist() == [outcome.code for outcome in projection.status.outcome]


def test_integer_ties_are_the_projection() -> None:
    rows = np.array(list(np.ndindex(4, 4, 4, 4)), dtype=np.float64)
    for limits in (Limits(cap=0.5, floor=0.125), Limits(), Limits(cap=0.375, floor=0.125, budget=0.875)):
        result, projection = solve_common(rows, limits, "euclidean"), allocate(rows, limits, solver="euclidean")
        assert np.array_equal(result.weights > 0.0, projection.weights > 0.0)
        assert np.abs(result.weights - projection.weights).max() * GRID <= 2.0


# Two programs whose best support is no prefix, checked by hand.


def test_floors_break_the_prefix() -> None:
    # Holding the first sleeve means holding 0.9 of it, against a target of 0.4. Without it the others take 0.2 more
    # each: 1/2 (0.4**2 + 0.2**2 + 0.2**2) = 0.12.
    program = Program([40.0, 35.0, 25.0], [1.0] * 3, [0.9, 0.05, 0.05], [False] * 3, [0.0] * 3, [0.0] * 3)
    result = program.solve("euclidean")
    assert result.weights[0] == pytest.approx([0.0, 0.55, 0.45], abs=1e-15)
    assert result.objective[0] == pytest.approx(0.12, abs=1e-15)


def test_caps_break_the_prefix() -> None:
    # Floors of 0.2 allow two sleeves out of 0.59. The first can hold no more than 0.2, so with it the other one must
    # hold 0.39 against a target of 0.1947: 1/2 (0.0006**2 + 0.1953**2 + 0.1947**2) = 0.03802527. Without it, both hold
    # 0.295: 1/2 (0.2006**2 + 2 * 0.1003**2) = 0.03018027.
    program = Program([34.0, 33.0, 33.0], [0.2, 1.0, 1.0], [0.2] * 3, [False] * 3, [0.0] * 3, [0.0] * 3, budget=0.59)
    result = program.solve("euclidean")
    assert result.weights[0] == pytest.approx([0.0, 0.295, 0.295], abs=1e-15)
    assert result.objective[0] == pytest.approx(0.03018027, abs=1e-15)


def test_cost_breaks_the_prefix() -> None:
    # Equal but for what is held already: selling half of the second sleeve and buying the first costs more than the
    # 0.0025 of distance that the first sleeve would save.
    program = Program([52.0, 48.0], [1.0] * 2, [0.6] * 2, [False] * 2, [0.1] * 2, [0.0, 1.0])
    result = program.solve("euclidean")
    assert result.weights[0].tolist() == [0.0, 1.0]
    assert result.objective[0] == pytest.approx(0.5 * (0.52**2 + 0.52**2), abs=1e-15)


# Optimality from first principles.


@BOTH
@pytest.mark.parametrize("cost", [False, True])
@pytest.mark.parametrize("n", [6, 40])
def test_one_multiplier_for_all(rng: np.random.Generator, n: int, cost: bool, distance: Distance) -> None:
    moving = still = 0
    for _ in range(150):
        program = random_program(rng, n, cost)
        result = program.solve(distance, max_nodes=2000)
        contract(program, distance, result)
        if result.outcome[0] not in (FULL, ROUNDED):
            continue
        t = result.attainable[0] * np.array(program.d) / sum(program.d)
        for i, x in enumerate(result.weights[0].tolist()):
            if x == 0.0:
                continue
            slope = x - t[i] if distance == "euclidean" else math.log(x / t[i])
            previous, rate = program.previous[i], program.rates[i]
            least = slope + (rate if x > previous + 2.0**-50 else -rate)
            most = slope + (rate if x > previous - 2.0**-50 else -rate)
            error = 1e-13 if distance == "euclidean" else 1e-13 / x
            inside = program.floors[i] + 2.0**-50 < x < program.caps[i] - 2.0**-50
            moving += inside and least == most
            still += inside and least < most
            if x > program.floors[i] + 2.0**-50:  # could be lower: that must not pay
                assert least + result.multiplier[0] <= error, (program, x)
            if x < program.caps[i] - 2.0**-50:
                assert most + result.multiplier[0] >= -error, (program, x)
    assert moving > 100
    assert still > 0 or not cost


@BOTH
def test_no_feasible_neighbour_is_better(rng: np.random.Generator, distance: Distance) -> None:
    """Random feasible weights of random supports, and mixtures with the answer on its own support."""
    for _ in range(40):
        program = random_program(rng, 8, cost=True)
        result = program.solve(distance)
        if result.outcome[0] not in (FULL, ROUNDED):
            continue
        d, lo, hi = (np.array(x) for x in (program.d, program.floors, program.caps))
        t = program.budget * d / d.sum()
        for _ in range(50):
            can = d > 0 if distance == "kl" else (d > 0) | np.array(program.always)
            held = can & ((rng.uniform(size=8) < rng.uniform(0.3, 1.0)) | np.array(program.always))
            low, high = lo[held].sum(), hi[held].sum()
            if not low <= program.budget <= high:
                continue
            w = np.zeros(8)
            x = lo[held]
            for _ in range(200):  # fill up by random amounts
                room = rng.uniform(size=x.size) * (hi[held] - x)
                gap = program.budget - x.sum()
                if gap <= 1e-16 or room.sum() == 0.0:
                    break
                x = x + room * min(1.0, gap / room.sum())
            if abs(x.sum() - program.budget) > 1e-12:
                continue
            w[held] = x
            trades = float(np.abs(w - np.array(program.previous)) @ np.array(program.rates))
            if distance == "euclidean":
                cost = 0.5 * float(((w - t) ** 2).sum())
            else:
                some = w > 0
                cost = float((w[some] * np.log(w[some] / t[some])).sum() - w.sum() + t.sum())
            assert result.objective[0] <= cost + trades + 1e-10


# The largest attainable sum.


def test_attainable_by_enumeration(rng: np.random.Generator) -> None:
    tight = 0
    for _ in range(300):
        n = int(rng.integers(1, 11))
        units = int(rng.choice([16, 64, 1000]))
        caps = rng.integers(1, units // 2, size=n) / units
        floors = np.minimum(caps, caps * rng.choice([0.8, 0.95, 1.0], size=n))
        if rng.uniform() < 0.3:
            floors[:] = min(floors)
        budget = float(rng.uniform(0.1, 1.0))
        program = Program(
            rng.uniform(0.1, 1.0, n).tolist(), caps.tolist(), floors.tolist(), [False] * n, [0.0] * n, [0.0] * n, budget
        )
        best = Fraction(0)
        for held in itertools.product([False, True], repeat=n):
            low = sum((Fraction(x) for x, y in zip(program.floors, held, strict=True) if y), Fraction(0))
            high = sum((Fraction(x) for x, y in zip(program.caps, held, strict=True) if y), Fraction(0))
            if low <= Fraction(budget):
                best = max(best, min(high, Fraction(budget)))
        result = program.solve("euclidean")
        assert result.proved[0]
        assert result.attainable[0] == float(best)
        contract(program, "euclidean", result)
        if best < Fraction(budget):
            short = sum(map(Fraction, program.caps)) > best
            assert result.outcome[0] == ((FLOORED if best else UNAFFORDABLE) if short else CAPPED)
            tight += short
    assert tight > 30


@BOTH
def test_higher_caps_and_lower_floors_never_lower_the_sum(rng: np.random.Generator, distance: Distance) -> None:
    for _ in range(200):
        program = random_program(rng, 6, cost=False)
        before = program.solve(distance)
        if before.outcome[0] == INFEASIBLE:
            continue
        up = np.minimum(1.0, np.array(program.caps) * rng.choice([1.0, 1.3], size=6))
        down = np.array(program.floors) * rng.choice([1.0, 0.6], size=6)
        wider = Program(
            program.d, up.tolist(), down.tolist(), program.always, program.rates, program.previous, program.budget
        )
        assert wider.solve(distance).attainable[0] >= before.attainable[0]


def test_outcomes() -> None:
    def outcome(distance: Distance = "euclidean", always: tuple[bool, bool] = (False, False), **changes: object) -> int:
        values: dict[str, object] = {"d": [1.0, 1.0], "caps": [0.6, 0.6], "floors": [0.3, 0.2], "budget": 1.0}
        values |= changes
        return int(
            Program(always=list(always), rates=[0.0] * 2, previous=[0.0] * 2, **values)  # type: ignore[arg-type]
            .solve(distance)
            .outcome[0]
        )

    assert outcome() == FULL
    assert outcome(caps=[0.5, 0.3]) == CAPPED
    assert outcome(floors=[0.6, 0.6]) == FLOORED
    assert outcome(d=[0.0, 0.0]) == EMPTY
    assert outcome(budget=0.1) == UNAFFORDABLE
    assert outcome(caps=[0.0, 0.0], floors=[0.0, 0.0]) == CAPPED
    assert outcome(budget=0.1, always=(True, False)) == INFEASIBLE
    assert outcome(d=[0.0, 1.0], always=(True, False)) == FULL
    assert outcome(d=[0.0, 0.0], always=(True, False)) == CAPPED
    assert outcome("kl", d=[0.0, 1.0], always=(True, False)) == INFEASIBLE
    assert outcome("kl", d=[0.0, 1.0], always=(True, False), floors=[0.0, 0.2]) == CAPPED
    assert outcome("kl", d=[0.0, 0.0], always=(True, False), floors=[0.0, 0.2]) == EMPTY


def test_always_held_sleeves_that_are_not_live() -> None:
    program = Program([0.0, 3.0, 1.0], [0.2, 1.0, 1.0], [0.1, 0.0, 0.0], [True, False, False], [0.0] * 3, [0.0] * 3)
    # The other two share 0.9 and are moved by equal amounts from 0.75 and 0.25.
    assert program.solve("euclidean").weights[0] == pytest.approx([0.1, 0.7, 0.2], abs=1e-15)


# Costs and sequences.


@BOTH
def test_a_large_rate_stops_trading(rng: np.random.Generator, distance: Distance) -> None:
    for _ in range(50):
        units = rng.multinomial(GRID, rng.dirichlet(np.ones(6)))
        w = units / GRID
        if w.min() < 0.02 or w.max() > 0.7:
            continue
        result = solve_separable(
            rng.uniform(0.1, 1.0, size=(3, 6)),
            np.full((1, 6), 0.7),
            np.full((1, 6), 0.02),
            np.zeros(6, np.bool_),
            np.full(6, 50.0),
            1.0,
            distance,
            previous=w,
        )
        assert np.array_equal(result.weights, np.tile(w, (3, 1)))


@BOTH
def test_rows_follow_each_other(rng: np.random.Generator, distance: Distance) -> None:
    dates, n = 30, 5
    d, returns = rng.uniform(size=(dates, n)), rng.normal(scale=0.1, size=(dates, n))
    caps, floors = rng.uniform(0.3, 0.6, size=(dates, n)), rng.uniform(0.0, 0.2, size=(dates, n))
    always, rates, first = np.zeros(n, np.bool_), np.full(n, 0.02), np.full(n, 0.2)

    def solve(at: slice, previous: FloatArray, drifts: bool) -> SeparableResult:
        return solve_separable(
            d[at], caps[at], floors[at], always, rates, 1.0, distance, previous=previous,
            returns=returns[at] if drifts else None,
        )  # fmt: skip

    for drifts in (False, True):
        whole = solve(slice(None), first, drifts)
        assert whole.stopped == -1
        held = first
        for row in range(dates):
            alone = solve(slice(row, row + 1), held, drifts)
            assert np.array_equal(alone.weights[0], whole.weights[row])
            if drifts:
                drifted = held * (1.0 + returns[row]) / (1.0 + held @ returns[row])
                same = solve(slice(row, row + 1), drifted, drifts=False)
                assert np.abs(same.weights[0] - whole.weights[row]).max() < 1e-14
            held = whole.weights[row]


def test_a_sequence_stops_and_goes_on() -> None:
    d = np.array([[1.0, 2.0], [2.0, 1.0], [0.0, 1.0], [1.0, 1.0], [1.0, 3.0]])
    caps, floors = np.array([[0.8, 0.8]]), np.array([[0.1, 0.1]])
    always, rates, first = np.array([True, False]), np.full(2, 0.01), np.array([0.5, 0.5])
    returns = np.array([[0.0, 0.1], [0.1, 0.0], [0.2, 0.1], [-0.1, 0.3], [0.0, 0.0]])

    def solve(start: int, previous: FloatArray, into: SeparableResult | None) -> SeparableResult:
        return solve_separable(
            d, caps, floors, always, rates, 1.0, "kl", previous=previous, returns=returns, start=start, into=into
        )

    result = solve(0, first, None)
    assert result.stopped == 2
    assert result.outcome.tolist() == [FULL, FULL, INFEASIBLE, NOT_SOLVED, NOT_SOLVED]
    assert not result.weights[2:].any()
    held = result.weights[1].copy()
    rest = solve(3, held, result)
    assert rest.stopped == -1
    assert rest.outcome.tolist() == [FULL, FULL, INFEASIBLE, FULL, FULL]
    alone = solve(3, held, None)
    assert np.array_equal(alone.weights[3:], rest.weights[3:])
    # Going on from a row that did not fail is as if there had been no interruption.
    again = solve(1, result.weights[0].copy(), None)
    assert np.array_equal(again.weights[1], result.weights[1])


def test_a_total_loss_leaves_nothing() -> None:
    one = np.ones((1, 2))
    result = solve_separable(
        one, one, 0.0 * one, np.zeros(2, np.bool_), np.full(2, 0.1), 1.0, "euclidean",
        previous=np.array([0.5, 0.5]), returns=-one,
    )  # fmt: skip
    assert result.weights.tolist() == [[0.5, 0.5]]
    assert result.objective[0] == pytest.approx(0.1)  # all of it is bought anew


# What must not matter.


@BOTH
def test_powers_of_two_do_not_matter(rng: np.random.Generator, distance: Distance) -> None:
    for _ in range(60):
        program = random_program(rng, 6, cost=True)
        base = program.solve(distance).weights
        for power in (2.0**-900, 2.0**-30, 2.0**1000):
            d = [x * power for x in program.d]
            scaled = Program(
                d, program.caps, program.floors, program.always, program.rates, program.previous, program.budget
            )
            assert np.array_equal(scaled.solve(distance).weights, base)


@BOTH
@pytest.mark.parametrize("n", [6, 40])
def test_order_of_sleeves_and_batch_do_not_matter(rng: np.random.Generator, n: int, distance: Distance) -> None:
    always = np.zeros(n, np.bool_)
    always[0] = True
    d, caps = rng.uniform(0.01, 1.0, size=(40, n)), rng.uniform(0.2, 0.5, size=(40, n))
    floors = rng.uniform(0.0, 0.1 if n == 6 else 0.02, size=(40, n))

    def solve(rows: slice, columns: npt.NDArray[np.int64]) -> SeparableResult:
        pick = np.ix_(np.arange(40)[rows], columns)
        some = [np.ascontiguousarray(x[pick]) for x in (d, caps, floors)]
        return solve_separable(some[0], some[1], some[2], always[columns], np.zeros(n), 1.0, distance)

    plain = np.arange(n)
    whole = solve(slice(None), plain)
    shuffled = rng.permutation(n)
    assert np.array_equal(solve(slice(None), shuffled).weights, whole.weights[:, shuffled])
    for row in range(40):
        assert np.array_equal(solve(slice(row, row + 1), plain).weights[0], whole.weights[row])


# Limits of the search.


@BOTH
def test_max_nodes(rng: np.random.Generator, distance: Distance) -> None:
    unproved = 0
    for _ in range(200):
        program = random_program(rng, 12, cost=True)
        finished = program.solve(distance)
        assert finished.proved[0]
        if finished.outcome[0] == INFEASIBLE:
            continue
        for most in (0, 1, 3):
            result = program.solve(distance, max_nodes=most)
            assert result.nodes[0] <= max(most, 1)
            if result.proved[0]:
                assert np.array_equal(result.weights, finished.weights)
                continue
            unproved += 1
            assert result.outcome[0] == UNPROVED
            assert not math.isnan(result.bound[0])
            if result.attainable[0] == finished.attainable[0]:
                assert result.bound[0] <= finished.objective[0] + 1e-12
                assert finished.objective[0] <= result.objective[0] + 1e-12
            if math.isinf(result.objective[0]):
                assert not result.weights.any()
            else:
                contract(program, distance, result)
    assert unproved > 30


@BOTH
def test_a_sum_that_takes_too_long_to_find(rng: np.random.Generator, distance: Distance) -> None:
    # Floors at the caps: the largest sum is a subset-sum problem, and five nodes do not solve it.
    caps = np.round(rng.uniform(0.05, 0.4, size=20), 3).tolist()
    d = rng.uniform(0.1, 1.0, size=20).tolist()
    program = Program(d, caps, caps, [False] * 20, [0.0] * 20, [0.0] * 20, 0.9995)
    result = program.solve(distance, max_nodes=5)
    contract(program, distance, result)
    assert result.outcome[0] == UNPROVED
    assert not result.proved[0]
    assert 0.8 < result.attainable[0] < 0.9995
    assert result.bound[0] == 0.0
    assert result.invested[0] == pytest.approx(result.attainable[0], abs=1e-14)


@BOTH
def test_many_equal_sleeves_end_quickly(distance: Distance) -> None:
    n = 500
    rng = np.random.default_rng(3)
    d = np.stack([np.ones(n), rng.integers(1, 4, size=n).astype(float), rng.uniform(0.1, 1.0, size=n)])
    for cap, floor in ((0.4, 0.05), (0.06, 0.06), (0.1, 0.03)):
        caps, floors = np.full((1, n), cap), np.full((1, n), floor)
        result = solve_separable(d, caps, floors, np.zeros(n, np.bool_), np.zeros(n), 1.0, distance)
        assert result.proved.all()
        assert result.nodes.max() < 100
