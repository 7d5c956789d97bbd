"""Best support by a mixed-integer solver that the user has: SCIP, or a commercial one."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np

from allocopt.errors import SpecificationError
from allocopt.solvers._backends import MIXED_INTEGER, available
from allocopt.solvers._branch import Supported
from allocopt.solvers._formulation import Formulation, Problem, SolverFailure
from allocopt.solvers.base import FloatArray

#: Options that make the solver prove the optimum to this relative gap instead of its default.
OPTIONS: dict[str, dict[str, Any]] = {
    "SCIP": {"scip_params": {"limits/gap": 0.0, "numerics/feastol": 1e-9}},
    "GUROBI": {"MIPGap": 0.0, "MIPGapAbs": 1e-12, "FeasibilityTol": 1e-9},
}


def best_support(
    formulation: Formulation, problem: Problem, floors: FloatArray, caps: FloatArray, always: Any
) -> Supported | None:
    """Support of the optimum for the date whose parameters are set; None if there are no feasible weights.

    The bound is the mixed-integer solver's own (SCIP, Gurobi), or the value where it reports none, which it has then
    proved to its own gap.
    """
    found = available(MIXED_INTEGER)
    if not found:
        raise SpecificationError(
            "no mixed-integer solver is installed", remedy='pip install "allocopt[mip]", or search="enumerate"'
        )
    mixed, held = formulation.mixed_integer(floors, always)
    formulation.lower.value, formulation.upper.value = floors, caps
    name = found[0]
    try:
        mixed.solve(solver=name, **OPTIONS.get(name, {}))
    except cp.SolverError as error:
        raise SolverFailure(f"{name}: {error}") from error
    if mixed.status == cp.INFEASIBLE:
        return None
    if mixed.status != cp.OPTIMAL:
        raise SolverFailure(f"{name}: {mixed.status}")
    on = (np.asarray(held.value) > 0.5) & (caps > 0.0)
    lower, upper = np.where(on, floors, 0.0), np.where(on, caps, 0.0)
    point = problem.solve(lower, upper)
    if point is None:
        raise SolverFailure(f"{name}: the support that it found is infeasible beyond its tolerance")
    gap = _gap(name, mixed)
    return Supported(lower, upper, point.value, point.value - gap, 1, proved=True)


def _gap(name: str, problem: cp.Problem) -> float:
    """Distance between the solver's value and its bound."""
    stats = problem.solver_stats.extra_stats
    if name == "SCIP":
        model = stats["model"]
        return max(0.0, float(model.getObjVal() - model.getDualbound()))
    if name == "GUROBI":
        return max(0.0, float(stats.ObjVal - stats.ObjBound))
    return 0.0
