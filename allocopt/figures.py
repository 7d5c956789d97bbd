"""Figures of a comparison. matplotlib is imported when this module is, that is, when a figure is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from allocopt.comparison import Comparison

if TYPE_CHECKING:
    from collections.abc import Sequence

# Okabe and Ito's colours: distinct for every kind of colour vision, and in grey they differ in lightness.
_PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
_CASH = "#D9D9D9"
_HEURISTIC = "#D55E00"
_CONVEX = "#0072B2"

#: A longer history is drawn as means of about this many groups of dates; single dates would be thinner than a pixel.
_GROUPS = 250


def comparison_figure(comparison: Comparison) -> Figure:
    """Draw three panels: the largest weight of each date, where the capital goes, and the causes of the difference."""
    figure = Figure(figsize=(10.0, 10.5), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, height_ratios=(3, 3.2, 2))
    dates, sleeves = comparison.desirability.shape
    span = _span(comparison.desirability.index)
    figure.suptitle(
        f"Heuristic and convex allocation, {dates:,} dates{span}, {sleeves} sleeves\n"
        f"cap {comparison.limits.cap:.0%}, floor {comparison.limits.floor:.0%}, budget {comparison.limits.budget:.0%}",
        fontsize=12,
    )
    if dates:
        _largest_weight(top, comparison)
        _capital(middle, comparison)
    _causes(bottom, comparison)
    return figure


def _span(index: pd.Index) -> str:
    if isinstance(index, pd.DatetimeIndex) and len(index):
        return f" from {index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}"
    return ""


def _largest_weight(axes: Axes, comparison: Comparison) -> None:
    """Share of dates by largest weight: what each allocator does at the cap, over all dates."""
    cap = comparison.limits.cap
    styles = {"heuristic": (_HEURISTIC, "-", 1.8)}
    for number, (label, result) in enumerate(comparison.allocations.items()):
        colour, line, width = styles.get(label, (_PALETTE[number % len(_PALETTE)], ("--", "-.", ":")[number % 3], 1.8))
        largest = np.sort(result.weights.to_numpy().max(axis=1))[::-1]
        share = np.arange(1, len(largest) + 1) / len(largest)
        over = float((largest > cap).mean())
        axes.step(share, largest, where="pre", color=colour, linestyle=line, linewidth=width,
                  label=f"{label}: over the cap on {over:.1%} of dates")  # fmt: skip
    axes.axhline(cap, color="black", linewidth=0.8)
    axes.annotate("cap", (1.0, cap), xytext=(-4, 4), textcoords="offset points", ha="right", fontsize=9)
    axes.set(
        title="Largest weight of a date, dates in descending order",
        xlabel="Share of dates",
        ylabel="Largest weight (% of capital)",
        xlim=(0.0, 1.0),
    )
    axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))  # not from zero: what happens at the cap is small
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.legend(frameon=False, loc="lower left", fontsize=9)
    axes.grid(alpha=0.25)


def _capital(axes: Axes, comparison: Comparison) -> None:
    """Weights of the chosen projection over time, stacked, the rest as cash."""
    result = comparison.allocations.get(comparison.chosen)
    weights = comparison.chain[-1] if result is None else result.weights
    grouped, size = _grouped(weights)
    cash = 1.0 - grouped.sum(axis=1)
    columns: Sequence[object] = [*grouped.columns, "cash"]
    colours = [_PALETTE[i % len(_PALETTE)] for i in range(grouped.shape[1])] + [_CASH]
    axes.stackplot(
        grouped.index, *grouped.to_numpy().T, cash.to_numpy(), colors=colours, labels=[str(c) for c in columns],
        linewidth=0.0,
    )  # fmt: skip
    mean = "" if size == 1 else f", means of {size} dates"
    axes.set(
        title=f"Composition by the {comparison.chosen} projection{mean}",
        ylabel="Weight (% of capital)",
        ylim=(0.0, 1.0),
    )
    if not isinstance(grouped.index, pd.DatetimeIndex):
        axes.set_xlabel("Date (row number)")
    axes.margins(x=0.0)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    if len(columns) <= 14:  # more colours than a legend can tell apart
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9, reverse=True)


def _grouped(weights: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    size = max(1, -(-len(weights) // _GROUPS))
    if size == 1:
        return weights, 1
    groups = np.arange(len(weights)) // size
    means = weights.groupby(groups).mean()
    means.index = weights.index[::size]
    return means, size


def _causes(axes: Axes, comparison: Comparison) -> None:
    """Mean difference of heuristic and projection by cause; the bars add up to the last one."""
    causes = comparison.causes()
    labels = [str(name) for name in causes.index]
    bars = axes.barh(labels[::-1], causes.to_numpy()[::-1], color=["#7F7F7F", _CONVEX, "#E69F00", _HEURISTIC])
    axes.bar_label(bars, labels=[f"{value:.4f}" for value in causes.to_numpy()[::-1]], padding=4, fontsize=9)
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.margins(x=0.15)
    axes.set(
        title=f"What the difference heuristic to {comparison.chosen} is made of",
        xlabel="Mean over dates of the Euclidean distance between the two, in weight (1 = all capital)",
    )
    axes.grid(axis="x", alpha=0.25)
