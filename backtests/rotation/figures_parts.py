"""What the figures of the rotation engine share: signed bars, annotated tables, date axes, and patterns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator

from allocopt.regimes import PROFILES, Regime

FloatArray = npt.NDArray[np.float64]
Dates = np.ndarray[tuple[int], np.dtype[np.datetime64]]

#: Gains and marks.
DARK = "#1f3b57"

#: Losses: light and hatched.
LIGHT = "#f2c9a1"

#: Colour, line style and width by allocator. The widest lies below, for the curves nearly coincide.
LINES = (("#c4c4c4", "-", 3.6), ("#D55E00", "-", 1.1), ("black", "--", 1.1), ("#0072B2", ":", 1.4))

#: Fill and hatch by profile: neighbours differ in lightness, and no two have both in common.
_PATTERNS = (
    ("#1f3b57", ""), ("#d9e6f2", "////"), ("#5d8aa8", ""), ("#f4e3cf", "...."), ("#9cc3e6", ""), ("#e6b98a", "xxxx"),
    ("#6b4a2b", ""), ("#eeeeee", "\\\\\\\\"),
)  # fmt: skip

#: More columns than this are drawn as means of weeks, and more weeks than the second number as means of months.
_MOST_DATES, _MOST_WEEKS = 150, 160


def pattern(number: int) -> tuple[str, str]:
    """Fill and hatch of a profile by its number."""
    return _PATTERNS[number % len(_PATTERNS)]


def profile_label(name: object) -> str:
    """Name a profile with what it trades, where that is published."""
    return f"{name} {PROFILES[str(name)]}" if str(name) in PROFILES else str(name)


def regime_label(number: Any) -> str:
    """Name a regime by its number."""
    return Regime(int(number)).label


def money(value: float, signed: bool = False, largest: float | None = None) -> str:
    """Write money: without decimals where the largest amount beside it is from 1,000 on, else with four figures."""
    sign = "+" if signed else ""
    scale = abs(value) if largest is None else largest
    return f"{value:{sign},.0f}" if scale >= 1000.0 or value == 0.0 else f"{value:{sign}.4g}"


def money_axis(axis: Axis, values: npt.ArrayLike) -> None:
    """Write ticks of money with thousands separators, or plainly where the amounts are small."""
    if float(np.abs(np.asarray(values, dtype=np.float64)).max(initial=0.0)) >= 1000.0:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def days(dates: pd.Index) -> Dates:
    """Dates as matplotlib takes them; the time zone's own clock is kept."""
    return pd.DatetimeIndex(dates).tz_localize(None).to_numpy()


def edges(starts: pd.Index, dates: pd.Index) -> Dates:
    """Start of each group of dates, and one day after the last date."""
    end = days(dates)[-1] + np.timedelta64(1, "D")
    return np.append(days(starts), end)


def binned(weights: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Means over weeks or months where single dates would be too thin to see, by the first date of each; and which."""
    if len(weights) <= _MOST_DATES:
        return weights, "every date"
    stamps = pd.DatetimeIndex(weights.index).tz_localize(None)
    group, kind = stamps.to_period("W"), "means of weeks"
    if group.nunique() > _MOST_WEEKS:
        group, kind = stamps.to_period("M"), "means of months"
    means = weights.groupby(np.asarray(group.astype("int64"))).mean()
    means.index = weights.index[np.flatnonzero(~group.duplicated())]
    return means, kind


def date_axis(axes: Axes, dates: pd.Index) -> None:
    """Label the date axis, and end it with the dates."""
    index = pd.DatetimeIndex(dates)
    locator: Locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_xlabel("Date" + (" (UTC)" if str(index.tz) == "UTC" else ""))
    ends = edges(index[[0]], index)
    axes.set_xlim(ends[0], ends[-1])


def signed_bars(axes: Axes, labels: Sequence[str], pnl: pd.Series[float]) -> None:
    """Draw horizontal bars from the first label down, gains dark, losses light and hatched, each with its number."""
    values = pnl.to_numpy(dtype=np.float64)
    rows = np.arange(len(values))
    bars = axes.barh(
        rows, values, color=[DARK if value >= 0.0 else LIGHT for value in values],
        hatch=["" if value >= 0.0 else "////" for value in values], edgecolor="black", linewidth=0.8,
    )  # fmt: skip
    low, high = min(0.0, float(values.min(initial=0.0))), max(0.0, float(values.max(initial=0.0)))
    span = (high - low) or 1.0
    axes.bar_label(bars, [money(float(value), True, max(-low, high)) for value in values], padding=4, fontsize=9)
    axes.set_xlim(low - (0.55 if low < 0.0 else 0.05) * span, high + 0.6 * span)  # room for the numbers
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set_yticks(rows, list(labels))
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_axisbelow(True)
    money_axis(axes.xaxis, values)
    axes.grid(axis="x", alpha=0.3)


def annotated_table(axes: Axes, table: pd.DataFrame, unit: str, short: bool = False) -> None:
    """Draw a table of money, profiles by regimes, as a heat map with the number and its sign in every cell."""
    values = table.to_numpy(dtype=np.float64)
    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    # White at zero; pale enough at both ends for black numbers; in grey the losses are the lighter.
    colours = LinearSegmentedColormap.from_list("losses and gains", ["#f0b070", "white", "#7096bd"])
    axes.imshow(values, cmap=colours, vmin=-largest, vmax=largest, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, money(float(value), True, largest), ha="center", va="center", fontsize=9)
    axes.set_xticks(range(values.shape[1]), [regime_label(name).replace(" ", "\n") for name in table.columns])
    axes.set_yticks(range(values.shape[0]), [str(name) if short else profile_label(name) for name in table.index])
    axes.set(xlabel=f"Regime; cells: {unit}", ylabel="Profile")


def span(dates: pd.Index) -> str:
    """First and last date."""
    return f"{dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}"
