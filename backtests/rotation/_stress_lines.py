"""The stress table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from allocopt.backtests.rotation.stress import StressTable

_HEAD = ("P&L", "return", "Sharpe (error)", "drawdown", "rotating")
_NAME, _WIDTHS = 21, (14, 9, 17, 9, 10)

#: Best days in one line.
_DAYS = 3


def written(table: StressTable) -> list[str]:
    """One block an allocator, and its best days below."""
    best, lines = table.best(), []
    for label in map(str, table.figures.columns.unique("allocator")):
        lines.append(_row(label, _HEAD))
        for name, row in table.figures.xs(label, axis=1, level="allocator").iterrows():
            pnl, total, sharpe, error, drawdown, cost = row.tolist()
            ratio = f"{sharpe:.2f} ({error:.2f})" if np.isfinite(sharpe) else _ended(table, str(name), label)
            lines.append(_row(str(name), (f"{pnl:,.0f}", _percent(total), ratio, _percent(drawdown), f"{cost:,.0f}")))
        own = best[best["allocator"] == label].sort_values("date")
        found = [f"{date:%Y-%m-%d} {value:+.1%}" for date, value in zip(own["date"], own["return"], strict=True)]
        for k in range(0, len(found), _DAYS):
            lead = "  its best days: " if k == 0 else " " * 17
            lines.append(lead + ", ".join(found[k : k + _DAYS]) + ("," if found[k + _DAYS :] else ""))
        lines.append("")
    return lines[:-1]


def _row(name: str, cells: tuple[str, ...]) -> str:
    return name.ljust(_NAME) + "".join(cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True))


def _ended(table: StressTable, scenario: str, label: str) -> str:
    date = table.runs[scenario][label].bankrupt if scenario in table.runs else None
    return "-" if date is None else f"bust {date:%Y-%m-%d}"


def _percent(value: float) -> str:
    return f"{value:.1%}" if np.isfinite(value) else "-"
