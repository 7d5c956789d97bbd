"""Figures of a walk-forward study. matplotlib is imported when this module is, that is, when a figure is asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import Locator

from allocopt.backtests.walk_forward.grid import value_name
from allocopt.backtests.walk_forward.result import WalkForward

#: Marks of the folds, told apart without colour.
_MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")

#: Figures whose names are not plain words.
_NAMES = {
    "sharpe": "Sharpe ratio", "sortino": "Sortino ratio", "calmar": "Calmar ratio", "cagr": "CAGR",
    "bps": "balanced performance score",
}  # fmt: skip


def history_figure(found: WalkForward) -> Figure:
    """Draw the chained curve, or every path, with the borders of the folds and the benchmark."""
    figure = Figure(figsize=(10.0, 5.0), layout="constrained")
    axes = figure.subplots()
    if found.paths is None:
        axes.plot(
            _days(found.equity.index), found.equity.to_numpy(), color="black", linewidth=1.3, label="walk-forward"
        )
        for number, border in enumerate(date2num(_days(pd.Index(found.folds["test_start"])))):  # type: ignore[no-untyped-call]
            axes.axvline(
                float(border), color="#888888", linewidth=0.7, linestyle=":",
                label="border of a fold" if number == 0 else None,
            )  # fmt: skip
        moved = pd.DatetimeIndex(found.switches["date"])
        if len(moved):
            axes.plot(
                _days(moved), found.equity.reindex(moved).to_numpy(), "v", color="black", markersize=6,
                markerfacecolor="white", label="another configuration",
            )  # fmt: skip
        axes.set_title(f"Chosen by {_words(found.score)} on each train window, out of sample", loc="left", fontsize=11)
    else:
        for number, name in enumerate(found.paths.columns):
            growth = (1.0 + found.paths[name]).cumprod()
            axes.plot(
                _days(growth.index), growth.to_numpy(), color="#555555", linewidth=0.8,
                label=f"{found.paths.shape[1]} paths" if number == 0 else None,
            )  # fmt: skip
        axes.set_title(f"Chosen by {_words(found.score)}: every combinatorial path", loc="left", fontsize=11)
    if found.benchmark is not None:
        growth = (1.0 + found.benchmark).cumprod()
        axes.plot(
            _days(growth.index), growth.to_numpy(), color="#777777", linewidth=1.3, linestyle="--", label="benchmark"
        )
    axes.set_yscale("log")
    axes.set_ylabel("Value (multiple of the start, log scale)")
    _plain_log_ticks(axes)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    axes.grid(alpha=0.3)
    _date_axis(axes)
    return figure


def scores_figure(found: WalkForward) -> Figure:
    """Draw scores in sample against out of sample; the chosen ones filled."""
    figure = Figure(figsize=(7.0, 6.2), layout="constrained")
    axes = figure.subplots()
    several = len(found.folds) > len(_MARKS)
    for fold in range(len(found.folds)):
        part, mark = found.scores[found.scores["fold"] == fold], "o" if several else _MARKS[fold]
        axes.plot(
            part["in_sample"], part["out_of_sample"], mark, color="#888888", markersize=4, markerfacecolor="none",
            markeredgewidth=0.7,
        )  # fmt: skip
        best = part[part["chosen"]]
        axes.plot(best["in_sample"], best["out_of_sample"], mark, color="black", markersize=8, zorder=3)
    known = found.scores[["in_sample", "out_of_sample"]].to_numpy()
    known = known[np.isfinite(known).all(axis=1)]
    if len(known):
        low, high = known.min(axis=0), known.max(axis=0)
        margin = 0.05 * np.maximum(high - low, 1e-9)
        axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
        axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
        axes.axline((0.0, 0.0), slope=1.0, color="black", linewidth=0.8, linestyle="--", label="as in sample")
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.plot([], [], "o", color="#888888", markersize=4, markerfacecolor="none", label="configuration")
    axes.plot([], [], "o", color="black", markersize=8, label="chosen")
    lost = found.degradation
    axes.set_title(
        f"Rank correlation {lost.rank_correlation:.2f}"
        + (f" ± {lost.rank_correlation_error:.2f}" if np.isfinite(lost.rank_correlation_error) else "")
        + f" over {lost.folds} folds"
        + ("" if several else "; a mark for each"),
        loc="left", fontsize=11,
    )  # fmt: skip
    axes.set_xlabel(f"{_words(found.score)} in sample")
    axes.set_ylabel(f"{_words(found.score)} out of sample")
    axes.legend(frameon=False, fontsize=9, loc="best")
    axes.grid(alpha=0.3)
    return figure


def chosen_figure(found: WalkForward) -> Figure:
    """Draw the chosen value of every parameter from fold to fold, on the values of the grid."""
    names = list(found.chosen.columns)
    figure = Figure(figsize=(10.0, 1.2 + 1.7 * max(len(names), 1)), layout="constrained")
    panels = figure.subplots(max(len(names), 1), 1, sharex=True, squeeze=False)[:, 0]
    edges = pd.DatetimeIndex([*found.folds["test_start"], found.folds["test_end"].iloc[-1]])
    forward = found.paths is None
    for axes, name in zip(panels, names, strict=False):
        values = list(dict.fromkeys(value_name(one[name]) for one in found.configurations if name in one))
        if all(np.isfinite(_number(value)) for value in values):
            values.sort(key=_number)
        places = [values.index(value_name(value)) for value in found.chosen[name]]
        if forward:
            axes.step(_days(edges), [*places, places[-1]], where="post", color="black", linewidth=1.6)
            axes.plot(_days(edges[:-1]), places, "o", color="black", markersize=4)
        else:
            axes.plot(range(len(places)), places, "o", color="black", markersize=5)
        axes.set_yticks(range(len(values)), values)
        axes.set_ylim(-0.5, len(values) - 0.5)
        axes.set_ylabel(_words(name))
        axes.grid(alpha=0.3)
        told = (
            f"{int(found.changes[name])} changes" if forward else f"{len(set(places))} of {len(values)} values chosen"
        )
        axes.set_title(f"{_words(name)}: {told}", loc="left", fontsize=10)
    if forward:
        _date_axis(panels[-1])
        panels[-1].set_xlim(_days(edges[:1])[0], _days(edges[-1:])[0])
    else:
        panels[-1].set_xlabel("Split")
    return figure


def _date_axis(axes: Axes) -> None:
    locator: Locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_xlabel("Date")


def _plain_log_ticks(axes: Axes) -> None:
    """Values as people write them: 0.8, 1, 1.5, and not powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(10.0, (1.0, 2.0, 5.0)) if high > 6.0 * low else MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _words(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    return name.replace("_", " ").replace(".", ": ")


def _days(dates: pd.Index) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    return pd.DatetimeIndex(dates).tz_localize(None).to_numpy()
