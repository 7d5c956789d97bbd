"""Solvers for `allocopt.allocate`: frozen objects that hold a method and its settings."""

if __name__ != "allocopt.solvers":
    raise ImportError(
        "import this package as allocopt.solvers, not as 'solvers': a second copy would not share its types"
    )

from allocopt.solvers.base import Distance, Solution, Solver
from allocopt.solvers.heuristic import Heuristic
from allocopt.solvers.projection import Projection
from allocopt.solvers.reference import Reference

__all__ = ["Distance", "Heuristic", "Projection", "Reference", "Solution", "Solver"]
