"""Backtests of option structures from frozen specifications: entries, exits, rolls, hedges, costs and P&L by greek.

A structure is data: `ProfileSpecification`, of which `published_profiles` gives the six of the rotation engine.
`run_profile` runs one on a market, its score, the regimes and a volatility surface. All money is that of one unit.
"""

from allocopt.backtests.profiles.capital import unit_capital
from allocopt.backtests.profiles.costs import ETF_COSTS, INDEX_COSTS, NO_COSTS, ContractCosts, ExecutionCosts
from allocopt.backtests.profiles.fills import PartialFills
from allocopt.backtests.profiles.published import P3_AS_BUILT, PROFILE_SPECIFICATIONS, published_profiles
from allocopt.backtests.profiles.result import ProfileResult
from allocopt.backtests.profiles.run import run_profile, run_profiles
from allocopt.backtests.profiles.specification import GreekLimits, Leg, ProfileSpecification
from allocopt.backtests.profiles.strikes import AT_THE_MONEY, FractionOfSpot, TargetDelta

__all__ = [
    "AT_THE_MONEY",
    "ETF_COSTS",
    "INDEX_COSTS",
    "NO_COSTS",
    "P3_AS_BUILT",
    "PROFILE_SPECIFICATIONS",
    "ContractCosts",
    "ExecutionCosts",
    "FractionOfSpot",
    "GreekLimits",
    "Leg",
    "PartialFills",
    "ProfileResult",
    "ProfileSpecification",
    "TargetDelta",
    "published_profiles",
    "run_profile",
    "run_profiles",
    "unit_capital",
]
