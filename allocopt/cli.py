"""The command line: ``compare``, a command for each system, ``walk-forward``, ``runs``, ``show`` and ``audit``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import allocopt
from allocopt._terminal import sentences
from allocopt.audit_command import audit
from allocopt.errors import DataFileError, InputError, SpecificationError
from allocopt.limits import Limits
from allocopt.rotation_command import money_lines, rotation, write_money
from allocopt.runs_command import runs, show
from allocopt.sector_rotation_command import sector_rotation
from allocopt.trend_basket_command import trend_basket
from allocopt.volatility_alpha_command import volatility_alpha, volatility_alpha_windows
from allocopt.walk_forward_command import walk_forward

if TYPE_CHECKING:
    import pandas as pd

    from allocopt.backtests.rotation.money import MoneyComparison
    from allocopt.comparison import Comparison

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Capital weights that meet a cap and a floor exactly, what the clip-and-renormalise loop does instead, and "
    "the systems built on them.",
)
app.command()(rotation)
app.add_typer(sector_rotation, name="sector-rotation")
app.command()(trend_basket)
app.command()(volatility_alpha)
app.command()(volatility_alpha_windows)
app.command()(walk_forward)
app.command()(runs)
app.command()(show)
app.command()(audit)


class Implied(StrEnum):
    """Where implied volatilities come from."""

    INDEX = "index"
    PROXY = "realized-proxy"
    INDEX_THEN_PROXY = "index-then-proxy"


@dataclass(frozen=True)
class _Options:
    """How the profiles' options are priced and charged."""

    etf: bool
    rate: float
    dividend: float


