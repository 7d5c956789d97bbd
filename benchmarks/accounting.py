"""Set the accounting and the metrics beside other libraries: ``python benchmarks/accounting.py``.

    pip install allocopt vectorbt ffn empyrical-reloaded quantstats arch

Packages that are not installed are skipped and named. Competitors run interleaved in one process and the minimum over
the repeats counts. Times are processor time, except where it says wall. Arguments name the measures to run: ``bars``,
``grid``, ``metrics``; none for all. The bars need 5 GB of memory, for vectorbt with orders on every bar.

``bars``: 1,000,000 bars of 10 assets, weights that sum to 0.9, re-set on every 20th bar or on every bar, with a
proportional fee. vectorbt: ``Portfolio.from_orders(size_type="targetpercent", cash_sharing=True, call_seq="auto")``
and ``.value()``. The bare loop is numba code that does what the ledger does on such bars and nothing else: it buys,
charges, marks, and writes down equity, cost, turnover, cash, holdings and the gain of each asset, on the array as
pandas holds it. allocopt: ``account(...).equity``, inputs and prices checked, ledger checked to add up. Differences
are the largest relative ones of the equity, on all bars; the fee of the next bar is already out of vectorbt's value, so
ours less that fee is compared.
"""

from __future__ import annotations

import io
import math
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.metadata import distributions

import numpy as np
import pandas as pd
from numba import njit

from allocopt import ProportionalCost
from allocopt.backtests.accounting import Execution, account, account_grid
from allocopt.backtests.metrics import performance

ONE_THREAD, WALL = time.process_time, time.perf_counter
INSTALLED = {package.name.lower(): package.version for package in distributions()}
PEERS = ("vectorbt", "ffn", "empyrical-reloaded", "quantstats", "arch")
FEE, CAPITAL = 0.0005, 1e6  # vectorbt leaves out orders of less than 1e-8 shares


def minima(
    repeats: dict[str, int], clock: Callable[[], float], **competitors: Callable[[], object]
) -> dict[str, float]:
    """Least time of each competitor, interleaved; the dear ones run in the first passes only."""
    best = dict.fromkeys(competitors, math.inf)
    for number in range(max(repeats.get(name, repeats["all"]) for name in competitors)):
        for name, run in competitors.items():
            if number < repeats.get(name, repeats["all"]):
                start = clock()
                run()
                best[name] = min(best[name], clock() - start)
    return best


@njit
def bare(prices, weights, decided, fee, capital):
    rows, n = prices.shape
    held, gains, cash, value = np.zeros(n), np.zeros(n), capital, capital
    equity, costs, turnover, cashes = np.empty(rows), np.zeros(rows), np.zeros(rows), np.empty(rows)
    record = np.empty(weights.shape)
    equity[0] = cashes[0] = capital
    for t in range(1, rows):
        k = decided[t - 1]
        cost = traded = 0.0
        if k >= 0:
            for i in range(n):
                wanted = weights[k, i] * value / prices[t - 1, i]
                trade = (wanted - held[i]) * prices[t - 1, i]
                held[i] = wanted
                cash -= trade
                traded += abs(trade)
                cost += fee * abs(trade)
            cash -= cost
            record[k] = held
        costs[t], turnover[t] = cost, traded / value
        value = cash
        for i in range(n):
            worth = held[i] * prices[t, i]
            gains[i] += worth - held[i] * prices[t - 1, i]
            value += worth
        equity[t], cashes[t] = value, cash
    return equity, costs, turnover, cashes, gains, record


