"""``allocopt walk-forward``: a study file in, a kept run with tables, figures and a page out."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocopt._terminal import sentences
from allocopt.errors import AllocoptError, DataFileError, SpecificationError

if TYPE_CHECKING:
    import pandas as pd

    from allocopt.backtests.runs import RunFolder
    from allocopt.backtests.walk_forward import Evidence, WalkForward
    from allocopt.study_file import StudyFile
    from allocopt.study_kinds import Prepared

#: Kind of the runs, and the name that the study file has in their folders.
KIND, CONFIGURATION = "walk-forward", "study.toml"


def walk_forward(
    study: Annotated[Path, typer.Argument(help="TOML file of the study.", show_default=False)],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the number of cells and an estimate of time, and leave.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the last run of the same file: what it has finished is not repeated."
        ),
    ] = False,
    jobs: Annotated[int, typer.Option(help="Processes; -1 for one a core.")] = -1,
    runs: Annotated[Path, typer.Option(help="Folder that keeps the runs.")] = Path("allocopt-runs"),
) -> None:
    """Choose parameters on the past, judge them on what followed, and ask whether the result could be luck.

    The study file names a system (rotation, sector-rotation, trend-basket, volatility-alpha, or module:name of your
    own), its data, a grid of parameters, a splitter and what to choose by. Every finished cell (a fold and a
    configuration) is kept at once, so a run that is stopped goes on with --resume. Prints the history beside the
    benchmark and the baseline, and the tests of luck; writes tables, figures and summary.html to the run's folder.
    """
    with sentences():
        from allocopt.study_file import read_study
        from allocopt.study_page import study_answer

        if jobs == 0:
            raise SpecificationError("0 is no number of processes", where="--jobs", remedy="give 1, 2, ... or -1")
        wanted = read_study(study)
        prepared = wanted.load()
        cells = study_cells(wanted, prepared)
        if dry_run:
            typer.echo("\n".join(estimate(wanted, prepared, cells, jobs)))
            return
        run = _folder(wanted, runs, resume)
        try:
            found = _run(wanted, prepared, run, jobs)
            proof, why = _evidence(wanted, found)
            answer = study_answer(found, proof, why)
            write_results(run, wanted, prepared, found, proof, answer)
        except BaseException as error:
            with suppress(AllocoptError):  # a full disk: what is wrong is said by the first error
                run.interrupt()
            if not isinstance(error, AllocoptError):
                typer.echo(f"\nFinished cells are kept in {run.path}: go on with --resume", err=True)
            raise
        typer.echo("\n".join(study_lines(wanted, prepared, found, proof, answer)))
        typer.echo(f"\nTables, figures and summary.html are in {run.path}")


@dataclass(frozen=True, eq=False)
class StudyCells:
    """The cells that a study has: what runs one, and what each is given."""

    function: Any
    cells: list[dict[str, Any]]
    folds: int
    configurations: int


def study_cells(wanted: StudyFile, prepared: Prepared) -> StudyCells:
    """List the cells as `allocopt.backtests.walk_forward.walk_forward` will, before any is run.

    Raises
    ------
    AllocoptError
        If the splitter finds no fold in the rows of the data, or folds that no history can be made of.
    """
    from allocopt.backtests.walk_forward import grid_configurations
    from allocopt.backtests.walk_forward.cells import BatchedFoldCells, FoldCells, WholeCells
    from allocopt.backtests.walk_forward.folds import read_folds
    from allocopt.backtests.walk_forward.grid import configuration_key
    from allocopt.backtests.walk_forward.run import fold_cells
    from allocopt.backtests.walk_forward.scoring import Scoring
    from allocopt.backtests.walk_forward.study import is_batched

    folds = read_folds(wanted.splitter, prepared.dates)
    run = grid_configurations(wanted.grid)
    if wanted.baseline is not None:
        keys = [configuration_key(parameters) for parameters in run]
        run += [wanted.baseline] if configuration_key(wanted.baseline) not in keys else []
    if not folds.forward:
        whole = [{"parameters": one} for one in run]
        return StudyCells(WholeCells(prepared.study, prepared.dates), whole, len(folds.windows), len(run))
    scoring = Scoring(wanted.metric, _periods(wanted, prepared), wanted.cash_rate)
    kind = BatchedFoldCells if is_batched(prepared.study) else FoldCells
    function = kind(prepared.study, scoring, prepared.dates, wanted.check_causality)
    return StudyCells(function, fold_cells(folds, run), len(folds.windows), len(run))


def estimate(wanted: StudyFile, prepared: Prepared, study: StudyCells, jobs: int) -> list[str]:
    """Count the cells, and run one on the longest fold to say how long they take."""
    from joblib import effective_n_jobs

    from allocopt.backtests.runs import run_cells

    rows, count, times = prepared.dates, len(study.cells), []
    workers = min(int(effective_n_jobs(jobs)), count)
    for _ in range(2):  # the first may compile, and fill caches of its own data
        begun = time.perf_counter()
        run_cells(study.function, study.cells[-1:], prepared.data)
        times.append(time.perf_counter() - begun)
    each = min(times)
    counted = f"{study.folds} folds x {study.configurations} configurations: {count:,} cells"
    if wanted.splitter.__class__.__name__ == "CombinatorialPurged":
        counted = f"{study.folds} splits, {study.configurations} configurations run once each: {count:,} cells"
    return [
        counted,
        f"{rows.size:,} rows, {rows[0]:%Y-%m-%d} to {rows[-1]:%Y-%m-%d}",
        f"About {_duration(each)} a cell on the longest fold, so at most about {_duration(each * count / workers)} "
        f"with {workers} process{'es' if workers > 1 else ''}; the tests of luck and the page come after that",
    ]


def _periods(wanted: StudyFile, prepared: Prepared) -> float:
    return prepared.periods_per_year if wanted.periods_per_year is None else wanted.periods_per_year


def _folder(wanted: StudyFile, root: Path, resume: bool) -> RunFolder:
    """Make the folder of a new run, or find the last one of the same file, word for word."""
    from allocopt.backtests.runs import list_runs, new_run

    if not resume:
        return new_run(root, KIND, wanted.title, wanted.text, configuration_file=CONFIGURATION)
    others = []
    for run in reversed(list_runs(root).runs):
        if run.kind != KIND:
            continue
        try:
            if run.configuration() == wanted.text:
                return run.resume()
        except DataFileError:
            continue  # its configuration is lost
        others += [run] if run.title == " ".join(wanted.title.split()) else []
    if others:
        raise DataFileError(
            "the study file was changed since its last run",
            where=str(others[0].path / CONFIGURATION),
            remedy="pass that file to go on with it, or leave out --resume for a new run",
        )
    raise DataFileError(
        "no run of this study file is kept",
        where=str(root),
        remedy="leave out --resume, or name the folder with --runs",
    )


def _run(wanted: StudyFile, prepared: Prepared, run: RunFolder, jobs: int) -> WalkForward:
    from allocopt.backtests.walk_forward import walk_forward

    with run.store() as store:
        found = walk_forward(
            prepared.study,
            wanted.grid,
            prepared.data,
            wanted.splitter,
            select=wanted.metric,
            periods_per_year=_periods(wanted, prepared),
            cash_rate=wanted.cash_rate,
            baseline=wanted.baseline,
            benchmark=prepared.benchmark,
            stitching=wanted.stitching,
            check_causality=wanted.check_causality,
            dates=prepared.dates,
            store=store,
            n_jobs=jobs,
            progress=sys.stderr.isatty(),
        )
        report = store.report
    typer.echo(f"{report.kept} cells run, {report.reused} kept from before")
    for damage in report.damages:
        typer.echo(f"Damaged and found: {damage}")
    return found


def _evidence(wanted: StudyFile, found: WalkForward) -> tuple[Evidence | None, str | None]:
    """Make the tests of luck, or say why they cannot be made."""
    from allocopt.backtests.walk_forward import evidence

    if found.stitching == "paths":
        return None, None
    try:
        return evidence(found, blocks=wanted.blocks, replications=wanted.replications, seed=wanted.seed), None
    except AllocoptError as error:
        return None, error.what


def write_results(
    run: RunFolder,
    wanted: StudyFile,
    prepared: Prepared,
    found: WalkForward,
    proof: Evidence | None,
    answer: Sequence[str],
) -> None:
    """Write tables, figures and the page into the run's folder, and mark the run as finished."""
    from allocopt import __version__
    from allocopt.output import result_folder
    from allocopt.study_page import study_figures, study_page

    figures = study_figures(found, proof)
    page = study_page(
        wanted.title, found, proof, answer=answer, notes=prepared.notes, configuration=wanted.text, figures=figures,
        subtitle=f"{run.name}, allocopt {__version__}: {len(found.folds)} folds, {len(found.configurations)} "
        f"configuration{'s' if len(found.configurations) > 1 else ''}",
    )  # fmt: skip
    try:
        with result_folder(run.path) as folder:
            for name, table in found.tables.items():
                table.to_csv(folder / f"{name}.csv")
            found.returns_matrix("test").to_csv(folder / "returns-by-configuration.csv", index_label="date")
            _histories(found).to_csv(folder / "history.csv", index_label="date")
            for name, content in figures.items():
                (folder / f"{name}.png").write_bytes(content)
            if proof is not None:
                proof.table().to_csv(folder / "evidence.csv")
                proof.intervals.table.to_csv(folder / "intervals.csv")
            (folder / "summary.html").write_text(page, encoding="utf-8")
    except DataFileError as error:
        raise DataFileError(
            error.what, where=error.where, remedy="move it away, and go on with --resume: no cell is run again"
        ) from error
    run.finish(found.comparison)


