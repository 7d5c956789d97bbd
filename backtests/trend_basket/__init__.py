"""The hourly BTC/ETH trend basket with a volatility target.

Selection by momentum behind a gate on the market coin, weights through `allocopt.allocate`, size by a volatility
target, one ledger, and an audit of everything that is reported.
"""

from allocopt.backtests.trend_basket.data import RegularCloses, regular_closes
from allocopt.backtests.trend_basket.decisions import BasketDecisions, Signals, decide
from allocopt.backtests.trend_basket.result import TrendBasketResult
from allocopt.backtests.trend_basket.specification import PUBLISHED, TAKER_FEE, TrendBasket

__all__ = [
    "PUBLISHED",
    "TAKER_FEE",
    "BasketDecisions",
    "RegularCloses",
    "Signals",
    "TrendBasket",
    "TrendBasketResult",
    "decide",
    "regular_closes",
]
