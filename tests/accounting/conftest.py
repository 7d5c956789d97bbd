"""Small markets made by hand or from a seed, with what is decided on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

import allocopt
from allocopt.backtests.accounting import Financing
from allocopt.costs import Cost


@pytest.fixture
def table() -> Callable[[Mapping[str, Sequence[float]]], pd.DataFrame]:
    """Rows by business day from Monday 1 January 2024."""

    def make(columns: Mapping[str, Sequence[float]]) -> pd.DataFrame:
        rows = len(next(iter(columns.values())))
        return pd.DataFrame(columns, index=pd.bdate_range("2024-01-01", periods=rows), dtype=float)

    return make


@pytest.fixture
def market() -> Callable[..., tuple[pd.DataFrame, pd.DataFrame]]:
    """Weights on every row and prices: (seed, rows, n, short, missing share); weights of a row sum to at most 0.95."""

    def make(
        seed: int, rows: int = 40, n: int = 4, short: bool = False, missing: float = 0.0
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        rng = np.random.default_rng(seed)
        dates = pd.bdate_range("2024-01-01", periods=rows)
        sleeves = [f"S{i}" for i in range(n)]
        prices = rng.uniform(5.0, 200.0, n) * np.exp(rng.normal(0.0, 0.02, (rows, n)).cumsum(axis=0))
        gone = rng.random((rows, n)) < missing
        gone[:2] = False
        weights = rng.dirichlet(np.ones(n), rows) * rng.uniform(0.2, 0.95, (rows, 1))
        weights[rng.random((rows, n)) < 0.2] = 0.0
        if short:
            weights *= rng.choice([-1.0, 1.0], (rows, n))
        weights = np.where((rng.random(rows) < 0.5)[:, None], weights, weights[rng.integers(0, rows, rows)])
        return pd.DataFrame(weights, dates, sleeves), pd.DataFrame(np.where(gone, np.nan, prices), dates, sleeves)

    return make


@pytest.fixture
def every_cost() -> tuple[Cost, ...]:
    """One cost of each kind, high enough to be seen."""
    return (
        allocopt.ProportionalCost({"S0": 0.001, "S1": 0.002, "S2": 0.0, "S3": 0.003}),
        allocopt.SpreadCost(0.0004, slippage=0.0002),
        allocopt.SquareRootImpact(0.01),
        allocopt.PerShareCost(0.01, minimum=2.0),
    )


@pytest.fixture
def rates() -> Callable[[pd.DatetimeIndex, int], Financing]:
    """Financing with a rate of its own on each row: (dates, seed)."""

    def make(dates: pd.DatetimeIndex, seed: int) -> Financing:
        rng = np.random.default_rng(seed)
        lending = pd.Series(rng.uniform(-0.01, 0.05, len(dates)), dates)
        return Financing(lending, lending + 0.02, periods_per_year=252)

    return make


@pytest.fixture
def in_python(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`account` by the plain-Python rows."""
    from allocopt.backtests.accounting import account, engine

    def run(*arguments: Any, **named: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(engine, "kernel_costs", lambda *_: None)
            return account(*arguments, **named)

    return run
