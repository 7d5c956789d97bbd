"""Twenty stocks: a plain projection against programs with sector groups, turnover, volatility and cost.

Run: python examples/programs.py [--output FOLDER]. The prices are the 20 S&P 500 stocks that skfolio ships (daily
adjusted closes, 1990 to 2022; pip install skfolio). Or --prices FILE: CSV or Parquet, dates in the first column or the
index, one column a ticker; --sectors FILE then names the sector of each ticker (CSV: ticker, sector). The figure and
the weights are written to FOLDER if one is given; nothing is written otherwise.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from allocopt import Allocation, Limits, ProportionalCost, allocate
from allocopt.solvers import (
    ConvexProgram,
    CostPenalty,
    GroupLimits,
    PreviousWeights,
    TurnoverLimit,
    VolatilityLimit,
)

SECTORS = {
    **dict.fromkeys(("AAPL", "AMD", "MSFT"), "technology"),
    **dict.fromkeys(("BBY", "HD"), "discretionary"),
    **dict.fromkeys(("KO", "PEP", "PG", "WMT"), "staples"),
    **dict.fromkeys(("JNJ", "LLY", "MRK", "PFE", "UNH"), "health care"),
    **dict.fromkeys(("BAC", "JPM"), "financials"),
    **dict.fromkeys(("CVX", "RRC", "XOM"), "energy"),
    "GE": "industrials",
}
YEAR, MONTH = 252, 21  # trading days

LIMITS = Limits(cap=0.15, floor=0.02)
MOST_IN_A_SECTOR = 0.30
MOST_TRADED = 0.40  # of the capital a month, buys and sells both counted
MOST_VOLATILITY = 0.16  # a year
COST = ProportionalCost(0.001)  # 10 basis points a side: in the objective, and in the account below
AVERSION = 10.0  # half width of the band without trades: 10 * 0.001 = 1 % of capital


def read_prices(file: Path | None) -> pd.DataFrame:
    """Daily prices, dates x tickers."""
    if file is not None:
        if file.suffix.lower() in (".parquet", ".pq"):
            prices = pd.read_parquet(file)
        else:
            prices = pd.read_csv(file, index_col=0, parse_dates=True)
        if not isinstance(prices.index, pd.DatetimeIndex):
            sys.exit(f"{file}: the first column does not hold dates")
        return prices.sort_index().dropna()
    try:
        from skfolio.datasets import load_sp500_dataset
    except ImportError:
        sys.exit("the prices come with skfolio, which is not installed: pip install skfolio, or pass --prices FILE")
    return load_sp500_dataset()


def describe(result: Allocation, sectors: pd.Series, returns: pd.DataFrame, covariances: pd.DataFrame) -> pd.DataFrame:
    """What each month's weights trade, risk and hold."""
    weights = result.weights
    before = weights.shift(1, fill_value=0.0)
    drifted = (before * (1.0 + returns)).div(1.0 + (before * returns).sum(axis=1), axis=0)
    drifted.iloc[0] = 1.0 / weights.shape[1]  # equal weights are held before the first month
    trades = weights - drifted
    risk = [float(np.sqrt(w @ covariances.loc[date].to_numpy() @ w)) for date, w in zip(
        weights.index, weights.to_numpy(), strict=True)]  # fmt: skip
    return pd.DataFrame(
        {
            "turnover": trades.abs().sum(axis=1),
            "cost": COST.cost(trades.to_numpy(), weights.columns).sum(axis=1),
            "volatility": risk,
            "largest sector": weights.T.groupby(sectors).sum().max(),
            "cash": result.cash,
        },
        index=weights.index,
    )


def summary(months: pd.DataFrame, result: Allocation) -> dict[str, str]:
    """One column of the table."""
    return {
        "turnover a month, mean": f"{months['turnover'].mean():.1%}",
        "turnover a month, most": f"{months['turnover'].max():.1%}",
        "cost a year": f"{12 * months['cost'].mean():.2%}",
        "forecast volatility, mean": f"{months['volatility'].mean():.1%}",
        "forecast volatility, most": f"{months['volatility'].max():.1%}",
        "largest sector, most": f"{months['largest sector'].max():.1%}",
        "cash, mean": f"{months['cash'].mean():.1%}",
        "months failed": f"{len(result.failures)} of {len(months)}",
    }


