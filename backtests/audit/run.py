"""Audit a run's folder: recompute everything that it reports, compare every cell, and make the named checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from allocopt.backtests.audit import checks
from allocopt.backtests.audit.cells import Column, Kind, Table, Value, compare_cell, compare_column, read_or_text, shown
from allocopt.backtests.audit.figures import Figures
from allocopt.backtests.audit.files import LEDGER, RUN, RunFolder, column_digest, dates, floats, positive, read_folder
from allocopt.backtests.audit.findings import AuditReport, Check, Finding
from allocopt.backtests.audit.markdown import collapsed, compare_report, expected, sections
from allocopt.backtests.audit.parameters import bar_seconds, number, read_parameters
from allocopt.backtests.audit.phases import Shared, phase
from allocopt.backtests.audit.stream import Stream
from allocopt.backtests.audit.stream import run as stream_of
from allocopt.backtests.audit.tables import Inputs, Recomputed, recompute
from allocopt.errors import DataFileError

#: Tables that are compared cell by cell; the others by column, with the worst row.
SHORT = ("rotation-risk-total.csv", "rotation-risk-horizons.csv")

_PRICE, _FUNDING, _FILLED = "close_", "funding_", "filled_"


def audit_run(folder: Path, *, n_jobs: int = 1, progress: Callable[[str], None] | None = None) -> AuditReport:
    """Recompute every figure that a run reports, by another path than the one that made it, and compare.

    From the closes of the raw ledger and the parameters of run.json, in plain Python and one row at a time: averages,
    momentum, volatility, gate, selection, weights, scale, turnover, fees, equity; then trades, horizons, months, all
    phases of the schedule and the cost sweep. Every cell of every table is compared (floats to 1e-9 of themselves or
    1e-12, dates and counts exactly), and every cell of the report's tables at the precision it prints. Nothing of the
    library's computing code is used.

    Parameters
    ----------
    folder : Path
        As ``write_report`` of the trend basket wrote it.
    n_jobs : int, default 1
        Processes over which the phases are spread, as for joblib; -1 for one a core.
    progress : callable, optional
        Told in a few words what is done next.

    Returns
    -------
    AuditReport
        ``.passed``, ``.findings``, ``.checks``, ``.failures`` and ``.to_text()``.

    Raises
    ------
    DataFileError
        For a folder that cannot be read: the file, and its line where there is one.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.trend_basket import TrendBasket
    >>> from allocopt.backtests.trend_basket.report import write_report
    >>> hours = pd.date_range("2024-01-01", periods=300, freq="h")
    >>> walk = 100 * np.exp(np.random.default_rng(1).normal(0.0005, 0.01, (300, 2)).cumsum(axis=0))
    >>> basket = TrendBasket(momentum=24, trend=24, market_trend=24, volatility_window=24, interval=12)
    >>> report = write_report(basket.run(pd.DataFrame(walk, hours, ["BTC", "ETH"])), Path("run"))
    >>> audit_run(Path("run")).passed
    True
    >>> table = Path("run/rotation-risk-total.csv")
    >>> _ = table.write_text(table.read_text().replace(",300,", ",301,"))
    >>> audit_run(Path("run")).failures[:2]
    ('rotation-risk-total.csv: rows', 'check: manifest: files are as they were written')
    """
    tell = progress or (lambda _: None)
    tell("reading")
    run = read_folder(folder)
    inputs, raw = read_inputs(run)
    tell("recomputing row by row")
    stream = stream_of(inputs.parameters, inputs.closes, inputs.funding)
    tell("recomputing all phases")
    phases = _phases(inputs, stream, n_jobs)
    tell("comparing")
    again = recompute(inputs, stream, phases, raw)
    return _compare(run, inputs, again)


def read_inputs(run: RunFolder) -> tuple[Inputs, Table]:
    """Gather closes, funding and parameters, and the input columns of the ledger as they stand."""
    ledger, coins = run.tables[LEDGER], run.coins
    parameters = read_parameters(run.run, coins)
    index = dates(ledger)
    closes = [positive(ledger, _PRICE + coin) for coin in coins]
    raw: Table = {_PRICE + coin: Column("number", values) for coin, values in zip(coins, closes, strict=True)}
    for coin in coins:
        raw[_FILLED + coin] = Column("count", [int(value) for value in floats(ledger, _FILLED + coin)])
    funding = None
    if run.run.get("funding"):
        rates = [floats(ledger, _FUNDING + coin) for coin in coins]
        raw |= {_FUNDING + coin: Column("number", values) for coin, values in zip(coins, rates, strict=True)}
        funding = list(zip(*rates, strict=True))
    rows = list(zip(*closes, strict=True))
    if len(rows) < 2:
        raise DataFileError(f"{LEDGER} has fewer than two rows", value=len(rows), remedy="write the report again")
    return Inputs(str(run.run.get("name")), parameters, coins, index, rows, funding), raw


def _phases(inputs: Inputs, stream: Stream, n_jobs: int) -> list[Figures]:
    shared = Shared(inputs.parameters, stream.returns, stream.choices, inputs.funding)
    offsets = range(inputs.parameters.interval)
    if n_jobs == 1:
        return [phase(shared, offset) for offset in offsets]
    from joblib import Parallel, cpu_count, delayed

    workers = cpu_count() if n_jobs < 0 else n_jobs
    parts = [list(offsets[start::workers]) for start in range(min(workers, len(offsets)))]
    done = Parallel(n_jobs=workers)(delayed(_several)(shared, part) for part in parts)
    found = {offset: figures for part in done for offset, figures in part}
    return [found[offset] for offset in offsets]


def _several(shared: Shared, offsets: list[int]) -> list[tuple[int, Figures]]:
    return [(offset, phase(shared, offset)) for offset in offsets]


def _compare(run: RunFolder, inputs: Inputs, again: Recomputed) -> AuditReport:
    findings = [*_run_file(run, inputs), *checks.stated_name(run.run)]
    reported: dict[str, Table] = {}
    whole = True
    for file, wanted in again.tables.items():
        found = run.tables[file]
        kinds: dict[str, Kind] = {name: column.kind for name, column in wanted.items()}
        reported[file] = found.typed(kinds)
        lacking = [name for name in wanted if name not in found.columns]
        extra = [name for name in found.columns if name not in wanted]
        ordered = list(found.columns) == list(wanted)
        length = len(next(iter(wanted.values())).values)
        stated = run.run.get("rows")
        if file == LEDGER and isinstance(stated, int):
            length = stated  # the ledger is where the audit starts from: only run.json knows how long it was
        findings.append(_exactly(file, "columns", len(found.columns), len(wanted), ordered, lacking, extra))
        findings.append(_exactly(file, "rows", found.rows, length, found.rows == length))
        whole = whole and not lacking and found.rows == length
        shared = {name: column for name, column in wanted.items() if name in reported[file]}
        findings += _cells(file, reported[file], shared) if file in SHORT else _long(file, reported[file], shared)
    made = sections(run.report)
    findings += collapsed(compare_report(made, expected(run.run, again.tables)))
    named = [checks.manifest(run)]
    if whole:
        against_files = compare_report(made, expected(run.run, reported))
        named += [
            checks.fee_basis(inputs, reported, bool(run.run.get("funding"))),
            checks.consistency(inputs, reported, against_files),
            checks.look_ahead(inputs, reported, again),
            checks.slicing(inputs, reported),
        ]
    else:
        why = "not made: a table lacks rows or columns, or has too many"
        names = ("fee basis", "report consistency", "look-ahead", "return slicing")
        named += [Check(name, False, (why,)) for name in names]
    return AuditReport(tuple(findings), tuple(named))


def _run_file(run: RunFolder, inputs: Inputs) -> list[Finding]:
    """Compare what run.json says of the ledger: rows, bars, fillings, digests of its input columns."""
    ledger, stated = run.tables[LEDGER], run.run
    seconds = number(stated, "bar_seconds")
    equity = ledger.columns.get("equity", [""])
    found = [
        compare_cell(RUN, "rows", "count", _plain(stated.get("rows")), ledger.rows),
        compare_cell(RUN, "coins", "text", " ".join(map(str, _list(stated.get("coins")))), " ".join(inputs.coins)),
        compare_cell(RUN, "periods_per_year", "number", number(stated, "periods_per_year"), 365 * 86400 / seconds),
        compare_cell(RUN, "lag", "count", _plain(stated.get("lag")), 1),
        compare_cell(RUN, "capital", "number", number(stated, "capital"), read_or_text("number", equity[0])),
        compare_cell(RUN, "funding", "text", str(bool(stated.get("funding"))),
                     str(any(name.startswith(_FUNDING) for name in ledger.columns))),
    ]  # fmt: skip
    named = bar_seconds(str(stated.get("bar")))
    if named is not None:
        found.append(compare_cell(RUN, "bar_seconds", "number", seconds, float(named)))
    steps = [(now - then).total_seconds() for then, now in zip(inputs.dates, inputs.dates[1:], strict=False)]
    wrong = next((row for row, step in enumerate(steps) if step != seconds), None)
    found.append(
        Finding(RUN, "one row a bar", "yes" if wrong is None else f"no: {shown(inputs.dates[wrong + 1])}", "yes",
                wrong is None)
    )  # fmt: skip
    digests, filled = _mapping(stated.get("inputs")), _mapping(stated.get("filled"))
    for name in ledger.columns:
        if name == "date" or name.startswith((_PRICE, _FILLED, _FUNDING)):
            digest = column_digest(ledger.columns[name])
            found.append(compare_cell(RUN, f"digest of {name}", "text", str(digests.get(name)), digest))
        if name.startswith(_FILLED):
            count = sum(cell == "1" for cell in ledger.columns[name])
            coin = name.removeprefix(_FILLED)
            found.append(compare_cell(RUN, f"filled {coin}", "count", _plain(filled.get(coin)), count))
            closes = ledger.columns[_PRICE + coin]
            carried = all(
                closes[row] == closes[row - 1] for row, cell in enumerate(ledger.columns[name]) if cell == "1"
            )
            found.append(
                Finding(RUN, f"filled {coin} carry the last close", "yes" if carried else "no", "yes", carried)
            )
    return found


def _exactly(
    file: str,
    what: str,
    found: int,
    wanted: int,
    passed: bool,
    lacking: Sequence[str] = (),
    extra: Sequence[str] = (),
) -> Finding:
    words = [f"lacks {name}" for name in lacking] + [f"has {name} too" for name in extra]
    if not passed and not words and what == "columns":
        words = ["in another order"]
    return Finding(file, what, ", ".join([str(found), *words]), str(wanted), passed)


def _cells(file: str, reported: Table, wanted: Table) -> list[Finding]:
    key = next(iter(wanted.values())).values
    found = []
    for name, column in wanted.items():
        for row, (one, other) in enumerate(zip(reported[name].values, column.values, strict=False)):
            label = name if len(key) == 1 else f"{shown(key[row])} {name}"
            found.append(compare_cell(file, label, column.kind, one, other))
    return found


def _long(file: str, reported: Table, wanted: Table) -> list[Finding]:
    name, first = next(iter(wanted.items()))
    key = [shown(value) if first.kind == "date" else f"{name} {shown(value)}" for value in first.values]
    if file == "rotation-risk-trades.csv" and "entry" in wanted:
        key = [f"{shown(coin)} {shown(date)}" for coin, date in zip(first.values, wanted["entry"].values, strict=True)]
    return [
        compare_column(file, name, column.kind, reported[name].values, column.values, key)
        for name, column in wanted.items()
    ]


def _plain(value: object) -> Value:
    return value if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
