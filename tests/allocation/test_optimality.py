"""Optimality from first principles, and the certificate against an independent computation.

Nothing here uses the library's solvers but `allocate`: a fixed support is projected on by bisection.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from allocopt import Limits, allocate
from allocopt.solvers import Distance
from allocopt.solvers.base import FloatArray

BOTH = pytest.mark.parametrize("distance", ["euclidean", "kl"])
CASES = [
    (3, Limits()),
    (6, Limits()),
    (6, Limits(cap=0.3, floor=0.12)),
    (10, Limits(cap=0.15, floor=0.08)),
    (12, Limits(cap=1.0, floor=0.2)),
    (12, Limits(cap=0.5, floor=0.0)),
    (40, Limits(cap=0.1, floor=0.02, budget=0.7)),
    (500, Limits(cap=0.02, floor=0.002)),
    (500, Limits(cap=0.01, floor=0.004)),
]


def rows_of(rng: np.random.Generator, count: int, n: int) -> FloatArray:
    """Rows even, skewed and with sleeves that are not live."""
    rows = rng.gamma(0.5, size=(count, n))
    rows[1::3] = rng.uniform(0.5, 1.5, (len(rows[1::3]), n))
    rows[2::3] *= rng.uniform(size=(len(rows[2::3]), n)) < 0.7
    return rows


def attainable(live: int, limits: Limits) -> Fraction:
    """Most that floors and caps let ``live`` sleeves spend, exactly: five floors of 0.2 are more than 1."""
    cap, floor, budget = Fraction(limits.cap), Fraction(limits.floor), Fraction(limits.budget)
    return max(spent for k in range(live + 1) if k * floor <= (spent := min(budget, k * cap)))


def target(row: FloatArray, limits: Limits) -> FloatArray:
    t: FloatArray = float(attainable(int((row > 0).sum()), limits)) * row / row.sum()
    return t


def project(t: FloatArray, limits: Limits, budget: float, distance: Distance) -> tuple[FloatArray, float]:
    """Weights with every sleeve of ``t`` held, and the multiplier, by bisection."""
    if distance == "euclidean":
        low, high = float(t.min()) - limits.cap, float(t.max()) - limits.floor
    else:
        low = float(np.log(t.min())) - np.log(limits.cap)
        high = float(np.log(t.max())) - np.log(max(limits.floor, 1e-30))
    w = t
    for _ in range(90):
        m = 0.5 * (low + high)
        w = np.clip(t - m if distance == "euclidean" else t * np.exp(-m), limits.floor, limits.cap)
        if w.sum() > budget:
            low = m
        else:
            high = m
    return w, 0.5 * (low + high)


def objective(w: FloatArray, t: FloatArray, distance: Distance) -> float:
    if distance == "euclidean":
        return float(0.5 * ((w - t) ** 2).sum())
    held = w > 0
    return float((w[held] * np.log(w[held] / t[held])).sum())


def on_support(t: FloatArray, support: list[int], limits: Limits, distance: Distance) -> float:
    """Objective of the best weights that hold ``support``; infinite where it cannot spend the budget."""
    budget = attainable(int((t > 0).sum()), limits)
    if not len(support) * Fraction(limits.floor) <= budget <= len(support) * Fraction(limits.cap):
        return np.inf
    w = np.zeros_like(t)
    w[support] = project(t[support], limits, float(budget), distance)[0]
    return objective(w, t, distance)


@BOTH
@pytest.mark.parametrize(("n", "limits"), CASES)
def test_kkt_conditions(rng: np.random.Generator, n: int, limits: Limits, distance: Distance) -> None:
    rows = rows_of(rng, 60, n)
    weights = allocate(rows, limits, solver=distance).weights
    assert weights.shape == rows.shape
    cap, floor = limits.cap, limits.floor
    for row, w in zip(rows, weights, strict=True):
        t = target(row, limits)
        # primal feasibility
        assert ((w == 0) | ((w >= floor) & (w <= cap))).all()
        assert (w[row == 0] == 0).all()
        assert abs(w.sum() - t.sum()) <= 1e-15 * n
        held = w > 0 if floor > 0 else row > 0
        if not held.any():
            continue
        # stationarity: the derivative of the objective is the same, -m, on every free sleeve; complementarity: those
        # at the cap would have more, those at the floor less
        if distance == "kl":
            held &= w > 1e-9
            gradient = np.log(t[held] / w[held])
            slack = 4e-15 * n / w[held]
        else:
            gradient = t[held] - w[held]
            slack = np.full(held.sum(), 4e-15 * n)
        capped, floored = w[held] >= cap - 3e-16, w[held] <= floor + 3e-16
        free = ~capped & ~floored
        if free.any():
            m = np.average(gradient[free], weights=1 / slack[free])
            assert (np.abs(gradient[free] - m) <= 2 * slack[free]).all()
        elif (capped & ~floored).any() and (floored & ~capped).any():
            m = gradient[floored & ~capped].max()
        else:
            continue
        assert (gradient[capped & ~floored] >= m - 2 * slack[capped & ~floored]).all()
        assert (gradient[floored & ~capped] <= m + 2 * slack[floored & ~capped]).all()


@BOTH
@pytest.mark.parametrize(("n", "limits"), [(n, limits) for n, limits in CASES if limits.floor > 0])
def test_no_single_change_of_the_support_is_better(
    rng: np.random.Generator, n: int, limits: Limits, distance: Distance
) -> None:
    rows = rows_of(rng, 18 if n <= 12 else 6, n)
    tried = 0
    for row, w in zip(rows, allocate(rows, limits, solver=distance).weights, strict=True):
        t = target(row, limits)
        held, idle = np.flatnonzero(w > 0), np.flatnonzero((w == 0) & (row > 0))
        drops, adds = list(held), list(idle)
        swaps = [(i, j) for i in held for j in idle]
        if n > 12:  # the closest ones and a sample of the others
            drops = sorted(drops, key=lambda i: t[i])[:10] + list(rng.permutation(drops)[:5])
            adds = sorted(adds, key=lambda i: -t[i])[:10] + list(rng.permutation(adds)[:5])
            swaps = [(i, j) for i in drops[:4] for j in adds[:4]]
        best = objective(w, t, distance)
        changes: list[list[Any]] = [[k for k in held if k != i] for i in drops]
        changes += [[*held, j] for j in adds]
        changes += [[*(k for k in held if k != i), j] for i, j in swaps]
        for support in changes:
            if support:
                tried += 1
                assert on_support(t, support, limits, distance) >= best - 2e-15 * n
    assert tried > 30


@BOTH
@pytest.mark.parametrize(("n", "limits"), CASES)
def test_certificate_against_bisection_of_all_sizes(
    rng: np.random.Generator, n: int, limits: Limits, distance: Distance
) -> None:
    rows = rows_of(rng, 24 if n <= 40 else 3, n)
    result = allocate(rows, limits, solver=distance)
    certificate = result.certificate
    compared = 0
    for date, (row, w) in enumerate(zip(rows, result.weights, strict=True)):
        t = target(row, limits)
        assert certificate.cap_residual[date] == 0.0
        assert certificate.floor_residual[date] == 0.0
        assert abs(certificate.budget_residual[date]) <= 1e-15 * n
        assert certificate.support[date] == (w > 0).sum()
        value = objective(w, t, distance)
        assert certificate.objective[date] == pytest.approx(value, rel=1e-9, abs=2e-15 * n)
        assert certificate.kkt_residual[date] <= 4e-15 * n
        assert certificate.gap[date] >= 0.0
        size = int((w > 0).sum())
        order = np.argsort(-row, kind="stable")[: int((row > 0).sum())]
        if limits.floor == 0.0:
            assert certificate.gap[date] == np.inf
        else:
            sizes = [k for k in range(1, len(order) + 1) if k != size and (n <= 40 or abs(k - size) < 5 or k % 10 == 0)]
            values = [on_support(t, list(order[:k]), limits, distance) for k in sizes]
            best = min(values, default=np.inf)
            if np.isinf(best):
                assert certificate.gap[date] == np.inf
            else:
                assert certificate.gap[date] == pytest.approx(best - value, rel=1e-7, abs=4e-15 * n)
                compared += 1
        free = (w > limits.floor + 3e-16) & (w < limits.cap - 3e-16)
        if free.any():
            support = order[:size] if limits.floor else order
            _, multiplier = project(t[support], limits, float(t.sum()), distance)
            assert certificate.multiplier[date] == pytest.approx(multiplier, rel=1e-9, abs=1e-12 * n)
    assert compared > 0 or limits.floor == 0.0 or n == 3
    frame = certificate.to_frame()
    assert frame.shape == (len(rows), 8)


@BOTH
def test_certificate_of_a_date_that_holds_nothing(distance: Distance) -> None:
    certificate = allocate([0.0, 0.0], solver=distance).certificate
    assert certificate.support == 0
    assert certificate.objective == 0.0
    assert np.isnan(certificate.multiplier)
    assert certificate.kkt_residual == 0.0
    assert certificate.budget_residual == 0.0


def test_certificate_denounces_the_heuristic() -> None:
    rows = np.array([[7.0, 3.0, 0.0], [60.0, 25.0, 15.0]])
    certificate = allocate(rows, solver="heuristic").certificate
    assert certificate.cap_residual[0] == pytest.approx(0.1)
    assert certificate.budget_residual[0] == pytest.approx(-0.2)
    assert (certificate.cap_residual[1] > 0) or (certificate.kkt_residual[1] < 1e-3)
    assert certificate.distance == "kl"
