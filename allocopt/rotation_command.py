"""``allocopt rotation``: the rotation engine on files of one's own, with figures, tables and stress."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from allocopt._terminal import sentences, steps
from allocopt.errors import SpecificationError

if TYPE_CHECKING:
    import pandas as pd

    from allocopt.backtests.profiles import ExecutionCosts, ProfileResult
    from allocopt.backtests.rotation.money import MoneyComparison
    from allocopt.backtests.rotation.stress import StressTable

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
            "Options are marked on a surface from those that a date has; the output says how many dates have which, "
            "and which files were not used.",
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
    orders: Annotated[
        float,
        typer.Option(help="Weight at which the profiles' orders are sized, for the tier of their slippage, decimal."),
    ] = 0.40,
    partial: Annotated[
        bool, typer.Option("--partial-fills", help="Fill large orders in parts, over several closes.")
    ] = False,
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
            from allocopt.backtests.profiles import ETF_COSTS, INDEX_COSTS, PartialFills
            from allocopt.backtests.rotation.engine import RotationEngine
            from allocopt.backtests.rotation.money import compare_money
            from allocopt.rotation_data import indices_in, rotation_data, unused_in

            files = rotation_data(
                prices, None if indices is None else indices_in(indices), proxy=proxy, start=start, end=end,
                rate=rate, dividend=dividend,
            )  # fmt: skip
            engine = RotationEngine(
                max_profile_weight=cap, min_profile_weight=floor, capital=capital,
                profile_costs=ETF_COSTS if etf else INDEX_COSTS, order_weight=orders,
                partial_fills=PartialFills() if partial else None,
            )  # fmt: skip
            money = compare_money(engine, files.data, ALLOCATORS, start_date=start, end_date=end, progress=say)
            say("testing")
            unused = [] if indices is None else unused_in(indices)
            left = [f"Not used of {indices}: {', '.join(unused)}"] if unused else []
            lines = [*files.notes, *left, *files.sources(money.signals.dates), *money_lines(money)]
            say("stress")
            table = None
            if stress_too:
                from allocopt.backtests.rotation.stress import stress

                table = stress(engine, files.data, start_date=start, end_date=end)
            say("writing")
            write_rotation(money, table, output, overwrite)
        typer.echo("\n".join(lines))
        if table is not None:
            lines = ["", "Stress (P&L and the cost of rotating in money):", *table.lines()]
            typer.echo("\n".join(lines))
        typer.echo(f"\nFigures and tables are in {output}")


def money_lines(money: MoneyComparison) -> list[str]:
    """Write what is printed of a comparison with money."""
    dates, lost = money.signals.dates, money.bankruptcies()
    regimes = next(iter(money.results.values())).regime_distribution
    return [
        f"Studied: {len(dates):,} dates, {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}; "
        + ", ".join(f"{name} {count}" for name, count in regimes.items()),
        "",
        plain_table(money.table()),
        *(f"Bankrupt: {label} on {date:%Y-%m-%d}; its ratios are not given" for label, date in lost.items()),
        "",
        "Sharpe ratio against the heuristic's, paired (Ledoit and Wolf 2008):",
        plain_table(money.tests()),
        "",
        f"What the difference of P&L heuristic -> {money.comparison.chosen} is made of (money):",
        *(f"  {name!s:<18} {value:>14,.0f}" for name, value in money.causes().items()),
        "",
        "Each profile's own backtest: P&L of one unit after costs, trades, units that an order is for, its slippage:",
        *(_profile_line(name, found) for name, found in money.signals.profiles.items()),
        f"Options and hedges cost what {_costs_line(next(iter(money.signals.profiles.values())).execution)}.",
    ]


def _profile_line(name: str, found: ProfileResult) -> str:
    head = f"  {name:<4} {found.daily_pnl.sum():>12,.0f}  {len(found.trades):>4} trades"
    if found.trades.empty:
        return head
    units = found.trades["units"]
    most = max(abs(leg.quantity) for leg in found.specification.legs)
    shares = [found.execution.slippage_of(most, float(size)) for size in (units.min(), units.max())]
    slippage = "" if found.execution.slippage_factor == 1.0 else f" x {found.execution.slippage_factor:g}"
    return (
        f"{head}  {units.min():>5,.0f} to {units.max():>5,.0f} units, {shares[0]:.0%} to {shares[1]:.0%}{slippage} of "
        "the half-spread"
    )


def _costs_line(execution: ExecutionCosts) -> str:
    place = "an ETF's do" if execution.reference_spot is None else "an index's do (spreads in proportion to its price)"
    behind = "" if execution.order_capital is None else f"; an order has {execution.order_capital:,.0f} behind it"
    return place + behind


def write_money(money: MoneyComparison, folder: Path) -> None:
    """Write the comparison's figure and tables into a folder: what ``compare`` and ``rotation`` both leave."""
    import pandas as pd

    money.plot().savefig(folder / "money.png", dpi=150)
    table, lost = money.table(), money.bankruptcies()
    if lost:
        table = table.astype(object)
        table.loc["bankrupt on"] = [f"{lost[label]:%Y-%m-%d}" if label in lost else "" for label in table.columns]
    table.to_csv(folder / "money.csv", index_label="figure")
    whole = {label: found.performance.table() for label, found in money.results.items() if found.bankrupt is None}
    if whole:
        pd.DataFrame(whole).to_csv(folder / "performance.csv", index_label="figure")
    money.tests().to_csv(folder / "sharpe-tests.csv", index_label="pair")
    money.steps().to_csv(folder / "money-steps.csv")
    money.by_profile_and_regime().to_csv(folder / "difference-by-profile-and-regime.csv", index_label="profile")


