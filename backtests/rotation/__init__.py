"""The rotation engine: six option profiles on one index, rotated by market regime.

Bars (`OHLCV`) become features, features become a regime and, with implied volatilities named by their source, six
profile scores a date. Everything on row t is known at the close of row t.
"""

from allocopt.backtests.rotation.features import FEATURES, compute_features
from allocopt.backtests.rotation.market import OHLCV
from allocopt.backtests.rotation.regimes import PUBLISHED_RULES, RegimeRules, classify_regimes
from allocopt.backtests.rotation.scores import FACTORS, profile_factors, profile_scores
from allocopt.backtests.rotation.volatility import ImpliedVolatility

__all__ = [
    "FACTORS",
    "FEATURES",
    "OHLCV",
    "PUBLISHED_RULES",
    "ImpliedVolatility",
    "RegimeRules",
    "classify_regimes",
    "compute_features",
    "profile_factors",
    "profile_scores",
]
