"""Options: prices, greeks, implied volatility, and volatility surfaces.

Black, Scholes and Merton's formula for European options, its derivatives in stated units and its inverse, on arrays.
A surface is anything with the one method of `VolatilitySurface`; `IndexSurface` makes one from the volatility indices.
"""

from allocopt.backtests.options.arbitrage import ArbitrageCheck, check_arbitrage
from allocopt.backtests.options.black_scholes import DAYS_PER_YEAR, Greeks, greeks, price
from allocopt.backtests.options.clock import BusinessClock
from allocopt.backtests.options.implied import implied_volatility
from allocopt.backtests.options.index_surface import IndexSurface
from allocopt.backtests.options.smile import VIX_SMILE, VVIX_SMILE, IndexSmile
from allocopt.backtests.options.surface import FlatSurface, VolatilitySurface

__all__ = [
    "DAYS_PER_YEAR",
    "VIX_SMILE",
    "VVIX_SMILE",
    "ArbitrageCheck",
    "BusinessClock",
    "FlatSurface",
    "Greeks",
    "IndexSmile",
    "IndexSurface",
    "VolatilitySurface",
    "check_arbitrage",
    "greeks",
    "implied_volatility",
    "price",
]
