"""The figure of several allocators with money. matplotlib is imported when this module is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from allocopt.backtests.rotation.figures_parts import (
    LINES,
    annotated_table,
    date_axis,
    days,
    money,
    money_axis,
    signed_bars,
    span,
)

if TYPE_CHECKING:
    from allocopt.backtests.rotation.money import MoneyComparison


def money_figure(comparison: MoneyComparison) -> Figure:
    """Show what another allocator changes in money, and where the change comes from.

    Parameters
    ----------
    comparison : MoneyComparison

    Returns
    -------
    Figure
        All in money, after costs. Equity of every allocator; each one's equity less the first's; the difference of the
        heuristic and the chosen projection by cause; and the second allocator's P&L less the first's by profile and
        regime, whose cells sum to the difference.
    """
    figure = Figure(figsize=(10.0, 11.5), layout="constrained")
    grid = figure.add_gridspec(3, 2, height_ratios=(1.25, 1.0, 1.35), width_ratios=(1.0, 1.35))
    top = figure.add_subplot(grid[0, :])
    middle = figure.add_subplot(grid[1, :], sharex=top)
    left, right = figure.add_subplot(grid[2, 0]), figure.add_subplot(grid[2, 1])
    labels = list(comparison.results)
    first, second = labels[:2]
    figure.suptitle(f"{', '.join(labels)}: the same signals, sizes and accounts, {span(comparison.signals.dates)}")
    _equities(top, comparison)
    _differences(middle, comparison)
    date_axis(middle, comparison.signals.dates)
    top.tick_params(labelbottom=False)
    causes = comparison.causes()
    signed_bars(left, [str(name) for name in causes.index], causes)
    left.axhline(len(causes) - 1.5, color="black", linewidth=0.8, linestyle=":")
    left.set(xlabel="Difference of P&L (money)", ylabel="Cause")
    left.set_title(f"{comparison.comparison.chosen} less heuristic, by cause", fontsize=11)
    annotated_table(right, comparison.by_profile_and_regime(), "Difference of P&L (money)", short=True)
    right.set_title(f"{second} less {first}, by profile and regime", fontsize=11)
    return figure


def _equities(axes: Axes, comparison: MoneyComparison) -> None:
    for number, (label, result) in enumerate(comparison.results.items()):
        colour, style, width = LINES[number % len(LINES)]
        equity = result.ledger.equity
        axes.plot(days(equity.index), equity.to_numpy(), color=colour, linestyle=style, linewidth=width,
                  label=f"{label}: P&L {money(equity.iloc[-1] - result.ledger.capital, signed=True)}")  # fmt: skip
    money_axis(axes.yaxis, comparison.results[comparison.baseline].ledger.capital)
    axes.set_ylabel("Equity (money)")
    axes.set_title("Equity after costs", fontsize=11, loc="left")
    axes.legend(loc="upper left", frameon=False, fontsize=9)
    axes.grid(alpha=0.3)


def _differences(axes: Axes, comparison: MoneyComparison) -> None:
    base = comparison.results[comparison.baseline].ledger.equity
    largest = 0.0
    for number, (label, result) in enumerate(comparison.results.items()):
        if label == comparison.baseline:
            continue
        colour, style, width = LINES[number % len(LINES)]
        shared = base.index.intersection(result.ledger.equity.index)  # accounts end early in a bankruptcy
        gap = result.ledger.equity.loc[shared] - base.loc[shared]
        largest = max(largest, float(gap.abs().max()))
        axes.plot(days(shared), gap.to_numpy(), color=colour, linestyle=style, linewidth=width,
                  label=f"{label}: {money(gap.iloc[-1], signed=True)} at the end")  # fmt: skip
    axes.axhline(0.0, color="black", linewidth=0.8)
    money_axis(axes.yaxis, largest)
    axes.set_ylabel("Difference of equity (money)")
    axes.set_title(f"Equity less that of {comparison.baseline}", fontsize=11, loc="left")
    axes.legend(loc="best", frameon=False, fontsize=9)
    axes.grid(alpha=0.3)
