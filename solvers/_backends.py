"""Continuous solvers behind one function: a canonical cone problem in, primal and dual solution and status out.

``minimise 1/2 x'Px + q'x  subject to  Ax + s = b, s in K``, with the rows in the order of cvxpy's cones: zero,
nonnegative, second-order, exponential, power.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from allocopt.errors import SpecificationError
from allocopt.solvers.base import FloatArray

IntArray = npt.NDArray[np.int64]

#: Continuous solvers, and the module that each needs.
CONTINUOUS = {"clarabel": "clarabel", "osqp": "osqp"}

#: Mixed-integer solvers in order of preference, by cvxpy's name, and the module that each needs.
MIXED_INTEGER = {"GUROBI": "gurobipy", "MOSEK": "mosek", "XPRESS": "xpress", "CPLEX": "cplex", "SCIP": "pyscipopt"}

#: Tolerances that exponential and power cones are solved to: steps towards them stall nearer to the boundary.
NONSYMMETRIC = (1e-8, 1e-7, 1e-6)

#: Factors on the tolerance that the final solve of a problem with second-order cones tries before 1.
TIGHTER = (1e-4, 1e-2, 1e-1)

#: Factors that a problem with second-order cones tries after 1: a limit that leaves little room ends a little short.
LOOSER = (10.0, 100.0)


class Ended(Enum):
    """How a continuous solve ended."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    INACCURATE = "inaccurate"


@dataclass(frozen=True)
class Cones:
    """Rows of equalities, rows of inequalities, then sizes of second-order cones and counts or powers of the others."""

    zero: int
    nonneg: int
    soc: tuple[int, ...]
    psd: tuple[int, ...]
    exp: int
    p3d: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Canonical:
    """One date's problem in the solvers' form; ``upper`` is the upper triangle of ``P``."""

    P: sp.csc_matrix
    upper: sp.csc_matrix
    q: FloatArray
    A: sp.csc_matrix
    b: FloatArray
    dims: Cones

    @property
    def linear(self) -> bool:
        """Whether there are only equalities and inequalities."""
        return self.dims.zero + self.dims.nonneg == len(self.b)

    def without(self, columns: IntArray, values: FloatArray, rows: IntArray) -> Canonical:
        """Substitute ``values`` for the variables in ``columns``, and leave out inequalities ``rows``.

        An interior-point method needs an interior, which a variable between two equal bounds does not leave.
        """
        kept_columns = np.ones(len(self.q), bool)
        kept_columns[columns] = False
        kept_rows = np.ones(len(self.b), bool)
        kept_rows[rows] = False
        P = self.P[:, kept_columns][kept_columns]
        return Canonical(
            P=P,
            upper=sp.triu(P, format="csc"),
            q=self.q[kept_columns] + self.P[:, columns][kept_columns] @ values,
            A=self.A[:, kept_columns][kept_rows],
            b=(self.b - self.A[:, columns] @ values)[kept_rows],
            dims=replace(self.dims, nonneg=self.dims.nonneg - len(rows)),
        )


@dataclass(frozen=True, eq=False)
class Raw:
    """Solution of a canonical problem; ``bound`` is the dual objective, a proof of how low the value can be."""

    ended: Ended
    message: str
    x: FloatArray
    s: FloatArray
    z: FloatArray
    value: float
    bound: float


def available(solvers: dict[str, str]) -> list[str]:
    """Names of the solvers whose module is installed; none is imported."""
    return [name for name, module in solvers.items() if find_spec(module) is not None]


def choose(backend: str, problem: Canonical) -> tuple[str, ...]:
    """Names of the continuous solvers to try in turn.

    With "auto" Clarabel, then OSQP for a problem without cones that Clarabel ends inaccurately. (At equal tolerances
    Clarabel is the faster one up to 3,000 sleeves, docs/performance.md, so size alone is no reason to change.)
    """
    if backend == "auto":
        found = available(CONTINUOUS)
        return tuple(name for name in ("clarabel", "osqp") if name in found and (name == "clarabel" or problem.linear))
    if backend == "osqp" and not problem.linear:
        raise SpecificationError(
            "OSQP solves no problem with cones (entropy, volatility limit, square-root impact)",
            value=backend,
            remedy='use backend="clarabel"',
        )
    return (backend,)


