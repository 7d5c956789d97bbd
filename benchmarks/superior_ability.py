"""Set the tests of many strategies beside arch, and measure their size: ``python benchmarks/superior_ability.py``.

    pip install allocopt arch

Competitors run interleaved in one process and the minimum over the repeats counts; times are processor time, so set
``OPENBLAS_NUM_THREADS=1``. Arguments name the measures to run: ``speed``, ``size``; both for none. Size
takes 20 minutes.

``speed``: 200 strategies on 5,031 rows, 1,000 replications of the stationary bootstrap with a mean block of 5 rows, the
same seed. arch: ``SPA``, ``StepM`` and ``MCS`` with ``compute()``. Ours: `superior_ability`, `stepwise_superiority` and
`model_confidence_set`, inputs checked. P-values are compared; they have to be the same. `performance_intervals` of one
curve of 5,031 rows stands beside 1,000 calls of `performance`, which it has to make.

``size``: how often a true hypothesis is rejected at 5 percent, and how often intervals of 95 percent cover.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from arch.bootstrap import MCS, SPA, StepM

from allocopt.backtests.metrics import performance
from allocopt.backtests.statistics import (
    BlockShuffle,
    CircularShift,
    PlainShuffle,
    StationaryBootstrap,
    model_confidence_set,
    performance_intervals,
    reality_check,
    regime_separation,
    stepwise_superiority,
    superior_ability,
)

ROWS, STRATEGIES, BLOCK = 5_031, 200, 5
BOOTSTRAP = StationaryBootstrap(seed=1, block=BLOCK)


def least(repeats: int, *competitors: Callable[[], object]) -> list[float]:
    """Least processor time of each, interleaved."""
    best = [float("inf")] * len(competitors)
    for _ in range(repeats):
        for place, run in enumerate(competitors):
            start = time.process_time()
            run()
            best[place] = min(best[place], time.process_time() - start)
    return best


def strategies(rows: int, k: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("1999-01-04", periods=rows)
    market = rng.normal(0.0003, 0.01, (rows, 1))
    returns = pd.DataFrame(market + rng.normal(0.0, 0.004, (rows, k)), days, [f"s{i}" for i in range(k)])
    return returns, pd.Series(market[:, 0] + rng.normal(0.0, 0.004, rows), days)


def arch_spa(returns: pd.DataFrame, benchmark: pd.Series) -> list[float]:
    test = SPA(-benchmark, -returns, block_size=BLOCK, reps=1000, seed=1)
    test.compute()
    return test.pvalues.tolist()


def arch_step(returns: pd.DataFrame, benchmark: pd.Series) -> list[str]:
    test = StepM(-benchmark, -returns, block_size=BLOCK, reps=1000, seed=1)
    test.compute()
    return list(test.superior_models)


def arch_set(returns: pd.DataFrame, method: str) -> list[float]:
    test = MCS(-returns, 0.05, reps=1000, block_size=BLOCK, method=method, seed=1)
    test.compute()
    return test.pvalues["Pvalue"].tolist()


def speed() -> None:
    returns, benchmark = strategies(ROWS, STRATEGIES, 0)
    returns["s7"] += 0.0004
    print(f"{STRATEGIES} strategies x {ROWS} rows, 1,000 replications, processor time in seconds")
    ours = superior_ability(returns, benchmark, BOOTSTRAP, studentised=False)
    found = {
        "SPA": (
            lambda: arch_spa(returns, benchmark),
            lambda: superior_ability(returns, benchmark, BOOTSTRAP, studentised=False),
            lambda theirs: theirs == [ours.lower, ours.consistent, ours.upper],
        ),
        "StepM": (
            lambda: arch_step(returns, benchmark),
            lambda: stepwise_superiority(returns, benchmark, BOOTSTRAP, studentised=False, recentring="consistent"),
            lambda theirs: (
                theirs
                == stepwise_superiority(
                    returns, benchmark, BOOTSTRAP, studentised=False, recentring="consistent"
                ).superior
            ),
        ),
        "MCS, max": (
            lambda: arch_set(returns, "max"),
            lambda: model_confidence_set(returns, BOOTSTRAP, statistic="max"),
            lambda theirs: (
                theirs == model_confidence_set(returns, BOOTSTRAP, statistic="max").table["p_value"].tolist()
            ),
        ),
        "MCS, range": (
            lambda: arch_set(returns, "R"),
            lambda: model_confidence_set(returns, BOOTSTRAP),
            lambda theirs: theirs == model_confidence_set(returns, BOOTSTRAP).table["p_value"].tolist(),
        ),
    }
    for name, (theirs, own, same) in found.items():
        equal = same(theirs())
        slow, fast = least(2, theirs, own)
        print(f"{name:12s} arch {slow:6.2f}  ours {fast:5.2f}  {slow / fast:5.1f} times as fast  equal: {equal}")
    automatic = StationaryBootstrap(seed=1)
    (chosen,) = least(2, lambda: superior_ability(returns, benchmark, automatic))
    print(f"superior_ability, studentised, block length by Politis and White: {chosen:.2f}")
    equity = (1.0 + returns["s7"]).cumprod()
    every, one = least(
        2,
        lambda: performance_intervals(equity, automatic, periods_per_year=252),
        lambda: [performance(equity, periods_per_year=252) for _ in range(100)],
    )
    print(f"performance_intervals: {every:.2f}, 1,000 calls of performance: {10 * one:.2f}")


def dependent(rng: np.random.Generator, rows: int, k: int) -> np.ndarray:
    """Correlated strategies: AR(1) with slope 0.15, GARCH(1, 1) variance in common, fat tails."""
    noise = rng.standard_t(6, (rows + 200, k)) * 0.7 + rng.standard_normal((rows + 200, 1)) * 0.5
    variance, found = 1.0, np.zeros((rows + 200, k))
    for t in range(1, rows + 200):
        shock = np.sqrt(variance) * noise[t]
        found[t] = 0.15 * found[t - 1] + shock
        variance = 0.05 + 0.08 * float(np.mean(shock**2)) + 0.87 * variance
    return 0.008 * found[200:]


def size(runs: int = 1000) -> None:
    start = time.perf_counter()
    counts = dict.fromkeys(("reality check", "superior ability", "stepwise", "confidence set misses the best"), 0)
    for run in range(runs):
        values = dependent(np.random.default_rng(run), 500, 21)
        table = pd.DataFrame(values[:, 1:], pd.bdate_range("2015-01-01", periods=500))
        benchmark = pd.Series(values[:, 0], table.index)
        bootstrap = StationaryBootstrap(seed=run, replications=399)
        counts["reality check"] += reality_check(table, benchmark, bootstrap).p_value <= 0.05
        counts["superior ability"] += superior_ability(table, benchmark, bootstrap).consistent <= 0.05
        counts["stepwise"] += bool(stepwise_superiority(table, benchmark, bootstrap).superior)
        held = model_confidence_set(table.iloc[:, :10], bootstrap)
        counts["confidence set misses the best"] += 0 not in held.included  # all are equally good, 0 is one of them
    print(f"20 strategies as good as the benchmark, 500 dependent rows, {runs} runs, 399 replications, 5 percent:")
    for name, count in counts.items():
        print(f"  {name:32s} {count / runs:.3f}")

    covered, widths = dict.fromkeys(("percentile", "basic"), 0), []
    long = dependent(np.random.default_rng(10**6), 400_000, 1)[:, 0]
    truth = 0.0004 / long.std() * np.sqrt(252)
    intervals = runs // 2
    for run in range(intervals):
        returns = dependent(np.random.default_rng(run), 1000, 1)[:, 0] + 0.0004
        equity = pd.Series(np.cumprod(1.0 + returns), pd.bdate_range("2015-01-01", periods=1000))
        bootstrap = StationaryBootstrap(seed=run, replications=199)
        found = performance_intervals(equity, bootstrap, periods_per_year=252, standard_error=False)
        drawn = found.draws["sharpe"].to_numpy()
        low, high = np.quantile(drawn, (0.025, 0.975))
        estimate = found.table.loc["sharpe", "estimate"]
        covered["percentile"] += low <= truth <= high
        covered["basic"] += 2 * estimate - high <= truth <= 2 * estimate - low
        widths.append(high - low)
    print(f"95 percent intervals of the Sharpe ratio, 1,000 dependent rows, {intervals} runs, 199 replications:")
    for name, count in covered.items():
        print(f"  {name:32s} {count / intervals:.3f} cover, mean width {np.mean(widths):.2f}")

    rejected = dict.fromkeys(("circular shift", "blocks of 100", "plain shuffle"), 0)
    for run in range(runs):
        rng = np.random.default_rng(run)
        drift = np.zeros(1000)
        for t in range(1, 1000):
            drift[t] = 0.9 * drift[t - 1] + 0.004 * rng.standard_normal()
        days = pd.bdate_range("2015-01-01", periods=1000)
        returns = pd.Series(drift + 0.005 * rng.standard_normal(1000), days)
        labels = pd.Series(np.cumsum(rng.random(1000) > 0.97) % 3, days)
        for name, how in zip(
            rejected, (CircularShift(run, 99), BlockShuffle(run, 100, 99), PlainShuffle(run, 99)), strict=True
        ):
            rejected[name] += regime_separation(returns, labels, how).p_value <= 0.05
    print(f"labels without information, both labels and returns persistent, 1,000 rows, {runs} runs, 5 percent:")
    for name, count in rejected.items():
        print(f"  {name:32s} {count / runs:.3f}")
    print(f"({time.perf_counter() - start:.0f} s)")


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["speed", "size"]
    for name in chosen:
        {"speed": speed, "size": size}[name]()
