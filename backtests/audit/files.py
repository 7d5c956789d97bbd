"""Read a run's folder as it stands: text cells, no computation."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from allocopt.backtests.audit.cells import Column, Kind, Table, read_or_text
from allocopt.backtests.audit.parameters import FORMAT, KIND
from allocopt.errors import DataFileError

MANIFEST = ".allocopt-manifest.json"
RUN = "run.json"
REPORT = "rotation-risk-report.md"
FIGURE = "rotation-risk.png"
LEDGER = "rotation-risk-ledger.csv"

#: Tables of a run, and the column that each cannot do without.
TABLES = {
    LEDGER: "date",
    "rotation-risk-total.csv": "name",
    "rotation-risk-top.csv": "rank",
    "rotation-risk-phases.csv": "offset",
    "rotation-risk-horizons.csv": "horizon",
    "rotation-risk-monthly.csv": "month",
    "rotation-risk-costs.csv": "multiplier",
    "rotation-risk-trades.csv": "sleeve",
}


@dataclass(frozen=True)
class Reported:
    """A CSV file: its columns as text, in the order of the file."""

    file: str
    columns: dict[str, list[str]]
    rows: int

    def typed(self, kinds: dict[str, Kind]) -> Table:
        """Columns that have a kind, as values; a cell that is none of its kind stays text."""
        return {
            name: Column(kind, [read_or_text(kind, cell) for cell in self.columns[name]])
            for name, kind in kinds.items()
            if name in self.columns
        }


@dataclass(frozen=True)
class RunFolder:
    """Everything in the folder of a run."""

    folder: Path
    run: dict[str, object]
    tables: dict[str, Reported]
    report: str
    manifest: dict[str, object] | None

    @property
    def coins(self) -> list[str]:
        """Names of the coins, as the ledger's closes have them."""
        prefix = "close_"
        return [name.removeprefix(prefix) for name in self.tables[LEDGER].columns if name.startswith(prefix)]

    def digest(self, file: str) -> str:
        """SHA-256 of a file."""
        return sha256((self.folder / file).read_bytes()).hexdigest()


def read_folder(folder: Path) -> RunFolder:
    """Read all files of a run.

    Raises
    ------
    DataFileError
        For a file that is missing, torn or of another kind: its name and row.
    """
    if not folder.is_dir():
        raise DataFileError(f"there is no folder {folder}", remedy="give the --output of allocopt trend-basket")
    run = _object(folder, RUN)
    if run.get("kind") != KIND or run.get("format") != FORMAT:
        raise DataFileError(
            f"{RUN} is not of a trend basket's run, or of another version",
            value=(run.get("kind"), run.get("format")),
            remedy="give the --output of allocopt trend-basket, written by this version",
        )
    tables = {file: read_csv(folder, file, key) for file, key in TABLES.items()}
    report = _text(folder, REPORT)
    if not (folder / FIGURE).is_file():
        raise DataFileError(f"{FIGURE} is missing", remedy="write the report again")
    manifest = _object(folder, MANIFEST) if (folder / MANIFEST).exists() else None
    return RunFolder(folder, run, tables, report, manifest)


def read_csv(folder: Path, file: str, key: str) -> Reported:
    """Columns of a CSV file as text."""
    text = _text(folder, file)
    if text and not text.endswith("\n"):
        raise DataFileError(f"{file} is torn", where=f"line {text.count(chr(10)) + 1}", remedy="write the report again")
    rows = list(csv.reader(text.splitlines()))
    if not rows or key not in rows[0] or len(set(rows[0])) < len(rows[0]):
        raise DataFileError(
            f"{file} has a wrong header", where="line 1", value=",".join(rows[0]) if rows else "", remedy=
            f"its columns are named once each, {key!r} among them: write the report again",
        )  # fmt: skip
    for line, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise DataFileError(
                f"{file} has a row of {len(row)} cells under a header of {len(rows[0])}",
                where=f"line {line}",
                remedy="write the report again",
            )
    columns = dict(zip(rows[0], map(list, zip(*rows[1:], strict=True)) if rows[1:] else [[] for _ in rows[0]],
                       strict=True))  # fmt: skip
    return Reported(file, columns, len(rows) - 1)


def positive(table: Reported, column: str) -> list[float]:
    """Read a column of closes; a `DataFileError` names the line of one that is no positive number."""
    found = floats(table, column)
    for row, value in enumerate(found):
        if not value > 0.0:
            raise _bad(table, column, row, "no positive number")
    return found


def floats(table: Reported, column: str) -> list[float]:
    """Read a column of finite numbers; a `DataFileError` names the line of one that is none."""
    if column not in table.columns:
        raise DataFileError(f"{table.file} has no column {column!r}", where="line 1", remedy="write the report again")
    found = []
    for row, cell in enumerate(table.columns[column]):
        try:
            value = float(cell)
        except ValueError:
            raise _bad(table, column, row, "no number") from None
        if not math.isfinite(value):
            raise _bad(table, column, row, "no finite number")
        found.append(value)
    return found


def dates(table: Reported, column: str = "date") -> list[datetime]:
    """Read a column of dates; a `DataFileError` names the line of one that is none."""
    found: list[datetime] = []
    for row, cell in enumerate(table.columns[column]):
        try:
            found.append(datetime.fromisoformat(cell))
        except ValueError:
            raise _bad(table, column, row, "no date") from None
        if found[-1].tzinfo != found[0].tzinfo:
            raise _bad(table, column, row, "a date of another time zone")
    return found


def column_digest(cells: list[str]) -> str:
    """SHA-256 of a column's cells, one a line."""
    return sha256("\n".join(cells).encode()).hexdigest()


def _bad(table: Reported, column: str, row: int, what: str) -> DataFileError:
    return DataFileError(
        f"{table.file} has {what}",
        where=f"line {row + 2}, column {column!r}",
        value=table.columns[column][row],
        remedy="write the report again",
    )


def _text(folder: Path, file: str) -> str:
    try:
        return (folder / file).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataFileError(f"{file} is missing in {folder}", remedy="write the report again") from None
    except (OSError, ValueError) as error:
        raise DataFileError(f"{file} cannot be read ({error})", remedy="write the report again") from error


def _object(folder: Path, file: str) -> dict[str, object]:
    try:
        found = json.loads(_text(folder, file))
    except ValueError as error:
        raise DataFileError(f"{file} is no JSON ({error})", remedy="write the report again") from error
    if not isinstance(found, dict):
        raise DataFileError(f"{file} holds no object", remedy="write the report again")
    return found
