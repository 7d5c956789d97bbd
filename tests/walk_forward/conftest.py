"""Markets made by hand or from a seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def market() -> Callable[..., pd.DataFrame]:
    """Random walks: (seed, rows, sleeves, drift a row)."""

    def make(seed: int, rows: int = 400, sleeves: int = 2, drift: float = 0.0) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        steps = rng.normal(drift, 0.01, (rows, sleeves))
        steps[0] = 0.0
        days = pd.bdate_range("2015-01-01", periods=rows)
        return pd.DataFrame(100 * np.exp(steps.cumsum(axis=0)), index=days, columns=list("ABCDEFGH"[:sleeves]))

    return make
