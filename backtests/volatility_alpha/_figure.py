"""The figure of a comparison. matplotlib is imported when this module is, that is, when a figure is asked for."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import Locator, PercentFormatter

from allocopt.backtests.volatility_alpha.comparison import VolatilityAlphaComparison, below_high

#: Colour, dash and width of each run: they differ in lightness and in dash, so grey paper shows them apart.
_LINES: Final = {
    "full": ("#0b3c6f", "-", 1.8),
    "ath_only": ("#c8641c", "--", 1.5),
    "ath_sell": ("#3f9a7c", "-.", 1.5),
    "buy_and_hold": ("#8a8a8a", ":", 2.0),
}
_WORDS: Final = {"full": "Full", "ath_only": "ATH-only", "ath_sell": "ATH-sell", "buy_and_hold": "Buy-and-hold"}
_PARTS: Final = {
    "realised_initial": ("#0b3c6f", ""),
    "unrealised_initial": ("#a9c4e0", ""),
    "realised_lots": ("#c8641c", "////"),
    "unrealised_lots": ("#f4d3bb", "...."),
    "interest": ("#7d7d7d", "xxxx"),
    "fees": ("#d0d0d0", "||||"),
}
_PART_WORDS: Final = {
    "realised_initial": "First purchase, realised",
    "unrealised_initial": "First purchase, unrealised",
    "realised_lots": "Buybacks, realised",
    "unrealised_lots": "Buybacks, unrealised",
    "interest": "Interest",
    "fees": "Fees",
}
#: A longer run is drawn at about this many dates: more would be finer than a pixel.
_POINTS: Final = 1500


def comparison_figure(comparison: VolatilityAlphaComparison) -> Figure:
    """Draw the value and the drawdown of each run, what is in the bank, and the profit by part."""
    figure = Figure(figsize=(10.0, 11.0), layout="constrained")
    value, below, bank, parts = figure.subplots(4, 1, height_ratios=(3, 1.6, 1.6, 1.8))
    dates = pd.DatetimeIndex(comparison.results["buy_and_hold"].equity.index)
    figure.suptitle(
        f"Ladder {comparison.ladder.name} beside buy-and-hold, {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}",
        fontsize=12,
    )
    for name, result in comparison.results.items():
        colour, dash, width = _LINES[name]
        step = max(1, len(result.equity) // _POINTS)
        rows = np.unique(np.append(np.arange(0, len(result.equity), step), len(result.equity) - 1))
        days = _days(pd.DatetimeIndex(result.equity.index)[rows])
        told = f"{_WORDS[name]}: {result.total_return:+.1%}" + ("" if result.ruined is None else ", ruined")
        multiples = (result.equity / result.start_value).to_numpy()[rows]
        value.plot(days, multiples, color=colour, linestyle=dash, linewidth=width, label=told)
        # The deepest of each group of dates, so that none is lost between two points.
        depth = np.maximum.reduceat(below_high(result).to_numpy(), rows)
        below.plot(days, -depth, color=colour, linestyle=dash, linewidth=width)
        cash = (result.bank / result.start_value).to_numpy()[rows]
        bank.plot(days, cash, color=colour, linestyle=dash, linewidth=width, drawstyle="steps-post")
        if result.ruined is not None:
            value.plot(days[-1:], multiples[-1:], marker="X", markersize=9, color=colour, clip_on=False)
    value.set(title="Value of shares and bank", ylabel="Multiple of the start")
    lowest = min(float(result.equity.min()) for result in comparison.results.values())
    ratio = max(float(result.equity.max() / result.start_value) for result in comparison.results.values())
    if lowest > 0.0 and ratio > 4.0:
        value.set_yscale("log")
        value.set_ylabel("Multiple of the start (log scale)")
        value.yaxis.set_major_formatter("{x:g}")
        value.yaxis.set_minor_formatter("{x:g}")
        value.tick_params(axis="y", which="minor", labelsize=7)
    value.legend(frameon=False, fontsize=9, loc="upper left")
    below.set(title="Drawdown", ylabel="Below the high (%)")
    below.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    bank.set(title="Bank (below 0: owed)", ylabel="Cash (% of the start)")
    bank.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    bank.axhline(0.0, color="black", linewidth=0.8)
    for axes in (value, below, bank):
        locator: Locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.set_xlim(_days(dates[[0]])[0], _days(dates[[-1]])[0])
        axes.grid(alpha=0.3)
    _profit(parts, comparison.table)
    return figure


def _profit(axes: Axes, table: pd.DataFrame) -> None:
    """Stacked bars by part, gains to the right and losses to the left, the sum as a mark."""
    names = list(table.index)[::-1]
    rows = np.arange(len(names))
    right, left = np.zeros(len(names)), np.zeros(len(names))
    for part, (colour, hatch) in _PARTS.items():
        width = table.loc[names, part].to_numpy(dtype=np.float64)
        if not width.any():
            continue
        base = np.where(width >= 0.0, right, left)
        axes.barh(
            rows, width, left=base, height=0.62, color=colour, hatch=hatch, edgecolor="black", linewidth=0.5,
            label=_PART_WORDS[part],
        )  # fmt: skip
        right += np.maximum(width, 0.0)
        left += np.minimum(width, 0.0)
    axes.plot(table.loc[names, "total_return"], rows, "D", color="white", markeredgecolor="black", label="Total return")
    axes.set_yticks(rows, [_WORDS[name] for name in names])
    axes.set(title="Profit by part", xlabel="% of the start value")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.45, -0.28))
    axes.grid(axis="x", alpha=0.3)


def _days(dates: pd.DatetimeIndex) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    return dates.tz_localize(None).to_numpy()
