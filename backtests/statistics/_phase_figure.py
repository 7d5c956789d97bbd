"""The figure of the luck of the phase. matplotlib is imported when this module is, when a figure is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from allocopt.backtests.statistics.phase_luck import PhaseLuck


def phase_figure(luck: PhaseLuck) -> Figure:
    """Draw a dot a phase, in the order of the phases; the chosen one larger and labelled."""
    figure = Figure(figsize=(8.0, 4.0), layout="constrained")
    axes = figure.subplots()
    values = luck.figures.to_numpy()
    places = np.arange(len(values))
    error = luck.standard_error
    axes.axhspan(
        luck.median - error, luck.median + error, color="#d9e6f2", lw=0, label="median, one standard error of timing"
    )
    axes.axhline(luck.median, color="#5d8aa8", lw=1.0)
    axes.axhline(
        luck.expected_best, color="black", lw=0.8, ls=":", label=f"expected best of {len(values)} equal phases"
    )
    axes.plot(places, values, "o", color="#1f3b57", ms=5)
    at = places[luck.figures.index == luck.chosen]
    axes.plot(at, [luck.value], "D", mfc="white", mec="black", ms=10, label=f"chosen: {luck.chosen}")
    axes.set_title(
        f"Luck of the phase: {luck.luck:+.4g} against the median, rank {luck.rank} of {len(values)}",
        fontsize=11, loc="left",
    )  # fmt: skip
    axes.set_ylabel(luck.metric)
    axes.set_xlabel(str(luck.figures.index.name or "phase"))
    if len(values) <= 40:
        axes.set_xticks(places, [str(label) for label in luck.figures.index], rotation=90 if len(values) > 8 else 0)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8, loc="best")
    return figure
