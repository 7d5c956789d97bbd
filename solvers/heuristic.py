"""The clip-and-renormalise loop, kept as the baseline that the projections are compared with."""

from __future__ import annotations

from dataclasses import dataclass

from allocopt.errors import SpecificationError
from allocopt.limits import Limits
from allocopt.solvers.base import Distance, FloatArray, Solution, check_n_jobs


@dataclass(frozen=True)
class Heuristic:
    """Clip at the cap and divide by the sum, again and again; then drop what is below the floor and divide once more.

    The way capital weights are commonly made, as the original rotation engine built it: ``w = d / sum(d)``; up to
    ``max_passes`` times, while any weight is over the cap: clip at the cap, divide by the sum; then weights below the
    floor become zero and the rest is divided by its sum. It promises neither the cap nor an end: the last division
    can break the cap again, and with fewer than ``budget / cap`` live sleeves no number of passes can meet it. The
    result is what the loop leaves, and the status of each date says whether it converged.

    Parameters
    ----------
    max_passes : int, default 10
        Most rounds of clipping, as in the original engine. Ten rarely suffice for convergence to the last bit.
    n_jobs : int, default 1
        Threads to spread the dates over; -1 for one a processor.

    Raises
    ------
    SpecificationError
        For a negative or non-integer ``max_passes`` or an impossible ``n_jobs``.

    Notes
    -----
    Without a floor and with enough live sleeves the loop converges to the KL projection ``min(cap, m t)``
    (docs/mathematics.md, theorem 4), so its certificate is stated in that distance.

    Examples
    --------
    >>> import allocopt
    >>> from allocopt.solvers import Heuristic
    >>> result = allocopt.allocate([7.0, 3.0], solver=Heuristic())
    >>> [round(x, 3) for x in result.weights]
    [0.5, 0.5]
    >>> result.status.outcome
    Outcome.NOT_CONVERGED
    """

    max_passes: int = 10
    n_jobs: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.max_passes, bool) or not isinstance(self.max_passes, int) or self.max_passes < 0:
            raise SpecificationError(
                "max_passes is not a whole number >= 0", value=self.max_passes, remedy="the original uses 10"
            )
        check_n_jobs(self.n_jobs)

    @property
    def route(self) -> str:
        """How weights are found, in words."""
        return "clip-and-renormalise loop"

    @property
    def label(self) -> str:
        """``"heuristic"``."""
        return "heuristic"

    @property
    def distance(self) -> Distance:
        """``"kl"``: the loop's limit is an entropic projection."""
        return "kl"

    def solve(
        self, desirability: FloatArray, limits: Limits, exclude_missing: bool, out: Solution
    ) -> tuple[int, int] | None:
        """Fill ``out`` for a block of dates; see `allocopt.solvers.base.Solver.solve`."""
        from allocopt.solvers._heuristic import loop_rows

        row, column = loop_rows(
            desirability,
            out.weights,
            out.invested,
            out.outcome,
            out.live,
            out.excluded,
            exclude_missing,
            limits.cap,
            limits.floor,
            limits.budget,
            self.max_passes,
        )
        return (row, column) if row >= 0 else None
