"""Figures of a cross-validated search. matplotlib is imported when this module is, that is, when a figure is asked for.

They are drawn on `matplotlib.figure.Figure` itself: no window, no global state. Dark, light, hatches and line styles
tell things apart without colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from allocopt.backtests.statistics.overfitting_result import BacktestOverfitting

_DARK, _LIGHT = "#1f3b57", "#f2c9a1"
#: More points than this are drawn as a sample at even steps: more would be one blot.
_POINTS: Final = 2000
_SIZE: Final = (6.4, 4.6)


def logit_figure(result: BacktestOverfitting) -> Figure:
    """Draw the histogram of the logits: what is left of 0 is overfitting."""
    return _alone(result, _logits)


def degradation_figure(result: BacktestOverfitting) -> Figure:
    """Draw performance out of sample against that in sample, with the fitted line."""
    return _alone(result, _degradation)


def dominance_figure(result: BacktestOverfitting) -> Figure:
    """Draw the distribution of performance out of sample of the selected trial and of one drawn at random."""
    return _alone(result, _dominance)


def overfitting_figure(result: BacktestOverfitting) -> Figure:
    """Draw all three side by side."""
    figure = Figure(figsize=(15.0, 4.8), layout="constrained")
    for axes, draw in zip(figure.subplots(1, 3), (_logits, _degradation, _dominance), strict=True):
        draw(axes, result)
    figure.suptitle(
        f"{result.trials} trials, {len(result.splits):,} splits, {result.blocks['first'].iloc[0]:%Y-%m-%d} to "
        f"{result.blocks['last'].iloc[-1]:%Y-%m-%d}",
        fontsize=11,
    )
    return figure


def _alone(result: BacktestOverfitting, draw: Callable[[Axes, BacktestOverfitting], None]) -> Figure:
    figure = Figure(figsize=_SIZE, layout="constrained")
    draw(figure.subplots(), result)
    return figure


def _logits(axes: Axes, result: BacktestOverfitting) -> None:
    logits = result.splits["logit"].to_numpy(dtype=np.float64)
    low, high = min(float(logits.min()), 0.0), max(float(logits.max()), 0.0)
    step = ((high - low) or 1.0) / 40
    # Edges at 0, and just right of it: a logit of exactly 0 belongs to the left.
    left = np.arange(-math.ceil(-low / step) - 1, 1) * step
    right = np.arange(0, math.ceil(high / step) + 2) * step
    at_most = logits[logits <= 0.0]
    weights = np.full(len(logits), 1.0 / len(logits))
    axes.hist(
        at_most, bins=left.tolist(), weights=weights[: len(at_most)], color=_LIGHT, hatch="////",
        label=f"at or below the median: {100.0 * result.probability:.1f} %", edgecolor="black", linewidth=0.5,
    )  # fmt: skip
    above = logits[logits > 0.0]
    axes.hist(
        above, bins=right.tolist(), weights=weights[: len(above)], color=_DARK,
        label=f"above the median: {100.0 * (1.0 - result.probability):.1f} %", edgecolor="black", linewidth=0.5,
    )  # fmt: skip
    axes.axvline(0.0, color="black", linewidth=1.2)
    axes.set_title(f"Probability of backtest overfitting {result.probability:.2f}", fontsize=11, loc="left")
    axes.set_xlabel("Logit of the rank out of sample of the trial that is best in sample")
    axes.set_ylabel("Share of splits (%)")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    _room_for_legend(axes)


def _degradation(axes: Axes, result: BacktestOverfitting) -> None:
    step = math.ceil(len(result.splits) / _POINTS)
    some = result.splits.iloc[::step]
    inside, outside = some["in_sample"].to_numpy(), some["out_of_sample"].to_numpy()
    lost = outside < result.loss_below
    axes.scatter(inside[~lost], outside[~lost], s=12, marker="o", color=_DARK, alpha=0.5, linewidths=0)
    axes.scatter(inside[lost], outside[lost], s=14, marker="x", color="black", alpha=0.7, linewidths=0.8)
    everyone = result.splits["in_sample"].to_numpy()
    ends = np.array([everyone.min(), everyone.max()])
    fit = result.degradation
    if not math.isnan(fit["slope"]):
        axes.plot(ends, fit["intercept"] + fit["slope"] * ends, color="white", linewidth=4.0)
        axes.plot(
            ends, fit["intercept"] + fit["slope"] * ends, color="black", linewidth=1.8, linestyle="--",
            label=f"slope {fit['slope']:.2f}, R² {fit['r_squared']:.2f}",
        )  # fmt: skip
    axes.axhline(result.loss_below, color="black", linewidth=0.8)
    axes.set_title(
        f"Below {result.loss_below:g} out of sample (x): {100.0 * result.probability_of_loss:.1f} % of splits",
        fontsize=11, loc="left",
    )  # fmt: skip
    unit = " a year" if result.metric == "Sharpe ratio" else ""
    axes.set_xlabel(f"{result.metric} in sample{unit}")
    axes.set_ylabel(f"{result.metric} out of sample{unit}")
    axes.grid(alpha=0.3)
    if not math.isnan(fit["slope"]):
        _room_for_legend(axes)


def _dominance(axes: Axes, result: BacktestOverfitting) -> None:
    levels = result.levels.index.to_numpy(dtype=np.float64)
    axes.plot(levels, result.levels["any"], color="black", linewidth=1.4, linestyle="--", label="drawn at random")
    axes.plot(levels, result.levels["selected"], color=_DARK, linewidth=2.2, label="best in sample")
    worse = (result.levels["selected"] > result.levels["any"] + 1e-12).to_numpy()
    axes.fill_between(
        levels, result.levels["any"], result.levels["selected"], where=worse.tolist(), facecolor=_LIGHT, hatch="////",
        edgecolor="black", linewidth=0.0, label="selection does worse" if result.largest_violation >= 0.005 else None,
    )  # fmt: skip
    first, second = ("yes" if f else "no" for f in (result.dominates_first_order, result.dominates_second_order))
    axes.set_title(f"Dominance: first order {first}, second order {second}", fontsize=11, loc="left")
    unit = " a year" if result.metric == "Sharpe ratio" else ""
    axes.set_xlabel(f"{result.metric} out of sample{unit}")
    axes.set_ylabel("Share of splits below it (%)")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", frameon=True, fontsize=9)


def _room_for_legend(axes: Axes) -> None:
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.2 * (high - low))
    axes.legend(loc="upper right", frameon=True, fontsize=9)
