"""``allocopt trend-basket``: run the hourly trend basket on files of closes, and write its report."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allocopt._terminal import sentences, steps
from allocopt.errors import DataFileError, InputError, SpecificationError

if TYPE_CHECKING:
    import pandas as pd

    from allocopt.backtests.trend_basket import RegularCloses, TrendBasket
    from allocopt.backtests.trend_basket.report import BasketReport, Source


class Gaps(StrEnum):
    """What a bar without a close means."""

    RAISE = "raise"
    FILL = "fill"


def trend_basket(
    closes: Annotated[
        list[str],
        typer.Option(
            help="COIN=FILE with a date and a close column, once for each coin (BTC=btc.csv); or one FILE with a date "
            "and one column a coin. CSV or Parquet.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(help="All parameters in one word. Default: the published basket.", show_default=False),
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="First bar, 2019-12-25 or '2019-12-25 00:00'.", show_default=False)
    ] = None,
    end: Annotated[
        str | None, typer.Option(help="Last bar; a date without a time means its whole day.", show_default=False)
    ] = None,
    fee: Annotated[float, typer.Option(help="Fee, a decimal of the traded amount, a side.")] = 0.0004,
    cap: Annotated[
        float | None, typer.Option(help="Largest weight of a coin, decimal. Default: the name's.", show_default=False)
    ] = None,
    floor: Annotated[
        float | None,
        typer.Option(help="Smallest weight of a coin that is held, decimal. Default: the name's.", show_default=False),
    ] = None,
    market: Annotated[
        str | None, typer.Option(help="The coin whose trend opens the gate. Default: BTC.", show_default=False)
    ] = None,
    gaps: Annotated[Gaps, typer.Option(help="Bars without a close: an error, or the last close once more.")] = (
        Gaps.RAISE
    ),
    output: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("allocopt-trend-basket"),
    jobs: Annotated[int, typer.Option(help="Processes for the phases; 0 for one a core.", min=0)] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files in the output folder even if they were edited.")
    ] = False,
) -> None:
    """Run the trend basket: coins by momentum behind a gate, sized to a volatility target, at every phase.

    Writes the raw ledger, tables of totals, phases, horizons, months, costs and trades, a page to read
    (rotation-risk-report.md) and a figure. `allocopt audit` recomputes all of it from the ledger's closes. Weights are
    decided with what is known at each bar's close and executed on the next. All figures are decimals.
    """
    with sentences():
        basket = _basket(name, fee, cap, floor, market)
        with steps(5) as tell:
            if tell:
                tell("reading closes")
            table, sources = read_tables(closes)
            regular = complete(between(table, start, end), basket, gaps)
            if tell:
                tell("running the basket")
            from allocopt.backtests.trend_basket.report import write_report

            report = write_report(
                basket.run(regular.closes), output, filled=regular.filled, sources=sources,
                n_jobs=jobs or os.cpu_count() or 1, overwrite=overwrite, progress=tell,
            )  # fmt: skip
        typer.echo(summary(report))
        typer.echo(f"\nReport, ledger, tables and figure are in {output}")
        typer.echo(f"Recompute every figure with: allocopt audit {output}")


def _basket(name: str | None, fee: float, cap: float | None, floor: float | None, market: str | None) -> TrendBasket:
    from dataclasses import replace

    from allocopt.backtests.trend_basket import TrendBasket
    from allocopt.costs import ProportionalCost

    basket = TrendBasket() if name is None else TrendBasket.from_name(name)
    limits = {key: value for key, value in (("cap", cap), ("floor", floor)) if value is not None}
    return replace(basket, limits=replace(basket.limits, **limits), market=market, costs=ProportionalCost(fee))


def read_tables(given: list[str]) -> tuple[pd.DataFrame, list[Source]]:
    """Put the closes of all files side by side, on all of their dates, and what the files are."""
    import pandas as pd

    from allocopt.backtests.trend_basket.report import Source
    from allocopt.market_files import read_closes

    tables, sources = [], []
    for text in given:
        coin, _, rest = text.partition("=")
        path, whose = (Path(rest), coin) if rest and not Path(text).exists() else (Path(text), None)
        table = read_closes(path, whose)
        tables.append(table)
        sources.append(Source.of(path, len(table)))
        known = [str(column) for one in tables for column in one.columns]
        if len(set(known)) < len(known):
            raise SpecificationError("a coin is given twice", value=text, remedy="give each coin once")
        zones = [pd.DatetimeIndex(one.index).tz is None for one in tables]
        if len(set(zones)) > 1:
            raise DataFileError(
                f"{path.name} and {sources[0].file} differ in having a time zone", remedy="write all dates in UTC"
            )
    return pd.concat(tables, axis=1, sort=True), sources


def between(table: pd.DataFrame, start: str | None, end: str | None) -> pd.DataFrame:
    """Rows from start to end, both included."""
    import pandas as pd

    index = pd.DatetimeIndex(table.index)
    wanted = pd.Series(True, index=index)
    if start is not None:
        wanted &= index >= _bound(start, "--start", index)
    if end is not None:
        last = _bound(end, "--end", index)
        wanted &= index < last + pd.Timedelta(days=1) if _is_day(end) else index <= last
    if not wanted.any():
        raise SpecificationError(
            "no close lies between --start and --end",
            value=(start, end),
            remedy=f"the files reach from {index[0]} to {index[-1]}" if len(index) else "give files with closes",
        )
    return table[wanted.to_numpy()]


def _bound(text: str, option: str, index: pd.DatetimeIndex) -> pd.Timestamp:
    import pandas as pd

    try:
        date = pd.Timestamp(text)
    except ValueError:
        date = None
    if date is None or pd.isna(date):
        raise SpecificationError(f"{option} is no date", value=text, remedy="write it as 2019-12-25")
    if index.tz is None:
        return date.tz_convert("UTC").tz_localize(None) if date.tzinfo is not None else date
    return date.tz_convert(index.tz) if date.tzinfo is not None else date.tz_localize(index.tz)


def _is_day(text: str) -> bool:
    return ":" not in text and "T" not in text.upper()


def complete(table: pd.DataFrame, basket: TrendBasket, gaps: Gaps) -> RegularCloses:
    """One close a bar and coin; a gap is an error that counts them, or filled."""
    from allocopt.backtests.trend_basket import regular_closes

    for coin in table.columns:
        first, last = table[coin].first_valid_index(), table[coin].last_valid_index()
        for found, edge, option in ((first, table.index[0], "--start"), (last, table.index[-1], "--end")):
            if found != edge:
                side = "before" if option == "--start" else "after"
                raise InputError(
                    f"{coin} has no close {side} {found!s}" if found is not None else f"{coin} has no close",
                    remedy=f"pass {option} '{found!s}', or other files",
                )
    regular = regular_closes(table, basket.bar)
    counts = regular.counts[regular.counts > 0]
    if gaps is Gaps.RAISE and len(counts):
        coin = counts.index[0]
        row = regular.filled[coin].to_numpy().argmax()
        told = ", ".join(f"{name} on {count:,}" for name, count in counts.items())
        raise InputError(
            f"bars without a close: {told} of {len(regular.closes):,}",
            where=f"{regular.closes.index[row]}, coin {str(coin)!r}, the first of them",
            remedy="pass --gaps fill to carry the last close over each gap, or complete the files",
        )
    return regular


def summary(report: BasketReport) -> str:
    """Write what the command prints: metrics, phases, costs, volatility, and parameters that never bind."""
    result = report.result
    dates = result.equity.index
    filled = ", ".join(f"{coin} {count}" for coin, count in report.filled.sum().items())
    lines = [
        result.basket.name,
        f"{len(dates):,} bars, {dates[0]} to {dates[-1]}, bars filled: {filled}",
        f"first signal {result.decisions.first_signal}, first exposure {result.first_exposure}",
        "",
        *(f"  {name!s:<20} {value:>12.6g}" for name, value in result.metrics.items()),
        "",
        "Volatility per year, target and delivered:",
        *(f"  {name!s:<20} {value:>12.2%}" for name, value in result.delivered_volatility.items()),
        "",
        f"All {len(report.phases.table)} phases of the schedule:",
        f"  {'':<20} {'min':>12} {'median':>12} {'max':>12} {'chosen':>12} {'its rank':>9}",
    ]
    for name, found in report.phases.summaries.loc[["total_return", "max_drawdown", "calmar"]].iterrows():
        figures = " ".join(f"{found[figure]:>12.6g}" for figure in ("min", "median", "max", "chosen"))
        lines.append(f"  {name!s:<20} {figures} {int(found['rank']):>9}")
    lines += [
        f"  The chosen phase is number {report.phases.rank} of {len(report.phases.table)} by total return",
        "",
        "Total return at multiples of the fee:",
        *(f"  {f'x {factor:g}':<20} {value:>12.6g}" for factor, value in report.costs.table["total_return"].items()),
        "",
        "Parameters that never bind: " + (", ".join(result.never_binding) or "none"),
        "In sample: nothing here was tested on bars that the parameters had not seen.",
    ]
    return "\n".join(lines)