def draw(months: dict[str, pd.DataFrame], program: Allocation, sectors: pd.Series, file: Path) -> None:
    """Three panels: what the program holds, forecast volatility, turnover."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(10.0, 9.5), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    weights = program.weights
    figure.suptitle(
        f"{weights.shape[1]} stocks by momentum, month ends {weights.index[0]:%Y-%m} to {weights.index[-1]:%Y-%m}\n"
        f"cap {LIMITS.cap:.0%}, floor {LIMITS.floor:.0%}; the program adds sectors, turnover, volatility and cost"
    )
    # A ramp from dark to light keeps neighbouring layers apart in grey print too.
    held = weights.T.groupby(sectors).sum().T
    held["cash"] = program.cash
    ramp = mpl.colormaps["viridis"](np.linspace(0.0, 0.9, held.shape[1] - 1))
    axes[0].stackplot(held.index, *held.to_numpy().T, colors=[*ramp, "#E8E8E8"], edgecolor="white", linewidth=0.5,
                      labels=list(held.columns))  # fmt: skip
    axes[0].set(title=f"What the program holds, by sector (at most {MOST_IN_A_SECTOR:.0%} in one)", ylim=(0.0, 1.0),
                ylabel="Weight (% of capital)")  # fmt: skip
    styles = {
        "projection": ("#E69F00", "-", 1.0),
        "with cost": ("#56B4E9", "--", 1.0),
        "program": ("#0B2545", "-", 1.6),
    }
    failed = [failure.row for failure in program.failures]
    panels = (
        ("volatility", "Forecast volatility of the weights", "Volatility (% a year)", MOST_VOLATILITY),
        ("turnover", "Turnover, largest of the last twelve months", "Turnover (% of capital a month)", MOST_TRADED),
    )
    for panel, (column, title, label, limit) in zip(axes[1:], panels, strict=True):
        for name, frame in months.items():
            colour, line, width = styles[name]
            values = frame[column].rolling(12, min_periods=1).max() if column == "turnover" else frame[column]
            panel.plot(values, color=colour, linestyle=line, linewidth=width, label=name)
        panel.axhline(limit, color="black", linestyle=":", linewidth=1.2, label=f"program's limit, {limit:.0%}")
        if failed and column == "volatility":
            at = months["program"][column].iloc[failed]
            panel.plot(at, "x", color="#B00020", markersize=5, label="month failed: weights kept")
        panel.set(title=title, ylabel=label)
        panel.set_ylim(bottom=0.0)
        panel.grid(alpha=0.25)
    for panel in axes:
        panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        panel.margins(x=0.0)
        panel.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9, reverse=panel is axes[0])
    axes[-1].set_xlabel("Month end")
    figure.savefig(file, dpi=100)


def main() -> None:
    """Read, allocate three ways, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prices", type=Path, help="daily prices, CSV or Parquet, dates x tickers")
    parser.add_argument("--sectors", type=Path, help="sector of each ticker, CSV: ticker, sector")
    parser.add_argument("--output", type=Path, help="folder for the figure and the weights")
    options = parser.parse_args()

    prices = read_prices(options.prices)
    if len(prices) < YEAR + 2 * MONTH:
        sys.exit(f"{len(prices)} days of prices are too few: the scores take {YEAR}, the first month ends later")
    table = SECTORS if options.sectors is None else pd.read_csv(options.sectors, index_col=0).iloc[:, 0]
    sectors = pd.Series(table).reindex(prices.columns).fillna("no sector")
    groups = {str(name): list(names) for name, names in prices.columns.groupby(sectors).items() if name != "no sector"}

    # Month ends after the first year. Everything below uses rows up to and including the month end.
    days = prices.pct_change()
    ends = prices.index.to_series().groupby(prices.index.to_period("M")).last()
    ends = pd.DatetimeIndex(ends[ends >= prices.index[YEAR]].to_numpy())
    momentum = (prices.shift(MONTH) / prices.shift(YEAR) - 1.0).loc[ends]
    z = momentum.sub(momentum.mean(axis=1), axis=0).div(momentum.std(axis=1), axis=0)
    scores = np.exp(z)  # all are live: a stock that must go at once would fight the turnover limit
    covariances = pd.concat({end: YEAR * days.loc[:end].tail(YEAR).cov() for end in ends})
    returns = prices.loc[ends].pct_change().fillna(0.0)  # from month end to month end

    held = PreviousWeights(1.0 / len(prices.columns), returns)
    cost = CostPenalty(COST, AVERSION)
    terms = (
        GroupLimits(groups, upper=MOST_IN_A_SECTOR),
        TurnoverLimit(MOST_TRADED),
        VolatilityLimit(covariances, MOST_VOLATILITY),
        cost,
    )
    results = {
        "projection": allocate(scores, LIMITS),
        "with cost": allocate(scores, LIMITS, solver=ConvexProgram(terms=(cost,), previous=held)),
        "program": allocate(scores, LIMITS, solver=ConvexProgram(terms=terms, previous=held, on_failure="previous")),
    }
    months = {name: describe(result, sectors, returns, covariances) for name, result in results.items()}
    print(pd.DataFrame({name: summary(months[name], result) for name, result in results.items()}).to_string())
    print()
    for name, result in results.items():
        print(f"route of {name}: {result.route}")
    print()
    program = results["program"]
    print(program.status.message)
    print(program.certificate)
    for failure in [failure for failure in program.failures if failure.conflict][:1]:
        print(f"\nthe first conflict: {failure}")

    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        program.weights.to_csv(options.output / "weights.csv")
        draw(months, program, sectors, options.output / "programs.png")


if __name__ == "__main__":
    main()
