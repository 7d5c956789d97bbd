"""Covariance terms: variance in the objective, and a limit on volatility."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allocopt.errors import SpecificationError
from allocopt.solvers.terms.base import Built, Context, Limit, require_number
from allocopt.solvers.terms.covariance import CovarianceLike, FactorCovariance, roots

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True, eq=False)
class RiskPenalty:
    """Variance in the objective: ``aversion / 2 * w' C w``.

    Parameters
    ----------
    covariance : array (n, n) or DataFrame, (dates, n, n) array or DataFrame by (date, sleeve), or FactorCovariance
        ``C``: symmetric, positive semidefinite (singular is allowed), decimal variance of the chosen period.
    aversion : float
        Objective units per unit of half variance, at least 0.

    Raises
    ------
    SpecificationError
        When used: for a covariance that is not semidefinite, with its smallest eigenvalue.

    References
    ----------
    H. Markowitz, "Portfolio Selection", Journal of Finance 7 (1952).

    Examples
    --------
    >>> import numpy as np, allocopt
    >>> from allocopt.solvers import ConvexProgram, RiskPenalty
    >>> risk = RiskPenalty(np.diag([0.09, 0.01, 0.01]), aversion=10.0)
    >>> [round(weight, 3) for weight in allocopt.allocate([4.0, 3.0, 3.0], solver=ConvexProgram(terms=(risk,))).weights]
    [0.265, 0.367, 0.367]
    """

    covariance: CovarianceLike | FactorCovariance
    aversion: float

    needs_previous = False

    def __post_init__(self) -> None:
        require_number(self.aversion, "aversion of RiskPenalty", 0.0)

    def build(self, context: Context) -> Built:
        """Half the aversion times the variance: one matrix as it is, other covariances as sums of squares."""
        import cvxpy as cp

        if not isinstance(self.covariance, FactorCovariance):
            count, n = context.shape
            found = roots(self.covariance, n, context.dates, count, context.sleeves)
            if len(found) == 1:  # without the n equalities that squares of parts bring with them
                variance = cp.quad_form(context.weights, cp.psd_wrap(found[0] @ found[0].T))
                return Built(0.5 * self.aversion * variance)
            parts = [cp.sum_squares(context.per_date(found.transpose(0, 2, 1).copy()) @ context.weights)]
        else:
            parts = [cp.sum_squares(part) for part in _risk_parts(self.covariance, context)]
        return Built(0.5 * self.aversion * sum(parts[1:], parts[0]))


@dataclass(frozen=True, eq=False)
class VolatilityLimit:
    """Most volatility that the weights may have: ``sqrt(w' C w) <= limit``.

    With ``spend="most"`` cash is held only where even the least volatile weights that spend the budget are over the
    limit. With ``spend="free"`` cash may serve to stay near the target.

    Parameters
    ----------
    covariance : as for `RiskPenalty`
        Decimal variance of a period.
    limit : float
        Decimal volatility of the same period (0.10 for 10 %, with a yearly covariance), above 0.

    References
    ----------
    M. S. Lobo, L. Vandenberghe, S. Boyd and H. Lebret, "Applications of second-order cone programming", Linear
    Algebra and its Applications 284 (1998), section 3.

    Examples
    --------
    >>> import numpy as np, allocopt
    >>> from allocopt.solvers import ConvexProgram, VolatilityLimit
    >>> limit = VolatilityLimit(np.diag([0.09, 0.04, 0.01]), limit=0.12)
    >>> result = allocopt.allocate([4.0, 3.0, 3.0], solver=ConvexProgram(terms=(limit,)))
    >>> w = np.array(result.weights)
    >>> round(float(np.sqrt(w @ np.diag([0.09, 0.04, 0.01]) @ w)), 6)
    0.12
    """

    covariance: CovarianceLike | FactorCovariance
    limit: float

    needs_previous = False

    def __post_init__(self) -> None:
        require_number(self.limit, "limit of VolatilityLimit", 0.0)
        if self.limit == 0.0:
            raise SpecificationError("limit of VolatilityLimit is zero", value=0.0, remedy="give a decimal volatility")

    def build(self, context: Context) -> Built:
        """``norm(R' w) - limit``."""
        import cvxpy as cp

        # In units of the limit, so that the solver's tolerance means the same for daily and for yearly variances.
        stacked = cp.hstack(_risk_parts(self.covariance, context)) / self.limit
        return Built(limits=(Limit(f"volatility at most {self.limit:g}", cp.norm(stacked, 2) - 1.0, unit=self.limit),))


def _risk_parts(covariance: CovarianceLike | FactorCovariance, context: Context) -> list[cp.Expression]:
    """Expressions whose squares add up to ``w' C w``."""
    import cvxpy as cp

    count, n = context.shape
    if isinstance(covariance, FactorCovariance):
        factor, variance = covariance.parts(n, context.sleeves)
        return [factor.T @ context.weights, cp.multiply(np.sqrt(variance), context.weights)]
    found = roots(covariance, n, context.dates, count, context.sleeves)
    return [context.per_date(found.transpose(0, 2, 1).copy()) @ context.weights]
