"""Twenty years of the S&P 500: features, regimes, profile scores, desirability, weights.

Run: python examples/rotation.py [FOLDER]. The data comes with the `arch` package. Weights and figure are written to
FOLDER if one is given; nothing is written otherwise.
"""

import sys
from pathlib import Path

import pandas as pd
from arch.data import sp500

from allocopt import Regime, compare, desirability
from allocopt.backtests.rotation import OHLCV, ImpliedVolatility, classify_regimes, compute_features, profile_scores

# The embedded prices carry an "Adj Close" column; for an index it equals the close.
market = OHLCV(sp500.load())
features = compute_features(market)
regimes = classify_regimes(features)

# There is no volatility index before 2014 in this data. The proxy is 1.2 times realised volatility, asked for by name.
implied = ImpliedVolatility.realized_proxy(features)
scores = profile_scores(market, features, implied)

# A date counts once its regime and all its scores are defined. Row t uses prices up to the close of row t.
known = scores.notna().all(axis=1) & regimes.notna()
wanted = desirability(scores[known], regimes[known])
comparison = compare(wanted)

print(market, implied)
print()
print(regimes[known].value_counts().rename(lambda number: Regime(number).label).to_string())
print()
print(comparison.summary().round(4).to_string())
print()
print(comparison.steps()[["cause", "contribution", "share"]].round(4).to_string())

# One position a date, decided at its close. It can earn the return to the next row, not the one just seen.
weights = comparison.allocations["euclidean"].weights
by_regime = weights.groupby(regimes[known].rename("regime")).mean()
print()
print(pd.concat({"mean weight": by_regime}, axis=1).rename(lambda number: Regime(number).label).round(3).to_string())

if len(sys.argv) > 1:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    weights.to_parquet(folder / "weights.parquet")
    comparison.plot().savefig(folder / "comparison.png", dpi=100)