def tolerances(problem: Canonical, tolerance: float, *, final: bool) -> tuple[float, ...]:
    """Tolerances to try in turn until one is met.

    Without cones the answer is polished, and one is enough. Second-order cones have no active set to polish on, so the
    final solve asks for more digits first. With any cones the value may be less accurate than asked for, which shows in
    the certificate's gap. With the relative entropy the weights are refined afterwards.
    """
    if problem.linear:
        return (tolerance,)
    if problem.dims.exp or problem.dims.p3d:
        return tuple(max(tolerance, least) for least in NONSYMMETRIC)
    loosened = (tolerance, *(factor * tolerance for factor in LOOSER))
    return (*(factor * tolerance for factor in TIGHTER), *loosened) if final else loosened


def solve(problem: Canonical, backend: str, tolerance: float) -> Raw:
    """Solve with a named backend."""
    return _osqp(problem, tolerance) if backend == "osqp" else _clarabel(problem, tolerance)


def _clarabel(problem: Canonical, tolerance: float) -> Raw:
    import clarabel

    dims = problem.dims
    cones = [clarabel.ZeroConeT(dims.zero)] if dims.zero else []
    cones += [clarabel.NonnegativeConeT(dims.nonneg)] if dims.nonneg else []
    cones += [clarabel.SecondOrderConeT(size) for size in dims.soc]
    cones += [clarabel.PSDTriangleConeT(size) for size in dims.psd]
    cones += [clarabel.ExponentialConeT() for _ in range(dims.exp)]
    cones += [clarabel.PowerConeT(power) for power in dims.p3d]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tolerance
    settings.tol_infeas_abs = settings.tol_infeas_rel = min(tolerance, 1e-8)
    settings.max_threads = 1
    found = clarabel.DefaultSolver(problem.upper, problem.q, problem.A, problem.b, cones, settings).solve()
    ended = {
        "Solved": Ended.OPTIMAL,
        "PrimalInfeasible": Ended.INFEASIBLE,
        "DualInfeasible": Ended.UNBOUNDED,
    }.get(str(found.status), Ended.INACCURATE)
    return Raw(
        ended=ended,
        message=f"Clarabel: {found.status} after {found.iterations} iterations",
        x=np.array(found.x),
        s=np.array(found.s),
        z=np.array(found.z),
        value=float(found.obj_val),
        bound=float(min(found.obj_val, found.obj_val_dual)),
    )


def _osqp(problem: Canonical, tolerance: float) -> Raw:
    import osqp

    solver = osqp.OSQP()
    lower = np.where(np.arange(len(problem.b)) < problem.dims.zero, problem.b, -np.inf)
    solver.setup(
        problem.upper, problem.q, sp.csc_matrix(problem.A), lower, problem.b,
        verbose=False, eps_abs=tolerance, eps_rel=tolerance, eps_prim_inf=1e-8, eps_dual_inf=1e-8,
        max_iter=200_000, polishing=True, adaptive_rho=True,
    )  # fmt: skip
    found = solver.solve(raise_error=False)
    ended = {"solved": Ended.OPTIMAL, "primal infeasible": Ended.INFEASIBLE, "dual infeasible": Ended.UNBOUNDED}.get(
        found.info.status, Ended.INACCURATE
    )
    x = np.asarray(found.x, np.float64)
    z = np.asarray(found.y, np.float64)
    dual = -0.5 * float(x @ (problem.P @ x)) - float(problem.b @ z)
    value = float(found.info.obj_val)
    return Raw(
        ended=ended,
        message=f"OSQP: {found.info.status} after {found.info.iter} iterations",
        x=x,
        s=problem.b - problem.A @ x,
        z=z,
        value=value,
        bound=min(value, dual),
    )
