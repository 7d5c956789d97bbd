"""The database of a store: one row a cell, and the claims of those who work on cells now."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from allocopt.backtests.runs._locks import Owner, alive
from allocopt.backtests.runs._rows import Row, labels_digest, row_checksum
from allocopt.errors import DataFileError

DATABASE = "cells.sqlite"
#: Format of the database; a store with a higher one was written by a newer version.
FORMAT = 1
_APPLICATION = 0x616C6C63  # "allc"
_COLUMNS = "key, parameters, metrics, seconds, layout, rows, labels, curves, file, start, checksum"
_INSERT = f"INSERT OR IGNORE INTO cells ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS cells (
  key TEXT PRIMARY KEY NOT NULL,  -- SHA-256 of code, data and parameters
  parameters TEXT NOT NULL,       -- canonical JSON
  metrics TEXT NOT NULL,          -- JSON, numbers that read back exactly
  seconds REAL NOT NULL,          -- time it took
  layout TEXT,                    -- JSON: columns and kind of index of the curves; NULL without curves
  rows INTEGER NOT NULL,          -- rows of the curves
  labels BLOB NOT NULL,           -- SHA-256 of the labels of these rows
  curves BLOB NOT NULL,           -- SHA-256 of the values of the curves
  file TEXT,                      -- file that holds them
  start INTEGER,                  -- first byte (pending) or first row (Parquet)
  checksum BLOB NOT NULL          -- SHA-256 of all of the row but where its curves are
);
CREATE TABLE IF NOT EXISTS labels (digest BLOB PRIMARY KEY NOT NULL, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY NOT NULL, owner TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the table of cells, as it stands there."""

    key: str
    parameters: str
    metrics: str
    seconds: float
    layout: str | None
    rows: int
    labels: bytes
    curves: bytes
    file: str | None
    start: int | None
    checksum: bytes

    def verifies(self) -> bool:
        """Tell whether the row is as it was written. Its curves are not looked at."""
        try:
            return self.checksum == row_checksum(
                self.key, self.parameters, self.metrics, self.seconds, self.layout, self.rows, self.labels, self.curves
            ) and (self.layout is None) == (self.file is None)
        except (TypeError, ValueError, AttributeError, UnicodeError):
            return False  # a value of another type than was written


