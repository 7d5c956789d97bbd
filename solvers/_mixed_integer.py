"""Best support by a mixed-integer solver that the user has: SCIP, or a commercial one."""

from __future__ import annotations

import warnings
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
    "SCIP": {"scip_params": {"limits/gap": 0.0, "numerics/feastol": 1e-9}},
    "GUROBI": {"MIPGap": 0.0, "MIPGapAbs": 1e-12, "FeasibilityTol": 1e-9},
}


#: How each is told to stop after some seconds.
TIME_LIMITS = {"SCIP": "limits/time", "GUROBI": "TimeLimit", "MOSEK": "MSK_DPAR_MIO_MAX_TIME", "XPRESS": "timelimit"}


def best_support(
    formulation: Formulation, floors: FloatArray, caps: FloatArray, always: Any, seconds: float
) -> Supported | None:
    """Support of the optimum for the date whose parameters are set; None if there are no feasible weights.

    The bound is the mixed-integer solver's own (SCIP, Gurobi), or the value where it reports none, which it has then
    proved to its own gap. Only the support is taken from it; what it stops with after ``seconds`` is not proved.
    """
    found = available(MIXED_INTEGER)
    if not found:
        raise SpecificationError(
            "no mixed-integer solver is installed", remedy='pip install "allocopt[mip]", or search="enumerate"'
        )
    mixed, held = formulation.mixed_integer(floors, always)
    formulation.lower.value, formulation.upper.value = floors, caps
    name = found[0]
    options = dict(OPTIONS.get(name, {}))
    if name == "SCIP":
        options["scip_params"] = {**options["scip_params"], TIME_LIMITS[name]: seconds}
    elif name in TIME_LIMITS:
        options |= {"mosek_params": {TIME_LIMITS[name]: seconds}} if name == "MOSEK" else {TIME_LIMITS[name]: seconds}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a solution at the time limit may be inaccurate: its support counts
            mixed.solve(solver=name, **options)
    except cp.SolverError as error:
        raise SolverFailure(f"{name}: {error}") from error
    if mixed.status == cp.INFEASIBLE:
        return None
    if mixed.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE) or held.value is None:
        raise SolverFailure(f"{name}: {mixed.status} within {seconds:g} seconds")
    proved = mixed.status == cp.OPTIMAL
    on = (np.asarray(held.value) > 0.5) & (caps > 0.0)
    lower, upper = np.where(on, floors, 0.0), np.where(on, caps, 0.0)
    point = formulation.nearest.solve(lower, upper)
    if point is None:
        raise SolverFailure(f"{name}: the support that it found is infeasible beyond its tolerance")
    gap = _gap(name, mixed)
    return Supported(lower, upper, point.value, point.value - gap, 1, proved=proved)


def _gap(name: str, problem: cp.Problem) -> float:
    """Distance between the solver's value and its bound."""
    stats = problem.solver_stats.extra_stats
    if name == "SCIP":
        model = stats["model"]
        return max(0.0, float(model.getObjVal() - model.getDualbound()))
    if name == "GUROBI":
        return max(0.0, float(stats.ObjVal - stats.ObjBound))
    return 0.0
