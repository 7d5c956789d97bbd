"""`allocate` against its slow, obvious twin: every support, in exact rational arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from allocopt import Limits, allocate
from allocopt.solvers import Distance, Reference
from allocopt.solvers.base import FloatArray

BOTH = pytest.mark.parametrize("distance", ["euclidean", "kl"])
EDGES = [
    Limits(),
    Limits(cap=1.0, floor=0.0),
    Limits(cap=1.0, floor=0.3),
    Limits(cap=1.0, floor=1.0),
    Limits(cap=0.4, floor=0.0),
    Limits(cap=0.4, floor=0.35),
    Limits(cap=0.25, floor=0.25),
    Limits(cap=0.2, floor=0.2),
    Limits(cap=1 / 3, floor=1 / 3),
    Limits(cap=1 / 3, floor=1 / 6),
    Limits(cap=1 / 3, floor=0.33),
    Limits(cap=0.2, floor=0.16, budget=0.3),
    Limits(cap=0.5, floor=1 / 16),
    Limits(cap=0.5, floor=0.125, budget=0.75),
    Limits(cap=0.3, floor=0.1, budget=1e-3),
    Limits(cap=0.3, floor=0.1, budget=0.1),
    Limits(cap=0.9, floor=0.05, budget=2.0**-40),
    Limits(cap=0.4, floor=1e-300),
    Limits(cap=0.4, floor=2.0**-53),
    Limits(cap=1e-5, floor=1e-6),
    Limits(cap=0.0, floor=0.0),
    Limits(cap=float(np.nextafter(0.5, 1.0)), floor=0.5),
    Limits(cap=0.5, floor=float(np.nextafter(0.5, 0.0))),
]


def compare(rows: FloatArray, limits: Limits, distance: Distance) -> None:
    twin = Reference(distance)
    result = allocate(rows, limits, solver=distance)
    assert result.weights.shape == rows.shape
    for row, weights in zip(rows.tolist(), result.weights.tolist(), strict=True):
        exact = twin.solve_exact(row, limits)
        error = max(abs(Fraction(w) - x) for w, x in zip(weights, exact, strict=True))
        case = f"allocate({row}, {limits}, solver={distance!r}) -> {weights}, exact {[float(x) for x in exact]}"
        assert error <= Fraction(1e-15) * len(row), case
        if limits.floor > 0.0:
            assert [w > 0 for w in weights] == [x > 0 for x in exact], case
        else:  # a weight of less than half a grid unit is none
            assert all(x > 0 for w, x in zip(weights, exact, strict=True) if w > 0), case
            assert all(w > 0 for w, x in zip(weights, exact, strict=True) if x > Fraction(n_units(len(row)), 2**53)), (
                case
            )


def n_units(n: int) -> int:
    return n + 1


def random_rows(rng: np.random.Generator, count: int, n: int) -> FloatArray:
    """A third smooth, a third heavy-tailed, a third with sleeves that are not live."""
    rows = rng.uniform(size=(count, n))
    rows[1::3] = np.exp(rng.normal(scale=3.0, size=rows[1::3].shape))
    rows[2::3] *= rng.uniform(size=rows[2::3].shape) < 0.6
    return rows


@BOTH
@pytest.mark.parametrize(("n", "count"), [(1, 20), (2, 150), (3, 400), (4, 400), (5, 300), (6, 150)])
def test_random_rows(rng: np.random.Generator, n: int, count: int, distance: Distance) -> None:
    choices = [
        Limits(),
        Limits(cap=0.3, floor=0.12),
        Limits(cap=1.0, floor=0.15),
        Limits(cap=0.55, floor=0.2, budget=0.9),
    ]
    part = count // 2 if distance == "kl" else count
    for rows, limits in zip(np.array_split(random_rows(rng, part, n), 4), choices, strict=True):
        compare(rows, limits, distance)


@BOTH
def test_nine_sleeves(rng: np.random.Generator, distance: Distance) -> None:
    compare(random_rows(rng, 3, 9), Limits(cap=0.25, floor=0.09), distance)


@BOTH
def test_structured_integers_are_full_of_ties(distance: Distance) -> None:
    rows = np.array(list(np.ndindex(4, 4, 4, 4)), dtype=np.float64)
    for limits in (Limits(cap=0.5, floor=0.125), Limits()):
        compare(rows[:: 1 if distance == "euclidean" else 3], limits, distance)


@BOTH
def test_equal_sleeves(distance: Distance) -> None:
    for n in range(1, 7):
        for limits in EDGES:
            compare(np.full((1, n), 0.1), limits, distance)


@BOTH
@pytest.mark.parametrize("limits", EDGES, ids=repr)
def test_every_edge_of_the_limits(rng: np.random.Generator, limits: Limits, distance: Distance) -> None:
    rows = np.concatenate([random_rows(rng, 12, 4), random_rows(rng, 6, 5)[:, :4], np.eye(4), np.zeros((1, 4))])
    compare(rows, limits, distance)


@BOTH
@pytest.mark.parametrize("limits", [Limits(), Limits(cap=1.0, floor=0.0), Limits(cap=0.3, floor=0.2)], ids=repr)
def test_extreme_ranges_in_one_row(rng: np.random.Generator, limits: Limits, distance: Distance) -> None:
    values = np.array([0.0, 5e-324, 1e-310, 2.2e-308, 1e-300, 1e-200, 1e-20, 1.0, 1e17, 1e200, 1e308, 1.7e308])
    compare(rng.choice(values, size=(40, 4)), limits, distance)
    compare(np.full((1, 4), 5e-324), limits, distance)
    compare(np.full((1, 4), 1.7e308), limits, distance)
    compare(np.array([[5e-324, 1e-323, 1.5e-323, 2e-323], [1e308, 5e-324, 1e308, 1e308]]), limits, distance)


def near_ties(floor: float) -> Iterator[list[float]]:
    """Targets of the last sleeve at half the floor, exactly and a few roundings to either side of it."""
    for first in (0.5, 0.4, 0.34):
        for step in (-4, -2, -1, 0, 1, 2, 4):
            last = floor / 2 + step * 2.0**-57
            yield [first, 1.0 - first - last, last]


@pytest.mark.parametrize("floor", [1 / 16, 1 / 8, 1 / 4, 0.05, 0.1, 0.07])
def test_euclidean_near_ties_at_half_the_floor(floor: float) -> None:
    rows = np.array(list(near_ties(floor)))
    compare(rows, Limits(cap=1.0, floor=floor), "euclidean")
    compare(rows * 2.0**900, Limits(cap=1.0, floor=floor), "euclidean")
    compare(rows * 3.0, Limits(cap=0.75, floor=floor), "euclidean")


def test_euclidean_exact_dyadic_ties_hold_the_larger_support() -> None:
    for floor in (2.0**-4, 2.0**-5, 2.0**-10):
        units = round(2 / floor)
        rows = np.array(
            [[a, units - 1 - a, 1] for a in range(units // 2, units - 1, max(1, units // 64))], dtype=np.float64
        )
        limits = Limits(cap=1.0, floor=floor)
        compare(rows, limits, "euclidean")
        # As long as the others stay off the limits, a target of half the floor is a tie.
        free = (rows[:, 1] > 3).nonzero()[0]
        assert (allocate(rows[free], limits).weights[:, 2] == floor).all()


def test_two_supports_tie_with_others_at_the_cap(rng: np.random.Generator) -> None:
    # Integer rows over dyadic limits with the cap active: ties are frequent and exact.
    rows = rng.integers(0, 9, size=(600, 4)).astype(np.float64)
    compare(rows, Limits(cap=0.5, floor=0.25), "euclidean")
    compare(rows, Limits(cap=0.375, floor=0.125, budget=0.875), "euclidean")


def test_kl_near_ties() -> None:
    # Two sleeves x, 1 - x without a cap: holding the smaller at the floor f costs the same as dropping it at one x,
    # found by bisection; rows within a few roundings of it are decided by exact arithmetic.
    for floor in (0.05, 0.1, 1 / 16):
        low, high, x = floor * 1e-3, floor, floor
        for _ in range(200):
            x = 0.5 * (low + high)
            hold = floor * np.log(floor / x) + (1 - floor) * np.log((1 - floor) / (1 - x))
            low, high = (x, high) if hold > -np.log1p(-x) else (low, x)
        rows = [[1 - x, x]]
        up = down = x
        for _ in range(6):
            up, down = float(np.nextafter(up, 1.0)), float(np.nextafter(down, 0.0))
            rows += [[1 - up, up], [1 - down, down], [1 - x, up], [1 - x, down]]
        compare(np.array(rows), Limits(cap=1.0, floor=floor), "kl")


@BOTH
def test_reference_as_a_solver_lands_on_the_same_grid(rng: np.random.Generator, distance: Distance) -> None:
    rows = random_rows(rng, 30, 5)
    rows[3] = 0.0
    slow, fast = allocate(rows, solver=Reference(distance)), allocate(rows, solver=distance)
    assert np.array_equal(slow.invested, fast.invested)
    assert np.abs(slow.weights - fast.weights).max() <= 5e-15
    assert slow.status.outcome.tolist() == fast.status.outcome.tolist()
    assert np.array_equal(slow.status.live, fast.status.live)
