"""The floating-point contract: limits by plain comparison, sums exact in any order, nothing but the row matters."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from allocopt import Limits, Outcome, allocate, allocation
from allocopt.solvers import Distance, Heuristic, Projection
from allocopt.solvers.base import FloatArray

UNIT = 2.0**-53
BOTH = pytest.mark.parametrize("distance", ["euclidean", "kl"])
LIMITS = [
    Limits(),
    Limits(cap=0.3, floor=0.1),
    Limits(cap=1 / 3, floor=0.0),
    Limits(cap=0.2, floor=0.07, budget=0.9),
    Limits(cap=0.7, floor=0.011, budget=0.1),
    Limits(cap=0.13, floor=0.11, budget=1 / 3),
    Limits(cap=1.0, floor=0.0),
    Limits(cap=1e-3, floor=1e-7),
]


def sample(rng: np.random.Generator, dates: int, n: int) -> FloatArray:
    rows = np.exp(rng.normal(scale=2.0, size=(dates, n)))
    rows[::4] *= rng.uniform(size=rows[::4].shape) < 0.5
    return rows


def same(found: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> bool:
    """Same shape and the same bits; a minus zero would differ."""
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype == np.float64
    return np.array_equal(np.ascontiguousarray(found).view(np.int64), np.ascontiguousarray(wanted).view(np.int64))


@BOTH
@pytest.mark.parametrize("limits", LIMITS, ids=repr)
@pytest.mark.parametrize("n", [1, 3, 8, 60])
def test_limits_grid_and_budget(rng: np.random.Generator, n: int, limits: Limits, distance: Distance) -> None:
    rows = sample(rng, 200, n)
    result = allocate(rows, limits, solver=distance)
    w = result.weights
    assert w.shape == rows.shape
    assert ((w == 0.0) | ((w >= limits.floor) & (w <= limits.cap))).all()
    assert not np.signbit(w).any()
    assert (w[rows == 0.0] == 0.0).all()
    units = w / UNIT
    assert (units == np.rint(units)).all()
    assert (result.invested <= limits.budget).all()
    on_grid = math.floor(limits.budget / UNIT) * UNIT
    outcomes = list(result.status.outcome)
    for outcome, invested in zip(outcomes, result.invested.tolist(), strict=True):
        if outcome is Outcome.FULL:
            assert invested == on_grid
        elif outcome is Outcome.ROUNDED:
            assert on_grid - n * UNIT <= invested < on_grid
    assert (result.cash == 1.0 - result.invested).all()


@BOTH
@pytest.mark.parametrize("limits", LIMITS, ids=repr)
@pytest.mark.parametrize("n", [5, 33, 300])
def test_sums_are_the_same_in_any_order(rng: np.random.Generator, n: int, limits: Limits, distance: Distance) -> None:
    rows = sample(rng, 20, n)
    result = allocate(rows, limits, solver=distance)
    shuffler = random.Random(7)
    assert same(result.weights.sum(axis=1), result.invested)
    assert same(np.asfortranarray(result.weights).sum(axis=1), result.invested)
    assert same(pd.DataFrame(result.weights).sum(axis=1).to_numpy(), result.invested)
    assert same(result.weights.cumsum(axis=1)[:, -1], result.invested)
    for w, invested in zip(result.weights, result.invested.tolist(), strict=True):
        values = w.tolist()
        assert math.fsum(values) == invested
        assert float(np.sum(w)) == float(np.sum(w[::-1])) == float(np.sum(np.sort(w))) == invested
        assert pd.Series(w).sum() == invested
        for _ in range(4):
            total = 0.0
            for x in values:
                total += x
            assert total == invested
            shuffler.shuffle(values)
        assert sum(sorted(values)) == sum(sorted(values, reverse=True)) == invested


@BOTH
@pytest.mark.parametrize("limits", [Limits(cap=0.7, floor=0.01, budget=0.1), Limits(cap=1 / 3, floor=1 / 3)], ids=repr)
def test_where_the_floors_fill_the_budget_the_weights_are_the_floor(limits: Limits, distance: Distance) -> None:
    # Ten floors of 0.01 are just less than 0.1 as numbers, but not once each is rounded up to a multiple of 2**-53.
    # No weights on the grid keep floor and budget: the floor itself is held, off the grid (docs/mathematics.md).
    result = allocate([1.0] * 10, limits, solver=distance)
    held = [Fraction(w) for w in result.weights if w != 0.0]
    assert held == [Fraction(limits.floor)] * limits.largest_support
    assert 0 <= Fraction(limits.budget) - sum(held) < limits.largest_support * Fraction(UNIT)
    assert result.invested == float(sum(held)) <= limits.budget


@BOTH
@pytest.mark.parametrize("limits", [*LIMITS, Limits(cap=0.3, floor=0.12), Limits(cap=0.5, floor=0.1)], ids=repr)
def test_sleeves_that_are_not_live_change_nothing(rng: np.random.Generator, limits: Limits, distance: Distance) -> None:
    # Narrow dates are solved side by side, wide ones one by one: the same bits either way.
    for n in (2, 5, 6, 9, 20):
        narrow = sample(rng, 1500, n)
        wide = np.zeros((1500, 40))
        wide[:, 11 : 11 + n] = narrow
        together = allocate(wide, limits, solver=distance).weights[:, 11 : 11 + n]
        apart = allocate(narrow, limits, solver=distance).weights
        assert np.abs(together - apart).max() <= 2e-15 * n


@BOTH
def test_weights_at_the_limits_are_the_limits_bit_for_bit(distance: Distance) -> None:
    for cap, floor in [(0.4, 0.05), (0.375, 0.0625), (0.5, 0.1), (0.7, 0.01)]:
        w = allocate([1000.0, 30.0, 20.0, 4.0], Limits(cap=cap, floor=floor), solver=distance).weights
        assert len(w) == 4
        # A cap that is no multiple of 2**-53 is rounded down to one: the nearest weight that keeps it.
        assert w[0] == math.floor(cap / UNIT) * UNIT
    w = allocate([1000.0, 600.0, 2.0], Limits(cap=0.9375, floor=2.0**-9), solver=distance).weights
    assert w[2] in (0.0, 2.0**-9)
    held = allocate([8.0, 7.0, 1.0], Limits(cap=1.0, floor=0.0625 + 0.015625), solver=distance).weights
    assert held[2] == 0.078125


@BOTH
@pytest.mark.parametrize("limits", LIMITS[:5], ids=repr)
def test_a_batch_is_its_dates_one_by_one(rng: np.random.Generator, limits: Limits, distance: Distance) -> None:
    for n in (1, 6, 90):
        rows = sample(rng, 120, n)
        batch = allocate(rows, limits, solver=distance)
        single = [allocate(row, limits, solver=distance) for row in rows]
        assert same(batch.weights, np.array([one.weights for one in single]))
        assert same(batch.invested, np.array([one.invested for one in single]))
        assert list(batch.status.outcome) == [one.status.outcome for one in single]
        order = rng.permutation(len(rows))
        assert same(allocate(rows[order], limits, solver=distance).weights, batch.weights[order])
        assert same(allocate(rows[:1], limits, solver=distance).weights, batch.weights[:1])
        assert same(np.array(allocate(rows[3].tolist(), limits, solver=distance).weights), batch.weights[3])


@BOTH
def test_layout_does_not_matter(rng: np.random.Generator, distance: Distance) -> None:
    rows = sample(rng, 64, 10)
    wanted = allocate(rows, solver=distance).weights
    wide = np.zeros((128, 30))
    wide[::2, ::3] = rows
    reversed_rows = np.ascontiguousarray(rows[::-1, ::-1])
    layouts: list[FloatArray] = [
        np.asfortranarray(rows),
        wide[::2, ::3],
        reversed_rows[::-1, ::-1],
        np.asfortranarray(reversed_rows)[::-1, ::-1],
        rows.astype(">f8"),
        np.frombuffer(rows.tobytes()).reshape(rows.shape),  # read-only
    ]
    for layout in layouts:
        before = layout.copy()
        result = allocate(layout, solver=distance)
        assert same(result.weights, wanted)
        assert np.array_equal(layout, before)
    for row, w in zip(np.asfortranarray(rows), wanted, strict=True):
        assert same(allocate(row, solver=distance).weights, w)
        assert same(allocate(row[::-1].copy()[::-1], solver=distance).weights, w)


@BOTH
@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "int8", "int32", "int64", "uint8", "uint64", "bool", "longdouble", "object"]
)
def test_numbers_of_other_types(rng: np.random.Generator, dtype: str, distance: Distance) -> None:
    rows = rng.integers(0, 2 if dtype == "bool" else 100, size=(40, 7))
    wanted = allocate(rows.astype(np.float64), solver=distance).weights
    assert same(allocate(rows.astype(dtype), solver=distance).weights, wanted)
    assert same(allocate(np.asfortranarray(rows.astype(dtype)), solver=distance).weights, wanted)
    assert same(allocate(rows[5].astype(dtype), solver=distance).weights, wanted[5])


@BOTH
def test_float32_is_taken_as_the_number_it_is(rng: np.random.Generator, distance: Distance) -> None:
    rows = sample(rng, 50, 6).astype(np.float32)
    assert same(allocate(rows, solver=distance).weights, allocate(rows.astype(np.float64), solver=distance).weights)


@BOTH
@pytest.mark.parametrize("n_jobs", [2, 3, -1])
def test_threads_do_not_matter(rng: np.random.Generator, n_jobs: int, distance: Distance) -> None:
    n = 60
    rows = sample(rng, 5 * (allocation.BLOCK // n) + 17, n)
    one = allocate(rows, Limits(cap=0.1, floor=0.01), solver=Projection(distance, n_jobs=1))
    many = allocate(rows, Limits(cap=0.1, floor=0.01), solver=Projection(distance, n_jobs=n_jobs))
    assert same(many.weights, one.weights)
    assert same(many.invested, one.invested)
    assert list(many.status.outcome) == list(one.status.outcome)


def test_threads_do_not_matter_to_the_heuristic(rng: np.random.Generator) -> None:
    rows = sample(rng, 50_000, 6)
    assert same(
        allocate(rows, solver=Heuristic(n_jobs=-1)).weights,
        allocate(rows, solver=Heuristic(n_jobs=1)).weights,
    )


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_first_bad_value_is_reported_however_the_threads_run(n_jobs: int) -> None:
    rows = np.ones((4 * (allocation.BLOCK // 4), 4))
    rows[100_000, 2] = -1.0
    rows[100_001, 1] = np.nan
    rows[40_000, 3] = np.inf
    with pytest.raises(ValueError, match="row 40000, column 3"):
        allocate(rows, solver=Projection(n_jobs=n_jobs))


@BOTH
def test_several_internal_blocks(rng: np.random.Generator, distance: Distance) -> None:
    n = 700
    step = allocation.BLOCK // n
    rows = sample(rng, 2 * step + 5, n)
    limits = Limits(cap=0.02, floor=0.002)
    whole = allocate(rows, limits, solver=distance)
    for start in (0, step - 2, step, 2 * step - 1, len(rows) - 3):
        part = allocate(rows[start : start + 3], limits, solver=distance)
        assert same(part.weights, whole.weights[start : start + 3])
    frame = allocate(pd.DataFrame(rows), limits, solver=distance)
    assert same(frame.weights.to_numpy(), whole.weights)
    kkt = whole.certificate.kkt_residual
    assert kkt.shape == (len(rows),)
    assert (kkt <= 1e-15 * n).all()


@BOTH
@pytest.mark.parametrize("limits", LIMITS, ids=repr)
def test_columns_may_be_permuted(rng: np.random.Generator, limits: Limits, distance: Distance) -> None:
    for n in (2, 7, 130):
        rows = np.exp(rng.normal(scale=2.0, size=(80, n)))
        assert all(len(np.unique(row)) == n for row in rows)
        order = rng.permutation(n)
        wanted = allocate(rows, limits, solver=distance).weights[:, order]
        assert same(allocate(rows[:, order], limits, solver=distance).weights, wanted)


@BOTH
@pytest.mark.parametrize("limits", LIMITS, ids=repr)
def test_rows_may_be_scaled(rng: np.random.Generator, limits: Limits, distance: Distance) -> None:
    n = 9
    rows = sample(rng, 100, n)
    wanted = allocate(rows, limits, solver=distance).weights
    for power in (-900, -60, -1, 1, 30, 900):
        assert same(allocate(rows * 2.0**power, limits, solver=distance).weights, wanted)
    for factor in (3.0, 1e-7, 1e200, math.pi):
        scaled = allocate(rows * factor, limits, solver=distance).weights
        assert scaled.shape == wanted.shape
        assert np.abs(scaled - wanted).max() <= 1e-15 * n
        assert ((scaled > 1e-14) == (wanted > 1e-14)).all()


@BOTH
def test_ten_thousand_sleeves(rng: np.random.Generator, distance: Distance) -> None:
    n = 10_000
    rows = np.exp(rng.normal(scale=2.0, size=(4, n)))
    rows[3] = 1.0
    for limits in (Limits(cap=0.01, floor=2e-4), Limits(cap=1e-4, floor=0.0), Limits(cap=0.02, floor=0.0)):
        result = allocate(rows, limits, solver=distance)
        w = result.weights
        assert w.shape == (4, n)
        assert ((w == 0.0) | ((w >= limits.floor) & (w <= limits.cap))).all()
        assert (result.invested >= 1.0 - n * UNIT).all()
        assert (result.invested <= 1.0).all()
        assert same(w.sum(axis=1), result.invested)
        assert same(w[:, ::-1].sum(axis=1), result.invested)
        assert (result.certificate.kkt_residual <= 1e-15 * n).all()
        assert (result.certificate.gap >= 0).all()


@BOTH
def test_no_dates(distance: Distance) -> None:
    result = allocate(np.empty((0, 5)), solver=distance)
    assert result.weights.shape == (0, 5)
    assert result.cash.shape == result.invested.shape == (0,)
    assert result.status.outcome.shape == (0,)
    assert result.status.counts() == {}
    assert result.status.message == "no dates"
    assert result.certificate.kkt_residual.shape == (0,)
    assert len(result.to_frame()) == 0
    assert "0 dates x 5 sleeves" in repr(result)
    assert "no dates" in repr(result.certificate)
    frame = pd.DataFrame(np.empty((0, 2)), columns=["a", "b"], index=pd.DatetimeIndex([]))
    empty = allocate(frame, solver=distance)
    assert empty.weights.shape == (0, 2)
    assert list(empty.weights.columns) == ["a", "b"]
    assert isinstance(empty.weights.index, pd.DatetimeIndex)


def test_the_input_is_never_written_to_and_the_weights_are_not_a_view_of_it(rng: np.random.Generator) -> None:
    rows = sample(rng, 10, 4)
    before = rows.copy()
    weights = allocate(rows).weights
    assert np.array_equal(rows, before)
    assert not np.shares_memory(rows, weights)
