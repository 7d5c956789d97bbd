"""Best support by a mixed-integer solver that the user has: SCIP, or a commercial one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np

from allocopt.errors import SpecificationError
from allocopt.solvers._backends import MIXED_INTEGER, available
from allocopt.solvers._branch import Supported
from allocopt.solvers._formulation import Formulation
from allocopt.solvers._problem import SolverFailure
from allocopt.solvers.base import FloatArray

#: Options that make the solver prove the optimum to this relative gap instead of its default.
OPTIONS: dict[str, dict[str, Any]] = {
    "SCIP": {"scip_params": {"limits/gap": 1e-9, "limits/absgap": 1e-9, "numerics/feastol": 1e-7}},
    "GUROBI": {"MIPGap": 1e-9, "MIPGapAbs": 1e-9, "FeasibilityTol": 1e-9},
}


#: Attempts at a support whose floors fit the budget in exact arithmetic too.
CUTS = 5

#: How each is told to stop after some seconds.
TIME_LIMITS = {"SCIP": "limits/time", "GUROBI": "TimeLimit", "MOSEK": "MSK_DPAR_MIO_MAX_TIME", "XPRESS": "timelimit"}


def best_support(
    formulation: Formulation,
    floors: FloatArray,
    caps: FloatArray,
    always: Any,
    seconds: float,
    affordable: Callable[[Any], bool],
) -> Supported | None:
    """Support of the optimum for the date whose parameters are set; None if there are no feasible weights.

    Only the support and a bound are taken from the mixed-integer solver: the bound is its own (SCIP, Gurobi), or minus
    infinity where it reports none. What it stops with after ``seconds`` is not proved.

    Raises
    ------
    SpecificationError
        If no mixed-integer solver is installed.
    SolverFailure
        If it ends without weights, or with supports whose floors exceed the budget in exact arithmetic.
    """
    found = available(MIXED_INTEGER)
    if not found:
        raise SpecificationError(
            "no mixed-integer solver is installed", remedy='pip install "allocopt[mip]", or search="enumerate"'
        )
    name = found[0]
    mixed, held = formulation.mixed_integer(always)
    formulation.lower.value, formulation.upper.value = floors, caps
    for _ in range(CUTS):
        value = _run(name, mixed, seconds)
        if value is None:
            return None
        if held.value is None:
            raise SolverFailure(f"{name}: {mixed.status} within {seconds:g} seconds")
        on = (np.asarray(held.value) > 0.5) & (caps > 0.0)
        if affordable(on):
            lower, upper = np.where(on, floors, 0.0), np.where(on, caps, 0.0)
            point = formulation.nearest.solve(lower, upper)
            if point is None:
                raise SolverFailure(f"{name}: the support that it found is infeasible beyond its tolerance")
            proved = mixed.status == cp.OPTIMAL
            return Supported(lower, upper, point.value, min(point.value, value), 1, proved, method=name)
        # The floors fit the budget to the solver's tolerance only. No support of as many sleeves fits if all floors are
        # the same; otherwise just this one is cut off.
        common = len(set(floors[on].tolist())) == 1 and floors[on].max() <= floors[caps > 0.0].min()
        counted = held if common else held[np.flatnonzero(on)]
        mixed = cp.Problem(mixed.objective, [*mixed.constraints, cp.sum(counted) <= int(on.sum()) - 1])
    raise SolverFailure(f"{name}: every support that it found exceeds the budget in exact arithmetic")


def _run(name: str, problem: cp.Problem, seconds: float) -> float | None:
    """Solve; the solver's lower bound, or None if the problem is infeasible."""
    options = dict(OPTIONS.get(name, {}))
    if name == "SCIP":
        options["scip_params"] = {**options["scip_params"], TIME_LIMITS[name]: min(seconds, 1e20)}
    elif name in TIME_LIMITS and seconds < np.inf:
        options |= {"mosek_params": {TIME_LIMITS[name]: seconds}} if name == "MOSEK" else {TIME_LIMITS[name]: seconds}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a solution at the time limit may be inaccurate: its support counts
            problem.solve(solver=name, **options)
    except cp.SolverError as error:
        raise SolverFailure(f"{name}: {error}") from error
    if problem.status == cp.INFEASIBLE:
        return None
    if problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
        raise SolverFailure(f"{name}: {problem.status} within {seconds:g} seconds")
    stats = problem.solver_stats.extra_stats
    if name == "SCIP":
        return float(stats["model"].getDualbound())
    if name == "GUROBI":
        return float(stats.ObjBound)
    return -np.inf
