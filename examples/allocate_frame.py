"""Weights for a table of scores: dates in rows, sleeves in columns. Run: python examples/allocate_frame.py"""

import pandas as pd

from allocopt import Limits, allocate

scores = pd.DataFrame(
    {
        "trend": [0.90, 0.80, 0.00, 0.00],
        "carry": [0.40, 0.30, 0.30, 0.00],
        "value": [0.30, 0.03, 0.00, 0.00],
        "gold": [0.10, 0.20, 0.60, 0.00],
    },
    index=pd.to_datetime(["2024-01-31", "2024-02-29", "2024-03-28", "2024-04-30"]),
)

# At most 40 % in one sleeve, and no position under 5 %. The rest is cash.
result = allocate(scores, Limits(cap=0.40, floor=0.05))

print(result.to_frame().round(3).to_string())
print()
print(result.status.message)
print()
print(result.certificate)

# The limits hold in plain comparison, without a tolerance.
weights = result.weights
assert (weights <= 0.40).all(axis=None)
assert ((weights == 0.0) | (weights >= 0.05)).all(axis=None)
