"""Every table of the report, recomputed from the ledger's closes and the run's parameters."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from allocopt.backtests.audit import stream as streams
from allocopt.backtests.audit.cells import Column, Kind, Table, Value
from allocopt.backtests.audit.figures import (
    FIGURES,
    Figures,
    Trades,
    curve,
    deviation,
    figures_of,
    horizon_starts,
    trades_of,
)
from allocopt.backtests.audit.parameters import Parameters
from allocopt.backtests.audit.stream import Stream
from allocopt.backtests.audit.weights import Weights

#: Multiples of the fee at which the same decisions are run.
MULTIPLIERS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0)

#: So many of the best phases are in the table of the best.
BEST = 10


@dataclass(frozen=True)
class Inputs:
    """What the audit starts from: nothing that was computed."""

    name: str
    parameters: Parameters
    coins: list[str]
    dates: list[datetime]
    closes: list[Weights]
    funding: list[Weights] | None


@dataclass(frozen=True)
class Recomputed:
    """Tables by file, and what was met on the way."""

    tables: dict[str, Table]
    stream: Stream
    trades: Trades
    phases: list[Figures]


def recompute(inputs: Inputs, stream: Stream, phases: list[Figures], filled: Table) -> Recomputed:
    """All tables. ``filled`` holds the columns of the ledger that are input: closes, fillings, funding."""
    p = inputs.parameters
    trades = trades_of(stream.executed, stream.returns, p, inputs.funding)
    ranks = ranks_of([one["total_return"] for one in phases])
    tables = {
        "rotation-risk-ledger.csv": _ledger(inputs, stream, filled),
        "rotation-risk-total.csv": _total(inputs, stream, trades, ranks),
        "rotation-risk-top.csv": _top(inputs, phases, ranks),
        "rotation-risk-phases.csv": _phases(phases, ranks),
        "rotation-risk-horizons.csv": _horizons(inputs, stream),
        "rotation-risk-monthly.csv": _monthly(inputs, stream),
        "rotation-risk-costs.csv": _costs(stream),
        "rotation-risk-trades.csv": _trades(inputs, trades),
    }
    return Recomputed(tables, stream, trades, phases)


def _ledger(inputs: Inputs, stream: Stream, raw: Table) -> Table:
    composition = _spread(inputs, "composition", stream.composition)
    executed = _spread(inputs, "executed", stream.executed)
    step = timedelta(seconds=inputs.parameters.bar_seconds)
    return {
        "date": Column("date", [inputs.dates[0] + row * step for row in range(len(inputs.dates))]),
        **raw,
        "scheduled": Column("count", stream.scheduled),
        **composition,
        "realized_volatility": Column("volatility", stream.realized),
        "scale": Column("number", stream.scale),
        **executed,
        "turnover": Column("number", stream.turnover),
        "growth": Column("number", stream.growth),
        "equity": Column("number", stream.equity),
    }


def _spread(inputs: Inputs, name: str, rows: Sequence[Weights]) -> Table:
    return {
        f"{name}_{coin}": Column("number", [row[number] for row in rows]) for number, coin in enumerate(inputs.coins)
    }


def _total(inputs: Inputs, stream: Stream, trades: Trades, ranks: list[int]) -> Table:
    p, dates = inputs.parameters, inputs.dates
    rows = len(dates)
    signal = next((row for row in range(rows) if any(stream.composition[row])), None)
    exposure = next((row for row in range(rows) if any(stream.executed[row])), None)
    gains = [trade.value - 1.0 for trade in trades.trades]
    won, lost = math.fsum(g for g in gains if g > 0.0), -math.fsum(g for g in gains if g < 0.0)
    before = [p.capital, *stream.equity[:-1]]
    fees = math.fsum(value * p.leverage * p.fee * traded for value, traded in zip(before, stream.turnover, strict=True))
    annual = math.sqrt(p.periods_per_year)
    book = [
        math.fsum(w * r for w, r in zip(held, earned, strict=True))
        for held, earned in zip(stream.executed, stream.returns, strict=True)
    ]
    returns = [growth - 1.0 for growth in stream.growth]
    found: dict[str, tuple[Kind, Value]] = {
        "name": ("text", inputs.name),
        "first_signal": ("date", None if signal is None else dates[signal]),
        "first_exposure": ("date", None if exposure is None else dates[exposure]),
        "rows": ("count", rows),
        "years": ("number", (rows - 1) / p.periods_per_year),
        **{
            name: ("number", value)
            for name, value in figures_of(stream.equity, stream.turnover, p.periods_per_year).items()
        },
        "turnover_entry": ("number", trades.entry),
        "turnover_inside": ("number", trades.inside),
        "turnover_close": ("number", trades.closing),
        "trades": ("count", len(gains)),
        "win_rate": ("number", sum(g > 0.0 for g in gains) / len(gains) if gains else math.nan),
        "profit_factor": ("number", won / lost if lost else (math.inf if won else math.nan)),
        "fees": ("number", fees),
        "target_volatility": ("number", p.volatility_target),
        "book_volatility": ("number", deviation(book[1:]) * annual),
        "leveraged_volatility": ("number", deviation(returns[1:]) * annual),
        "leveraged_while_held_volatility": (
            "number", deviation([one for one, held in zip(returns, stream.executed, strict=True) if any(held)]) * annual
        ),
        "phase_rank": ("count", ranks[p.offset]),
        "phases": ("count", len(ranks)),
        "never_binding": ("text", " ".join(never_binding(stream))),
    }  # fmt: skip
    return {name: Column(kind, [value]) for name, (kind, value) in found.items()}


def ranks_of(values: Sequence[float]) -> list[int]:
    """Rank of each value, 1 for the highest. Values that differ by rounding share the best rank."""
    slack = [1e-9 * abs(value) + 1e-12 for value in values]
    return [1 + sum(other > value + near for other in values) for value, near in zip(values, slack, strict=True)]


def _phases(phases: list[Figures], ranks: list[int]) -> Table:
    return {
        "offset": Column("count", list(range(len(phases)))),
        "rank": Column("count", ranks),
        **_figures(phases),
    }


def _figures(rows: Sequence[Figures]) -> Table:
    return {name: Column("number", [row[name] for row in rows]) for name in FIGURES}


def _top(inputs: Inputs, phases: list[Figures], ranks: list[int]) -> Table:
    best = sorted(range(len(phases)), key=lambda offset: (ranks[offset], offset))[:BEST]
    return {
        "rank": Column("count", [ranks[offset] for offset in best]),
        "name": Column("text", [name_at(inputs.name, offset) for offset in best]),
        "offset": Column("count", best),
        **_figures([phases[offset] for offset in best]),
    }


def name_at(name: str, offset: int) -> str:
    """Name of the basket at another offset.

    Examples
    --------
    >>> name_at("trend_basket-1h-lb2-vt0.2000-cap0.40", 3)
    'trend_basket-1h-lb2-vt0.2000-ph3-cap0.40'
    """
    plain = re.sub(r"-ph\d+", "", name)
    target = r"-vt(?:inf|\d+(?:\.\d*)?(?:e[+-]?\d+)?)"
    return re.sub(target, rf"\g<0>-ph{offset}", plain) if offset else plain


def _horizons(inputs: Inputs, stream: Stream) -> Table:
    starts = horizon_starts(inputs.dates)
    figures = [
        figures_of(stream.equity[row:], stream.turnover[row:], inputs.parameters.periods_per_year) for _, row in starts
    ]
    return {
        "horizon": Column("text", [name for name, _ in starts]),
        "start": Column("date", [inputs.dates[row] for _, row in starts]),
        "end": Column("date", [inputs.dates[-1] for _ in starts]),
        **_figures(figures),
    }


def _monthly(inputs: Inputs, stream: Stream) -> Table:
    months: dict[str, list[int]] = {}
    for row, date in enumerate(inputs.dates):
        months.setdefault(f"{date.year:04d}-{date.month:02d}", []).append(row)
    ends = [stream.equity[rows[-1]] for rows in months.values()]
    starts = [inputs.parameters.capital, *ends[:-1]]
    return {
        "month": Column("text", list(months)),
        "start_equity": Column("number", starts),
        "end_equity": Column("number", ends),
        "return": Column("number", [end / start - 1.0 for start, end in zip(starts, ends, strict=True)]),
        "turnover": Column("number", [math.fsum(stream.turnover[row] for row in rows) for rows in months.values()]),
    }


def _costs(stream: Stream) -> Table:
    p = stream.parameters
    rows = [
        figures_of(
            curve(stream.gross, stream.turnover, p.leverage * p.fee * multiplier, p.capital),
            stream.turnover,
            p.periods_per_year,
        )
        for multiplier in MULTIPLIERS
    ]
    return {"multiplier": Column("number", list(MULTIPLIERS)), **_figures(rows)}


def _trades(inputs: Inputs, trades: Trades) -> Table:
    dates, rows = inputs.dates, trades.trades
    return {
        "sleeve": Column("text", [inputs.coins[trade.coin] for trade in rows]),
        "side": Column("text", ["long"] * len(rows)),
        "entry": Column("date", [dates[trade.entry] for trade in rows]),
        "last": Column("date", [dates[trade.last] for trade in rows]),
        "close": Column("date", [None if trade.close is None else dates[trade.close] for trade in rows]),
        "bars": Column("count", [trade.last - trade.entry + 1 for trade in rows]),
        "value": Column("number", [trade.value for trade in rows]),
        "gain": Column("number", [trade.value - 1.0 for trade in rows]),
    }


def never_binding(stream: Stream) -> list[str]:
    """Parameters that could be relaxed altogether without changing a decided weight on any row."""
    p = stream.parameters
    # A coin without momentum has no weight by momentum: there the least minimum is zero.
    least = min(0.0, p.min_momentum) if p.weighting == "momentum" else -math.inf
    relaxed: dict[str, dict[str, float | int]] = {
        "top": {"top": stream.coins},
        "min_momentum": {"min_momentum": least},
        "min_market_momentum": {"min_market_momentum": -math.inf},
        "volatility_cap": {"volatility_cap": math.inf},
        "volatility_target": {"volatility_target": math.inf},
        "limits": {"cap": 1.0, "floor": 0.0, "budget": 1.0},
    }
    found = []
    for name, values in relaxed.items():
        other = replace(p, **values)  # type: ignore[arg-type]
        if other != p and not _changes(stream, other):
            found.append(name)
    return [*found, *(["top"] if p.top >= stream.coins else [])]


def _changes(stream: Stream, other: Parameters) -> bool:
    """Whether a decided weight is another one under other parameters."""
    p = stream.parameters
    if not p.exposure:
        return False
    if other.volatility_target != p.volatility_target:
        return any(
            streams.size(realized, other.volatility_target) != scale
            for realized, scale, held in zip(stream.realized, stream.scale, stream.composition, strict=True)
            if any(held)
        )
    return any(
        abs(one - now) > 1e-12
        for row in range(len(stream.choices))
        if stream.scheduled[row]
        for one, now in zip(streams.choose(stream, row, other), stream.choices[row], strict=True)
    )
