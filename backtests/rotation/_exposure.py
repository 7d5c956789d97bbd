"""How large the book is: the halving rule and a leverage policy, multiplied."""

from __future__ import annotations

import pandas as pd

from allocopt.backtests.overlays import Exposure, LeveragePolicy, RealizedVolHalving
from allocopt.backtests.rotation.signals import RotationSignals


def exposure_of(
    threshold: float | None,
    factor: float,
    leverage: LeveragePolicy | None,
    volatility_index: pd.Series[float] | None,
    signals: RotationSignals,
) -> tuple[pd.Series[float], tuple[Exposure, ...]]:
    """Factor on the weights of each date, and what each policy decided."""
    dates, realized = signals.dates, signals.features["rv20"]
    policies: list[Exposure] = []
    if threshold is not None:
        policies.append(RealizedVolHalving(threshold, factor).exposure(dates, realized_volatility=realized))
    if leverage is not None:
        policies.append(leverage.exposure(dates, volatility_index=volatility_index, realized_volatility=realized))
    total = pd.Series(1.0, index=dates, name="exposure")
    for policy in policies:
        total = total * policy.decided
    return total.rename("exposure"), tuple(policies)
