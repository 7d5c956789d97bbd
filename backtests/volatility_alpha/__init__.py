"""Volatility alpha: a ladder of limit orders with buybacks, and what it is worth beside holding the shares.

`VolatilityAlpha` holds the parameters, `run` gives the account with its buyback lots, and `compare` puts the variants
and buy-and-hold beside each other. `WindowStudy` runs every window of many histories, `BootstrapStudy` histories that
might have been, and `LadderSleeve` gives a stream of returns for allocation and walk-forward studies.
"""

from allocopt.backtests.volatility_alpha.bars import bars_from_closes
from allocopt.backtests.volatility_alpha.bootstrap import BootstrapResult, BootstrapStudy
from allocopt.backtests.volatility_alpha.comparison import VolatilityAlphaComparison
from allocopt.backtests.volatility_alpha.result import VolatilityAlphaResult
from allocopt.backtests.volatility_alpha.sleeve import LadderSleeve
from allocopt.backtests.volatility_alpha.specification import NO_INTEREST, VolatilityAlpha, suggested_n
from allocopt.backtests.volatility_alpha.window_result import WindowResult
from allocopt.backtests.volatility_alpha.windows import WindowStudy

__all__ = [
    "NO_INTEREST",
    "BootstrapResult",
    "BootstrapStudy",
    "LadderSleeve",
    "VolatilityAlpha",
    "VolatilityAlphaComparison",
    "VolatilityAlphaResult",
    "WindowResult",
    "WindowStudy",
    "bars_from_closes",
    "suggested_n",
]
