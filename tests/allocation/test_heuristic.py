"""The clip-and-renormalise loop against a plain-Python one, its statuses, and the theorem about its limit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from allocopt import Limits, Outcome, allocate
from allocopt.solvers import Heuristic
from allocopt.solvers.base import FloatArray


def plain_loop(d: list[float], cap: float, floor: float, max_passes: int) -> list[float]:
    """w = d / sum(d); up to max_passes of {any over the cap: clip, divide by the sum}; drop below the floor; divide."""
    total = sum(d)
    if total == 0.0:
        return [0.0] * len(d)
    w = [x / total for x in d]
    for _ in range(max_passes):
        if all(x <= cap for x in w):
            break
        w = [min(x, cap) for x in w]
        total = sum(w)
        w = [x / total for x in w]
    w = [0.0 if x < floor else x for x in w]
    total = sum(w)
    return [x / total for x in w] if total > 0.0 else w


def sample(rng: np.random.Generator, dates: int, n: int) -> FloatArray:
    rows = np.exp(rng.normal(scale=1.5, size=(dates, n)))
    rows[::3] *= rng.uniform(size=rows[::3].shape) < 0.5
    return rows


@pytest.mark.parametrize("max_passes", [0, 1, 3, 10, 1000])
@pytest.mark.parametrize(("cap", "floor"), [(0.4, 0.05), (0.3, 0.1), (1.0, 0.0), (0.2, 0.15)])
@pytest.mark.parametrize("n", [1, 2, 6, 11])
def test_against_the_plain_loop(rng: np.random.Generator, n: int, cap: float, floor: float, max_passes: int) -> None:
    rows = sample(rng, 150, n)
    result = allocate(rows, Limits(cap=cap, floor=floor), solver=Heuristic(max_passes=max_passes))
    wanted = np.array([plain_loop(row, cap, floor, max_passes) for row in rows.tolist()])
    assert result.weights.shape == wanted.shape
    assert np.abs(result.weights - wanted).max() <= 2e-15
    assert ((result.weights > 0) == (wanted > 0)).all()
    assert np.abs(result.invested - wanted.sum(axis=1)).max() <= 1e-14


def test_by_hand() -> None:
    one_pass = Heuristic(max_passes=1)
    # .6 .25 .15 -> clip .4 .25 .15 -> / .8
    assert allocate([6.0, 2.5, 1.5], solver=one_pass).weights == pytest.approx([0.5, 0.3125, 0.1875])
    ended: Any = allocate([6.0, 2.5, 1.5], solver=one_pass).status
    assert ended.outcome is Outcome.NOT_CONVERGED
    # the floor takes .04 away, and dividing by .96 breaks the cap again
    result: Any = allocate([0.395, 0.365, 0.2, 0.04], solver="heuristic")
    assert result.weights == pytest.approx([0.395 / 0.96, 0.365 / 0.96, 0.2 / 0.96, 0.0])
    assert result.status.outcome is Outcome.OVER_CAP
    result = allocate([0.3, 0.3, 0.2, 0.2], solver="heuristic")
    assert result.weights == pytest.approx([0.3, 0.3, 0.2, 0.2])
    assert result.status.outcome is Outcome.FULL
    assert result.invested == pytest.approx(1.0)


@pytest.mark.parametrize("live", [1, 2])
def test_too_few_sleeves_for_the_cap_never_converge(live: int) -> None:
    row = np.zeros(6)
    row[:live] = np.arange(1.0, live + 1)
    for max_passes in (10, 1000):
        result = allocate(row, solver=Heuristic(max_passes=max_passes))
        assert result.status.outcome is Outcome.NOT_CONVERGED
        assert result.invested == pytest.approx(1.0)
        assert result.weights.max() > 0.4
        assert "projection" in result.status.message


def test_every_sleeve_below_the_floor_is_all_cash() -> None:
    result = allocate(np.ones(30), solver="heuristic")
    assert result.status.outcome is Outcome.ALL_DROPPED
    assert result.weights.tolist() == [0.0] * 30
    assert result.cash == 1.0


def test_none_live_is_all_cash() -> None:
    result: Any = allocate([0.0, 0.0], solver="heuristic")
    assert result.status.outcome is Outcome.EMPTY
    assert result.weights == [0.0, 0.0]
    assert result.status.live == 0


def test_statuses_say_what_the_weights_do(rng: np.random.Generator) -> None:
    rows = sample(rng, 2000, 6)
    result = allocate(rows, solver="heuristic")
    over = result.weights.max(axis=1) > 0.4
    for outcome, above in zip(result.status.outcome, over.tolist(), strict=True):
        if outcome is Outcome.FULL:
            assert not above
        elif outcome is Outcome.OVER_CAP:
            assert above
        else:
            assert outcome in (Outcome.NOT_CONVERGED, Outcome.EMPTY)
    assert {Outcome.FULL, Outcome.OVER_CAP, Outcome.NOT_CONVERGED} <= set(result.status.counts())


@pytest.mark.parametrize(("cap", "budget"), [(0.4, 1.0), (0.3, 1.0), (0.2, 1.0), (0.25, 0.7)])
def test_the_converged_loop_without_a_floor_is_the_entropic_projection(
    rng: np.random.Generator, cap: float, budget: float
) -> None:
    rows = np.exp(rng.normal(scale=1.5, size=(150, 7)))
    rows[::2] *= rng.uniform(size=rows[::2].shape) < 0.8
    rows = rows[(rows > 0).sum(axis=1) * cap > budget * 1.01]
    assert len(rows) > 50
    limits = Limits(cap=cap, floor=0.0, budget=budget)
    loop = allocate(rows, limits, solver=Heuristic(max_passes=100_000))
    projection = allocate(rows, limits, solver="kl")
    assert loop.weights.shape == projection.weights.shape
    assert np.abs(loop.weights - projection.weights).max() <= 1e-12
    # ten passes do not get there
    assert np.abs(allocate(rows, limits, solver="heuristic").weights - projection.weights).max() > 1e-6


def test_extreme_rows() -> None:
    limits = Limits(floor=0.0)
    assert allocate([1.7e308] * 4, limits, solver="heuristic").weights == pytest.approx([0.25] * 4)
    assert allocate([5e-324] * 4, limits, solver="heuristic").weights == pytest.approx([0.25] * 4)
