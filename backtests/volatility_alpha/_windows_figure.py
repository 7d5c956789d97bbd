"""The figure of a study of windows. matplotlib is imported when this module is, that is, when a figure is asked for."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from allocopt.backtests.volatility_alpha.window_result import WindowResult

#: Groups of windows by the number of standard deviations that the price ended from its start.
GROUPS: Final = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, np.inf)


def windows_figure(result: WindowResult, n: float, profit_sharing: float) -> Figure:
    """Draw wealth against buy-and-hold by ticker, and the share of windows that beat it by displacement."""
    table = result.cell(n, profit_sharing)
    figure = Figure(figsize=(10.0, 4.2 + 0.24 * len(result.histories)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    years = (result.study.window - 1) / result.study.periods_per_year
    figure.suptitle(
        f"Full ladder, {n:g} rungs to a doubling, profit sharing {profit_sharing:.0%}, beside buy-and-hold\n"
        f"{len(table):,} windows of {years:.3g} years, {len(result.histories)} "
        f"{'history' if len(result.histories) == 1 else 'histories'}",
        fontsize=12,
    )
    groups = [(str(name), group["wealth_ratio"].to_numpy()) for name, group in table.groupby("ticker", sort=False)]
    groups.sort(key=lambda pair: float(np.median(pair[1])))
    left.boxplot(
        [ratios for _, ratios in groups], orientation="horizontal", whis=(5.0, 95.0), showfliers=False, widths=0.6,
        tick_labels=[name for name, _ in groups], patch_artist=True,
        boxprops={"facecolor": "#a9c4e0", "edgecolor": "#0b3c6f"}, medianprops={"color": "black", "linewidth": 1.6},
    )  # fmt: skip
    left.axvline(1.0, color="black", linewidth=1.0, linestyle="--")
    if left.get_xlim()[0] < 0.3:  # far from nothing left, the line would only squeeze the boxes
        left.axvline(0.0, color="black", linewidth=0.6)
    left.set(
        title="Value at the end, by ticker",
        xlabel="Ladder over buy-and-hold (1: equal; below 0: more lost than there was)\n"
        "box: quarters, whiskers: 5 % to 95 % of the windows",
    )
    left.grid(axis="x", alpha=0.3)
    _displacement(right, result, n, profit_sharing)
    return figure


def _displacement(axes: Axes, result: WindowResult, n: float, profit_sharing: float) -> None:
    found = result.by_condition(n, profit_sharing, "displacement", GROUPS)
    rows = np.arange(len(found))
    axes.bar(rows, found["beats"], color="#a9c4e0", edgecolor="#0b3c6f", width=0.75)
    for row, (beats, count) in enumerate(zip(found["beats"], found["windows"], strict=True)):
        axes.annotate(f"{count:,}", (row, beats), xytext=(0, 2), textcoords="offset points", ha="center", fontsize=7)
    names = [str(name).strip("[)").replace(", ", " to ").replace(" to inf", " up") for name in found.index]
    axes.set_xticks(rows, names, rotation=45, ha="right", fontsize=8)
    axes.axhline(0.5, color="black", linewidth=0.8, linestyle="--")
    axes.set(
        title="How often it beats buy-and-hold",
        xlabel="Distance of the last price from the first\n(standard deviations of the window)",
        ylabel="Windows with more than buy-and-hold (%)",
        ylim=(0.0, 1.05),
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    axes.grid(axis="y", alpha=0.3)
