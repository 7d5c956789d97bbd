"""Make a run, list those that are there, find the last one."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import secrets
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from allocopt.backtests.runs._faults import faults
from allocopt.backtests.runs._seal import write_whole
from allocopt.backtests.runs.folders import CELLS, DEFAULT_ROOT, RUN_FILE, TABLE, RunFolder, age
from allocopt.errors import DataFileError, SpecificationError


@dataclass(frozen=True)
class RunList:
    """Runs in a folder, the newest last, and what is in the way.

    Attributes
    ----------
    runs : tuple of RunFolder
        Runs that can be read.
    problems : tuple of str
        Folders that are no runs, or whose run.json is damaged, each with the reason.

    Examples
    --------
    >>> from allocopt.backtests.runs import list_runs, new_run
    >>> _ = new_run("some-runs", "sweep", "a first one", "")
    >>> [run.title for run in list_runs("some-runs")]
    ['a first one']
    """

    runs: tuple[RunFolder, ...]
    problems: tuple[str, ...]

    def __iter__(self) -> Iterator[RunFolder]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)


def new_run(
    root: Path | str, kind: str, title: str, configuration_text: str, *, configuration_file: str = "configuration.toml"
) -> RunFolder:
    """Make the folder of a new run, with its configuration in it.

    Parameters
    ----------
    root : Path or str
        Folder of all runs; made if needed. Usually `DEFAULT_ROOT`.
    kind : str
        Kind of study: small letters, digits and hyphens.
    title : str
        One line for `allocopt runs`.
    configuration_text : str
        The configuration as it was given, kept word for word.
    configuration_file : str, default "configuration.toml"
        Name of the file for it.

    Raises
    ------
    SpecificationError
        If the kind cannot be part of a folder's name, or the file's name is one that a run uses itself.
    DataFileError
        If the folder cannot be made.

    Examples
    --------
    >>> from allocopt.backtests.runs import new_run
    >>> run = new_run("new-runs", "trend-basket", "look-backs", "lookback = [48, 96]")
    >>> run.status, run.configuration()
    ('running', 'lookback = [48, 96]')
    """
    import allocopt

    if not re.fullmatch(r"[a-z][a-z0-9-]*", kind):
        raise SpecificationError(
            "the kind of a run is no plain word", value=kind, remedy="use small letters, as in grid"
        )
    if Path(configuration_file).name != configuration_file or configuration_file in (RUN_FILE, TABLE, CELLS, ""):
        raise SpecificationError(
            "the configuration cannot have this name", value=configuration_file, remedy="use configuration.toml"
        )
    now = datetime.datetime.now().astimezone()
    path = Path(root) / f"{kind}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    content = configuration_text.encode("utf-8")
    with faults(Path(root)):
        path.mkdir(parents=True)
        write_whole(path / configuration_file, content)
    run = RunFolder(
        path=path, kind=kind, title=" ".join(title.split()), created=now.isoformat(), version=allocopt.__version__,
        status="running", command=shlex.join([os.path.basename(sys.argv[0]), *sys.argv[1:]]),
        configuration_file=configuration_file,
        checksums=((configuration_file, hashlib.sha256(content).hexdigest()),),
    )  # fmt: skip
    return run.written()


def list_runs(root: Path | str = DEFAULT_ROOT) -> RunList:
    """List the runs in a folder, the newest last.

    Parameters
    ----------
    root : Path or str, default "allocopt-runs"
        Folder of all runs. One that does not exist has no runs.

    Raises
    ------
    DataFileError
        If it cannot be read.

    Examples
    --------
    >>> from allocopt.backtests.runs import list_runs
    >>> list_runs("nothing-here").runs
    ()
    """
    root = Path(root)
    runs, problems = [], []
    with faults(root):
        folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.exists() else []
    for path in folders:
        try:
            runs.append(RunFolder.open(path))
        except DataFileError as error:
            problems.append(f"{path.name}: {error.what}")
    return RunList(tuple(sorted(runs, key=age)), tuple(problems))


def last_run(root: Path | str = DEFAULT_ROOT, kind: str | None = None) -> RunFolder:
    """Find the newest run, of one kind if that is given.

    Parameters
    ----------
    root : Path or str, default "allocopt-runs"
        Folder of all runs.
    kind : str, optional
        Kind of study.

    Raises
    ------
    DataFileError
        If there is none.

    Examples
    --------
    >>> from allocopt.backtests.runs import last_run, new_run
    >>> made = new_run("last-runs", "sweep", "the only one", "")
    >>> last_run("last-runs") == made
    True
    """
    runs = [run for run in list_runs(root).runs if kind is None or run.kind == kind]
    if not runs:
        raise DataFileError(
            "there is no run" if kind is None else f"there is no run of kind {kind}",
            where=str(root),
            remedy="run a study first, or name the folder of the runs",
        )
    return runs[-1]
