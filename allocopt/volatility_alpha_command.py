"""``allocopt volatility-alpha`` and ``volatility-alpha-windows``: the ladder on one file, and on every window."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocopt._terminal import sentences
from allocopt.errors import SpecificationError
from allocopt.output import result_folder

if TYPE_CHECKING:
    import pandas as pd

    from allocopt.backtests.volatility_alpha import (
        VolatilityAlpha,
        VolatilityAlphaComparison,
        VolatilityAlphaResult,
        WindowResult,
    )

#: Groups of windows in the tables, and the names of their files.
CONDITIONS: dict[str, tuple[float, ...] | int] = {
    "displacement": (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, float("inf")),
    "buy_and_hold": (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0, 5.0, float("inf")),
    "volatility": 5,
    "max_drawdown": 5,
}


class Lots(StrEnum):
    """Which buyback a sale unwinds."""

    FIFO = "fifo"
    LIFO = "lifo"


class Quantity(StrEnum):
    """Shares of a sale."""

    NOTE = "note"
    EXACT = "exact"


class Whole(StrEnum):
    """Whole shares, or any number."""

    INTEGER = "integer"
    FRACTIONAL = "fractional"


class Check(StrEnum):
    """Checks of the bars that may be left out."""

    GAP = "gap"
    SPLIT = "split"


class BarPath(StrEnum):
    """How closes become bars."""

    FLAT = "flat"
    JOINED = "joined"


def volatility_alpha(
    prices: Annotated[
        Path | None,
        typer.Option(
            help="Daily bars, CSV or Parquet: dates and columns open, high, low, close (any capitalisation), adjusted "
            "for splits. Default: the S&P 500, 1999 to 2018, that is installed with the program.",
            show_default=False,
        ),
    ] = None,
    n: Annotated[
        float | None, typer.Option(help="Rungs to a doubling. Default: 8.", show_default=False, min=0.0)
    ] = None,
    profit_sharing: Annotated[
        float | None,
        typer.Option(help="Part of a rung's gain that is sold, decimal. Default: 0.5.", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="All parameters in one word, in place of the options: sd8, sd16,75-lifo-exact, sd-9.05,50.",
            show_default=False,
        ),
    ] = None,
    lots: Annotated[Lots, typer.Option(help="Which buyback a sale unwinds: the oldest, or the newest.")] = Lots.FIFO,
    sell_quantity: Annotated[
        Quantity, typer.Option(help="Shares of a sale: the note's, or those that undo the buy one rung below.")
    ] = Quantity.NOTE,
    shares: Annotated[Whole, typer.Option(help="Orders in whole shares, or not rounded.")] = Whole.INTEGER,
    margin: Annotated[bool, typer.Option("--margin/--cash", help="Whether the bank may go negative.")] = True,
    lending: Annotated[float, typer.Option(help="What the bank earns, decimal a year.")] = 0.0,
    borrowing: Annotated[float, typer.Option(help="What it owes when it is negative, decimal a year.")] = 0.0,
    periods_per_year: Annotated[float, typer.Option(help="Bars a year, for interest and volatility.")] = 252.0,
    fee: Annotated[float, typer.Option(help="Fee, a decimal of the traded amount.")] = 0.0,
    start: Annotated[str | None, typer.Option(help="First bar, 2022-10-27.", show_default=False)] = None,
    end: Annotated[str | None, typer.Option(help="Last bar, included.", show_default=False)] = None,
    bought: Annotated[
        float | None, typer.Option(help="Shares of the first purchase. Default: 100.", show_default=False)
    ] = None,
    capital: Annotated[
        float | None, typer.Option(help="Money in place of shares of the first purchase.", show_default=False)
    ] = None,
    allow: Annotated[
        list[Check] | None, typer.Option(help="Check of the bars to leave out; may be repeated.", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the figure and the tables.")] = Path(
        "allocopt-volatility-alpha"
    ),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files in the output folder even if they were edited.")
    ] = False,
) -> None:
    """Sell a little at each rung up and buy it back at each rung down, beside its variants and buy-and-hold.

    Runs the ladder, its ATH-only and ATH-sell variants and buy-and-hold on the same bars. Writes comparison.png,
    comparison.csv, and of the ladder transactions.csv, lots.csv, stack.csv, orders.csv and equity.csv. Orders are set
    with what is known at each close and live from the next bar. Returns are decimals of the start value.
    """
    with sentences():
        from allocopt.market_files import embedded_prices, read_prices

        ladder = _ladder(
            name, n, profit_sharing,
            {"lots": lots.value, "sell_quantity": sell_quantity.value, "shares": shares.value, "margin": margin},
            (lending, borrowing, periods_per_year), fee,
        )  # fmt: skip
        bars = embedded_prices() if prices is None else read_prices(prices)
        comparison = ladder.compare(
            bars, start=start, end=end, shares=bought, capital=capital, allow=[check.value for check in allow or ()]
        )
        with result_folder(output, overwrite=overwrite) as folder:
            _write(comparison, folder)
        source = "S&P 500 (embedded)" if prices is None else prices.name
        typer.echo(summary(comparison, source, periods_per_year))
        if "adj close" in bars.columns and not bars["adj close"].equals(bars["close"]):
            typer.echo("The file's adjusted close is not used: dividends are no part of these figures.")
        typer.echo(f"\nFigure and tables are in {output}")


def volatility_alpha_windows(
    closes: Annotated[
        Path | None,
        typer.Option(
            help="Closes adjusted for splits, CSV or Parquet: dates and one column a ticker. Default: the bars of the "
            "S&P 500, 1999 to 2018, that are installed with the program.",
            show_default=False,
        ),
    ] = None,
    n: Annotated[list[float] | None, typer.Option(help="Rungs; may be repeated. Default: 6 8 10 16 20.")] = None,
    profit_sharing: Annotated[
        list[float] | None, typer.Option(help="Decimals; may be repeated. Default: 0.25 0.5 0.75 1.")
    ] = None,
    years: Annotated[float, typer.Option(help="Length of a window, years of 252 bars.", min=0.01)] = 5.0,
    step: Annotated[int, typer.Option(help="Bars from one start to the next.", min=1)] = 1,
    path: Annotated[
        BarPath, typer.Option(help="Bars of closes: the close alone, or from the close before to the close.")
    ] = BarPath.JOINED,
    lending: Annotated[float, typer.Option(help="What the bank earns, decimal a year.")] = 0.0,
    borrowing: Annotated[float, typer.Option(help="What it owes when it is negative, decimal a year.")] = 0.0,
    allow: Annotated[
        list[Check] | None, typer.Option(help="Check of the bars to leave out; may be repeated.", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the figure and the tables.")] = Path(
        "allocopt-volatility-alpha-windows"
    ),
    jobs: Annotated[int, typer.Option(help="Threads.", min=1)] = 1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files in the output folder even if they were edited.")
    ] = False,
) -> None:
    """Run the ladder from every start of a window, at each n and profit sharing, beside buy-and-hold.

    Shares are not rounded. Writes windows.png (of n = 8, or the first n, and the profit sharing nearest to 0.5),
    distribution.csv (one row a ladder), by-ticker.csv, by-displacement.csv, by-buy_and_hold.csv, by-volatility.csv and
    by-max_drawdown.csv. Returns are decimals. Windows overlap: they are no independent samples.
    """
    with sentences():
        from allocopt.backtests.accounting import Financing
        from allocopt.backtests.volatility_alpha import VolatilityAlpha, WindowStudy
        from allocopt.market_files import embedded_prices, read_closes

        rates = Financing(lending=lending, borrowing=borrowing, periods_per_year=252)
        study = WindowStudy(
            n=tuple(int(one) if one.is_integer() else one for one in n or (6.0, 8.0, 10.0, 16.0, 20.0)),
            profit_sharing=tuple(profit_sharing or (0.25, 0.5, 0.75, 1.0)),
            window=round(252 * years), step=step, ladder=VolatilityAlpha(shares="fractional", financing=rates),
            path=path.value, allow=tuple(check.value for check in allow or ()), n_jobs=jobs,
        )  # fmt: skip
        found = study.run({"S&P 500": embedded_prices()} if closes is None else read_closes(closes))
        shown = 8 if 8 in study.n else study.n[0]
        sharing = min(study.profit_sharing, key=lambda one: abs(one - 0.5))
        with result_folder(output, overwrite=overwrite) as folder:
            found.figure(shown, sharing).savefig(folder / "windows.png", dpi=120)
            distribution = found.distribution
            distribution.to_csv(folder / "distribution.csv", lineterminator="\n")
            by_ticker = found.by_ticker(shown, sharing)
            by_ticker.rename_axis("ticker").to_csv(folder / "by-ticker.csv", lineterminator="\n")
            tables: dict[str, pd.DataFrame] = {}
            for condition, edges in CONDITIONS.items():
                tables[condition] = found.by_condition(shown, sharing, condition, edges)  # type: ignore[arg-type]
                tables[condition].to_csv(folder / f"by-{condition}.csv", lineterminator="\n")
        typer.echo(windows_summary(found, distribution, tables, shown, sharing))
        typer.echo(f"\nFigure and tables are in {output}")


def _ladder(
    name: str | None,
    n: float | None,
    profit_sharing: float | None,
    words: dict[str, Any],
    rates: tuple[float, float, float],
    fee: float,
) -> VolatilityAlpha:
    from dataclasses import replace

    from allocopt.backtests.accounting import Financing
    from allocopt.backtests.volatility_alpha import VolatilityAlpha

    financing = Financing(lending=rates[0], borrowing=rates[1], periods_per_year=rates[2])
    if name is None:
        number = 8 if n is None else int(n) if n.is_integer() else n
        share = 0.5 if profit_sharing is None else profit_sharing
        return VolatilityAlpha(n=number, profit_sharing=share, financing=financing, fee=fee, **words)
    plain = VolatilityAlpha()
    if n is not None or profit_sharing is not None or any(getattr(plain, k) != v for k, v in words.items()):
        raise SpecificationError(
            "--name goes with no option that it holds", value=name, remedy="give the name alone, or the options alone"
        )
    return replace(VolatilityAlpha.from_name(name), financing=financing, fee=fee)


def _write(comparison: VolatilityAlphaComparison, folder: Path) -> None:
    import pandas as pd

    result = shown(comparison)
    comparison.figure().savefig(folder / "comparison.png", dpi=120)
    comparison.table.rename_axis("run").to_csv(folder / "comparison.csv", lineterminator="\n")
    for name, table in (("transactions", result.transactions), ("lots", result.lots), ("stack", result.stack)):
        table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    result.orders.rename_axis("date").to_csv(folder / "orders.csv", lineterminator="\n")
    daily = pd.concat(
        [result.equity, result.bank, result.holding, result.returns.rename("return"), result.leverage], axis=1
    )
    daily.rename_axis("date").to_csv(folder / "equity.csv", lineterminator="\n")


def shown(comparison: VolatilityAlphaComparison) -> VolatilityAlphaResult:
    """Give the run of the ladder's own variant."""
    return comparison.results[comparison.ladder.variant]


