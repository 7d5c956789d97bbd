"""Another solver: cvxpy with Clarabel on fixed supports, and brute force over all of them."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from allocopt import Limits, allocate
from allocopt.solvers import Distance
from allocopt.solvers.base import FloatArray

cp: Any = pytest.importorskip("cvxpy", reason="cvxpy is not installed (extra: test)")
BOTH = pytest.mark.parametrize("distance", ["euclidean", "kl"])


def peer(t: FloatArray, support: list[int], limits: Limits, distance: Distance) -> tuple[float, FloatArray]:
    """Best objective and weights that hold ``support``, by a conic solver."""
    w = cp.Variable(len(support))
    part = t[support]
    distance_to = 0.5 * cp.sum_squares(w - part) if distance == "euclidean" else cp.sum(cp.rel_entr(w, part))
    problem = cp.Problem(cp.Minimize(distance_to), [w >= limits.floor, w <= limits.cap, cp.sum(w) == t.sum()])
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    assert problem.status == cp.OPTIMAL
    weights = np.zeros_like(t)
    weights[support] = w.value
    return objective(weights, t, distance), weights


def objective(w: FloatArray, t: FloatArray, distance: Distance) -> float:
    if distance == "euclidean":
        return float(0.5 * ((w - t) ** 2).sum())
    held = w > 0
    return float((w[held] * np.log(w[held] / t[held])).sum())


@BOTH
@pytest.mark.parametrize("n", [3, 4, 5, 6, 7, 8])
def test_on_the_support_that_was_chosen(rng: np.random.Generator, n: int, distance: Distance) -> None:
    limits = Limits(cap=0.4, floor=0.06)
    rows = np.exp(rng.normal(scale=1.2, size=(6, n)))
    weights = allocate(rows, limits, solver=distance).weights
    assert weights.shape == (6, n)
    for row, w in zip(rows, weights, strict=True):
        t = row / row.sum()
        value, other = peer(t, np.flatnonzero(w).tolist(), limits, distance)
        assert abs(objective(w, t, distance) - value) <= 1e-7
        assert np.abs(w - other).max() <= 1e-4


@BOTH
@pytest.mark.parametrize(("n", "cap", "floor"), [(3, 0.55, 0.2), (4, 0.4, 0.15), (5, 0.35, 0.12)])
def test_brute_force_over_all_supports(
    rng: np.random.Generator, n: int, cap: float, floor: float, distance: Distance
) -> None:
    limits = Limits(cap=cap, floor=floor)
    for row in np.exp(rng.normal(scale=1.2, size=(3, n))):
        t = row / row.sum()
        w = allocate(row, limits, solver=distance).weights
        solved = [
            peer(t, list(support), limits, distance)
            for size in range(1, n + 1)
            if size * floor < 1.0 < size * cap
            for support in combinations(range(n), size)
        ]
        assert solved
        value, other = min(solved, key=lambda found: found[0])
        assert abs(objective(w, t, distance) - value) <= 1e-7
        assert np.abs(w - other).max() <= 1e-4