def market(rows: int, n: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    moves = np.clip(rng.normal(0.0, 0.0005, (rows, n)), -0.003, 0.003)
    dates = pd.date_range("2000-01-01", periods=rows, freq="min")
    return pd.DataFrame(100.0 * np.exp(moves.cumsum(axis=0)), dates, [f"asset {i}" for i in range(n)])


def waves(closes: pd.DataFrame) -> pd.DataFrame:
    """Weights that sum to 0.9 and change slowly: random ones would lose all to fees, and then nothing is traded."""
    rows, n = closes.shape
    phase = np.random.default_rng(1).uniform(0.0, 2.0 * np.pi, n)
    wave = 1.0 + 0.5 * np.sin(2.0 * np.pi * np.arange(rows)[:, None] / 100_000.0 + phase)
    return pd.DataFrame(0.9 * wave / wave.sum(axis=1, keepdims=True), closes.index, closes.columns)


def bars(rows: int = 1_000_000, n: int = 10) -> None:
    closes = market(rows, n)
    how = Execution(costs=ProportionalCost(FEE))
    print(f"{rows} bars x {n} assets, proportional fee, processor time")
    for every in (20, 1):
        weights = waves(closes).iloc[::every]
        dates = weights.index
        decided = np.full(rows, -1)
        decided[::every] = np.arange(len(dates))
        prices, table = closes.to_numpy(), weights.to_numpy()
        competitors: dict[str, Callable[[], object]] = {
            "account": lambda weights=weights: account(weights, closes, how, capital=CAPITAL).equity,
            "bare": lambda table=table, prices=prices, decided=decided: bare(prices, table, decided, FEE, CAPITAL),
        }
        if "vectorbt" in INSTALLED:
            import vectorbt

            orders = weights.reindex(closes.index)

            def by_vectorbt(closes: pd.DataFrame = closes, orders: pd.DataFrame = orders) -> pd.Series:
                return vectorbt.Portfolio.from_orders(
                    closes, orders, size_type="targetpercent", fees=FEE, init_cash=CAPITAL, cash_sharing=True,
                    group_by=True, call_seq="auto", freq="1min",
                ).value()  # fmt: skip

            by_vectorbt(closes.iloc[:100], orders.iloc[:100])  # compiles
            competitors["vectorbt"] = by_vectorbt
        bare(prices[:100], table, decided[:100], FEE, CAPITAL)
        best = minima({"all": 9, "vectorbt": 2}, ONE_THREAD, **competitors)
        ledger = account(weights, closes, how, capital=CAPITAL)
        ours = ledger.equity.to_numpy()
        line = f"  trades every {every} bar(s): account {best['account']:.3f} s, bare loop {best['bare']:.3f} s"
        off = np.abs(ours / bare(prices, table, decided, FEE, CAPITAL)[0] - 1.0).max()
        line += f", account / bare loop {best['account'] / best['bare']:.2f}, equity off by {off:.1e}"
        if "vectorbt" in INSTALLED:
            ours = ours - ledger.cost.shift(-1, fill_value=0.0).to_numpy()
            theirs = by_vectorbt().to_numpy()
            off = np.abs(ours / theirs - 1.0)[:-1].max()  # orders of the last bar are not carried out here
            line += f"; vectorbt {best['vectorbt']:.1f} s, vectorbt / account {best['vectorbt'] / best['account']:.0f}"
            line += f", equity off by {off:.1e}"
        print(
            f"{line} ({int((ledger.turnover > 0.0).sum())} bars with trades, {(ledger.cost.sum()):.3f} paid)",
            flush=True,
        )


def grid() -> None:
    for rows in (5_000, 100_000):
        grid_of(rows)


def grid_of(rows: int, n: int = 10, cells: int = 100) -> None:
    closes = market(rows, n)
    weights = waves(closes).iloc[::20]
    how = {bp: Execution(costs=ProportionalCost(bp / 1e4)) for bp in np.linspace(0.0, 10.0, cells).tolist()}
    print(f"{cells} cost levels, {rows} bars x {n} assets, trades every 20 bars")
    for clock, what, jobs in ((ONE_THREAD, "processor time, one thread", 1), (WALL, "wall, a thread a core", -1)):
        best = minima(
            {"all": 5},
            clock,
            grid=lambda jobs=jobs: account_grid(weights, closes, how, n_jobs=jobs),
            calls=lambda: [account(weights, closes, one).equity for one in how.values()],
        )
        ratio = best["calls"] / best["grid"]
        print(f"  {what}: account_grid {best['grid']:.3f} s, {cells} calls {best['calls']:.3f} s, {ratio:.2f} times")
    found = account_grid(weights, closes, how).equity
    same = all((found[bp] == account(weights, closes, one).equity).all() for bp, one in how.items())
    print(f"  equities equal to the last bit: {same}")


def metrics() -> None:
    from arch.data import sp500

    closes = sp500.load()["Adj Close"].rename("close")
    returns = closes.pct_change().iloc[1:]
    print(f"metric table of {len(closes)} rows, processor time")
    competitors: dict[str, Callable[[], object]] = {
        "allocopt": lambda: performance(closes, periods_per_year=252, standard_error=False).table()
    }
    notes = {"allocopt": "34 entries; no standard error of the Sharpe ratio"}
    if "ffn" in INSTALLED:
        import ffn

        competitors["ffn"] = lambda: ffn.calc_stats(closes)
        notes["ffn"] = "calc_stats"
    if "empyrical-reloaded" in INSTALLED:
        import empyrical
        from empyrical.stats import SIMPLE_STAT_FUNCS

        competitors["empyrical"] = lambda: [figure(returns) for figure in SIMPLE_STAT_FUNCS]
        notes["empyrical"] = f"its {len(SIMPLE_STAT_FUNCS)} SIMPLE_STAT_FUNCS"
        ours = {
            "total_return": "cum_returns_final",
            "annual_return": "annual_return",
            "volatility": "annual_volatility",
        }
        ours |= {"sharpe": "sharpe_ratio", "sortino": "sortino_ratio", "calmar": "calmar_ratio"}
        same = [getattr(empyrical, name) for name in (*ours.values(), "max_drawdown")]
        competitors["empyrical, shared"] = lambda: [figure(returns) for figure in same]
        notes["empyrical, shared"] = f"only the {len(same)} figures that both have"
    if "quantstats" in INSTALLED:
        import quantstats

        for mode in ("basic", "full"):
            competitors[f"quantstats {mode}"] = lambda mode=mode: quantstats.reports.metrics(
                returns, display=False, mode=mode
            )
            notes[f"quantstats {mode}"] = f'reports.metrics(mode="{mode}", display=False)'
    with redirect_stdout(io.StringIO()):
        best = minima({"all": 5, "allocopt": 20}, ONE_THREAD, **competitors)
    for name, seconds in best.items():
        print(f"  {name}: {seconds * 1e3:.2f} ms, {seconds / best['allocopt']:.1f} times allocopt ({notes[name]})")


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # peers warn of pandas' deprecations
    print(", ".join(f"{name} {INSTALLED.get(name, 'not installed: skipped')}" for name in ("numba", "pandas", *PEERS)))
    measures = {"bars": bars, "grid": grid, "metrics": metrics}
    for name in sys.argv[1:] or measures:
        measures[name]()
