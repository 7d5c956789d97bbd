"""Named checks on what was reported, each with its evidence. They use the reported cells, not the recomputation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from allocopt.backtests.audit.cells import Table, Value, distance, shown
from allocopt.backtests.audit.figures import horizon_starts
from allocopt.backtests.audit.files import FIGURE, LEDGER, REPORT, RUN, TABLES, RunFolder
from allocopt.backtests.audit.findings import Check, Finding
from allocopt.backtests.audit.parameters import parse_name
from allocopt.backtests.audit.tables import Inputs, Recomputed

_TOTAL = "rotation-risk-total.csv"


def fee_basis(inputs: Inputs, reported: Mapping[str, Table], funded: bool) -> Check:
    """Fees as they left the equity, beside fee x leverage x turnover x equity, row by row and in all."""
    p, ledger = inputs.parameters, reported[LEDGER]
    equity, turnover = numbers(ledger, "equity"), numbers(ledger, "turnover")
    executed = [numbers(ledger, f"executed_{coin}") for coin in inputs.coins]
    taken, due, worst, where = [], [], 0.0, 0
    for row in range(1, len(equity)):
        earned = 0.0
        for coin, weights in enumerate(executed):
            earned += weights[row] * (inputs.closes[row][coin] / inputs.closes[row - 1][coin] - 1.0)
            if funded and inputs.funding is not None:
                earned -= weights[row] * inputs.funding[row][coin]
        taken.append(equity[row - 1] * (1.0 + p.leverage * earned) - equity[row])
        due.append(equity[row - 1] * p.leverage * p.fee * turnover[row])
        apart = abs(taken[-1] - due[-1]) / (abs(equity[row - 1]) or 1.0)
        apart = math.inf if math.isnan(apart) else apart
        if apart > worst:
            worst, where = apart, row
    left, wanted, stated = math.fsum(taken), math.fsum(due), numbers(reported[_TOTAL], "fees")[0]
    slack = 1e-9 * abs(wanted) + 1e-11
    passed = worst <= 1e-11 and abs(left - wanted) <= slack and abs(stated - wanted) <= slack
    return Check(
        "fee basis: what left the equity is fee x leverage x turnover",
        passed,
        (
            f"left the equity {left:.12g}, fee {p.fee:g} x leverage {p.leverage:g} x turnover x equity {wanted:.12g}, "
            f"reported fees {stated:.12g}",
            f"largest difference on a row {worst:.2g} of the equity, {shown(_at(inputs.dates, where))}",
            f"before leverage it would be {wanted / p.leverage if p.leverage else 0.0:.12g}",
        ),
    )


def consistency(inputs: Inputs, reported: Mapping[str, Table], findings: Sequence[Finding]) -> Check:
    """Compare the report's tables with the CSV files, turnover with its parts, months and horizons with the total."""
    total = {name: column.values[0] for name, column in reported[_TOTAL].items()}
    parts = [_number(total[f"turnover_{part}"]) for part in ("entry", "inside", "close")]
    turnover, grown = _number(total["turnover"]), _number(total["total_return"])
    whole = math.fsum(numbers(reported[LEDGER], "turnover"))
    monthly = reported["rotation-risk-monthly.csv"]
    chained = math.prod(1.0 + value for value in numbers(monthly, "return")) - 1.0
    by_month = math.fsum(numbers(monthly, "turnover"))
    full = numbers(reported["rotation-risk-horizons.csv"], "total_return")[0]
    phase = numbers(reported["rotation-risk-phases.csv"], "total_return")[inputs.parameters.offset]
    ends, starts = numbers(monthly, "end_equity"), numbers(monthly, "start_equity")
    linked = starts[0] == inputs.parameters.capital and starts[1:] == ends[:-1]
    costs = reported["rotation-risk-costs.csv"]
    at_one = next(
        (value for factor, value in zip(numbers(costs, "multiplier"), numbers(costs, "total_return"), strict=True)
         if factor == 1.0), math.nan,
    )  # fmt: skip
    wrong = [finding for finding in findings if not finding.passed]
    cells = len(findings) - len(wrong)
    evidence = [
        f"{REPORT} against the CSV files: {cells} of {len(findings)} cells agree at their printed precision",
        f"turnover entry {parts[0]:.10g} + inside {parts[1]:.10g} + close {parts[2]:.10g} = {math.fsum(parts):.10g}; "
        f"whole {turnover:.10g}, ledger {whole:.10g}, months {by_month:.10g}",
        f"total return {grown:.10g}; months chained {chained:.10g}, full horizon {full:.10g}, phase "
        f"{inputs.parameters.offset} {phase:.10g}, fees x 1 {at_one:.10g}",
        f"each month starts from the end of the one before: {'yes' if linked else 'no'}",
    ]
    evidence += [f"differs: {one.group}, {one.metric}: {one.reported} for {one.recomputed}" for one in wrong[:5]]
    same = all(_same(one, turnover) for one in (math.fsum(parts), whole, by_month))
    same = same and all(_same(one, grown) for one in (chained, full, phase, at_one))
    return Check("report consistency", same and linked and not wrong, tuple(evidence))


