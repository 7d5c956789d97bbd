"""The tables of a report as they are written: dates as ISO text, one frame a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from allocopt.backtests.studies.sweeps import Sweep
from allocopt.backtests.trend_basket.result import TrendBasketResult


def ledger_table(result: TrendBasketResult, filled: pd.DataFrame) -> pd.DataFrame:
    """Set closes, what was decided and executed, growth and equity side by side: one row a bar."""
    decisions = result.decisions
    decided = {"realized_volatility": decisions.realized, "scale": decisions.scale}
    booked = {"turnover": result.turnover, "growth": 1.0 + result.ledger.returns, "equity": result.equity}
    parts = [_by_coin("close", result.closes), _by_coin("filled", filled.astype("int64"))]
    if result._funding is not None:
        parts.append(_by_coin("funding", result._funding[result.closes.columns].astype(float)))
    parts += [
        decisions.scheduled.astype("int64").to_frame("scheduled"),
        _by_coin("composition", decisions.composition),
        pd.DataFrame(decided),
        _by_coin("executed", result.executed),
        pd.DataFrame(booked),
    ]
    found = pd.concat(parts, axis=1)
    found.insert(0, "date", iso(found.index))
    return found.reset_index(drop=True)


def total_table(result: TrendBasketResult, phases: Sweep) -> pd.DataFrame:
    """One row with every figure of the whole run."""
    row: dict[str, Any] = {
        "name": result.basket.name,
        "first_signal": iso_or_none(result.decisions.first_signal),
        "first_exposure": iso_or_none(result.first_exposure),
        "rows": len(result.equity),
        "years": result.years,
        **result.metrics,
        "trades": int(result.metrics["trades"]),
        "fees": float(result.ledger.cost.sum()),
        **{f"{name}_volatility": value for name, value in result.delivered_volatility.items()},
        "phase_rank": phases.rank,
        "phases": len(phases.table),
        "never_binding": " ".join(result.never_binding),
    }
    return pd.DataFrame([row])


def phases_table(phases: Sweep) -> pd.DataFrame:
    """Figures of every offset of the schedule with its rank."""
    found = phases.table.reset_index()
    found.insert(1, "rank", phases.ranks.to_numpy())
    return found


def top_table(result: TrendBasketResult, phases: Sweep, count: int) -> pd.DataFrame:
    """Name and figures of the best phases."""
    best = phases_table(phases).sort_values(["rank", "offset"]).head(count).reset_index(drop=True)
    best.insert(1, "name", [replace(result.basket, offset=int(offset)).name for offset in best["offset"]])
    return best[["rank", "name", "offset", *(c for c in best.columns if c not in ("rank", "name", "offset"))]]


def horizons_table(result: TrendBasketResult) -> pd.DataFrame:
    """Figures by horizon, with dates as text."""
    found = result.horizons.reset_index()
    for name in ("start", "end"):
        found[name] = iso(pd.DatetimeIndex(found[name]))
    return found


def monthly_table(result: TrendBasketResult) -> pd.DataFrame:
    """Figures by month, with months as text."""
    found = result.monthly.reset_index()
    found["month"] = found["month"].astype(str)
    return found


def trades_table(result: TrendBasketResult) -> pd.DataFrame:
    """One row a trade, with dates as text; no date of the close where it is open."""
    found = result.trades.copy()
    found["sleeve"] = found["sleeve"].astype(str)
    for name in ("entry", "last", "close"):
        found[name] = [iso_or_none(None if pd.isna(date) else date) for date in found[name]]
    return found


def iso(dates: pd.Index) -> list[str]:
    """Dates as ISO 8601 text."""
    return [date.isoformat() for date in pd.DatetimeIndex(dates)]


def iso_or_none(date: pd.Timestamp | None) -> str | None:
    """Date as ISO 8601 text."""
    return None if date is None else date.isoformat()


def _by_coin(name: str, table: pd.DataFrame) -> pd.DataFrame:
    return table.set_axis([f"{name}_{coin}" for coin in table.columns], axis=1)
