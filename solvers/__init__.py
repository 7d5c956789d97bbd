"""Solvers for `allocopt.allocate`: frozen objects that hold a method and its settings."""

if __name__ != "allocopt.solvers":
    raise ImportError(
        "import this package as allocopt.solvers, not as 'solvers': a second copy would not share its types"
    )

from allocopt.solvers.base import Distance, Failure, Solution, Solver, TableSolver
from allocopt.solvers.heuristic import Heuristic
from allocopt.solvers.program import ConvexProgram
from allocopt.solvers.projection import Projection
from allocopt.solvers.reference import Reference
from allocopt.solvers.terms import (
    CostPenalty,
    Custom,
    ExposureLimits,
    FactorCovariance,
    GroupLimits,
    PreviousWeights,
    RiskPenalty,
    SleeveLimits,
    Term,
    TurnoverLimit,
    VolatilityLimit,
)

__all__ = [
    "ConvexProgram",
    "CostPenalty",
    "Custom",
    "Distance",
    "ExposureLimits",
    "FactorCovariance",
    "Failure",
    "GroupLimits",
    "Heuristic",
    "PreviousWeights",
    "Projection",
    "Reference",
    "RiskPenalty",
    "SleeveLimits",
    "Solution",
    "Solver",
    "TableSolver",
    "Term",
    "TurnoverLimit",
    "VolatilityLimit",
]
