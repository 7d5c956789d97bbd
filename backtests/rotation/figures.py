"""Figures of the rotation engine. matplotlib is imported when this module is, that is, when a figure is asked for.

They are drawn on `matplotlib.figure.Figure` itself: no window, no global state; save one with ``figure.savefig``.
Lightness, hatches, line styles and printed numbers carry what colour does, so that they can be read in black and white.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from allocopt.backtests.rotation.figures_parts import (
    DARK,
    annotated_table,
    binned,
    date_axis,
    days,
    edges,
    money,
    money_axis,
    pattern,
    profile_label,
    regime_label,
    signed_bars,
    span,
)
from allocopt.backtests.rotation.result import RotationResult


def portfolio_figure(result: RotationResult) -> Figure:
    """Show what the book earned and how far it fell: P&L in money, and the drawdown in percent below it.

    Parameters
    ----------
    result : RotationResult

    Returns
    -------
    Figure
        Above, equity less the capital at the start, after all costs, money. Below, equity under its highest value so
        far, percent. Every row is drawn.
    """
    figure = Figure(figsize=(10.0, 6.5), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1.0))
    ledger = result.ledger
    pnl = ledger.equity - ledger.capital
    top.plot(days(ledger.dates), pnl.to_numpy(), color="black", linewidth=1.0)
    top.axhline(0.0, color="black", linewidth=0.6)
    money_axis(top.yaxis, pnl.to_numpy())
    top.set_ylabel(f"P&L (money; capital {money(ledger.capital)})")
    title = (
        f"{_name(result)}: P&L {money(pnl.iloc[-1], signed=True)}, {pnl.iloc[-1] / ledger.capital:+.1%} after costs, "
    )
    if result.bankrupt is None:
        error = result.performance.sharpe_standard_error
        spread = "" if error is None else f" (standard error {error:.2f})"
        title += f"annual Sharpe ratio {result.performance.sharpe:.2f}{spread}"
    else:
        title += f"bankrupt on {result.bankrupt:%Y-%m-%d}"
    top.set_title(
        title,
        fontsize=11,
        loc="left",
    )
    below = ledger.equity / ledger.equity.cummax() - 1.0
    bottom.fill_between(days(ledger.dates), below.to_numpy(), 0.0, color="#777777", linewidth=0)
    bottom.set_title(f"Drawdown, at most {-below.min():.1%}", fontsize=11, loc="left")
    bottom.set_ylabel("Below the peak (%)")
    bottom.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    bottom.set_ylim(top=0.0)
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
    date_axis(bottom, ledger.dates)
    return figure


def allocation_heatmap(result: RotationResult) -> Figure:
    """Show which profile the allocator wanted when: decided weights, profiles by time, darker for more.

    Parameters
    ----------
    result : RotationResult

    Returns
    -------
    Figure
        Weights in percent of the capital, before exposure; above 150 dates as means of weeks, above 160 weeks of months
        (the title says which). Each profile's name comes with its mean weight over all dates.
    """
    weights = result.allocations
    means, kind = binned(weights)
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    axes = figure.subplots()
    top = max(result.allocation.limits.cap, float(means.to_numpy().max()))
    mesh = axes.pcolormesh(
        edges(means.index, weights.index), np.arange(means.shape[1] + 1) - 0.5, means.to_numpy().T,
        cmap="Blues", vmin=0.0, vmax=top,
    )  # fmt: skip
    names = [f"{profile_label(name)}\nmean {weights[name].mean():.1%}" for name in weights.columns]
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.invert_yaxis()
    axes.set_ylabel("Profile")
    axes.set_title(f"{_name(result)}: decided weights, {kind}", fontsize=11, loc="left")
    axes.hlines(np.arange(1, len(names)) - 0.5, *axes.get_xlim(), color="black", linewidth=0.5)
    bar = figure.colorbar(mesh, ax=axes, pad=0.01, format=PercentFormatter(1.0, decimals=0, symbol=""))
    bar.set_label("Weight (% of the capital)")
    date_axis(axes, weights.index)
    return figure


def attribution_figure(result: RotationResult) -> Figure:
    """Show where the P&L came from: by profile, by the regime it was decided in, and by both.

    Parameters
    ----------
    result : RotationResult

    Returns
    -------
    Figure
        Money, after the profiles' own costs and the cost of rotating. Bars and cells each sum to the P&L of the book;
        interest, where there is any, has a row of its own: cash.
    """
    parts, ledger = result.attribution, result.ledger
    table = parts.by_sleeve_and_regime
    assert table is not None
    figure = Figure(figsize=(10.0, 8.0), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1.0, 1.15))
    left, right, below = (figure.add_subplot(cell) for cell in (grid[0, 0], grid[0, 1], grid[1, :]))
    figure.suptitle(
        f"{_name(result)}: P&L {money(parts.total, signed=True)} on a capital of {money(ledger.capital)}, after costs",
        fontsize=11,
    )
    signed_bars(left, [profile_label(name) for name in table.index], result.attribution_by_profile)
    left.set(title="By profile", xlabel="P&L (money)", ylabel="Profile")
    signed_bars(right, [regime_label(name) for name in table.columns], result.attribution_by_regime)
    right.set(title="By regime in force", xlabel="P&L (money)", ylabel="Regime")
    annotated_table(below, table, "P&L (money)")
    below.set_title("By profile and regime in force")
    return figure


def regime_figure(result: RotationResult) -> Figure:
    """Show how often each regime was there, and when.

    Parameters
    ----------
    result : RotationResult

    Returns
    -------
    Figure
        Left, number of dates by regime, with its share in percent. Right, a mark on each date in the row of its regime.
        Regimes are those known at the close of the date; the weights they decide earn later.
    """
    counts, regimes = result.regime_distribution, result.signals.regimes
    numbers = sorted(int(number) for number in regimes.unique())
    figure = Figure(figsize=(10.0, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.0, 2.2))
    rows = np.arange(len(counts))
    bars = left.barh(rows, counts.to_numpy(), color="#9cc3e6", edgecolor="black", linewidth=0.8)
    share = counts / counts.sum()
    left.bar_label(bars, [f"{n:,} ({s:.1%})" for n, s in zip(counts, share, strict=True)], padding=4, fontsize=9)
    left.set_xlim(0.0, 1.55 * float(counts.max()))
    left.set_yticks(rows, [str(name) for name in counts.index])
    left.invert_yaxis()
    left.set(xlabel="Dates (number and % of all)", ylabel="Regime", title=f"Distribution over {counts.sum():,} dates")
    limits = date2num(edges(regimes.index, regimes.index))  # type: ignore[no-untyped-call]
    for row, number in enumerate(numbers):
        there = np.concatenate([[False], (regimes == number).to_numpy(), [False]])
        begin, end = (limits[np.flatnonzero(np.diff(there.astype(int)) == step)] for step in (1, -1))
        right.barh(np.full(len(begin), row), end - begin, left=begin, height=0.76, color=DARK, linewidth=0)
    right.set_title(f"When, {span(regimes.index)}")
    right.tick_params(left=False)
    right.set_yticks(rows)
    right.hlines(rows[1:] - 0.5, limits[0], limits[-1], color="#AAAAAA", linewidth=0.6)
    date_axis(right, regimes.index)
    left.grid(axis="x", alpha=0.3)
    left.set_axisbelow(True)
    return figure


def allocation_evolution(result: RotationResult) -> Figure:
    """Show how the capital was spread over time, and how the largest weight and the exposure stood to the cap.

    Parameters
    ----------
    result : RotationResult

    Returns
    -------
    Figure
        Above, decided weights stacked, the rest as cash, percent of the capital, as means of weeks or months for long
        histories (the title says which). Below, on every date, the largest decided weight against the cap, and the
        invested share that was executed after leverage and volatility scaling.
    """
    weights, cap, ledger = result.allocations, result.allocation.limits.cap, result.ledger
    means, kind = binned(weights)
    figure = Figure(figsize=(10.0, 7.5), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.9, 1.0))
    limits = edges(means.index, weights.index)
    base = np.zeros(len(means) + 1)
    stack = {profile_label(name): means[name].to_numpy() for name in means.columns}
    stack["cash"] = 1.0 - means.sum(axis=1).to_numpy()
    for number, (label, values) in enumerate(stack.items()):
        face, hatch = ("white", "") if label == "cash" else pattern(number)
        upper = base + np.append(values, values[-1])  # the last group reaches to the last edge
        top.fill_between(limits, base, upper, step="post", facecolor=face, hatch=hatch, edgecolor="black",
                         linewidth=0.3, label=label)  # fmt: skip
        base = upper
    top.set_ylim(0.0, max(1.0, float(base.max())))
    top.set_title(f"{_name(result)}: decided weights, {kind}", fontsize=11, loc="left")
    top.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9, reverse=True,
               handleheight=1.6, handlelength=2.4)  # fmt: skip
    largest, gross = weights.max(axis=1), ledger.executed.abs().sum(axis=1)
    over = float((largest > cap).mean())
    bottom.axhline(cap, color="#f0b070", linewidth=5.0, label=f"cap {cap:.0%}")  # below what touches it
    bottom.plot(days(ledger.dates), gross.to_numpy(), color="#777777", linewidth=1.0, label="executed, all profiles")
    bottom.plot(days(largest.index), largest.to_numpy(), color="black", linewidth=0.7, label="largest decided weight")
    bottom.set_ylim(0.0, 1.08 * max(1.0, float(gross.max())))
    bottom.set_title(f"Every date: largest weight, over the cap on {over:.1%} of dates", fontsize=11, loc="left")
    bottom.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)
    bottom.grid(alpha=0.3)
    for axes in (top, bottom):
        axes.set_ylabel("Weight (% of the capital)")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    date_axis(bottom, weights.index)
    return figure


def _name(result: RotationResult) -> str:
    return result.allocation.solver.label


#: The figures of a `RotationResult`, by the stem of the file they are saved under.
FIGURES: dict[str, Callable[[RotationResult], Figure]] = {
    "portfolio_pnl": portfolio_figure,
    "allocation_heatmap": allocation_heatmap,
    "attribution": attribution_figure,
    "regime_distribution": regime_figure,
    "allocation_evolution": allocation_evolution,
}
