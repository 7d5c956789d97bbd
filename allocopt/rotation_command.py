"""``allocopt rotation``: the rotation engine on files of one's own, with figures, tables and stress."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from allocopt._terminal import sentences, steps
from allocopt.errors import SpecificationError

if TYPE_CHECKING:
    import pandas as pd

    from allocopt.backtests.rotation.money import MoneyComparison

#: Allocators that are run beside each other; the first is the baseline.
ALLOCATORS: tuple[Literal["heuristic", "euclidean", "kl"], ...] = ("heuristic", "euclidean", "kl")


def rotation(
    prices: Annotated[
        Path | None,
        typer.Option(
            help="Daily bars of the index or ETF, CSV or Parquet. Default: the S&P 500 to 2018 that is installed.",
            show_default=False,
        ),
    ] = None,
    indices: Annotated[
        Path | None,
        typer.Option(
            help="Folder with files of volatility indices, named vix, vix9d, vix3m, vix6m, vvix (vix_daily.csv). "
            "Options are marked on a surface from those that a date has; the output says how many dates have which.",
            show_default=False,
        ),
    ] = None,
    proxy: Annotated[
        bool, typer.Option("--realized-proxy", help="Mark options at 1.2 x realised volatility, without any index.")
    ] = False,
    start: Annotated[str | None, typer.Option(help="First date, 2020-01-02.", show_default=False)] = None,
    end: Annotated[str | None, typer.Option(help="Last date.", show_default=False)] = None,
    cap: Annotated[float, typer.Option(help="Largest weight of a profile, decimal.")] = 0.40,
    floor: Annotated[float, typer.Option(help="Smallest weight of a profile that is held, decimal.")] = 0.05,
    capital: Annotated[float, typer.Option(help="Money at the start.")] = 1_000_000.0,
    etf: Annotated[
        bool, typer.Option("--etf", help="Costs of an ETF's options, for prices near 100 to 1,000; default: an index.")
    ] = False,
    rate: Annotated[float, typer.Option(help="Interest rate of the option prices, decimal per year.")] = 0.0,
    dividend: Annotated[float, typer.Option(help="Dividend yield of the option prices, decimal per year.")] = 0.0,
    stress_too: Annotated[bool, typer.Option("--stress/--no-stress", help="Run the stress scenarios.")] = True,
    output: Annotated[Path, typer.Option(help="Folder for figures and tables.")] = Path("allocopt-rotation"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files in the output folder even if they were edited.")
    ] = False,
) -> None:
    """Run six option profiles, rotated by regime, with the loop and with the projections, and account for the money.

    Features and regimes give scores; scores give weights; each profile is backtested on a volatility surface with its
    costs; one ledger executes the weights a day later. Prints money, risk, costs, breaches and the paired test of the
    Sharpe ratios. Writes five figures of the Euclidean run, the comparison, and every table behind them as CSV.
    """
    with sentences():
        if indices is not None and prices is None:
            raise SpecificationError("--indices goes with --prices", remedy="give both, or neither")
        with steps(7) as tell:
            say = tell or (lambda _: None)
            say("reading")
            from allocopt.backtests.profiles import INDEX_COSTS, ExecutionCosts
            from allocopt.backtests.rotation.engine import RotationEngine
            from allocopt.backtests.rotation.money import compare_money
            from allocopt.rotation_data import indices_in, rotation_data

            files = rotation_data(
                prices, None if indices is None else indices_in(indices), proxy=proxy, start=start, rate=rate,
                dividend=dividend,
            )  # fmt: skip
            engine = RotationEngine(
                max_profile_weight=cap, min_profile_weight=floor, capital=capital,
                profile_costs=ExecutionCosts() if etf else INDEX_COSTS,
            )  # fmt: skip
            money = compare_money(engine, files.data, ALLOCATORS, start_date=start, end_date=end, progress=say)
            say("testing")
            lines = [*files.notes, *money_lines(money)]
            say("stress")
            table = None
            if stress_too:
                from allocopt.backtests.rotation.stress import stress

                table = stress(engine, files.data, start_date=start, end_date=end).table()
            say("writing")
            write_rotation(money, table, output, overwrite)
        typer.echo("\n".join(lines))
        if table is not None:
            typer.echo(f"\nStress:\n{plain_table(table)}")
        typer.echo(f"\nFigures and tables are in {output}")


def money_lines(money: MoneyComparison) -> list[str]:
    """Write what is printed of a comparison with money."""
    dates = money.signals.dates
    regimes = next(iter(money.results.values())).regime_distribution
    return [
        f"Studied: {len(dates):,} dates, {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}; "
        + ", ".join(f"{name} {count}" for name, count in regimes.items()),
        "",
        plain_table(money.table()),
        "",
        "Sharpe ratio against the heuristic's, paired (Ledoit and Wolf 2008):",
        plain_table(money.tests()),
        "",
        f"What the difference of P&L heuristic -> {money.comparison.chosen} is made of (money):",
        *(f"  {name!s:<18} {value:>14,.0f}" for name, value in money.causes().items()),
        "",
        "P&L of each profile's own backtest, one unit, after costs:",
        *(
            f"  {name:<4} {found.daily_pnl.sum():>12,.0f}  {len(found.trades):>4} trades"
            for name, found in money.signals.profiles.items()
        ),
    ]


def write_rotation(money: MoneyComparison, stress: pd.DataFrame | None, output: Path, overwrite: bool) -> None:
    """Figures and tables of a comparison with money, all or none of them."""
    import pandas as pd

    from allocopt.backtests.rotation.figures import FIGURES
    from allocopt.output import result_folder

    chosen = money.results[money.comparison.chosen]
    with result_folder(output, overwrite=overwrite) as folder:
        for stem, draw in FIGURES.items():
            draw(chosen).savefig(folder / f"{stem}.png", dpi=150)
        money.plot().savefig(folder / "money.png", dpi=150)
        money.table().to_csv(folder / "money.csv", index_label="figure")
        money.tests().to_csv(folder / "sharpe-tests.csv", index_label="pair")
        money.steps().to_csv(folder / "money-steps.csv")
        money.by_profile_and_regime().to_csv(folder / "difference-by-profile-and-regime.csv", index_label="profile")
        money.chain_equity.to_csv(folder / "chain-equity.csv", index_label="date")
        pd.DataFrame({name: found.summary() for name, found in money.signals.profiles.items()}).to_csv(
            folder / "profiles.csv", index_label="figure"
        )
        trades = {name: found.trades for name, found in money.signals.profiles.items()}
        pd.concat(trades, names=["profile", "trade"]).to_csv(folder / "profile-trades.csv")
        daily = {name: found.attribution.assign(pnl=found.daily_pnl) for name, found in money.signals.profiles.items()}
        wide = pd.concat(daily, axis=1)
        wide.columns = pd.Index([" ".join(map(str, column)) for column in wide.columns])
        wide.to_csv(folder / "profile-pnl.csv", index_label="date")
        if stress is not None:
            stress.to_csv(folder / "stress.csv")
        for label, result in money.results.items():
            ledger = result.ledger.to_frame()
            ledger.columns = pd.Index([" ".join(map(str, column)) for column in ledger.columns])
            ledger.to_csv(folder / f"ledger-{label}.csv", index_label="date")
            result.allocations.to_csv(folder / f"weights-{label}.csv", index_label="date")
            result.performance_by_regime.to_csv(folder / f"by-regime-{label}.csv")
            result.attribution.by_sleeve_and_regime.to_csv(folder / f"attribution-{label}.csv", index_label="profile")  # type: ignore[union-attr]


def plain_table(table: pd.DataFrame) -> str:
    """Write a table of numbers in columns, to four significant digits, money without decimals."""
    rows = [["", *(" ".join(map(str, c)) if isinstance(c, tuple) else str(c) for c in table.columns)]]
    for name, values in table.iterrows():
        label = " ".join(map(str, name)) if isinstance(name, tuple) else str(name)
        rows.append([label, *(_number(value) for value in values)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        row[0].ljust(widths[0]) + "".join(cell.rjust(w + 3) for cell, w in zip(row[1:], widths[1:], strict=True))
        for row in rows
    )


def _number(value: object) -> str:
    if not isinstance(value, (int, float)):
        return str(value)
    if abs(value) >= 1000.0 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.4g}"
