"""``allocopt sector-rotation``: the published experiment, one configuration, and the questions that were left open."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocopt._terminal import sentences, steps
from allocopt.errors import DataFileError, SpecificationError
from allocopt.sector_rotation_inputs import parsed_settings, read_data, read_sector_closes
from allocopt.sector_rotation_lines import research_lines, run_lines, study_lines

if TYPE_CHECKING:
    from allocopt.backtests.sector_rotation import Experiment, SectorData, StudyResult

__all__ = ["Question", "read_data", "read_sector_closes", "sector_rotation"]

sector_rotation = typer.Typer(
    no_args_is_help=True,
    help="Sectors by momentum, levered by a policy: the published experiment, one configuration, further research.",
)


class Question(StrEnum):
    """What is studied."""

    LEVERAGE = "leverage"
    LIMITS = "limits"
    WEIGHTINGS = "weightings"
    LOOK_BACKS = "look-backs"
    VIX_THRESHOLDS = "vix-thresholds"
    BEAR_MARKET = "bear-market"


Prices = Annotated[
    Path | None,
    typer.Option(
        help="Dividend-adjusted daily closes, CSV or Parquet: one column a ticker, or one row a ticker and date with "
        "columns ticker, date, close. The eleven sectors, TLT and SPY. None are installed with the program.",
        show_default=False,
    ),
]
Index = Annotated[
    Path | None,
    typer.Option(help="Volatility index in points (VIX), CSV or Parquet, column close.", show_default=False),
]
Configuration = Annotated[
    Path | None,
    typer.Option(
        help="TOML file of an experiment, whose profiles are used. Default: the published one.", show_default=False
    ),
]
Profile = Annotated[str, typer.Option(help="Profile of the configuration.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="KEY=VALUE as in a configuration, over the profile's: momentum=134, schedule=7D, "
        "leverage='{policy = \"vix-steps\", base = 1.25}'. May be repeated.", show_default=False,
    ),
]  # fmt: skip
Start = Annotated[
    str | None, typer.Option(help="First date, 2020-01-02. Default: the configuration's.", show_default=False)
]
End = Annotated[str | None, typer.Option(help="Last date, included. Default: the configuration's.", show_default=False)]
Jobs = Annotated[int, typer.Option(help="Processes; 0 for one a core.", min=0)]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files in the output folder even if they were edited.")
]


@sector_rotation.command()
def study(
    configuration: Annotated[
        Path | None, typer.Argument(help="TOML file. Default: the published experiment.", show_default=False)
    ] = None,
    prices: Prices = None,
    volatility_index: Index = None,
    phase: Annotated[
        list[str] | None, typer.Option(help="Run only this phase. May be repeated.", show_default=False)
    ] = None,
    jobs: Jobs = 0,
    runs: Annotated[Path, typer.Option(help="Folder in which runs are kept.")] = Path("allocopt-runs"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the last kept run of the same configuration.")
    ] = False,
) -> None:
    """Run the phases of an experiment, print their table with the benchmark, and keep the run.

    A configuration holds profiles (named sets of parameters) and phases that run them as they are or over a grid;
    `allocopt sector-rotation configuration` prints the published one, to be copied and changed. `allocopt runs` lists
    kept runs, `allocopt show` prints the last.
    """
    with sentences():
        whole = _experiment(configuration)
        experiment = whole.only(*phase) if phase else whole
        part = experiment.phases if experiment.phases != whole.phases else ()
        data = read_data(prices, volatility_index)
        found, folder = _kept_study(experiment, part, data, runs, jobs or os.cpu_count() or 1, resume)
        typer.echo("\n".join(study_lines(found)))
        typer.echo(f"\nKept in {folder}: allocopt runs lists kept runs, allocopt show prints the last")


@sector_rotation.command()
def run(
    prices: Prices = None,
    volatility_index: Index = None,
    configuration: Configuration = None,
    profile: Profile = "base",
    settings: Settings = None,
    start: Start = None,
    end: End = None,
    jobs: Jobs = 0,
    output: Annotated[Path, typer.Option(help="Folder for figures and tables.")] = Path("allocopt-sector-rotation"),
    overwrite: Overwrite = False,
) -> None:
    """Run one configuration: figures, ledger, decisions, trades, costs, and every offset of its schedule.

    Prints the figures beside the benchmark's and, where a profile has them, the published ones.
    """
    with sentences(), steps(4) as tell:
        say = tell or (lambda _: None)
        say("reading")
        experiment = _experiment(configuration)
        chosen = {**experiment.profile(profile), **parsed_settings(settings or [])}
        data = _on_clock(experiment, read_data(prices, volatility_index))
        say("running")
        from allocopt.backtests.sector_rotation import rotation_from_settings

        rotation = rotation_from_settings(chosen)
        _require_index(data, rotation.needs_volatility_index)
        result = rotation.run(data, start=start or experiment.start, end=end or experiment.end)
        say("offsets")
        sweep = result.offsets(n_jobs=jobs or os.cpu_count() or 1)
        say("writing")
        from allocopt.backtests.sector_rotation.report import write_run

        unchanged = not settings and start is None and end is None
        published = next((c.published for c in experiment.cells if unchanged and c.label == profile), {})
        write_run(result, sweep, published, output, overwrite)
        lines = run_lines(result, sweep, published)
    typer.echo("\n".join(lines))
    typer.echo(f"\nFigures and tables are in {output}")


@sector_rotation.command()
def research(
    question: Annotated[Question, typer.Argument(help="What to study.")],
    prices: Prices = None,
    volatility_index: Index = None,
    configuration: Configuration = None,
    profile: Profile = "base",
    settings: Settings = None,
    start: Annotated[
        str | None, typer.Option(help="First date. Default: the first one after the warm-up.", show_default=False)
    ] = None,
    end: Annotated[str | None, typer.Option(help="Last date, included. Default: the last one.", show_default=False)] = (
        None
    ),
    split: Annotated[
        str | None,
        typer.Option(help="Where choices end and the second window begins. Default: 2015-01-01.", show_default=False),
    ] = None,
    jobs: Jobs = 0,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the table, as CSV. Default: not written.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Answer one of the questions that the published report left open, with how many variants it took.

    Weightings, look-backs and thresholds are compared in two windows: choices are made before the split, and the second
    window shows what they were worth. The bear market is 2007-10-01 to 2009-12-31 unless dates are given.
    """
    with sentences():
        experiment = _experiment(configuration)
        chosen = {**experiment.profile(profile), **parsed_settings(settings or [])}
        data = _on_clock(experiment, read_data(prices, volatility_index))
        from allocopt.backtests.sector_rotation import RESEARCH, rotation_from_settings

        given: dict[str, Any] = {name: value for name, value in (("start", start), ("end", end)) if value is not None}
        windows = (Question.WEIGHTINGS, Question.LOOK_BACKS, Question.VIX_THRESHOLDS)
        if split is not None and question not in windows:
            raise SpecificationError(
                "--split does not go with this question",
                value=question.value,
                remedy=f"it goes with {', '.join(windows)}",
            )
        given |= {} if split is None else {"split": split}
        rotation = rotation_from_settings(chosen)
        own = (Question.LEVERAGE, Question.VIX_THRESHOLDS, Question.BEAR_MARKET)
        _require_index(data, question in own or rotation.needs_volatility_index)
        found = RESEARCH[question.value](
            data, rotation, n_jobs=jobs or os.cpu_count() or 1, progress=_watched(), **given
        )
        if output is not None:
            from allocopt.backtests.sector_rotation.report import write_research

            write_research(found, data, rotation, given, output, overwrite)
        typer.echo("\n".join(research_lines(found)))


