"""Time the ladder: ``python benchmarks/volatility_alpha.py [CLOSES]``.

One run with all its tables, the plain-Python twin on the same bars, and the grid of a study of windows: 25 tickers x 5
n x 5 profit sharings x 1,500 starts of 1,260 bars. CLOSES is a wide table (CSV or Parquet) of at least 2,759 closes a
ticker; without it, 25 random walks. Times are processor time on one thread, the least of three.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from allocopt.backtests.volatility_alpha import VolatilityAlpha, _python, bars_from_closes
from allocopt.backtests.volatility_alpha._raw import run_compiled
from allocopt.backtests.volatility_alpha._run import inputs_of
from allocopt.backtests.volatility_alpha.bars import read_bars
from allocopt.backtests.volatility_alpha.windows import run_grid
from allocopt.market_files import embedded_prices, read_closes

WINDOW, STARTS = 1260, 1500
N, SHARINGS = (6.0, 8.0, 10.0, 16.0, 20.0), (0.2, 0.4, 0.6, 0.8, 1.0)


def least(work: Callable[[], object], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


def closes(arguments: list[str]) -> pd.DataFrame:
    if arguments:
        return read_closes(Path(arguments[0]))
    rng = np.random.default_rng(0)
    rows = WINDOW + STARTS - 1
    steps = rng.normal(0.0004, 0.02, (rows, 25))
    days = pd.bdate_range("2010-01-01", periods=rows)
    return pd.DataFrame(100.0 * np.exp(steps.cumsum(axis=0)), index=days, columns=[f"T{i}" for i in range(25)])


def main() -> None:
    table = embedded_prices()
    ladder = VolatilityAlpha(8, shares="fractional")
    ladder.run(table)  # compiled here, or read from the cache
    inputs = inputs_of(ladder, read_bars(table), None, None)
    print(f"{len(table):,} bars, S&P 500:")
    print(f"  run, checked, with all tables   {1e3 * least(lambda: ladder.run(table)):10.2f} ms")
    print(f"  compiled ladder, all records    {1e3 * least(lambda: run_compiled(inputs)):10.2f} ms")
    print(f"  plain Python                    {1e3 * least(lambda: _python.run_rows(inputs)):10.2f} ms")

    wide = closes(sys.argv[1:])
    histories = {
        str(name): read_bars(bars_from_closes(wide[name].dropna().iloc[-(WINDOW + STARTS - 1) :], path="joined"))
        for name in wide.columns
        if wide[name].notna().sum() >= WINDOW + STARTS - 1
    }
    starts = np.arange(STARTS)
    lasts = starts + WINDOW - 1

    def grid() -> None:
        for name, bars in histories.items():
            run_grid(ladder, bars, starts, lasts, N, SHARINGS, "full", 100.0, name)

    grid()
    seconds = least(grid)
    runs = len(histories) * len(N) * len(SHARINGS) * STARTS
    cells = f"{len(histories)} tickers x {len(N)} n x {len(SHARINGS)} profit sharings"
    print(f"{cells} x {STARTS:,} starts of {WINDOW:,} bars:")
    print(f"  {runs:,} runs in {seconds:.2f} s, {1e6 * seconds / runs:.2f} us a run, "
          f"{1e9 * seconds / runs / WINDOW:.2f} ns a bar")  # fmt: skip


if __name__ == "__main__":
    main()
