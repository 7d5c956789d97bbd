"""Cells of reported tables: how each kind is read, and when two are the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from allocopt.backtests.audit.findings import Finding

#: A number agrees within this part of it. The report and the audit add the same terms in another order.
RELATIVE = 1e-9

#: A smaller difference is rounding: growth, weights and returns are differences of numbers near one.
ABSOLUTE = 1e-12

#: Rolling sums keep a residue of what has left the window, so a volatility near zero is known to this much of its
#: square, per year.
VARIANCE = 1e-14

Kind = Literal["date", "text", "count", "number", "volatility"]
Value = float | int | str | datetime | None


@dataclass(frozen=True)
class Column:
    """Values of one column, of one kind. None stands for an empty cell; a number without a value is NaN."""

    kind: Kind
    values: Sequence[Value]


Table = dict[str, Column]


def read(kind: Kind, text: str) -> Value:
    """Value of a cell; a `ValueError` for text that is none of its kind."""
    if kind == "text":
        return text
    if kind == "number" or kind == "volatility":
        return float(text) if text else math.nan
    if not text:
        return None
    return int(text) if kind == "count" else datetime.fromisoformat(text)


def read_or_text(kind: Kind, text: str) -> Value:
    """Value of a cell, or its text where it is none of its kind: that agrees with nothing."""
    try:
        return read(kind, text)
    except ValueError:
        return text


def distance(kind: Kind, reported: Value, recomputed: Value) -> float:
    """How far two values are apart, 1.0 for the most that agrees; infinity where they cannot be compared."""
    if kind == "number" or kind == "volatility":
        if not isinstance(reported, (int, float)) or not isinstance(recomputed, (int, float)):
            return math.inf
        if math.isnan(reported) or math.isnan(recomputed):
            return 0.0 if math.isnan(reported) and math.isnan(recomputed) else math.inf
        if reported == recomputed:
            return 0.0
        apart, size = abs(reported - recomputed), max(abs(reported), abs(recomputed))
        if math.isinf(size):
            return math.inf
        if kind == "volatility":
            return apart * (reported + recomputed) / (2.0 * RELATIVE * size * size + VARIANCE)
        return apart / (RELATIVE * size + ABSOLUTE)
    try:
        return 0.0 if reported == recomputed else math.inf
    except TypeError:
        return math.inf


def shown(value: Value, digits: int = 10) -> str:
    """Value as the audit prints it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    text = str(value)
    return text if len(text) <= 44 else f"{text[:30]}...{text[-11:]}"


def both_shown(reported: Value, recomputed: Value, passed: bool) -> tuple[str, str]:
    """Both values, with as many digits as it takes to see that they differ."""
    for digits in (10, 13, 17):
        texts = shown(reported, digits), shown(recomputed, digits)
        if passed or texts[0] != texts[1]:
            break
    return texts


def compare_cell(group: str, metric: str, kind: Kind, reported: Value, recomputed: Value) -> Finding:
    """One figure beside its recomputation."""
    passed = distance(kind, reported, recomputed) <= 1.0
    return Finding(group, metric, *both_shown(reported, recomputed, passed), passed)


def compare_column(
    group: str, metric: str, kind: Kind, reported: Sequence[Value], recomputed: Sequence[Value], labels: Sequence[str]
) -> Finding:
    """One column beside its recomputation: the worst row, and how many rows differ."""
    worst, row, differing = -1.0, 0, 0
    for number, (one, other) in enumerate(zip(reported, recomputed, strict=False)):
        apart = distance(kind, one, other) if one != other else 0.0
        differing += apart > 1.0
        if apart > worst:
            worst, row = apart, number
    count = min(len(reported), len(recomputed))
    if not count:
        return Finding(group, metric, "-", "-", True, "no rows")
    texts = both_shown(reported[row], recomputed[row], differing == 0)
    rows = f"{count:,} rows"
    if worst == 0.0:
        return Finding(group, metric, *texts, True, f"{rows}, all equal")
    where = f"worst: {labels[row]}"
    share = f", {worst:.2g} of the tolerance" if worst <= 1.0 else ""
    return Finding(
        group, metric, *texts, differing == 0, f"{differing:,} of {rows} differ, {where}" if differing else
        f"{rows}, {where}{share}",
    )  # fmt: skip
