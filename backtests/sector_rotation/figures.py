"""Figures of the sector rotation. matplotlib is imported when this module is, that is, when a figure is asked for.

Drawn on `matplotlib.figure.Figure` itself: no window, no global state; save one with ``figure.savefig``. Lightness,
line styles and printed numbers carry what colour does, so that they can be read in black and white.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, Locator, NullLocator, PercentFormatter

from allocopt.backtests.metrics import underwater
from allocopt.backtests.sector_rotation.result import SectorRotationResult
from allocopt.backtests.studies import Sweep

_DARK, _GREY, _ORANGE = "#1f3b57", "#9a9a9a", "#D55E00"
_STYLES = (
    ("#1f3b57", "-"),
    ("#D55E00", "--"),
    ("#009E73", "-."),
    ("#CC79A7", ":"),
    ("#56B4E9", "-"),
    ("#000000", "--"),
)


def equity_figure(result: SectorRotationResult) -> Figure:
    """Show value beside the benchmark, how far both fell, and the leverage that was held.

    Parameters
    ----------
    result : SectorRotationResult

    Returns
    -------
    Figure
        Value as a multiple of the capital (logarithmic), drawdown in percent, and what was held as a multiple of the
        value, drift included; days in the defensive asset are shaded.
    """
    figure = Figure(figsize=(10.0, 8.0), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1.5, 1.2))
    rotation, ours, theirs = result.rotation, result.metrics, result.benchmark
    pairs = (
        (result.ledger, "rotation", ours, _DARK, "-"),
        (result.benchmark_ledger, rotation.benchmark, theirs, _ORANGE, "--"),
    )
    for ledger, name, figures, colour, line in pairs:
        growth = ledger.equity / ledger.capital
        top.plot(
            _days(growth.index), growth.to_numpy(), color=colour, linestyle=line, linewidth=1.2,
            label=f"{name}: {figures['cagr']:.1%} a year, Sharpe ratio {figures['sharpe']:.2f}",
        )  # fmt: skip
        below = -underwater(ledger.equity)
        middle.plot(
            _days(below.index), below.to_numpy(), color=colour, linestyle=line, linewidth=1.0,
            label=f"{name}: at most {figures['max_drawdown']:.1%}",
        )  # fmt: skip
    _log_axis(top)
    top.set_ylabel("Value (multiple of the capital)")
    top.set_title(f"Sector rotation, {_words(result)}, after costs", fontsize=11, loc="left")
    middle.set_ylabel("Below the peak (%)")
    middle.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    middle.set_ylim(top=0.0)
    held = result.holdings
    total = held.sum(axis=1)
    bottom.plot(_days(total.index[1:]), total.to_numpy()[1:], color=_DARK, linewidth=0.9)
    defensive = (held[rotation.defensive] != 0.0).to_numpy()
    low, high = 0.0, 1.15 * float(total.max())
    bottom.fill_between(
        _days(held.index), low, high, where=defensive.tolist(), step="pre", color="#d0d0d0", linewidth=0,
        label=f"in {rotation.defensive}, {result.time_defensive:.1%} of days",
    )  # fmt: skip
    bottom.set_ylim(low, high)
    bottom.set_ylabel("Held (x value)")
    bottom.set_title(f"Leverage, on average {ours['average_leverage']:.2f}", fontsize=11, loc="left")
    for axes, place in ((top, "upper left"), (middle, "lower right"), (bottom, "lower right")):
        axes.legend(loc=place, frameon=False, fontsize=9)
        axes.grid(alpha=0.3)
    _date_axis(bottom, result.dates)
    return figure


def holdings_figure(result: SectorRotationResult) -> Figure:
    """Show which sleeve was held when: weights at the start of each day, drift and leverage included.

    Parameters
    ----------
    result : SectorRotationResult

    Returns
    -------
    Figure
        One line a sleeve, darker for more, with the share of days on which it was held and, for sectors that began
        late, how many decisions went without them.
    """
    held = result.holdings.iloc[1:]
    figure = Figure(figsize=(10.0, 4.8), layout="constrained")
    axes = figure.subplots()
    edges = np.append(_days(held.index), _days(held.index)[-1] + np.timedelta64(1, "D"))
    mesh = axes.pcolormesh(
        edges, np.arange(held.shape[1] + 1) - 0.5, held.to_numpy().T, cmap="Greys", vmin=0.0, rasterized=True
    )
    without = result.decisions.without_history
    names = []
    for name in held.columns:
        late = int(without.get(name, 0))
        more = f", no history at {late} decisions" if late else ""
        names.append(f"{name}  {(held[name] != 0.0).mean():.0%}{more}")
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.hlines(np.arange(1, len(names)) - 0.5, *axes.get_xlim(), color="#bbbbbb", linewidth=0.5)
    axes.invert_yaxis()
    axes.set_ylabel("Sleeve, and share of days held")
    axes.set_title(f"Held weights, {_words(result)}", fontsize=11, loc="left")
    bar = figure.colorbar(mesh, ax=axes, pad=0.01, format=PercentFormatter(1.0, decimals=0, symbol=""))
    bar.set_label("Weight (% of the value)")
    _date_axis(axes, pd.DatetimeIndex(held.index))
    return figure


def offsets_figure(
    sweep: Sweep, *, benchmark: float | None = None, published: float | None = None, title: str = ""
) -> Figure:
    """Show how a figure depends on the day on which the rotation rebalances.

    Parameters
    ----------
    sweep : Sweep
        As ``SectorRotationResult.offsets`` gives it.
    benchmark, published : float, optional
        The benchmark's figure, and a published one, drawn as lines.
    title : str, default ""
        What was run.

    Returns
    -------
    Figure
        Left, one bar an offset in the order of the schedule, the chosen one dark. Right, the same in order of size.
    """
    values = sweep.table[sweep.metric]
    chosen = (values.index == sweep.chosen).tolist()
    figure = Figure(figsize=(10.0, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.4, 1.0))
    colours = [_DARK if own else "#b9cde0" for own in chosen]
    left.bar(range(len(values)), values.to_numpy(), color=colours, edgecolor=_DARK, linewidth=0.6)
    left.set_xticks(range(len(values)), [str(number) for number in range(len(values))], fontsize=8)
    left.set_xlabel("Offset of the schedule (sessions)")
    left.set_ylabel(f"{sweep.metric.upper()} (% a year)" if sweep.metric == "cagr" else sweep.metric)
    order = np.argsort(values.to_numpy(), kind="stable")[::-1]
    right.bar(
        range(1, len(values) + 1),
        values.to_numpy()[order],
        color=[colours[i] for i in order],
        edgecolor=_DARK,
        linewidth=0.6,
    )
    right.set_xlabel("Rank")
    summary = sweep.summary
    lines = [(float(summary["median"]), "median", "black", ":")]
    lines += [] if benchmark is None else [(benchmark, "benchmark", _ORANGE, "--")]
    lines += [] if published is None else [(published, "published", "#666666", "-.")]
    for axes in (left, right):
        for height, name, colour, style in lines:
            axes.axhline(height, color=colour, linestyle=style, linewidth=1.2, label=f"{name} {height:.1%}")
        axes.axhline(0.0, color="black", linewidth=0.6)
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
    if sweep.metric == "cagr":
        left.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    right.legend(frameon=False, fontsize=9, loc="upper right")
    figure.suptitle(
        f"{title + ': ' if title else ''}{len(values)} offsets from {summary['min']:.1%} to {summary['max']:.1%}, "
        f"the chosen one {summary['chosen']:.1%}, rank {sweep.rank}",
        fontsize=11,
    )
    return figure


def leverage_figure(results: Mapping[str, SectorRotationResult]) -> Figure:
    """Show what leverage rules held, and what they brought beside a fixed one.

    Parameters
    ----------
    results : mapping of str to SectorRotationResult
        Runs of the same dates by name.

    Returns
    -------
    Figure
        Above, value as a multiple of the capital (logarithmic). Below, what was held as a multiple of the value, as
        means of months.
    """
    figure = Figure(figsize=(10.0, 7.5), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.6, 1.0))
    first = next(iter(results.values()))
    for number, (name, result) in enumerate(results.items()):
        colour, line = _STYLES[number % len(_STYLES)]
        growth = result.equity / result.ledger.capital
        figures = result.metrics
        top.plot(
            _days(growth.index), growth.to_numpy(), color=colour, linestyle=line, linewidth=1.2,
            label=f"{name}: {figures['cagr']:.1%} a year, drawdown {figures['max_drawdown']:.0%}, "
            f"held {figures['average_leverage']:.2f}",
        )  # fmt: skip
        total = result.holdings.iloc[1:].sum(axis=1)
        months = total.groupby(pd.DatetimeIndex(total.index).tz_localize(None).to_period("M")).mean()
        bottom.plot(
            pd.PeriodIndex(months.index).to_timestamp().to_numpy(), months.to_numpy(), color=colour, linestyle=line,
            linewidth=1.2, drawstyle="steps-post",
        )  # fmt: skip
    _log_axis(top)
    top.set_ylabel("Value (multiple of the capital)")
    top.set_title(f"Leverage rules on the same sectors, {_schedule(first)}", fontsize=11, loc="left")
    bottom.set_ylabel("Held (x value, mean of the month)")
    bottom.set_ylim(bottom=0.0)
    top.legend(frameon=False, fontsize=9, loc="upper left")
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
    _date_axis(bottom, first.dates)
    return figure


def _words(result: SectorRotationResult) -> str:
    rotation, dates = result.rotation, result.dates
    sessions = rotation.momentum if isinstance(rotation.momentum, int) else "own look-backs"
    return f"momentum {sessions}, {_schedule(result)}, {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}"


def _schedule(result: SectorRotationResult) -> str:
    label = result.rotation.decision_schedule.label
    return {"MS": "rebalanced at month start"}.get(label, f"rebalanced {label}")


def _log_axis(axes: Axes) -> None:
    """Logarithmic, with ticks at numbers that people read: 0.5, 0.7, 1, 1.5, 2, 3, 5 and their decades."""
    axes.set_yscale("log")
    steps = np.array([1.0, 1.5, 2.0, 3.0, 5.0, 7.0])
    ticks = np.concatenate([steps * 10.0**power for power in range(-3, 6)])
    axes.yaxis.set_major_locator(FixedLocator(ticks.tolist()))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _date_axis(axes: Axes, dates: pd.DatetimeIndex) -> None:
    locator: Locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_xlabel("Date")
    axes.set_xlim(_days(dates[[0]])[0], _days(dates[[-1]])[0])


def _days(dates: pd.Index) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    return pd.DatetimeIndex(dates).tz_localize(None).to_numpy()
