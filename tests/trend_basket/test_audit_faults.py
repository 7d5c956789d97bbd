"""A fault planted anywhere in a run's report makes the audit fail and name it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import DataFileError, Limits, ProportionalCost
from allocopt.backtests.audit import AuditReport, audit_run
from allocopt.backtests.audit.files import MANIFEST, read_folder
from allocopt.backtests.audit.markdown import compare_report, expected, sections
from allocopt.backtests.audit.phases import Shared, phase
from allocopt.backtests.audit.run import read_inputs
from allocopt.backtests.audit.stream import run as stream_of
from allocopt.backtests.audit.tables import recompute
from allocopt.backtests.trend_basket import RegularCloses, TrendBasket, TrendBasketResult, regular_closes
from allocopt.backtests.trend_basket.report import Source, write_report
from allocopt.backtests.trend_basket.result import carry_out

pytestmark = pytest.mark.slow

FIGURES = ["total_return", "annualized_return", "max_drawdown", "calmar", "turnover_per_year", "turnover"]

#: Every column of every file. `test_every_column_has_its_test` fails when a report gets another one.
COLUMNS = {
    "rotation-risk-ledger.csv": [
        "date", "close_BTC", "close_ETH", "filled_BTC", "filled_ETH", "scheduled", "composition_BTC",
        "composition_ETH", "realized_volatility", "scale", "executed_BTC", "executed_ETH", "turnover", "growth",
        "equity",
    ],
    "rotation-risk-total.csv": [
        "name", "first_signal", "first_exposure", "rows", "years", *FIGURES, "turnover_entry", "turnover_inside",
        "turnover_close", "trades", "win_rate", "profit_factor", "fees", "target_volatility", "book_volatility",
        "leveraged_volatility", "leveraged_while_held_volatility", "phase_rank", "phases", "never_binding",
    ],
    "rotation-risk-top.csv": ["rank", "name", "offset", *FIGURES],
    "rotation-risk-phases.csv": ["offset", "rank", *FIGURES],
    "rotation-risk-horizons.csv": ["horizon", "start", "end", *FIGURES],
    "rotation-risk-monthly.csv": ["month", "start_equity", "end_equity", "return", "turnover"],
    "rotation-risk-costs.csv": ["multiplier", *FIGURES],
    "rotation-risk-trades.csv": ["sleeve", "side", "entry", "last", "close", "bars", "value", "gain"],
}  # fmt: skip
WHOLE = {"filled_BTC", "filled_ETH", "scheduled", "rows", "trades", "phase_rank", "phases", "rank", "offset", "bars"}


def four_hourly(rows: int = 1200) -> RegularCloses:
    """Closes every four hours for 200 days: long enough for horizons, with two gaps."""
    rng = np.random.default_rng(3)
    dates = pd.date_range("2024-01-20", periods=rows, freq="4h", name="date")
    drift = 0.004 * np.sin(np.arange(rows) / 60.0)[:, None] * np.array([1.0, 1.3])
    shocks = rng.normal(0.0, 0.008, (rows, 1)) + rng.normal(0.0, 0.006, (rows, 2))
    prices = np.array([40_000.0, 2_500.0]) * np.exp(np.cumsum(drift + shocks, axis=0))
    closes = pd.DataFrame(prices, index=dates, columns=["BTC", "ETH"])
    return regular_closes(closes.drop(closes.index[[300, 301, 777]]), "4h")


BASKET = TrendBasket(
    bar="4h", momentum=24, trend=36, market_trend=48, interval=12, volatility_window=18, volatility_cap=0.0145,
    volatility_target=0.25, offset=5, limits=Limits(0.7, 0.1), market="BTC",
)  # fmt: skip


def make(basket: TrendBasket = BASKET) -> tuple[TrendBasketResult, RegularCloses]:
    regular = four_hourly()
    return basket.run(regular.closes), regular


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audited") / "run"
    result, regular = make()
    write_report(result, folder, filled=regular.filled, sources=[Source("closes.csv", "ab" * 32, 1197)])
    return folder


@pytest.fixture
def run(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "run")


def sign(folder: Path) -> None:
    """Make the manifest fit the files, so that checksums alone do not find the fault."""
    known = {file.name: sha256(file.read_bytes()).hexdigest() for file in folder.iterdir() if file.name != MANIFEST}
    (folder / MANIFEST).write_text(json.dumps(known))


def audit_of(folder: Path) -> AuditReport:
    sign(folder)
    report = audit_run(folder)
    assert report.checks[0].passed, "the manifest fits"
    return report


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def write_rows(path: Path, rows: list[list[str]]) -> None:
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")


def named(report: AuditReport) -> set[str]:
    """Last word of every metric that differs: the column."""
    return {finding.metric.split()[-1] for finding in report.findings if not finding.passed}


def test_the_clean_run_passes(run: Path) -> None:
    report = audit_run(run)
    assert report.passed, report.to_text()
    assert len(report.checks) == 5
    assert "Audit passed" in report.to_text()
    trades = rows_of(run / "rotation-risk-trades.csv")
    assert len(trades) > 8, "it trades"
    scale = [float(row[9]) for row in rows_of(run / "rotation-risk-ledger.csv")[1:]]
    assert min(scale) < 0.9, "the volatility target is at work"
    assert len(rows_of(run / "rotation-risk-horizons.csv")) == 4, "full, six months, three months"


def test_processes_change_nothing(run: Path) -> None:
    assert audit_run(run, n_jobs=2) == audit_run(run)


def test_every_column_has_its_test(run: Path) -> None:
    assert {path.name: rows_of(path)[0] for path in run.glob("*.csv")} == COLUMNS


@pytest.mark.parametrize(("file", "column"), [(file, column) for file, names in COLUMNS.items() for column in names])
def test_a_fault_in_a_column_is_named(run: Path, file: str, column: str) -> None:
    rows = rows_of(run / file)
    at = rows[0].index(column)
    cells = [row[at] for row in rows[1:]]
    where, text = fault(column, cells)
    assert text != cells[where]
    rows[where + 1][at] = text
    write_rows(run / file, rows)
    report = audit_of(run)
    assert not report.passed
    assert column in named(report), report.failures


def fault(column: str, cells: list[str]) -> tuple[int, str]:
    """A row of the column, and a cell that is a little wrong."""
    try:
        numbers = [abs(float(cell)) if cell else 0.0 for cell in cells]
    except ValueError:
        where = len(cells) // 2
        try:
            return where, (datetime.fromisoformat(cells[where]) + timedelta(hours=4)).isoformat()
        except ValueError:
            return where, cells[where] + "x"
    where = int(np.nanargmax(numbers))
    if column in WHOLE:
        return where, str(int(cells[where]) + 1)
    return where, repr(float(cells[where]) * (1.0 + 1e-6))


@pytest.mark.parametrize(
    "edit",
    [
        lambda rows: rows[:-1],
        lambda rows: [*rows[:500], *rows[501:]] if len(rows) > 600 else [rows[0], *rows[2:]],
        lambda rows: [*rows, rows[-1]],
        lambda rows: [rows[0], rows[-1], *rows[2:-1], rows[1]],
        lambda rows: [[*row[:-2], row[-1]] for row in rows],
        lambda rows: [[*row, "new" if number == 0 else "1"] for number, row in enumerate(rows)],
        lambda rows: [[row[0], *row[2:], row[1]] for row in rows],
    ],
    ids=["last-row", "middle-row", "row-twice", "swapped-rows", "column-lost", "column-more", "columns-moved"],
)
@pytest.mark.parametrize("file", sorted(set(COLUMNS) - {"rotation-risk-total.csv"}))
def test_rows_and_columns_that_are_lost_moved_or_new(
    run: Path, file: str, edit: Callable[[list[list[str]]], list[list[str]]]
) -> None:
    write_rows(run / file, edit(rows_of(run / file)))
    report = audit_of(run)
    assert not report.passed
    assert file in {finding.group for finding in report.findings if not finding.passed}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("momentum", 25), ("trend", 35), ("market_trend", 47), ("interval", 13), ("top", 1), ("min_momentum", 1e-9),
        ("min_market_momentum", 1e-9), ("volatility_window", 19), ("volatility_cap", 0.0146), ("leverage", 0.750001),
        ("exposure", 0.500001), ("volatility_target", 0.250001), ("offset", 6), ("cap", 0.700001),
        ("floor", 0.100001), ("budget", 0.999), ("weighting", "momentum"), ("solver", "kl"),
    ],
)  # fmt: skip
def test_a_fault_in_a_parameter_is_named(run: Path, name: str, value: object) -> None:
    stated = json.loads((run / "run.json").read_text())
    assert set(stated["parameters"]) == PARAMETERS
    stated["parameters"][name] = value
    (run / "run.json").write_text(json.dumps(stated))
    report = audit_of(run)
    assert any(name in finding.metric.split() for finding in report.findings if not finding.passed), report.failures


PARAMETERS = {
    "momentum", "trend", "market_trend", "interval", "top", "min_momentum", "min_market_momentum", "volatility_window",
    "volatility_cap", "leverage", "exposure", "volatility_target", "offset", "cap", "floor", "budget", "weighting",
    "solver",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("name", BASKET.name.replace("lb24", "lb25"), "run.json: momentum"),
        ("bar", "3h", "run.json: bar"), ("bar_seconds", 14401.0, "run.json: bar_seconds"),
        ("periods_per_year", 2190.1, "run.json: periods_per_year"), ("coins", ["ETH", "BTC"], "run.json: coins"),
        ("market", "ETH", "rotation-risk-ledger.csv: composition_BTC"), ("rows", 1201, "run.json: rows"),
        ("fee", 0.0004001, "check: fee basis"), ("capital", 1.001, "run.json: capital"), ("lag", 2, "run.json: lag"),
        ("filled", {"BTC": 2, "ETH": 3}, "run.json: filled BTC"),
        ("inputs", {}, "run.json: digest of close_BTC"),
        ("sources", [{"file": "closes.csv", "sha256": "ab" * 32, "rows": 1198}], "Data: closes.csv rows"),
    ],
)  # fmt: skip
def test_a_fault_in_the_run_file_is_named(run: Path, name: str, value: object, told: str) -> None:
    stated: dict[str, Any] = json.loads((run / "run.json").read_text())
    assert set(stated) == {
        "kind", "format", "allocopt", "name", "bar", "bar_seconds", "periods_per_year", "coins", "market", "rows",
        "parameters", "fee", "capital", "lag", "funding", "filled", "inputs", "sources",
    }  # fmt: skip
    assert stated[name] != value
    stated[name] = value
    (run / "run.json").write_text(json.dumps(stated))
    report = audit_of(run)
    assert any(told in failure for failure in report.failures), report.failures


def test_every_number_of_the_page_is_checked(run: Path) -> None:
    """Each cell of each table in turn, one unit of its last place away."""
    folder = read_folder(run)
    inputs, raw = read_inputs(folder)
    stream = stream_of(inputs.parameters, inputs.closes)
    shared = Shared(inputs.parameters, stream.returns, stream.choices)
    phases = [phase(shared, offset) for offset in range(inputs.parameters.interval)]
    wanted = expected(folder.run, recompute(inputs, stream, phases, raw).tables)
    lines = folder.report.splitlines()
    assert all(finding.passed for finding in compare_report(sections(folder.report), wanted))
    count = 0
    for table in sections(folder.report):
        for line, row in zip(table.lines, table.rows, strict=True):
            for column, cell in enumerate(map(str, row)):
                cells = list(map(str, row))
                last = max((at for at, letter in enumerate(cell) if letter.isdigit()), default=None)
                if last is None:
                    cells[column] = cell + "x"
                else:
                    cells[column] = cell[:last] + str((int(cell[last]) + 1) % 10) + cell[last + 1 :]
                page = [*lines[: line - 1], f"| {' | '.join(cells)} |", *lines[line:]]
                found = compare_report(sections("\n".join(page)), wanted)
                wrong = [finding for finding in found if not finding.passed]
                assert len(wrong) == 1, (table.heading, row, cells)
                assert table.heading in wrong[0].group
                count += 1
    assert count > 240


def test_a_fault_on_the_page_fails_the_audit(run: Path) -> None:
    page = (run / "rotation-risk-report.md").read_text()
    total = next(line for line in page.splitlines() if line.startswith("| total_return |"))
    first = total.split("|")[2].strip()
    (run / "rotation-risk-report.md").write_text(page.replace(total, total.replace(first, "1" + first), 1))
    report = audit_of(run)
    assert "rotation-risk-report.md, Result: total_return value" in report.failures
    assert "check: report consistency" in report.failures
    (run / "rotation-risk-report.md").write_text(page.replace(total + "\n", "", 1))
    assert "rotation-risk-report.md, Result: rows" in audit_of(run).failures


def test_a_fee_without_leverage_is_found(tmp_path: Path) -> None:
    """A ledger that charged the fee on turnover before leverage, reported as one that did not."""
    doctored = replace(BASKET, costs=ProportionalCost(0.0004 / BASKET.leverage))
    result, regular = make(doctored)
    write_report(replace(result, basket=BASKET), tmp_path / "run", filled=regular.filled)
    report = audit_run(tmp_path / "run")
    failed = [check for check in report.checks if not check.passed]
    assert any(check.name.startswith("fee basis") for check in failed)
    assert {"growth", "equity", "fees", "total_return"} <= named(report)


def test_execution_on_the_deciding_row_is_found(tmp_path: Path) -> None:
    """A ledger that earned each row with what was decided at its end."""
    result, regular = make()
    decided = result.decisions
    early = replace(
        decided,
        composition=decided.composition.shift(-1).ffill(),
        scale=decided.scale.shift(-1).ffill(),
    )
    doctored = replace(result, ledger=carry_out(BASKET, regular.closes, early))
    write_report(doctored, tmp_path / "run", filled=regular.filled)
    report = audit_run(tmp_path / "run")
    failed = {check.name for check in report.checks if not check.passed}
    assert any(name.startswith("look-ahead") for name in failed)
    assert {"executed_BTC", "executed_ETH", "first_exposure"} <= named(report)


def test_files_changed_by_hand_are_seen_by_the_manifest(run: Path) -> None:
    with (run / "rotation-risk.png").open("ab") as file:
        file.write(b"x")
    report = audit_run(run)
    assert report.failures == ("check: manifest: files are as they were written",)
    assert "rotation-risk.png" in report.to_text()
    (run / MANIFEST).unlink()
    assert not audit_run(run).passed


@pytest.mark.parametrize("file", [*COLUMNS, "run.json", "rotation-risk-report.md", "rotation-risk.png"])
def test_a_missing_file_is_named(run: Path, file: str) -> None:
    (run / file).unlink()
    with pytest.raises(DataFileError, match=file):
        audit_run(run)


@pytest.mark.parametrize("file", COLUMNS)
def test_a_torn_file_is_named_with_its_line(run: Path, file: str) -> None:
    text = (run / file).read_text()
    (run / file).write_text(text[: len(text) * 3 // 4])
    with pytest.raises(DataFileError, match=rf"{file} (is torn|has a row).*line \d+"):
        audit_run(run)
    (run / file).write_text("no,header\n1,2\n")
    with pytest.raises(DataFileError, match=f"{file} has a wrong header at line 1"):
        audit_run(run)
    (run / file).write_text("")
    with pytest.raises(DataFileError, match=file):
        audit_run(run)


@pytest.mark.parametrize(
    ("column", "cell", "told"),
    [
        ("close_BTC", "-1.0", "no positive number"), ("close_ETH", "", "no number"), ("close_BTC", "nan", "no finite"),
        ("date", "yesterday", "no date"), ("filled_BTC", "maybe", "no number"),
    ],
)  # fmt: skip
def test_a_bad_input_cell_is_named(run: Path, column: str, cell: str, told: str) -> None:
    rows = rows_of(run / "rotation-risk-ledger.csv")
    rows[41][rows[0].index(column)] = cell
    write_rows(run / "rotation-risk-ledger.csv", rows)
    with pytest.raises(DataFileError, match=rf"{told}.*line 42, column '{column}'"):
        audit_run(run)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is no JSON"), ("[]", "holds no object"), ('{"kind": "other", "format": 1}', "not of a trend basket"),
    ],
)  # fmt: skip
def test_a_run_file_of_another_kind(run: Path, text: str, told: str) -> None:
    (run / "run.json").write_text(text)
    with pytest.raises(DataFileError, match=told):
        audit_run(run)


@pytest.mark.parametrize(
    ("name", "value"),
    [("momentum", "many"), ("momentum", 2.5), ("interval", 0), ("offset", 12), ("solver", "oracle"), ("cap", None)],
)
def test_parameters_that_make_no_sense(run: Path, name: str, value: object) -> None:
    stated = json.loads((run / "run.json").read_text())
    stated["parameters"][name] = value
    (run / "run.json").write_text(json.dumps(stated))
    with pytest.raises(DataFileError, match=name):
        audit_run(run)


def test_cells_that_are_no_values_differ(run: Path) -> None:
    for file, column in [
        ("rotation-risk-trades.csv", "bars"), ("rotation-risk-monthly.csv", "month"),
        ("rotation-risk-total.csv", "first_signal"), ("rotation-risk-ledger.csv", "equity"),
        ("rotation-risk-horizons.csv", "start"), ("rotation-risk-phases.csv", "total_return"),
    ]:  # fmt: skip
        rows = rows_of(run / file)
        rows[1][rows[0].index(column)] = "nothing"
        write_rows(run / file, rows)
    report = audit_of(run)
    assert {"bars", "month", "first_signal", "equity", "start", "total_return"} <= named(report)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="there is no folder"):
        audit_run(tmp_path / "none")