def write_rotation(money: MoneyComparison, stress: StressTable | None, output: Path, overwrite: bool) -> None:
    """Figures and tables of a comparison with money, all or none of them."""
    import pandas as pd

    from allocopt.backtests.rotation.figures import FIGURES
    from allocopt.output import result_folder

    chosen = money.results[money.comparison.chosen]
    with result_folder(output, overwrite=overwrite) as folder:
        for stem, draw in FIGURES.items():
            draw(chosen).savefig(folder / f"{stem}.png", dpi=150)
        write_money(money, folder)
        money.chain_equity.to_csv(folder / "chain-equity.csv", index_label="date")
        pd.DataFrame({name: found.summary() for name, found in money.signals.profiles.items()}).to_csv(
            folder / "profiles.csv", index_label="figure"
        )
        trades = {name: found.trades for name, found in money.signals.profiles.items()}
        pd.concat(trades, names=["profile", "trade"]).to_csv(folder / "profile-trades.csv")
        daily = {name: found.attribution.assign(pnl=found.daily_pnl) for name, found in money.signals.profiles.items()}
        _flat(pd.concat(daily, axis=1)).to_csv(folder / "profile-pnl.csv", index_label="date")
        if stress is not None:
            stress.table().to_csv(folder / "stress.csv")
            stress.best().to_csv(folder / "stress-best-days.csv", index=False)
        for label, result in money.results.items():
            _flat(result.ledger.to_frame()).to_csv(folder / f"ledger-{label}.csv", index_label="date")
            result.rotation_cost_by_profile.to_csv(folder / f"rotation-cost-{label}.csv", index_label="date")
            result.allocations.to_csv(folder / f"weights-{label}.csv", index_label="date")
            if result.bankrupt is None:
                result.performance_by_regime.to_csv(folder / f"by-regime-{label}.csv")
            result.attribution.by_sleeve_and_regime.to_csv(folder / f"attribution-{label}.csv", index_label="profile")  # type: ignore[union-attr]


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    """Columns of two levels as one."""
    import pandas as pd

    table.columns = pd.Index([" ".join(map(str, column)) for column in table.columns])
    return table


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
    if value != value:
        return "-"
    if abs(value) >= 1000.0 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.4g}"
