"""Polish a solver's answer: solve the optimality conditions on the active set that its multipliers point to.

Interior-point and first-order solvers stop within a tolerance. Once it is known which inequalities hold with equality,
a quadratic program is one linear system, whose solution is accurate to rounding (the idea of OSQP's polish step:
B. Stellato et al., "OSQP: an operator splitting solver for quadratic programs", Math. Prog. Comp. 12 (2020), sec. 5.2).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from allocopt.solvers._backends import Canonical, Raw
from allocopt.solvers.base import FloatArray

#: Unknowns up to which the system is solved densely, by least squares, which redundant limits do not upset.
DENSE = 400

#: Shift of the diagonal that makes the sparse system regular; refinement takes its effect out again.
SHIFT = 1e-10


def residual(problem: Canonical, x: FloatArray, z: FloatArray) -> float:
    """Largest violation of the optimality conditions of a problem without cones.

    Stationarity ``Px + q + A'z``, feasibility of ``x`` and ``z``, complementarity ``s z``.
    """
    zero = problem.dims.zero
    s = problem.b - problem.A @ x
    parts = (
        np.abs(problem.P @ x + problem.q + problem.A.T @ z),
        np.abs(s[:zero]),
        np.maximum(-s[zero:], 0.0),
        np.maximum(-z[zero:], 0.0),
        np.abs(s[zero:] * z[zero:]),
    )
    return max(float(part.max(initial=0.0)) for part in parts)


def polish(problem: Canonical, raw: Raw) -> Raw:
    """``raw`` with more digits, if the problem has no cones and the result is better; otherwise as it is."""
    if not problem.linear:
        return raw
    zero = problem.dims.zero
    active = raw.z > raw.s
    active[:zero] = True
    best, best_residual = raw, residual(problem, raw.x, raw.z)
    for _ in range(3):
        x, z = _solve(problem, active)
        s = problem.b - problem.A @ x
        found = residual(problem, x, z)
        if np.isfinite(found) and found < best_residual:
            value = 0.5 * float(x @ (problem.P @ x)) + float(problem.q @ x)
            best, best_residual = replace(raw, x=x, z=z, s=s, value=value, bound=value - 10.0 * len(x) * found), found
        wrong = (s < -1e-13) & ~active
        slack = (z < -1e-13) & active
        slack[:zero] = False
        if not (wrong.any() or slack.any()):
            break
        active = (active | wrong) & ~slack
    return best


def _solve(problem: Canonical, active: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[FloatArray, FloatArray]:
    """Primal and dual solution with the active rows as equalities and the others left out."""
    n = len(problem.q)
    m = int(active.sum())
    right = np.concatenate([-problem.q, problem.b[active]])
    if n + m <= DENSE:
        dense = np.zeros((n + m, n + m))
        dense[:n, :n] = problem.P.toarray()
        dense[n:, :n] = problem.A.toarray()[active]
        dense[:n, n:] = dense[n:, :n].T
        solution = scipy.linalg.lstsq(dense, right, lapack_driver="gelsy", check_finite=False)[0]
    else:
        rows = sp.csr_matrix(problem.A)[active]
        corner = sp.csc_matrix((m, m))
        system = sp.vstack([sp.hstack([problem.P, rows.T]), sp.hstack([rows, corner])], format="csc")
        shift = sp.diags(np.concatenate([np.full(n, SHIFT), np.full(m, -SHIFT)]))
        factor = sp.linalg.splu((system + shift).tocsc())
        solution = factor.solve(right)
        for _ in range(5):
            solution += factor.solve(right - system @ solution)
    z = np.zeros(len(problem.b))
    z[active] = solution[n:]
    return solution[:n], z
