"""The figure of a report. matplotlib is imported when this module is, that is, when a figure is asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import Locator, PercentFormatter

from allocopt.backtests.trend_basket.result import TrendBasketResult

# They differ in lightness, and each has a hatch of its own: the figure can be read in black and white.
_SHADES = ("#1f3b57", "#9cc3e6", "#5d8aa8", "#d9e6f2")
_HATCHES = ("", "////", "....", "xxxx")

#: A longer run is drawn at about this many dates: more would be finer than a pixel.
_POINTS = 2400


def report_figure(result: TrendBasketResult) -> Figure:
    """Draw the equity, its drawdown, and what was executed of each coin."""
    figure = Figure(figsize=(10.0, 8.5), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1.4, 1.8))
    step = max(1, len(result.equity) // _POINTS)
    total, below = result.metrics["total_return"], result.metrics["max_drawdown"]
    dates = pd.DatetimeIndex(result.equity.index)
    name = result.basket.name
    half = name.rfind("-", 0, len(name) // 2 + 8)
    figure.suptitle(f"{name[:half]}\n{name[half:].removeprefix('-')}", fontsize=10, family="monospace")
    _equity(top, result.equity, step)
    top.set_title(
        f"Return {total:.1%} after leverage and fees, {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}, in sample",
        fontsize=11, loc="left",
    )  # fmt: skip
    _drawdown(middle, result.equity, step)
    middle.set_title(f"Drawdown, at most {below:.1%}", fontsize=11, loc="left")
    _exposure(bottom, result.executed, step, result.basket.exposure)
    locator: Locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    bottom.xaxis.set_major_locator(locator)
    bottom.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    bottom.set_xlabel("Date" + (" (UTC)" if dates.tz is not None else ""))
    bottom.set_xlim(_days(dates[[0]])[0], _days(dates[[-1]])[0])
    return figure


def _equity(axes: Axes, equity: pd.Series[float], step: int) -> None:
    axes.plot(_days(equity.index[::step]), equity.to_numpy()[::step], color="black", linewidth=1.0)
    axes.set_ylabel("Value (multiple of the capital)")
    axes.grid(alpha=0.3)


def _drawdown(axes: Axes, equity: pd.Series[float], step: int) -> None:
    """Deepest drawdown of each group of bars, so that none is lost between two points."""
    below = equity.to_numpy() / np.maximum.accumulate(equity.to_numpy()) - 1.0
    starts = np.arange(0, len(below), step)
    axes.fill_between(_days(equity.index[::step]), np.minimum.reduceat(below, starts), 0.0, color="#777777", lw=0)
    axes.set_ylabel("Below the peak (%)")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    axes.set_ylim(top=0.0)
    axes.grid(alpha=0.3)


def _exposure(axes: Axes, executed: pd.DataFrame, step: int, most: float) -> None:
    dates = _days(executed.index[::step])
    stacks = axes.stackplot(
        dates, executed.to_numpy()[::step].T, labels=list(map(str, executed.columns)), step="post", linewidth=0,
        colors=[_SHADES[i % len(_SHADES)] for i in range(executed.shape[1])],
    )  # fmt: skip
    for number, stack in enumerate(stacks):
        stack.set_hatch(_HATCHES[number % len(_HATCHES)])
        stack.set_edgecolor("black" if number else _SHADES[0])
    axes.set_title("Executed weight of each coin, before leverage", fontsize=11, loc="left")
    axes.set_ylabel("Weight (% of the capital)")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    axes.set_ylim(0.0, max(1.25 * most, 1e-9))
    axes.legend(loc="upper right", ncols=4, frameon=False, fontsize=9, borderaxespad=0.1)
    axes.grid(alpha=0.3)


def _days(dates: pd.Index) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    return pd.DatetimeIndex(dates).tz_localize(None).to_numpy()