def look_ahead(inputs: Inputs, reported: Mapping[str, Table], recomputed: Recomputed) -> Check:
    """Check that what is executed on a row was decided on the row before it, from closes up to that row."""
    p, ledger = inputs.parameters, reported[LEDGER]
    scale = numbers(ledger, "scale")
    late, first = 0, None
    for coin in inputs.coins:
        composition, executed = numbers(ledger, f"composition_{coin}"), numbers(ledger, f"executed_{coin}")
        factor = p.exposure if p.leverage else 0.0
        for row in range(len(scale)):
            decided = composition[row - 1] * scale[row - 1] * factor if row else 0.0
            if distance("number", executed[row], decided) > 1.0:
                late += 1
                first = row if first is None else min(first, row)
    dates = {date: row for row, date in enumerate(inputs.dates)}
    total = reported[_TOTAL]
    signal, exposure = total["first_signal"].values[0], total["first_exposure"].values[0]
    rows = [dates.get(date) if isinstance(date, datetime) else None for date in (signal, exposure)]
    apart = None if rows[0] is None or rows[1] is None else rows[1] - rows[0]
    agreed = ("equity", *(f"executed_{coin}" for coin in inputs.coins))
    own = recomputed.tables[LEDGER]
    differing = sum(
        any(distance("number", ledger[name].values[row], own[name].values[row]) > 1.0 for name in agreed)
        for row in range(min(len(scale), len(recomputed.stream.equity)))
    )
    # Without a factor, or decided on the last row, a signal is never executed.
    idle = not (p.exposure and p.leverage) or rows[0] == len(inputs.dates) - 1
    never = exposure is None and (signal is None or idle)
    return Check(
        "look-ahead: row t executes what row t-1 decided",
        not late and not differing and (never or apart == 1),
        (
            f"executed differs from composition x exposure x scale of the row before on {late:,} of "
            f"{len(scale) * len(inputs.coins):,} cells"
            + ("" if first is None else f", first {shown(_at(inputs.dates, first))}"),
            f"first signal {shown(signal)}, never executed" if never else
            f"first signal {shown(signal)}, first exposure {shown(exposure)}, {apart} row later",
            f"a pass that is given one row at a time differs on {differing:,} of {len(scale):,} rows",
            f"conditions that rounding could turn: {len(recomputed.stream.near_ties)} rows"
            + "".join(f", {shown(_at(inputs.dates, row))}" for row in recomputed.stream.near_ties[:3]),
        ),
    )  # fmt: skip


def slicing(inputs: Inputs, reported: Mapping[str, Table]) -> Check:
    """Each horizon's return is the reported equity at its end over that at its start, and starts where it should."""
    equity, table = numbers(reported[LEDGER], "equity"), reported["rotation-risk-horizons.csv"]
    rows = {date: row for row, date in enumerate(inputs.dates)}
    evidence, passed = [], True
    wanted = horizon_starts(inputs.dates)
    names = list(table["horizon"].values)
    for number, name in enumerate(names):
        start, end = (rows.get(table[column].values[number]) for column in ("start", "end"))  # type: ignore[arg-type]
        told = _number(table["total_return"].values[number])
        if start is None or end is None or max(start, end) >= len(equity):
            evidence.append(f"{name}: its dates are no rows of the ledger")
            passed = False
            continue
        sliced = equity[end] / equity[start] - 1.0
        placed = number < len(wanted) and wanted[number] == (name, start) and end == len(inputs.dates) - 1
        passed = passed and placed and _same(told, sliced)
        evidence.append(
            f"{name}: {equity[end]:.10g} on {shown(inputs.dates[end])} / {equity[start]:.10g} on "
            f"{shown(inputs.dates[start])} - 1 = {sliced:.10g}, reported {told:.10g}"
            + ("" if placed else "; it should start elsewhere")
        )
    return Check("return slicing", passed and len(names) == len(wanted), tuple(evidence))


def manifest(folder: RunFolder) -> Check:
    """Every file is as the run wrote it."""
    files = (*TABLES, RUN, REPORT, FIGURE)
    known = folder.manifest
    if known is None:
        return Check("manifest: files are as they were written", False, ("the folder has no manifest",))
    changed = [file for file in files if known.get(file) != folder.digest(file)]
    told = [f"changed since: {file}" for file in changed] or [f"{len(files)} files have the checksums of the manifest"]
    return Check("manifest: files are as they were written", not changed, tuple(told))


def stated_name(run: Mapping[str, object]) -> list[Finding]:
    """Parameters of run.json beside those that its name holds."""
    name, stated = str(run.get("name")), run.get("parameters")
    parsed = parse_name(name)
    if parsed is None:
        return [Finding(RUN, "name", shown(name), "the name of a trend basket", False)]
    given: dict[str, object] = {**(stated if isinstance(stated, dict) else {}), "bar": run.get("bar")}
    found = []
    for field, value in parsed.items():
        told = given.get(field)
        if told in ("inf", "-inf"):
            told = float(str(told))
        text = told if isinstance(told, (int, float, str)) else str(told)
        found.append(Finding(RUN, field, shown(text), shown(value), not isinstance(told, bool) and told == value))
    return found


def numbers(table: Table, column: str) -> list[float]:
    """Read a column as numbers; what is none is NaN, which agrees with nothing."""
    return [_number(value) for value in table[column].values]


def _number(value: Value) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _same(one: float, other: float) -> bool:
    return distance("number", one, other) <= 1.0 and not math.isnan(one)


def _at(dates: Sequence[Value], row: int) -> Value:
    return dates[row] if row < len(dates) else None
