"""Sizing after the allocation: leverage policies and volatility targets scale the exposure, not the composition.

A `LeveragePolicy` turns a volatility index or realised volatility into one exposure a date. A `VolatilityTarget` scales
decided weights by the trailing volatility of the book. Everything is decided on row t with what is known at its close;
only the accounting shifts.
"""

from allocopt.backtests.overlays.exposure import Exposure
from allocopt.backtests.overlays.leverage import Fixed, LeveragePolicy, RealizedVolHalving
from allocopt.backtests.overlays.volatility_index import VixFineSteps, VixInverse, VixSteps
from allocopt.backtests.overlays.volatility_scaling import DeliveredVolatility, VolatilityScaling
from allocopt.backtests.overlays.volatility_target import VolatilityTarget

__all__ = [
    "DeliveredVolatility",
    "Exposure",
    "Fixed",
    "LeveragePolicy",
    "RealizedVolHalving",
    "VixFineSteps",
    "VixInverse",
    "VixSteps",
    "VolatilityScaling",
    "VolatilityTarget",
]