@sector_rotation.command()
def configuration() -> None:
    """Print the published experiment as a TOML file, to be copied and changed."""
    from allocopt.backtests.sector_rotation import Experiment

    typer.echo(Experiment.default().text, nl=False)


def _experiment(path: Path | None) -> Experiment:
    from allocopt.backtests.sector_rotation import Experiment
    from allocopt.toml_files import read_toml

    return Experiment.default() if path is None else Experiment.from_text(read_toml(path)[1])


def _on_clock(experiment: Experiment, data: SectorData) -> SectorData:
    return data.at_new_york_midnight() if experiment.clock == "new-york" else data


def _require_index(data: SectorData, needed: bool) -> None:
    if needed and data.volatility_index is None:
        raise SpecificationError(
            "a leverage policy needs a volatility index, which is not given",
            remedy="give one: --volatility-index FILE, levels in points",
        )


def _watched() -> bool:
    import sys

    return sys.stderr.isatty()


def _kept_study(
    experiment: Experiment, phases: tuple[str, ...], data: SectorData, root: Path, jobs: int, resume: bool
) -> tuple[StudyResult, Path]:
    """Run an experiment in a folder of its own, which keeps every run and the table; finished runs survive a stop."""
    import pandas as pd

    from allocopt.backtests.runs import list_runs, new_run
    from allocopt.backtests.sector_rotation import run_experiment

    experiment.check(data)
    kind = "sector-rotation"
    # Part of the phases is a run of its own: resuming the whole one would replace its table by a shorter one.
    title = experiment.title + (f" (phases: {', '.join(phases)})" if phases else "")
    if resume:
        asked = (kind, " ".join(title.split()))
        alike = [run for run in list_runs(root) if (run.kind, run.title) == asked]
        same = [run for run in alike if run.configuration() == experiment.text]
        if not same:
            raise DataFileError(
                "there is no kept run of this configuration" + (" and these phases" if phases else ""),
                where=str(root),
                remedy="run it without --resume",
            )
        folder = same[-1].resume()
    else:
        folder = new_run(root, kind, title, experiment.text)
    try:
        with folder.store() as store:
            found = run_experiment(experiment, data, store=store, n_jobs=jobs, progress=_watched())
    except BaseException as error:
        folder.interrupt()
        if isinstance(error, KeyboardInterrupt):
            typer.echo(f"\nWhat is done is kept in {folder.path}: the same command with --resume goes on", err=True)
        raise
    table = found.with_benchmark
    table.index = pd.Index([f"{phase}: {run}" for phase, run in table.index], name="run")
    return found, folder.finish(table).path
