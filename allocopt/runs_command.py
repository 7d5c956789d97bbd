"""``allocopt runs`` and ``allocopt show``: what runs are kept, and what came out of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allocopt._terminal import sentences
from allocopt.errors import DataFileError

if TYPE_CHECKING:
    import pandas as pd

    from allocopt.backtests.runs import RunFolder

_ROOT = Path("allocopt-runs")
Root = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.")]


def runs(
    folder: Root = _ROOT,
    kind: Annotated[str | None, typer.Option(help="Only runs of this kind.", show_default=False)] = None,
) -> None:
    """List kept runs, the newest last: name, status, cells kept, version, title.

    A run that was killed is still listed as running; running it again with --resume repeats nothing that is done.
    """
    from allocopt.backtests.runs import list_runs

    with sentences():
        found = list_runs(folder)
        chosen = [run for run in found.runs if kind is None or run.kind == kind]
        for problem in found.problems:
            typer.echo(f"allocopt: not a run that can be read: {problem}", err=True)
        if not chosen:
            typer.echo(f"No {'run' if kind is None else f'{kind} run'} is kept in {folder}")
            return
        rows = [(run.name, run.status, _cells(run), run.version, run.title) for run in chosen]
        rows.insert(0, ("run", "status", "cells", "version", "title"))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            typer.echo("  ".join([*(row[i].ljust(widths[i]) for i in range(4)), row[4]]).rstrip())


def show(
    run: Annotated[
        str | None,
        typer.Argument(
            help="Name of a run, the beginning of one, or its folder. Default: the last.", show_default=False
        ),
    ] = None,
    folder: Root = _ROOT,
    kind: Annotated[str | None, typer.Option(help="The last run of this kind.", show_default=False)] = None,
    configuration: Annotated[bool, typer.Option("--configuration", help="Print its configuration instead.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Check every kept file and name damages.")] = False,
) -> None:
    """Print the table of a kept run: the last one, or the one that is named.

    With --verify every kept file is compared with its checksum, nothing is changed, and the exit status is 1 if one is
    damaged; the next run of the study with --resume computes what is lost again.
    """
    with sentences():
        found = _find(folder, run, kind)
        if verify:
            damages = _damages(found)
            for damage in damages:
                typer.echo(damage)
            typer.echo(f"{found.name}: {len(damages) or 'no'} damage{'s' if len(damages) > 1 else ''}")
            if damages:
                raise typer.Exit(1)
            return
        if configuration:
            typer.echo(found.configuration(), nl=False)
            return
        table = found.table()
        typer.echo(f"{found.name}: {found.title}")
        typer.echo(f"{found.status}, made {found.created} by allocopt {found.version}")
        typer.echo(f"command: {found.command}\n")
        typer.echo(_text(table))


def _find(folder: Path, name: str | None, kind: str | None) -> RunFolder:
    from allocopt.backtests.runs import RunFolder, last_run, list_runs

    if name is None:
        return last_run(folder, kind)
    for path in (folder / name, Path(name)):
        if path.is_dir():
            return RunFolder.open(path)
    matches = [run for run in list_runs(folder).runs if run.name.startswith(name)]
    if len(matches) != 1:
        raise DataFileError(
            "no run has this name" if not matches else f"{len(matches)} runs begin with this name",
            where=str(folder),
            value=name,
            remedy="list the runs with `allocopt runs`",
        )
    return matches[0]


def _cells(run: RunFolder) -> str:
    """Count the cells without opening the store, which would check all of it."""
    import sqlite3
    from contextlib import closing

    path = (run.path / "cells" / "cells.sqlite").absolute()
    if not path.exists():
        return "-"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0)) as connection:
            return str(connection.execute("SELECT count(*) FROM cells").fetchone()[0])
    except sqlite3.Error:
        return "damaged"


def _damages(run: RunFolder) -> list[str]:
    from allocopt.backtests.runs import verify_store

    store = run.path / "cells"
    return [*run.damages(), *(map(str, verify_store(store)) if store.exists() else ())]


def _text(table: pd.DataFrame) -> str:
    return table.to_string(float_format=lambda value: f"{value:.6g}", na_rep="-", max_rows=None)
