"""The tables of the report that people read: what they should hold, and what they hold at the printed precision."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from statistics import median

from allocopt.backtests.audit.cells import Table, Value, shown
from allocopt.backtests.audit.files import REPORT
from allocopt.backtests.audit.findings import Finding
from allocopt.backtests.audit.parameters import NAMED, number

_NUMBER = re.compile(r"(-?\d[\d,]*(?:\.(\d+))?(?:e([+-]?\d+))?)( %)?")

#: Figures of the section "Phases of the schedule".
_SWEPT = ("total_return", "annualized_return", "max_drawdown", "calmar", "turnover_per_year")
_STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {"min": min, "median": median, "max": max}


@dataclass(frozen=True)
class Section:
    """One table of the report: its heading, header and rows. ``lines`` are the lines of the rows in the file."""

    heading: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[Value]]
    lines: Sequence[int] = ()


def sections(text: str) -> list[Section]:
    """All tables of a Markdown text with their cells as text, under the last heading before each."""
    found: list[Section] = []
    heading, header = "", None
    rows: list[list[str]] = []
    lines: list[int] = []
    for number_of_line, line in enumerate([*text.splitlines(), ""], start=1):
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if header is None:
                header = tuple(cells)
            elif not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                rows.append(cells)
                lines.append(number_of_line)
        elif header is not None:
            found.append(Section(heading, header, rows, lines))
            header, rows, lines = None, [], []
        if line.startswith("#"):
            heading = line.lstrip("# ")
    return found


def expected(run: Mapping[str, object], tables: Mapping[str, Table]) -> list[Section]:
    """List what the tables of the report should hold, from the tables of a run."""
    total = {name: column.values[0] for name, column in tables["rotation-risk-total.csv"].items()}
    return [
        _of_total("Result", ("figure", "value"), _RESULT, total),
        _volatility(total),
        _swept(tables["rotation-risk-phases.csv"], run),
        Section("Phases of the schedule", ("phases", "chosen offset", "rank by total_return"),
                [[total["phases"], _parameter(run, "offset"), total["phase_rank"]]]),
        _columns("Horizons", tables["rotation-risk-horizons.csv"]),
        _columns("Costs", tables["rotation-risk-costs.csv"]),
        _trades(tables["rotation-risk-trades.csv"], run),
        _months(tables["rotation-risk-monthly.csv"]),
        _parameters(run, str(total["never_binding"]).split()),
        _data(run, tables["rotation-risk-ledger.csv"]),
        *_sources(run),
    ]  # fmt: skip


_RESULT = (
    "name", "first_signal", "first_exposure", "rows", "years", "total_return", "annualized_return", "max_drawdown",
    "calmar", "turnover_per_year", "turnover", "turnover_entry", "turnover_inside", "turnover_close", "trades",
    "win_rate", "profit_factor", "fees",
)  # fmt: skip


def _of_total(heading: str, header: tuple[str, ...], names: Sequence[str], total: Mapping[str, Value]) -> Section:
    return Section(heading, header, [[name, total[name]] for name in names])


def _volatility(total: Mapping[str, Value]) -> Section:
    names = ("target_volatility", "book_volatility", "leveraged_volatility", "leveraged_while_held_volatility")
    target = _float(total["target_volatility"])
    rows: list[list[Value]] = []
    for name in names:
        value = _float(total[name])
        rows.append([name, value, value / target if target else math.nan])
    return Section("Delivered volatility", ("figure", "per year", "of the target"), rows)


def _swept(phases: Table, run: Mapping[str, object]) -> Section:
    offset = _parameter(run, "offset")
    chosen = offset if isinstance(offset, int) else 0
    rows: list[list[Value]] = []
    for name in _SWEPT:
        values = [_float(value) for value in phases[name].values]
        known = [value for value in values if not math.isnan(value)]
        found = [of(known) if known else math.nan for of in _STATISTICS.values()]
        rows.append([name, *found, values[chosen] if chosen < len(values) else math.nan])
    return Section("Phases of the schedule", ("figure", *_STATISTICS, "chosen"), rows)


def _columns(heading: str, table: Table) -> Section:
    rows = zip(*(column.values for column in table.values()), strict=True)
    return Section(heading, tuple(table), [list(row) for row in rows])


def _trades(trades: Table, run: Mapping[str, object]) -> Section:
    rows: list[list[Value]] = []
    coins = run.get("coins")
    columns = (trades[name].values for name in ("sleeve", "close", "bars", "gain"))
    table = list(zip(*columns, strict=True))
    for coin in coins if isinstance(coins, list) else []:
        own = [row for row in table if row[0] == coin]
        gains = [_float(row[3]) for row in own]
        rows.append(
            [
                coin,
                len(own),
                sum(row[1] is None for row in own),
                sum(gain > 0.0 for gain in gains),
                _whole(math.fsum(_float(row[2]) for row in own)),
                max(gains, default=math.nan),
                min(gains, default=math.nan),
            ]
        )
    return Section("Trades", ("sleeve", "trades", "open", "wins", "bars held", "best gain", "worst gain"), rows)


def _months(monthly: Table) -> Section:
    years: dict[str, dict[str, float]] = {}
    for month, value in zip(monthly["month"].values, monthly["return"].values, strict=True):
        year, _, number_of_month = str(month).partition("-")
        years.setdefault(year, {})[number_of_month] = _float(value)
    rows: list[list[Value]] = []
    for year, months in years.items():
        chained = math.prod(1.0 + value for value in months.values()) - 1.0
        rows.append([year, *(months.get(f"{month:02d}") for month in range(1, 13)), chained])
    return Section("Months", ("year", *map(str, range(1, 13)), "whole"), rows)


def _parameters(run: Mapping[str, object], never: Sequence[str]) -> Section:
    rows: list[list[Value]] = [["bar", str(run.get("bar")), ""]]
    for name in NAMED:
        if name != "bar":
            value = _parameter(run, name)
            binds = "never" if name in never or (name in ("cap", "floor", "budget") and "limits" in never) else ""
            rows.append([name, value, binds])
    rows += [["solver", _parameter(run, "solver"), ""], ["fee", number(run, "fee"), ""]]
    return Section("Parameters", ("parameter", "value", "binds"), rows)


def _data(run: Mapping[str, object], ledger: Table) -> Section:
    dates = ledger["date"].values
    rows: list[list[Value]] = []
    for name, column in ledger.items():
        if name.startswith("filled_"):
            filled = _whole(math.fsum(_float(value) for value in column.values))
            rows.append([name.removeprefix("filled_"), dates[0], dates[-1], len(dates), filled])
    return Section("Data", ("coin", "first", "last", "bars", "filled bars"), rows)


def _sources(run: Mapping[str, object]) -> list[Section]:
    sources = run.get("sources")
    told = [one for one in sources if isinstance(one, Mapping)] if isinstance(sources, list) else []
    rows: list[list[Value]] = [[one.get("file"), one.get("rows"), one.get("sha256")] for one in told]
    return [Section("Data", ("file", "rows", "sha256"), rows)] if rows else []


def compare_report(reported: Sequence[Section], wanted: Sequence[Section]) -> list[Finding]:
    """Every cell of every table of the report beside what it should print."""
    found = [
        Finding(REPORT, "tables", str(len(reported)), str(len(wanted)), len(reported) == len(wanted)),
    ]
    for one, other in zip(reported, wanted, strict=False):
        heading = f"{REPORT}, {other.heading}"
        same = one.heading == other.heading and one.header == other.header
        found.append(Finding(heading, "header", " ".join(one.header), " ".join(other.header), same))
        if len(one.rows) != len(other.rows):
            found.append(Finding(heading, "rows", str(len(one.rows)), str(len(other.rows)), False))
        for cells, values in zip(one.rows, other.rows, strict=False):
            if len(cells) != len(values):
                found.append(Finding(heading, f"{cells[0]}", f"{len(cells)} cells", f"{len(values)} cells", False))
                continue
            for name, cell, value in zip(other.header, cells, values, strict=True):
                text = str(cell)
                metric = name if name == other.header[0] else f"{shown(values[0])} {name}"
                found.append(Finding(heading, metric, shown(text), shown(value), printed(text, value)))
    return found


def collapsed(findings: Sequence[Finding]) -> list[Finding]:
    """One line a table of the report, and those of its cells that differ."""
    found: list[Finding] = []
    for group, members in groupby(findings, key=lambda finding: finding.group):
        cells = list(members)
        wrong = [cell for cell in cells if not cell.passed]
        good = f"{len(cells) - len(wrong)} cells agree"
        found += [Finding(group, "all cells", f"{len(cells)} cells", good, not wrong), *wrong]
    return found


def printed(text: str, value: Value) -> bool:
    """Whether a cell shows a value, to half a unit of the last place that it prints.

    Examples
    --------
    >>> printed("12.35 %", 0.12347), printed("12.36 %", 0.12347), printed("45", 45)
    (True, False, True)
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return text == ""
    if isinstance(value, str):
        return text == value
    if isinstance(value, datetime):
        try:
            return datetime.fromisoformat(text) == value
        except (ValueError, TypeError):
            return False
    if math.isinf(value):
        return text == ("inf" if value > 0 else "-inf")
    found = _NUMBER.fullmatch(text)
    if found is None:
        return False
    percent, power = (100.0 if found[4] else 1.0), int(found[3] or 0)
    if isinstance(value, int) and not found[4]:
        return float(found[1].replace(",", "")) == value
    unit = 10.0 ** (power - len(found[2] or ""))
    apart = abs(float(found[1].replace(",", "")) - value * percent)
    return apart <= 0.5 * unit * (1.0 + 1e-6) + 1e-9 * abs(value * percent)


def _whole(value: float) -> Value:
    return value if math.isnan(value) else int(value)


def _float(value: Value) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _parameter(run: Mapping[str, object], name: str) -> Value:
    parameters = run.get("parameters")
    value = parameters.get(name) if isinstance(parameters, Mapping) else None
    if value in ("inf", "-inf"):
        return float(str(value))
    return value if isinstance(value, (int, float, str)) else None
