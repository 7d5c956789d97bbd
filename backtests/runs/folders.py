"""A run of a study on disk: what was asked, what came out, and the cells in between."""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from allocopt.backtests.runs._faults import faults
from allocopt.backtests.runs._seal import write_whole
from allocopt.backtests.runs.store import CellStore
from allocopt.errors import DataFileError

#: Folder that holds runs where no other is named.
DEFAULT_ROOT = Path("allocopt-runs")
RUN_FILE, TABLE, CELLS = "run.json", "table.csv", "cells"
_FORMAT = 1
#: What can have become of a run.
STATUSES = ("running", "finished", "interrupted")


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run: what was asked (configuration), what came out (table), and the cells in between.

    Made by `new_run`, found by `list_runs` and `last_run`, read by `RunFolder.open`.

    Attributes
    ----------
    path : Path
        The folder, named ``<kind>-<date>-<time>-<six digits>``.
    kind : str
        Kind of study, for example ``sector-rotation``.
    title : str
        One line that says what it is about.
    created : str
        When, ISO 8601 with the offset from UTC.
    version : str
        Version of allocopt.
    status : str
        "running", "finished" or "interrupted". A run that was killed stays "running".
    command : str
        Command line that made it.
    configuration_file : str
        Name of the file with the configuration, as it was given.
    checksums : tuple of (str, str)
        SHA-256 of the configuration and the table, by name.

    Examples
    --------
    >>> from allocopt.backtests.runs import new_run, last_run
    >>> import pandas as pd
    >>> run = new_run("my-runs", "sweep", "top from 1 to 3", "top = [1, 2, 3]")
    >>> run.finish(pd.DataFrame({"sharpe": [0.5]}, index=pd.Index([1], name="top"))).status
    'finished'
    >>> float(last_run("my-runs", "sweep").table().loc[1, "sharpe"])
    0.5
    """

    path: Path
    kind: str
    title: str
    created: str
    version: str
    status: str
    command: str
    configuration_file: str
    checksums: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.name

    @staticmethod
    def open(path: Path | str) -> RunFolder:
        """Read a run folder.

        Parameters
        ----------
        path : Path or str
            The folder.

        Raises
        ------
        DataFileError
            If it is none, or its run.json is damaged or of a newer format.
        """
        path = Path(path)
        file = path / RUN_FILE
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise DataFileError(
                f"there is no {RUN_FILE}, so this is no run", where=str(path), remedy="name the folder of a run"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise _damaged(file, str(error)) from error
        return _read(path, file, text)

    def store(self) -> CellStore:
        """Open the store with the cells of this run."""
        return CellStore(self.path / CELLS)

    def configuration(self) -> str:
        """Read the configuration as it was given.

        Raises
        ------
        DataFileError
            If the file is missing or was changed.
        """
        return self._checked(self.configuration_file).decode("utf-8")

    def table(self) -> pd.DataFrame:
        """Read the table of results, indexed by its first column.

        Raises
        ------
        DataFileError
            If the run is not finished, or the file was changed.
        """
        if TABLE not in dict(self.checksums):
            raise DataFileError(
                f"the run is {self.status} and has no table yet",
                where=str(self.path),
                remedy="run it again with --resume: what is done is not computed twice",
            )
        self._checked(TABLE)
        return pd.read_csv(self.path / TABLE, index_col=0)

    def damages(self) -> tuple[str, ...]:
        """Name files of the run (configuration, table) that are missing or not what was written."""
        found = []
        for name, _ in self.checksums:
            try:
                self._checked(name)
            except DataFileError as error:
                found.append(f"{name}: {error.what}")
        return tuple(found)

    def _checked(self, name: str) -> bytes:
        try:
            content = (self.path / name).read_bytes()
        except OSError as error:
            raise DataFileError(
                f"a file of the run cannot be read ({error.strerror})",
                where=str(self.path / name),
                remedy="run the study again",
            ) from error
        if hashlib.sha256(content).hexdigest() != dict(self.checksums).get(name):
            raise DataFileError(
                "contents differ from the checksum of the run",
                where=str(self.path / name),
                remedy="the file was edited or damaged; run the study again with --resume",
            )
        return content

    def finish(self, table: pd.DataFrame) -> RunFolder:
        """Write the table of results and mark the run as finished.

        Parameters
        ----------
        table : DataFrame
            What `allocopt show` prints; numbers are written so that they read back exactly.
        """
        content = table.to_csv().encode("utf-8")
        with faults(self.path):
            write_whole(self.path / TABLE, content)
        checksums = {**dict(self.checksums), TABLE: hashlib.sha256(content).hexdigest()}
        return replace(self, status="finished", checksums=tuple(checksums.items())).written()

    def resume(self) -> RunFolder:
        """Mark the run as running again."""
        return replace(self, status="running").written()

    def interrupt(self) -> RunFolder:
        """Mark the run as interrupted: by Ctrl-C, or by an error."""
        return replace(self, status="interrupted").written()

    def written(self) -> RunFolder:
        """Write run.json, whole or not at all."""
        content = {
            "format": _FORMAT, "kind": self.kind, "title": self.title, "created": self.created,
            "version": self.version, "status": self.status, "command": self.command,
            "configuration": self.configuration_file, "checksums": dict(self.checksums),
        }  # fmt: skip
        content["checksum"] = _own_checksum(content)
        with faults(self.path):
            write_whole(self.path / RUN_FILE, (json.dumps(content, indent=1) + "\n").encode("utf-8"))
        return self


def age(run: RunFolder) -> tuple[float, str]:
    """When a run was made, to sort by."""
    return datetime.datetime.fromisoformat(run.created).timestamp(), run.name


def _read(path: Path, file: Path, text: str) -> RunFolder:
    try:
        content = json.loads(text)
        if not isinstance(content, dict):
            raise TypeError("it holds no table")
        if isinstance(content.get("format"), int) and content["format"] > _FORMAT:
            raise DataFileError(
                f"the run has format {content['format']}, newer than this version of allocopt reads",
                where=str(file),
                remedy="install the allocopt that wrote it",
            )
        own = content.pop("checksum")
        if own != _own_checksum(content):
            raise ValueError("its checksum does not match")
        run = RunFolder(
            path=path, kind=content["kind"], title=content["title"], created=content["created"],
            version=content["version"], status=content["status"], command=content["command"],
            configuration_file=content["configuration"], checksums=tuple(content["checksums"].items()),
        )  # fmt: skip
        age(run)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataFileError):
            raise
        raise _damaged(file, str(error)) from error
    return run


def _own_checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _damaged(file: Path, why: str) -> DataFileError:
    return DataFileError(
        f"{RUN_FILE} is damaged ({why})",
        where=str(file),
        remedy="run the study again; cells of the run that are kept still count",
    )
