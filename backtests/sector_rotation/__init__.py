"""Sector rotation by momentum, levered by a policy, on the common accounting; its published experiment, and research.

`SectorRotation` is one configuration, `Experiment` a file of many, and `RESEARCH` the questions that were left open.
"""

from allocopt.backtests.sector_rotation._settings import rotation_from_settings
from allocopt.backtests.sector_rotation.comparison import Comparison, ResearchTable, comparison
from allocopt.backtests.sector_rotation.data import SectorData, wide_closes
from allocopt.backtests.sector_rotation.decisions import SectorDecisions, decide
from allocopt.backtests.sector_rotation.experiment import Cell, Experiment
from allocopt.backtests.sector_rotation.research import (
    LEVERAGE_RULES,
    RESEARCH,
    bear_market,
    leverage_rules,
    limits_compared,
    look_backs,
    vix_thresholds,
    weightings,
)
from allocopt.backtests.sector_rotation.result import SectorRotationResult, original_figures
from allocopt.backtests.sector_rotation.specification import SECTOR_COSTS, SECTORS, SectorRotation
from allocopt.backtests.sector_rotation.study import StudyResult, run_experiment, sector_cell
from allocopt.backtests.sector_rotation.weighting import (
    EqualWeighting,
    InverseCorrelation,
    InverseVolatility,
    MomentumWeighting,
    Weighting,
    weighting_from,
)

__all__ = [
    "LEVERAGE_RULES",
    "RESEARCH",
    "SECTORS",
    "SECTOR_COSTS",
    "Cell",
    "Comparison",
    "EqualWeighting",
    "Experiment",
    "InverseCorrelation",
    "InverseVolatility",
    "MomentumWeighting",
    "ResearchTable",
    "SectorData",
    "SectorDecisions",
    "SectorRotation",
    "SectorRotationResult",
    "StudyResult",
    "Weighting",
    "bear_market",
    "comparison",
    "decide",
    "leverage_rules",
    "limits_compared",
    "look_backs",
    "original_figures",
    "rotation_from_settings",
    "run_experiment",
    "sector_cell",
    "vix_thresholds",
    "weighting_from",
    "weightings",
    "wide_closes",
]