def summary(comparison: VolatilityAlphaComparison, source: str, periods_per_year: float) -> str:
    """Write what the command prints: the runs side by side, and what the buybacks earned."""
    import numpy as np

    from allocopt.backtests.volatility_alpha import suggested_n

    result = shown(comparison)
    held = comparison.results["buy_and_hold"]
    dates = held.equity.index
    closes = (held.equity - held.bank).to_numpy()
    volatility = float(np.diff(np.log(closes)).std(ddof=1) * np.sqrt(periods_per_year)) if len(closes) > 2 else 0.0
    rows = (
        ("total return", "total_return"), ("maximum drawdown", "max_drawdown"), ("dates under water", "under_water"),
        ("lowest bank / start", "minimum_bank"), ("buybacks realised", "realised_lots"),
        ("buybacks unrealised", "unrealised_lots"), ("first lot realised", "realised_initial"),
        ("first lot unrealised", "unrealised_initial"), ("interest", "interest"), ("fees", "fees"),
    )  # fmt: skip
    table = comparison.table
    lines = [
        f"{result.ladder.name} on {source}, {len(dates):,} bars, {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}",
        f"trigger {result.ladder.trigger:.4%}, profit sharing {result.ladder.profit_sharing:.0%}, "
        f"volatility {volatility:.1%} a year (suggests n = {suggested_n(min(volatility, 5.0))})",
        "",
        f"{'of the start value':<26}" + "".join(f"{name:>14}" for name in table.index),
    ]
    for words, column in rows:
        lines.append(f"  {words:<24}" + "".join(f"{float(value):>14.2%}" for value in table[column]))
    for words, column in (("days under water, longest", "longest_under_water"), ("buys", "buys"), ("sells", "sells")):
        lines.append(f"  {words:<24}".ljust(27) + "".join(f"{int(value):>14}" for value in table[column])[1:])
    lines += [
        "",
        "Volatility alpha:",
        f"  {'baseline: return over ATH-only':<42}{result.volatility_alpha_baseline:>14.2%}",
        f"  {'realised: profit of unwound buybacks':<42}{result.volatility_alpha_realized:>14,.2f}",
        f"  {'unrealised: at expected sell prices':<42}{result.volatility_alpha_unrealized:>14,.2f}",
        f"  {'estimated total (potential)':<42}{result.volatility_alpha_estimated_total:>14,.2f}",
        f"  {'return over buy-and-hold':<42}{result.total_return - held.total_return:>14.2%}",
    ]
    lines += [
        f"  {name} was ruined on {one.ruined:%Y-%m-%d}: nothing was left, and the run ends there"
        for name, one in comparison.results.items()
        if one.ruined is not None
    ]
    rates = (result.ladder.financing.lending, result.ladder.financing.borrowing)
    free = all(isinstance(rate, (int, float)) and rate == 0.0 for rate in rates)
    lines.append("No interest is booked on the bank." if free else "Interest is booked on the bank, either way.")
    return "\n".join(lines)


def windows_summary(
    found: WindowResult, distribution: pd.DataFrame, tables: dict[str, pd.DataFrame], n: float, sharing: float
) -> str:
    """Write what the command prints: every ladder, and one of them by what the window was like."""
    columns = (
        "windows", "beats", "q05", "q50", "q95", "ratio_q05", "ratio_q50", "ratio_q95", "shallower", "owes", "ruined",
    )  # fmt: skip
    tickers, windows = len(found.histories), sum(found.starts.values())
    histories = f"{tickers} {'ticker' if tickers == 1 else 'tickers'}"
    lines = [
        f"{windows:,} windows of {found.study.window} bars, {histories}; they overlap, and are no independent samples",
        "beats: share with more than buy-and-hold; q: quantiles of the difference of total returns; ratio: of the "
        "value at the end",
        "",
        "Full ladder, by n and profit sharing:",
        distribution[list(columns)].round(3).to_string(),
    ]
    for condition, table in tables.items():
        lines += [
            "",
            f"n {n:g}, profit sharing {sharing:g}, by {condition}:",
            table[list(columns)].round(3).to_string(),
        ]
    lines += ["", "What the groups are made by is known at the end of a window only."]
    return "\n".join(lines)
