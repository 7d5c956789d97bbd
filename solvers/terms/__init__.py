"""Terms of the general program, one small object each."""

from allocopt.solvers.terms.base import Built, Context, Limit, Term
from allocopt.solvers.terms.covariance import FactorCovariance
from allocopt.solvers.terms.groups import ExposureLimits, GroupLimits
from allocopt.solvers.terms.own import Custom
from allocopt.solvers.terms.risk import RiskPenalty, VolatilityLimit
from allocopt.solvers.terms.sleeves import SleeveLimits
from allocopt.solvers.terms.trading import CostPenalty, PreviousWeights, TurnoverLimit

__all__ = [
    "Built",
    "Context",
    "CostPenalty",
    "Custom",
    "ExposureLimits",
    "FactorCovariance",
    "GroupLimits",
    "Limit",
    "PreviousWeights",
    "RiskPenalty",
    "SleeveLimits",
    "Term",
    "TurnoverLimit",
    "VolatilityLimit",
]
