"""Terms that refer to what was held before: a limit on turnover, and the cost of trading."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocopt.costs import Cost
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError, plain
from allocopt.labels import PerSleeve, per_sleeve
from allocopt.solvers.base import FloatArray
from allocopt.solvers.terms.base import Built, Context, Limit, require_number


@dataclass(frozen=True, eq=False)
class PreviousWeights:
    """What is held before the first date, and how it moves between the dates.

    The previous weights of a date are the weights of the date before (of the first date: ``weights``). With
    ``returns`` they drift: ``p_i = w_i (1 + r_i) / (1 + sum_j w_j r_j)``, where cash earns nothing.

    Parameters
    ----------
    weights : float, mapping, Series or sequence, optional
        Decimal fractions of capital before the first date. None: all is cash.
    returns : DataFrame (dates x sleeves) or array, optional
        Decimal return of each sleeve from the previous row to this one, so that row t is known at t. The first row is
        applied to ``weights``; it may be zeros.

    Raises
    ------
    InputError, LabelError, ShapeError
        When used: for returns that are missing or at most -1, or that do not match the desirability.
    """

    weights: PerSleeve | None = None
    returns: pd.DataFrame | FloatArray | None = None

    def first(self, n: int, sleeves: pd.Index | None) -> FloatArray:
        """Weights held before the first date."""
        held = per_sleeve(0.0 if self.weights is None else self.weights, n, sleeves, "previous weights")
        if not (np.isfinite(held) & (held >= 0.0)).all() or held.sum() > 1.0 + 1e-9:
            raise InputError(
                "previous weights are not fractions of capital", value=held.tolist(), remedy="at least 0, sum at most 1"
            )
        return held

    def table(self, shape: tuple[int, int], dates: pd.Index | None, sleeves: pd.Index | None) -> FloatArray | None:
        """Give the returns as an array of the desirability's shape, or None."""
        if self.returns is None:
            return None
        if isinstance(self.returns, pd.DataFrame) and dates is not None and sleeves is not None:
            if not self.returns.index.equals(dates):
                raise LabelError("returns have other dates than the desirability", remedy="reindex them to its dates")
            lacking = [s for s in sleeves if s not in self.returns.columns]
            if lacking:
                raise LabelError("returns lack a sleeve", value=plain(lacking[0]), remedy="give a column a sleeve")
            found = self.returns[list(sleeves)].to_numpy(dtype=np.float64)
        else:
            found = np.asarray(self.returns, np.float64)
        if found.shape != shape:
            raise ShapeError("returns do not fit the desirability", value=found.shape, remedy=f"give {shape}")
        if not (np.isfinite(found) & (found > -1.0)).all():
            row, column = np.argwhere(~(np.isfinite(found) & (found > -1.0)))[0].tolist()
            raise InputError(
                "a return is missing, infinite or at most -1",
                where=f"row {row}, column {column}",
                value=float(found[row, column]),
                remedy="give decimal returns; 0.0 for the first row",
            )
        return np.ascontiguousarray(found)


def drift(weights: FloatArray, returns: FloatArray) -> FloatArray:
    """Weights after one period of ``returns`` without trading; cash earns nothing."""
    grown: FloatArray = weights * (1.0 + returns) / (1.0 + float(weights @ returns))
    return grown


@dataclass(frozen=True, eq=False)
class TurnoverLimit:
    """Most that may be traded on a date: ``sum(abs(w_i - p_i)) <= limit``, buys and sells both counted.

    ``p`` are the previous weights, drifted if the program's `PreviousWeights` has returns. Moving the whole capital
    from one sleeve into another counts 2.0; cash is not a trade of its own.

    Parameters
    ----------
    limit : float
        Decimal fraction of capital a date, at least 0.

    Examples
    --------
    >>> import allocopt
    >>> from allocopt.solvers import ConvexProgram, PreviousWeights, TurnoverLimit
    >>> held = PreviousWeights([0.4, 0.4, 0.2])
    >>> program = ConvexProgram(terms=(TurnoverLimit(0.1),), previous=held)
    >>> [round(weight, 3) for weight in allocopt.allocate([1.0, 4.0, 5.0], solver=program).weights]
    [0.35, 0.4, 0.25]
    """

    limit: float

    needs_previous = True

    def __post_init__(self) -> None:
        require_number(self.limit, "limit of TurnoverLimit", 0.0)

    def build(self, context: Context) -> Built:
        """``norm1(w - p) - limit``."""
        import cvxpy as cp

        traded = cp.norm1(context.weights - context.previous)
        return Built(limits=(Limit(f"turnover at most {self.limit:g}", traded - self.limit),))


@dataclass(frozen=True, eq=False)
class CostPenalty:
    """Trading cost in the objective: ``aversion * sum_i cost_i(w_i - p_i)``.

    Parameters
    ----------
    cost : Cost
        `allocopt.ProportionalCost`, `allocopt.SquareRootImpact`, or an own object with the same methods: the very
        object that the accounting charges.
    aversion : float
        Objective units (the distance's: half squared weight, or nats) per unit of capital paid. For the Euclidean
        distance the rate times the aversion is the half width of the band, in units of weight, in which nothing is
        traded.

    References
    ----------
    S. Boyd et al., "Multi-Period Trading via Convex Optimization" (2017), section 4.

    Examples
    --------
    >>> import allocopt
    >>> from allocopt.solvers import ConvexProgram, CostPenalty, PreviousWeights
    >>> penalty = CostPenalty(allocopt.ProportionalCost(0.001), aversion=50.0)
    >>> program = ConvexProgram(terms=(penalty,), previous=PreviousWeights([0.4, 0.3, 0.3]))
    >>> [round(weight, 3) for weight in allocopt.allocate([3.5, 3.5, 3.0], solver=program).weights]
    [0.4, 0.3, 0.3]
    """

    cost: Cost
    aversion: float

    needs_previous = True

    def __post_init__(self) -> None:
        if isinstance(self.cost, type) or not isinstance(self.cost, Cost):
            raise SpecificationError("not a cost", value=self.cost, remedy="give a ProportionalCost, for instance")
        require_number(self.aversion, "aversion of CostPenalty", 0.0)

    def build(self, context: Context) -> Built:
        """``aversion * cost.expression(w - p)``."""
        return Built(self.aversion * self.cost.expression(context.weights - context.previous, context.sleeves))
