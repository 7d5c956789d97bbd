"""Overfitting statistics: speed beside ffn, and error rates on made-up searches: ``python benchmarks/overfitting.py``.

    pip install allocopt ffn

Arguments name the parts to run: ``speed``, ``size``; none for both.

``speed``: the probability of backtest overfitting of 200 curves x 5,031 rows in 16 blocks (12,870 splits). ffn's
``calc_prob_backtest_overfitting`` runs once, ours five times, and the least time counts; the logits of all splits are
compared. ffn patches pandas when it is imported: that is done last.

``size``: share of searches in which the best trial passes at 95 percent, and mean probability of backtest overfitting.
A search is 500 days of normal returns of 50 trials. In none of the first four kinds has a trial any skill.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd

from allocopt.backtests.statistics import (
    AllTrials,
    AverageCorrelation,
    Clusters,
    backtest_overfitting,
    deflated_sharpe_of_best,
    probabilistic_sharpe,
)

ROWS, TRIALS, SEARCHES = 500, 50, 1000


def speed(curves: int = 200, rows: int = 5031, blocks: int = 16) -> None:
    days = pd.bdate_range("2000-01-03", periods=rows)
    trials = pd.DataFrame(np.random.default_rng(0).normal(0.0003, 0.01, (rows, curves)), days)
    ours, wall = [], []
    for _ in range(5):
        spent, start = time.process_time(), time.perf_counter()
        found = backtest_overfitting(trials, periods_per_year=252, blocks=blocks)
        ours.append(time.process_time() - spent)
        wall.append(time.perf_counter() - start)
    print(f"{curves} curves x {rows} rows, {blocks} blocks, {len(found.splits)} splits; processor time, wall time")
    print(f"allocopt {min(ours):8.3f} s {min(wall):8.3f} s, first call {wall[0]:.3f} s; PBO {found.probability:.6f}")
    try:
        from ffn.core import calc_prob_backtest_overfitting
    except ImportError:
        print("ffn is not installed: skipped")
        return
    spent, start = time.process_time(), time.perf_counter()
    theirs = calc_prob_backtest_overfitting(trials, n_blocks=blocks, full_output=True)
    spent, elapsed = time.process_time() - spent, time.perf_counter() - start
    apart = np.abs(theirs["logits"].to_numpy() - found.splits["logit"].to_numpy()).max()
    print(f"ffn      {spent:8.3f} s {elapsed:8.3f} s; PBO {theirs['pbo']:.6f}")
    print(f"ffn takes {spent / min(ours):.0f} times the processor time; largest difference of a logit {apart:.1e}")


def search(kind: str, rng: np.random.Generator) -> pd.DataFrame:
    own = rng.standard_normal((ROWS, TRIALS))
    if kind == "one factor, correlation 0.5":
        own = np.sqrt(0.5) * (own + rng.standard_normal((ROWS, 1)))
    elif kind == "five groups, correlation 0.9":
        own = np.sqrt(0.1) * own + np.sqrt(0.9) * np.repeat(rng.standard_normal((ROWS, 5)), TRIALS // 5, axis=1)
    elif kind == "fat tails and bad days":
        own = np.where(rng.random(own.shape) < 0.02, -4.0, 0.08 / 0.98 + 0.8 * own)
    elif kind == "one trial of ratio 3 a year":
        own[:, 0] += 3.0 / np.sqrt(252.0)
    elif kind == "all trials of ratio 1 a year":
        own += 1.0 / np.sqrt(252.0)
    return pd.DataFrame(0.01 * own, pd.bdate_range("2020-01-01", periods=ROWS))


def size() -> None:
    kinds = (
        "independent",
        "one factor, correlation 0.5",
        "five groups, correlation 0.9",
        "fat tails and bad days",
        "one trial of ratio 3 a year",
        "all trials of ratio 1 a year",
    )
    rules = {"all": AllTrials(), "average": AverageCorrelation(), "clusters": Clusters()}
    table = {}
    for number, kind in enumerate(kinds):
        rng = np.random.default_rng([7, number])
        passed = dict.fromkeys(("probabilistic", *(f"deflated, {name}" for name in rules), "familywise"), 0.0)
        overfitted = []
        for repeat in range(SEARCHES):
            trials = search(kind, rng)
            for name, rule in rules.items():
                found = deflated_sharpe_of_best(trials, periods_per_year=252, independent=rule)
                passed[f"deflated, {name}"] += found.probability >= 0.95
                if name == "all":
                    passed["probabilistic"] += probabilistic_sharpe(found.record).probability >= 0.95
                    passed["familywise"] += found.familywise_p_value <= 0.05
            if repeat < SEARCHES // 5:
                overfitted.append(backtest_overfitting(trials, periods_per_year=252, blocks=10).probability)
        table[kind] = {name: 100.0 * count / SEARCHES for name, count in passed.items()}
        low, high = np.quantile(overfitted, [0.05, 0.95])
        table[kind] |= {"PBO": np.mean(overfitted), "PBO 5 %": low, "PBO 95 %": high}
    print(f"{SEARCHES} searches of {TRIALS} trials x {ROWS} days; passed at 95 %, in percent; PBO of {SEARCHES // 5}")
    print(pd.DataFrame(table).T.to_string(float_format=lambda x: f"{x:.2f}"))


if __name__ == "__main__":
    parts = {"speed": speed, "size": size}
    for part in sys.argv[1:] or ("size", "speed"):
        parts[part]()
