"""Separable programs: caps and floors for each sleeve, sleeves that must be held, and linear trading costs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from allocopt.solvers.base import Distance, FloatArray

#: Outcome code of a row that was not reached.
NOT_SOLVED = 255


@dataclass(frozen=True, eq=False)
class SeparableResult:
    """Weights of a separable program and what is known about them, one row a date.

    Attributes
    ----------
    weights : float64 array (dates, sleeves)
        Decimal fractions of capital. Zero where the outcome is INFEASIBLE, and where it is UNPROVED without any
        weights found.
    invested : float64 array (dates,)
        Sum of the date's weights.
    outcome : uint8 array (dates,)
        `allocopt.status.Outcome` codes; 255 for rows that were not solved.
    attainable : float64 array (dates,)
        Largest attainable sum ``b*`` within the budget; NaN where no weights exist. Where the outcome is UNPROVED it
        may be the largest one found.
    objective : float64 array (dates,)
        Distance to the target plus cost of trading, at ``weights``; infinite where there are none.
    bound : float64 array (dates,)
        Lower bound on the objective of any weights that spend ``b*``, to rounding. The objective itself, before
        ``weights`` were landed on the grid, where the search was finished.
    multiplier : float64 array (dates,)
        Multiplier of the budget: the derivative of the distance to the target is its negative, up to the cost rate,
        in each sleeve between its limits. NaN where nothing is invested.
    nodes : int64 array (dates,)
        Relaxations solved.
    proved : bool array (dates,)
        Whether the search was finished: the weights are optimal, or it is certain that there are none.
    stopped : int
        Row at which a sequence of rows stopped because its outcome is INFEASIBLE or UNPROVED; -1 if none.
    """

    weights: FloatArray
    invested: FloatArray
    outcome: npt.NDArray[np.uint8]
    attainable: FloatArray
    objective: FloatArray
    bound: FloatArray
    multiplier: FloatArray
    nodes: npt.NDArray[np.int64]
    proved: npt.NDArray[np.bool_]
    stopped: int = -1

    @classmethod
    def empty(cls, dates: int, sleeves: int) -> SeparableResult:
        """Room for ``dates`` dates, none of them solved."""
        return cls(
            weights=np.zeros((dates, sleeves)),
            invested=np.zeros(dates),
            outcome=np.full(dates, NOT_SOLVED, np.uint8),
            attainable=np.full(dates, np.nan),
            objective=np.full(dates, np.nan),
            bound=np.full(dates, np.nan),
            multiplier=np.full(dates, np.nan),
            nodes=np.zeros(dates, np.int64),
            proved=np.zeros(dates, np.bool_),
        )


def solve_separable(
    desirability: FloatArray,
    caps: FloatArray,
    floors: FloatArray,
    always: npt.NDArray[np.bool_],
    rates: FloatArray,
    budget: float,
    distance: Distance,
    *,
    previous: FloatArray | None = None,
    returns: FloatArray | None = None,
    max_nodes: int = 100_000,
    start: int = 0,
    into: SeparableResult | None = None,
) -> SeparableResult:
    """Nearest weights to the proportional target within limits of each sleeve's own, trading costs included.

    On each date, among all weights that are zero or between the sleeve's floor and cap (always between them for the
    sleeves marked ``always``) and that spend the largest attainable budget ``b*``, those that minimise the distance to
    ``t = b* d / sum(d)`` plus ``sum rates * |w - previous|``. Arguments are taken as valid.

    Parameters
    ----------
    desirability : float64 array (dates, sleeves)
        C-ordered, finite, at least 0. Live is what is above 0.
    caps, floors : float64 array (dates, sleeves) or (1, sleeves)
        ``0 <= floors <= caps <= 1``.
    always : bool array (sleeves,)
        Sleeves that are held even if they are not live. (A relative entropy cannot hold what is not live: with a
        floor above zero the date is INFEASIBLE, without one the sleeve is left at zero.)
    rates : float64 array (sleeves,)
        Cost of trading one unit of weight, in units of the objective, at least 0. Not used without ``previous``.
    budget : float
        Largest sum of weights, ``0 < budget <= 1``.
    distance : {"euclidean", "kl"}
        ``1/2 (w - t)**2`` or ``w log(w / t) - w + t``, summed over the sleeves.
    previous : float64 array (sleeves,), optional
        Weights held before row ``start``. The rows are then a sequence: the previous weights of each row are the
        weights of the row before it. None for rows without cost, independent of each other.
    returns : float64 array (dates, sleeves), optional
        Simple returns from the row before to each row (that of ``start`` is applied to ``previous``); the previous
        weights drift to ``w (1 + r) / (1 + sum w r)``. None for no drift.
    max_nodes : int, default 100000
        Relaxations to solve for one date. Beyond, its outcome is UNPROVED.
    start : int, default 0
        First row to solve.
    into : SeparableResult, optional
        Result whose arrays to fill from row ``start`` on, to go on after ``stopped``. None for a new one.

    Returns
    -------
    SeparableResult
        A sequence stops at the first row that is INFEASIBLE or UNPROVED, given in ``stopped``. The caller decides
        what is held on that row and goes on with ``start=stopped + 1``, ``previous`` what is held and ``into`` the
        result so far; the rows that follow are the same as in one uninterrupted run.

    Examples
    --------
    >>> import numpy as np
    >>> from allocopt.solvers.separable import solve_separable
    >>> d, caps, floors = np.array([[40.0, 35.0, 25.0]]), np.ones((1, 3)), np.array([[0.9, 0.05, 0.05]])
    >>> result = solve_separable(d, caps, floors, np.zeros(3, bool), np.zeros(3), 1.0, "euclidean")
    >>> result.weights.round(4).tolist(), round(float(result.objective[0]), 4)
    ([[0.0, 0.55, 0.45]], 0.12)
    """
    # numba takes longer to import than all the rest of allocopt
    from allocopt.solvers._separable import UNPROVED, solve_rows

    dates, sleeves = desirability.shape
    result = SeparableResult.empty(dates, sleeves) if into is None else into
    stopped = int(
        solve_rows(
            desirability,
            caps,
            floors,
            always,
            rates if previous is not None else np.zeros(sleeves),
            distance == "kl",
            float(budget),
            previous is not None,
            previous if previous is not None else np.zeros(sleeves),
            returns is not None,
            returns if returns is not None else np.zeros((1, sleeves)),
            max_nodes,
            start,
            result.weights,
            result.invested,
            result.outcome,
            result.attainable,
            result.objective,
            result.bound,
            result.multiplier,
            result.nodes,
        )
    )
    stop = stopped + 1 if stopped >= 0 else dates
    result.proved[start:stop] = result.outcome[start:stop] != UNPROVED
    return replace(result, stopped=stopped)
