"""``allocopt sector-rotation``: the published experiment, one configuration, and the questions that were left open."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocopt._terminal import sentences, steps
from allocopt.errors import DataFileError, SpecificationError

if TYPE_CHECKING:
    import pandas as pd

    from allocopt.backtests.sector_rotation import (
        Experiment,
        ResearchTable,
        SectorData,
        SectorRotationResult,
        StudyResult,
    )
    from allocopt.backtests.studies import Sweep

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
        experiment = _experiment(configuration)
        if phase:
            experiment = experiment.only(*phase)
        data = read_data(prices, volatility_index)
        found, folder = _kept_study(experiment, data, runs, jobs or os.cpu_count() or 1, resume)
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
        chosen = {**experiment.profile(profile), **_parsed(settings or [])}
        data = _on_clock(experiment, read_data(prices, volatility_index))
        say("running")
        from allocopt.backtests.sector_rotation import rotation_from_settings

        result = rotation_from_settings(chosen).run(data, start=start or experiment.start, end=end or experiment.end)
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
        chosen = {**experiment.profile(profile), **_parsed(settings or [])}
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


def read_data(prices: Path | None, volatility_index: Path | None) -> SectorData:
    """Read closes and, where it is given, a volatility index.

    Parameters
    ----------
    prices : Path or None
        A wide table of closes, or a long one with columns ticker, date and close.
    volatility_index : Path or None
        Levels in points.

    Raises
    ------
    DataFileError
        Without a file of prices, or where one cannot be read.
    """
    from allocopt.backtests.sector_rotation import SectorData
    from allocopt.market_files import read_volatility_index

    if prices is None:
        raise DataFileError(
            "there are no sector prices in the program",
            remedy="pass --prices FILE with dividend-adjusted closes of the eleven sectors, TLT and SPY",
        )
    level = None if volatility_index is None else read_volatility_index(volatility_index)
    return SectorData(read_sector_closes(prices), level)


def read_sector_closes(path: Path) -> pd.DataFrame:
    """Read closes by date and ticker from a wide file, or from a long one with columns ticker, date and close.

    Raises
    ------
    DataFileError
        As `allocopt.market_files.read_closes`.

    Examples
    --------
    >>> path = Path("closes.csv")
    >>> _ = path.write_text(f"ticker,date,close{chr(10)}XLK,2024-01-02,10{chr(10)}TLT,2024-01-02,20")
    >>> read_sector_closes(path).to_dict("records")
    [{'XLK': 10.0, 'TLT': 20.0}]
    """
    import pandas as pd

    from allocopt.backtests.sector_rotation import wide_closes
    from allocopt.market_files import _closes, _read, read_closes

    frame = _read(path)
    if not {"ticker", "close"} <= set(frame.columns):
        return read_closes(path)
    dates = pd.DatetimeIndex(frame.index)
    closes = _closes(frame["close"], path).to_numpy()
    return wide_closes(pd.DataFrame({"ticker": frame["ticker"].to_numpy(), "date": dates, "close": closes}))


def study_lines(found: StudyResult) -> list[str]:
    """Write what the study prints: the table with the benchmark, and published figures beside ours."""
    from allocopt.rotation_command import plain_table

    lines = [
        f"{found.experiment.title}: {len(found.table)} runs, {found.start:%Y-%m-%d} to {found.end:%Y-%m-%d}",
        "",
        plain_table(found.with_benchmark),
    ]
    if len(found.published):
        lines += ["", "Published, ours by the original's definitions, and true:", plain_table(found.published)]
    best = found.table["sharpe"].idxmax()
    label = " ".join(best) if isinstance(best, tuple) else str(best)
    return [
        *lines,
        "",
        f"The best of {len(found.table)} runs by Sharpe ratio is {label} with {found.table['sharpe'].max():.2f}; the "
        f"benchmark has {found.benchmark['sharpe']:.2f}. All were run on the same closes: in sample.",
    ]


def run_lines(result: SectorRotationResult, sweep: Sweep, published: Mapping[str, float]) -> list[str]:
    """Write what a run prints."""
    import pandas as pd

    from allocopt.backtests.sector_rotation import original_figures
    from allocopt.rotation_command import plain_table

    dates, decisions = result.dates, result.decisions
    table = pd.DataFrame({"rotation": result.metrics, result.rotation.benchmark: result.benchmark})
    if published:
        table["published"] = pd.Series(dict(published))
        table["by its definitions"] = pd.Series(original_figures(result.metrics))
    late = decisions.without_history[decisions.without_history > 0]
    test = result.against_benchmark
    s = sweep.summary
    return [
        f"{len(dates):,} sessions, {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}, {len(decisions)} decisions "
        f"({result.rotation.decision_schedule.label})",
        "Decisions without enough history of a sector: "
        + (", ".join(f"{name} {count}" for name, count in late.items()) or "none"),
        "",
        plain_table(table),
        "",
        f"In {result.rotation.defensive} on {result.time_defensive:.1%} of days. Interest paid: "
        f"{abs(result.ledger.interest.sum()):,.0f}, costs: {result.ledger.cost.sum():,.0f}, of a capital of "
        f"{result.ledger.capital:,.0f}.",
        f"Sharpe ratio less the benchmark's: {test.difference:.2f}, standard error {test.standard_error:.2f}, "
        f"p = {test.p_value:.2f}.",
        f"All {s['values']} offsets of the schedule, CAGR: {s['min']:.2%} to {s['max']:.2%}, median {s['median']:.2%}; "
        f"this one {s['chosen']:.2%}, rank {sweep.rank}.",
        "Parameters that never bind: " + (", ".join(result.never_binding) or "none"),
        "In sample: nothing here was tested on closes that the parameters had not seen.",
    ]


def research_lines(found: ResearchTable) -> list[str]:
    """Write what a study of research prints."""
    from allocopt.rotation_command import plain_table

    index = found.trials.returns.index
    return [
        found.question,
        "",
        plain_table(found.table),
        "",
        *found.notes,
        f"From {index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}: {found.multiple_testing}",
    ]


def _experiment(path: Path | None) -> Experiment:
    from allocopt.backtests.sector_rotation import Experiment
    from allocopt.toml_files import read_toml

    return Experiment.default() if path is None else Experiment.from_text(read_toml(path)[1])


def _on_clock(experiment: Experiment, data: SectorData) -> SectorData:
    return data.at_new_york_midnight() if experiment.clock == "new-york" else data


def _parsed(given: list[str]) -> dict[str, Any]:
    """Read settings from KEY=VALUE; a value that is no TOML is a word."""
    import tomllib

    found: dict[str, Any] = {}
    for text in given:
        key, sign, value = text.partition("=")
        key = key.strip()
        if not sign or not key:
            raise SpecificationError("--set has no KEY=VALUE", value=text, remedy="write --set momentum=134")
        if key in found:
            raise SpecificationError("a setting is given twice", value=key, remedy="give each once")
        try:
            found[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            if any(mark in value for mark in "{}[]"):
                raise SpecificationError(
                    f"the value of {key} is no TOML", value=value, remedy="write it as in a configuration"
                ) from None
            found[key] = value.strip()
    return found


def _watched() -> bool:
    import sys

    return sys.stderr.isatty()


def _kept_study(
    experiment: Experiment, data: SectorData, root: Path, jobs: int, resume: bool
) -> tuple[StudyResult, Path]:
    """Run an experiment in a folder of its own, which keeps every run and the table; finished runs survive a stop."""
    import pandas as pd

    from allocopt.backtests.runs import list_runs, new_run
    from allocopt.backtests.sector_rotation import run_experiment

    experiment.check(data)
    kind = "sector-rotation"
    if resume:
        same = [run for run in list_runs(root) if run.kind == kind and run.configuration() == experiment.text]
        if not same:
            raise DataFileError(
                "there is no kept run of this configuration", where=str(root), remedy="run it without --resume"
            )
        folder = same[-1].resume()
    else:
        folder = new_run(root, kind, experiment.title, experiment.text)
    try:
        with folder.store() as store:
            found = run_experiment(experiment, data, store=store, n_jobs=jobs, progress=_watched())
    except BaseException:
        folder.interrupt()
        raise
    table = found.with_benchmark
    table.index = pd.Index([f"{phase}: {run}" for phase, run in table.index], name="run")
    return found, folder.finish(table).path
