"""The exact projection onto cap, floor-or-zero and budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allocopt.limits import Limits
from allocopt.solvers.base import Distance, FloatArray, Solution, check_distance, check_n_jobs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction


@dataclass(frozen=True)
class Projection:
    """Nearest weights to the proportional target that keep cap, floor and budget exactly.

    For each date, among all weights that are zero or between floor and cap on live sleeves and that spend the largest
    attainable budget ``b*``, find those nearest to ``t = b* d / sum(d)``. The set is not convex (zero or at least the
    floor), yet the best support is a prefix of the sleeves in order of desirability and its size a one-dimensional
    convex search: O(n log n) a date, the sort included.

    Parameters
    ----------
    distance : {"euclidean", "kl"}
        ``1/2 ||w - t||**2``, or the relative entropy ``sum w log(w / t)``. The Euclidean projection moves sleeves by
        equal amounts, the entropic one by equal factors: what clip-and-renormalise tends to where it converges.
    n_jobs : int, default 1
        Threads to spread the dates over; -1 for one a processor. The result does not depend on it.

    Raises
    ------
    SpecificationError
        For an unknown distance or an impossible ``n_jobs``.

    References
    ----------
    Fixed support: the continuous quadratic knapsack problem, K. C. Kiwiel, "Variable fixing algorithms for the
    continuous quadratic knapsack problem", J. Optim. Theory Appl. 136 (2008), section 3. The search over supports:
    docs/mathematics.md, theorems 1 to 3.

    Examples
    --------
    >>> import allocopt
    >>> from allocopt.solvers import Projection
    >>> [round(x, 3) for x in allocopt.allocate([6.0, 2.5, 1.5], solver=Projection("kl")).weights]
    [0.4, 0.375, 0.225]
    """

    distance: Distance = "euclidean"
    n_jobs: int = 1

    def __post_init__(self) -> None:
        check_distance(self.distance)
        check_n_jobs(self.n_jobs)

    @property
    def route(self) -> str:
        """How weights are found, in words."""
        return "closed form"

    @property
    def label(self) -> str:
        """The distance."""
        return self.distance

    def solve(
        self, desirability: FloatArray, limits: Limits, exclude_missing: bool, out: Solution
    ) -> tuple[int, int] | None:
        """Fill ``out`` for a block of dates; see `allocopt.solvers.base.Solver.solve`."""
        # numba takes longer to import than all the rest of allocopt
        from allocopt.solvers._project import UNRESOLVED, project_rows

        cap_units, floor_units, budget_units = limits.on_grid
        row, column, unresolved = project_rows(
            desirability,
            out.weights,
            out.invested,
            out.outcome,
            out.live,
            out.excluded,
            self.distance == "kl",
            exclude_missing,
            limits.cap,
            limits.floor,
            limits.budget,
            float(cap_units),
            float(floor_units),
            float(budget_units),
            limits.full_support,
            limits.largest_support,
        )
        if row >= 0:
            return row, column
        if unresolved:
            for date in np.flatnonzero(out.outcome == UNRESOLVED):
                self._resolve(desirability[date], limits, out.rows(int(date), int(date) + 1))
        return None

    def _resolve(self, row: FloatArray, limits: Limits, out: Solution) -> None:
        """One date whose best support size rounding cannot tell, or whose range doubles cannot hold: exactly."""
        from allocopt.solvers._exact import project_prefix

        live = np.flatnonzero(row > 0.0)
        order = live[np.argsort(-row[live], kind="stable")]
        write_exact(project_prefix(row[order].tolist(), limits, self.distance), order.tolist(), limits, out)


def write_exact(solution: Sequence[Fraction], columns: Sequence[int], limits: Limits, out: Solution) -> None:
    """Land the exact weights of one date, given for ``columns`` in descending order, and describe the outcome."""
    from allocopt.solvers._landing import UNIT
    from allocopt.solvers._project import describe, land_solution

    cap_units, floor_units, budget_units = limits.on_grid
    live = int(out.live[0])
    k = sum(x > 0 for x in solution)
    target = min(budget_units, k * cap_units)
    out.weights[0] = 0.0
    if k * floor_units > target:
        # No weights on the grid fit between the floor and the cap or budget: the limit itself, off the grid.
        out.weights[0, list(columns[:k])] = limits.floor
        out.invested[0] = k * limits.floor
        target = -1
    else:
        landed = land_solution(
            np.array([float(x) for x in solution]),
            k,
            float(cap_units),
            float(floor_units),
            float(target),
            limits.cap,
            limits.floor,
        )
        out.weights[0, list(columns)] = landed
        out.invested[0] = target * UNIT
    out.outcome[0] = describe(k, live, limits.full_support, limits.largest_support, float(target), float(budget_units))