def main() -> None:
    """Run the command line."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"allocopt {allocopt.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    del version


@app.command()
def compare(
    prices: Annotated[
        Path | None,
        typer.Option(
            help="Daily bars, CSV or Parquet: dates and columns open, high, low, close (any capitalisation). An "
            "'Adj Close' column scales the bars, and the output says so. Default: the S&P 500, 1999 to 2018, that "
            "is installed with the program.",
            show_default=False,
        ),
    ] = None,
    volatility_index: Annotated[
        Path | None,
        typer.Option(
            help="30-day volatility index in points (VIX), CSV or Parquet, column close. Default with the embedded "
            "prices: the VIX from 2014, that is installed with the program.",
            show_default=False,
        ),
    ] = None,
    implied: Annotated[
        Implied | None,
        typer.Option(
            help="Implied volatility on each date: the index (an error on a date without one); the proxy, 1.2 x "
            "realised volatility; or the index where it exists and the proxy elsewhere. Default: index-then-proxy for "
            "the embedded prices, index for your own.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the figure, the tables and the weights.")] = Path(
        "allocopt-output"
    ),
    cap: Annotated[float, typer.Option(help="Largest weight of a sleeve, decimal.")] = 0.40,
    floor: Annotated[float, typer.Option(help="Smallest weight of a sleeve that is held, decimal.")] = 0.05,
    budget: Annotated[float, typer.Option(help="Largest sum of weights, decimal; the rest is cash.")] = 1.0,
    etf: Annotated[
        bool, typer.Option("--etf", help="Costs of an ETF's options, for prices near 100 to 1,000; default: an index.")
    ] = False,
    rate: Annotated[float, typer.Option(help="Interest rate of the option prices, decimal per year.")] = 0.0,
    dividend: Annotated[float, typer.Option(help="Dividend yield of the option prices, decimal per year.")] = 0.0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files in the output folder even if they were edited.")
    ] = False,
) -> None:
    """Allocate to six option profiles by regime, with the usual loop and with the projections, and compare.

    Prices become features, regimes and profile scores; score times regime compatibility is the desirability; the
    heuristic, the Euclidean and the KL projection turn it into weights on the same dates. Prints what each keeps and
    breaks, and what their difference is made of; then, on the dates with a real volatility index, the money: the
    profiles' backtests on a volatility surface, weighted by each allocator in the same accounts. Writes comparison.png,
    summary.csv, steps.csv, desirability.parquet, money.png, the tables of the money (money.csv, performance.csv,
    sharpe-tests.csv, money-steps.csv and others) and, for each allocator, weights as CSV and Parquet.

    Weights are decided with what is known at each date's close. All figures are decimal fractions of capital.
    """
    with sentences():
        limits = Limits(cap=cap, floor=floor, budget=budget)
        if prices is None and volatility_index is not None:
            raise SpecificationError(
                "--volatility-index goes with --prices", remedy="give both files, or neither for the embedded data"
            )
        options = _Options(etf, rate, dividend)
        result, money, notes = _study(prices, volatility_index, implied, limits, options, output, overwrite)
        _report(result, notes)
        if money is None:
            typer.echo("\nThe money is not accounted for: see the note above.")
        else:
            typer.echo("\n".join(["\nThe same with money, on the dates with a volatility index:", *money_lines(money)]))
        typer.echo(f"\nFigure, tables and weights are in {output}")


def _study(
    prices: Path | None,
    volatility_index: Path | None,
    implied: Implied | None,
    limits: Limits,
    options: _Options,
    output: Path,
    overwrite: bool,
) -> tuple[Comparison, MoneyComparison | None, list[str]]:
    """Run the whole job behind one progress bar: the comparison, the money, what the reader must know of the data."""
    from tqdm import tqdm

    from allocopt.comparison import compare as compare_allocators
    from allocopt.output import result_folder
    from allocopt.rotation_inputs import rotation_desirability

    with tqdm(total=6, bar_format="{desc:<34} {bar:24} {n_fmt}/{total_fmt}", leave=False) as bar:

        def step(what: str) -> None:
            bar.set_description_str(what)
            bar.refresh()

        step("reading prices")
        inputs = rotation_desirability(prices, volatility_index, implied.value if implied else None)
        bar.update(2)
        step("allocating (first run compiles)")
        result = compare_allocators(inputs.desirability, limits)
        bar.update()
        step("accounting (first run compiles)")
        money, why = _money(prices, volatility_index, implied, limits, options)
        bar.update()
        step("writing")
        with result_folder(output, overwrite=overwrite) as folder:
            result.plot().savefig(folder / "comparison.png", dpi=150)
            bar.update()
            result.summary().to_csv(folder / "summary.csv", index_label="figure")
            result.steps().to_csv(folder / "steps.csv")
            if money is not None:
                write_money(money, folder)
            inputs.desirability.assign(regime=inputs.regimes).to_parquet(folder / "desirability.parquet")
            for label, allocation in result.allocations.items():
                frame = allocation.to_frame()
                frame.to_csv(folder / f"weights-{label}.csv")
                frame.to_parquet(folder / f"weights-{label}.parquet")
        bar.update()
    return result, money, [*inputs.notes, *why]


def _money(
    prices: Path | None, volatility_index: Path | None, implied: Implied | None, limits: Limits, options: _Options
) -> tuple[MoneyComparison | None, list[str]]:
    """Give the comparison with money, or why there is none: too few dates, or an index with holes."""
    from allocopt.backtests.profiles import ETF_COSTS, INDEX_COSTS
    from allocopt.backtests.rotation.engine import RotationEngine
    from allocopt.backtests.rotation.money import compare_money
    from allocopt.rotation_data import rotation_data

    indices = None if volatility_index is None else {"vix": volatility_index}
    try:
        files = rotation_data(
            prices, indices, proxy=implied is Implied.PROXY, rate=options.rate, dividend=options.dividend
        )
        engine = RotationEngine(
            max_profile_weight=limits.cap, min_profile_weight=limits.floor, budget=limits.budget,
            profile_costs=ETF_COSTS if options.etf else INDEX_COSTS,
        )  # fmt: skip
        money = compare_money(engine, files.data)
        return money, [*files.notes[1:], *files.sources(money.signals.dates)]
    except (DataFileError, SpecificationError, InputError) as error:  # too few dates, no index, one with holes
        return None, [f"Money: not accounted for, because {error}"]


def _report(result: Comparison, notes: list[str]) -> None:
    for note in notes:
        typer.echo(note)
    typer.echo(f"\n{_table(result.summary())}\n")
    typer.echo(f"What the difference heuristic -> {result.chosen} is made of (mean over dates, in weight):")
    steps = result.steps()[["cause", "contribution", "share"]]
    width = max(map(len, steps.index))
    for name, row in steps.iterrows():
        typer.echo(f"  {name!s:<{width}}  {row['contribution']:>9.5f}  {row['share']:>7.1%}  {row['cause']}")


def _table(summary: pd.DataFrame) -> str:
    counts = ("dates", "dates over the cap", "dates under the floor", "dates not converged")
    rows = [["", *summary.columns]]
    for name, values in summary.iterrows():
        rows.append([str(name), *(f"{v:.0f}" if name in counts else f"{v:.4g}" for v in values)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        row[0].ljust(widths[0]) + "".join(cell.rjust(w + 3) for cell, w in zip(row[1:], widths[1:], strict=True))
        for row in rows
    )
