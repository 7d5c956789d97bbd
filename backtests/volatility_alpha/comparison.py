"""The ladder's variants and buy-and-hold on the same bars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day
from allocopt.backtests.metrics import drawdowns
from allocopt.backtests.volatility_alpha._raw import Bars
from allocopt.backtests.volatility_alpha._run import run_ladder
from allocopt.backtests.volatility_alpha.result import VolatilityAlphaResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from allocopt.backtests.volatility_alpha.specification import VolatilityAlpha

BUY_AND_HOLD: Final = "buy_and_hold"


@dataclass(frozen=True, eq=False, repr=False)
class VolatilityAlphaComparison:
    """What `VolatilityAlpha.compare` gives: four runs from one purchase, and their figures side by side.

    Attributes
    ----------
    ladder : VolatilityAlpha
        The parameters; only the variant differs between the runs.
    results : mapping of str to VolatilityAlphaResult
        ``full``, ``ath_only``, ``ath_sell``, and ``buy_and_hold`` (a ladder without orders).
    """

    ladder: VolatilityAlpha
    results: Mapping[str, VolatilityAlphaResult]

    @property
    def table(self) -> pd.DataFrame:
        """One row a run; decimals of the start value, where it is no count.

        ``total_return``; ``max_drawdown`` (positive, of the value at its high); ``under_water`` (share of dates below
        the high); ``longest_under_water`` (days of the calendar from a high to the date that is at it again, or the
        last); ``minimum_bank`` (lowest after any booking); ``realised_lots``, ``unrealised_lots`` (profit of the
        buybacks: unwound, and at the last close); ``realised_initial``, ``unrealised_initial`` (of the shares bought
        first); ``interest``, ``fees``; ``buys`` (the first among them), ``sells``; ``ruined`` (date or NaT).
        """
        rows = {name: _figures(result) for name, result in self.results.items()}
        return pd.DataFrame.from_dict(rows, orient="index").astype({"buys": int, "sells": int})

    def figure(self) -> Figure:
        """Draw value, drawdown, bank, and profit by part; matplotlib is imported here.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from allocopt.backtests.volatility_alpha._figure import comparison_figure

        return comparison_figure(self)

    def __repr__(self) -> str:
        """Name, dates, and the four returns."""
        dates = self.results["full"].equity.index
        found = ", ".join(f"{name} {result.total_return:.2%}" for name, result in self.results.items())
        return f"VolatilityAlphaComparison({self.ladder.name} from {day(dates[0])}: {found})"


def compare_variants(
    ladder: VolatilityAlpha, bars: Bars, shares: float | None, capital: float | None
) -> VolatilityAlphaComparison:
    """Run the three variants and buy-and-hold."""
    ladders = {name: ladder.with_variant(name) for name in ("full", "ath_only", "ath_sell")}
    ladders[BUY_AND_HOLD] = replace(ladder, profit_sharing=0.0, variant="full")
    runs = {name: run_ladder(one, bars, shares, capital) for name, one in ladders.items()}
    return VolatilityAlphaComparison(ladder, runs)


def below_high(result: VolatilityAlphaResult) -> pd.Series[float]:
    """Drawdown on each date, a positive decimal of the high; above 1 where more than all is lost."""
    values = result.equity.to_numpy()
    return pd.Series(1.0 - values / np.maximum.accumulate(values), index=result.equity.index)


def _figures(result: VolatilityAlphaResult) -> dict[str, object]:
    below = below_high(result)
    solvent = result.equity if result.ruined is None else result.equity.iloc[:-1]
    longest = drawdowns(solvent)["time_under_water"].max() if len(solvent) > 1 else pd.Timedelta(0)
    start = result.start_value
    return {
        "total_return": result.total_return,
        "max_drawdown": float(below.max()),
        "under_water": float((below > 0.0).mean()),
        "longest_under_water": 0 if pd.isna(longest) else pd.Timedelta(longest).days,
        "minimum_bank": result.minimum_bank / start,
        **{str(name): value / start for name, value in result.profit.items()},
        "buys": result.buys,
        "sells": result.sells,
        "ruined": pd.NaT if result.ruined is None else result.ruined,
    }