def _histories(found: WalkForward) -> pd.DataFrame:
    """Put returns by test row side by side: the history with its value, or every path; benchmark and baseline."""
    table = found.equity.to_frame().assign(returns=found.returns) if found.paths is None else found.paths.copy()
    for name, other in (("benchmark", found.benchmark), ("baseline", found.baseline)):
        if other is not None:
            table[name] = other
    return table


def study_lines(
    wanted: StudyFile, prepared: Prepared, found: WalkForward, proof: Evidence | None, answer: Sequence[str]
) -> list[str]:
    """Give what is printed: the data, the rows beside each other, the tests of luck, the answer."""
    from allocopt.rotation_command import plain_table
    from allocopt.study_page import degradation_sentence

    shown = [
        name
        for name in ("cagr", "sharpe", "volatility", "max_drawdown", "calmar", "total_return")
        if name in found.comparison
    ]
    lines = [
        *prepared.notes, "", f"{wanted.title}: {len(found.folds)} folds, {len(found.configurations)} configurations",
        "", plain_table(found.comparison[shown]), "", degradation_sentence(found),
    ]  # fmt: skip
    if len(found.failures):
        lines += ["", f"{len(found.failures)} cells had no score and were never chosen: see failures.csv"]
    if proof is not None:
        made = proof.table().query("passed != 'not tested'")
        lines += ["", plain_table(made[["value", "passes_if", "passed"]])]
        lines += [f"Not tested: {test} ({why})" for test, why in proof.left_out.items()]
    return [*lines, "", *answer]


def _duration(seconds: float) -> str:
    if seconds < 0.95:
        return f"{max(1000.0 * seconds, 1.0):.0f} ms"
    if seconds < 90.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} h"