class Database:
    """A connection. Every write is one transaction, so that a killed process leaves none half done."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.folder = path.parent
        self._labels = b""  # those that this connection wrote last
        mode = "rwc" if create else "rw"
        self._connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=60.0, isolation_level=None,
            check_same_thread=False,
        )  # fmt: skip
        try:
            self._prepare(create)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, create: bool) -> None:
        found = self._one("PRAGMA user_version")
        if found > FORMAT:
            raise DataFileError(
                f"kept work has format {found}, and this version of allocopt reads up to {FORMAT}",
                where=str(self.folder),
                remedy="install the newer allocopt that wrote it, or choose another folder",
            )
        if create:
            self._connection.execute("PRAGMA journal_mode=WAL")
        # A commit is in the file system's hands at once, which a killed process cannot undo; only a power cut may
        # lose the last ones, and then whole.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute("PRAGMA wal_autocheckpoint=4000")  # 16 MB: a checkpoint waits for the disk
        if create and found < FORMAT:
            with self._transaction():
                for statement in _SCHEMA.strip().split(";\n"):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA application_id={_APPLICATION}")
                self._connection.execute(f"PRAGMA user_version={FORMAT}")

    def _one(self, query: str, values: Sequence[Any] = ()) -> Any:
        return self._connection.execute(query, values).fetchone()[0]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:  # a full disk has ended it already
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def is_whole(self) -> bool:
        """Tell whether SQLite finds nothing wrong with the structure."""
        found = self._connection.execute("PRAGMA integrity_check(1)").fetchall()
        return found == [("ok",)] and self._one("PRAGMA application_id") == _APPLICATION

    def empty_log(self) -> bool:
        """Bring all commits into the database file; False where somebody else still reads the log."""
        busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return not busy

    def entries(self, where: str = "", values: Sequence[Any] = ()) -> Iterator[Entry]:
        """Give rows of the table of cells, in the order in which they were written."""
        for row in self._connection.execute(f"SELECT {_COLUMNS} FROM cells {where} ORDER BY rowid", values):
            yield Entry(*row)

    def entry(self, key: str) -> Entry | None:
        """Give the row of a cell, if there is one."""
        row = self._connection.execute(f"SELECT {_COLUMNS} FROM cells WHERE key=?", (key,)).fetchone()
        return None if row is None else Entry(*row)

    def count(self) -> int:
        """Count the cells that are kept."""
        return int(self._one("SELECT count(*) FROM cells"))

    def files(self) -> set[str]:
        """Name the files that hold curves."""
        return {str(row[0]) for row in self._connection.execute("SELECT DISTINCT file FROM cells WHERE file NOT NULL")}

    def put(self, row: Row, owner: Owner) -> None:
        """Keep a finished cell. The curves are in the owner's file before the row says so."""
        start, file = None, None
        if row.layout is not None:
            file = owner.name
            try:
                start = owner.append(row.values)
            except BaseException:
                owner.reset()
                raise
        labels, curves = labels_digest(row.index), hashlib.sha256(row.values).digest()
        checksum = row_checksum(
            row.key, row.parameters, row.metrics, row.seconds, row.layout, row.rows, labels, curves
        )  # fmt: skip
        with self._transaction():
            if file is not None and labels != self._labels:
                self._connection.execute("INSERT OR IGNORE INTO labels VALUES (?,?)", (labels, row.index))
            self._connection.execute(
                _INSERT,
                (row.key, row.parameters, row.metrics, row.seconds, row.layout, row.rows, labels, curves, file, start,
                 checksum),
            )  # fmt: skip
        self._labels = labels

    def labels(self, digest: bytes) -> bytes | None:
        """Give the rows' labels with that checksum, if they are as they were written."""
        row = self._connection.execute("SELECT content FROM labels WHERE digest=?", (digest,)).fetchone()
        return row[0] if row is not None and isinstance(row[0], bytes) and labels_digest(row[0]) == digest else None

    def restore_labels(self, content: bytes) -> None:
        """Take over labels from a damaged database."""
        with self._transaction():
            values = (labels_digest(content), content)
            self._connection.execute("INSERT OR REPLACE INTO labels VALUES (?,?)", values)

    def restore(self, entry: Entry) -> None:
        """Take over a row from a damaged database as it stands."""
        with self._transaction():
            self._connection.execute(_INSERT, astuple(entry))

    def move(self, moves: Iterable[tuple[Entry, str, int]]) -> int:
        """Say in one transaction where the curves of cells are now; count the rows that were still as given."""
        moved = 0
        with self._transaction():
            for entry, file, start in moves:
                moved += self._connection.execute(
                    "UPDATE cells SET file=?, start=? WHERE key=? AND file IS ? AND start IS ? AND checksum=?",
                    (file, start, entry.key, entry.file, entry.start, entry.checksum),
                ).rowcount
        return moved

    def drop(self, entries: Iterable[Entry]) -> None:
        """Forget damaged rows, unless somebody has written them anew."""
        with self._transaction():
            self._connection.executemany(
                "DELETE FROM cells WHERE key=? AND checksum IS ? AND file IS ?",
                [(entry.key, entry.checksum, entry.file) for entry in entries],
            )

    def claim(self, keys: Sequence[str], owner: str) -> list[str]:
        """Claim, for the owner, those of the cells that are neither kept nor claimed by somebody who lives."""
        taken = []
        with self._transaction():
            for key in keys:
                if self._connection.execute("SELECT 1 FROM cells WHERE key=?", (key,)).fetchone():
                    continue
                held = self._connection.execute("SELECT owner FROM claims WHERE key=?", (key,)).fetchone()
                if held is None or not alive(self.folder, held[0]):
                    self._connection.execute("INSERT OR REPLACE INTO claims VALUES (?,?)", (key, owner))
                    taken.append(key)
        return taken

    def release(self, owner: str) -> None:
        """End all claims of an owner."""
        with self._transaction():
            self._connection.execute("DELETE FROM claims WHERE owner=?", (owner,))

    def claimed(self, keys: Iterable[str]) -> set[str]:
        """Tell which of the cells somebody who lives works on now."""
        query = "SELECT key, owner FROM claims WHERE key NOT IN (SELECT key FROM cells)"  # ended with the batch
        claims = dict(self._connection.execute(query).fetchall())
        living = {owner: alive(self.folder, owner) for owner in set(claims.values())}
        return {key for key in keys if key in claims and living[claims[key]]}

    def forget_claims(self) -> None:
        """End all claims: nobody else has the store open."""
        with self._transaction():
            self._connection.execute("DELETE FROM claims")
