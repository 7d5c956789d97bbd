"""The slow, obvious twin of the projection: every support, in rational arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from allocopt.errors import SpecificationError
from allocopt.limits import Limits
from allocopt.solvers._exact import no_better, target, value
from allocopt.solvers.base import Distance, FloatArray, Solution, check_distance

#: Sleeves up to which all supports are tried; 2**12 exact solves take seconds a date.
MOST_SLEEVES = 12


@dataclass(frozen=True)
class Reference:
    """Projection by trying every subset of the live sleeves, with no theorem about which of them can be best.

    For checking, not for use: a date costs ``2**n`` exact solves. On each subset the budget's multiplier is found by
    evaluating the sum of weights at every breakpoint and interpolating between two. Weights are exact rational
    numbers for both distances; supports are compared exactly for the Euclidean distance, and with 60-digit
    logarithms for the relative entropy. Among equals the larger support wins, then the lower columns.

    Parameters
    ----------
    distance : {"euclidean", "kl"}
        As in `Projection`.

    Raises
    ------
    SpecificationError
        For an unknown distance, or when used on more than 12 sleeves.

    Examples
    --------
    >>> from allocopt import Limits
    >>> from allocopt.solvers import Reference
    >>> Reference().solve_exact([2.0, 1.0], Limits(cap=0.75, floor=0.25))
    [Fraction(2, 3), Fraction(1, 3)]
    """

    distance: Distance = "euclidean"

    def __post_init__(self) -> None:
        check_distance(self.distance)

    @property
    def route(self) -> str:
        """How weights are found, in words."""
        return "every support in rational arithmetic"

    @property
    def label(self) -> str:
        """``"reference-"`` and the distance."""
        return f"reference-{self.distance}"

    @property
    def n_jobs(self) -> int:
        """1: exact arithmetic holds the interpreter's lock."""
        return 1

    def solve(
        self, desirability: FloatArray, limits: Limits, exclude_missing: bool, out: Solution
    ) -> tuple[int, int] | None:
        """Fill ``out`` for a block of dates; see `allocopt.solvers.base.Solver.solve`."""
        from allocopt.solvers._project import EMPTY
        from allocopt.solvers.projection import write_exact

        for date, row in enumerate(desirability):
            here = out.rows(date, date + 1)
            values = row.tolist()
            missing = 0
            for column, x in enumerate(values):
                if math.isnan(x) and exclude_missing:
                    values[column] = 0.0
                    missing += 1
                elif not 0.0 <= x < math.inf:
                    return date, column
            here.live[0] = sum(x > 0.0 for x in values)
            here.excluded[0] = missing
            solution = self.solve_exact(values, limits)
            order = sorted(range(len(values)), key=lambda i: (-solution[i], i))
            write_exact([solution[i] for i in order], order, limits, here)
            if here.live[0] == 0:
                here.outcome[0] = EMPTY
        return None

    def solve_exact(self, desirability: Sequence[float], limits: Limits) -> list[Fraction]:
        """Optimal weights of one date as rational numbers, in the order given, before they are landed on the grid.

        Parameters
        ----------
        desirability : sequence of float
            Finite, at least 0; at most 12 of them.
        limits : Limits
            Taken as the exact values of its floats.
        """
        if len(desirability) > MOST_SLEEVES:
            raise SpecificationError(
                "too many sleeves to try every support", value=len(desirability), remedy="use Projection"
            )
        live = [i for i, x in enumerate(desirability) if x > 0.0]
        nothing = [Fraction(0)] * len(desirability)
        budget = limits.attainable(len(live))
        if budget == 0:
            return nothing
        cap, floor = Fraction(limits.cap), Fraction(limits.floor)
        t = nothing.copy()
        for i, share in zip(live, target([desirability[i] for i in live], budget), strict=True):
            t[i] = share
        best, best_value = nothing, None
        for size in range(len(live), 0, -1):
            if not size * floor <= budget <= size * cap:
                continue
            for support in combinations(live, size):
                w = nothing.copy()
                held = self._on_support([t[i] for i in support], cap, floor, budget)
                for i, x in zip(support, held, strict=True):
                    w[i] = x
                found = value(w, t, self.distance)
                if best_value is None or not no_better(best_value, found):
                    best, best_value = w, found
        return best

    def _on_support(self, t: list[Fraction], cap: Fraction, floor: Fraction, budget: Fraction) -> list[Fraction]:
        """Hold every sleeve of ``t``: evaluate the piecewise linear sum at each breakpoint, then interpolate."""
        euclidean = self.distance == "euclidean"

        def weights(m: Fraction) -> list[Fraction]:
            return [min(max(x - m if euclidean else x * m, floor), cap) for x in t]

        points = sorted({x - limit if euclidean else limit / x for x in t for limit in (cap, floor)})
        sums = [sum(weights(point), Fraction(0)) for point in points]
        for left, right, at_left, at_right in zip(points, points[1:], sums, sums[1:], strict=False):
            if min(at_left, at_right) <= budget <= max(at_left, at_right):
                part = Fraction(0) if at_left == at_right else (budget - at_left) / (at_right - at_left)
                return weights(left + part * (right - left))
        return weights(points[0])  # a single breakpoint: cap and floor coincide
