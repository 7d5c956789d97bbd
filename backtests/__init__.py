"""Systems built on allocopt, and the tools that they share: accounting, sizing, metrics, trades, studies.

Each system's page has its definitions and the published figures that it lands on. What is exported here is what a
study of one's own needs first; the sub-packages hold the rest.
"""

if __name__ != "allocopt.backtests":
    raise ImportError(
        "import this package as allocopt.backtests, not as 'backtests': a second copy would not share its types"
    )

from allocopt.backtests.accounting import Execution, Financing, Ledger, LedgerGrid, account, account_grid
from allocopt.backtests.metrics import Performance, performance
from allocopt.backtests.rotation.engine import RotationData, RotationEngine
from allocopt.backtests.rotation.money import MoneyComparison, compare_money
from allocopt.backtests.rotation.result import RotationResult
from allocopt.backtests.schedules import Calendar, EveryRow, EveryRows, MinimumGap, Schedule, schedule_from
from allocopt.backtests.sector_rotation.data import SectorData
from allocopt.backtests.sector_rotation.specification import SectorRotation
from allocopt.backtests.studies import check_causality, cost_sweep, phase_sweep
from allocopt.backtests.trades import TradeStatistics, trade_statistics
from allocopt.backtests.trend_basket import TrendBasket
from allocopt.backtests.volatility_alpha.specification import VolatilityAlpha

__all__ = [
    "Calendar",
    "EveryRow",
    "EveryRows",
    "Execution",
    "Financing",
    "Ledger",
    "LedgerGrid",
    "MinimumGap",
    "MoneyComparison",
    "Performance",
    "RotationData",
    "RotationEngine",
    "RotationResult",
    "Schedule",
    "SectorData",
    "SectorRotation",
    "TradeStatistics",
    "TrendBasket",
    "VolatilityAlpha",
    "account",
    "account_grid",
    "check_causality",
    "compare_money",
    "cost_sweep",
    "performance",
    "phase_sweep",
    "schedule_from",
    "trade_statistics",
]
