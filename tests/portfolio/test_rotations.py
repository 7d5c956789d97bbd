"""Rotations and their cost: the strict threshold, the clock of the costs, exact sums, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import allocopt
from allocopt.backtests.accounting import Execution, account, executed_weights
from allocopt.backtests.portfolio import Rotations, rotation_cost, rotation_frequency
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError


def days(rows: int) -> pd.DatetimeIndex:
    return pd.bdate_range("2020-01-02", periods=rows)


def frame(**sleeves: list[float]) -> pd.DataFrame:
    return pd.DataFrame(sleeves, index=days(len(next(iter(sleeves.values())))))


def test_a_rotation_is_more_than_the_threshold() -> None:
    weights = frame(A=[0.5, 0.5, 0.625, 0.5, 0.5], B=[0.25, 0.125, 0.125, 0.125, 0.375])
    rotations = rotation_frequency(weights, threshold=0.125)
    assert rotations.largest_change.tolist() == [0.0, 0.125, 0.125, 0.125, 0.25]
    assert rotations.is_rotation.tolist() == [False, False, False, False, True]
    assert rotations.dates.equals(days(5)[4:])
    finer = rotation_frequency(weights, threshold=math.nextafter(0.125, 0))
    assert (finer.count, finer.share, finer.per_year(252)) == (4, 1.0, 252.0)
    assert rotation_frequency(weights, threshold=0.25).count == 0
    assert rotation_frequency(weights).count == 4  # 0.05


def test_a_move_between_sleeves_and_one_out_of_cash_both_count() -> None:
    rotations = rotation_frequency(frame(A=[0.0, 0.4, 0.34, 0.4, 0.4], B=[0.0, 0.4, 0.4, 0.4, 0.33]))
    assert rotations.is_rotation.tolist() == [False, True, True, True, True]
    assert rotation_frequency(frame(A=[0.4, 0.4])).count == 0  # nothing precedes the first row


def test_against_the_twin(rng: np.random.Generator) -> None:
    weights = pd.DataFrame(rng.dirichlet(np.full(4, 60.0), 400), days(400), list("ABCD"))
    rotations = rotation_frequency(weights, 0.06)
    rows = weights.to_numpy().tolist()
    twin = [t for t in range(1, 400) if any(abs(a - b) > 0.06 for a, b in zip(rows[t], rows[t - 1], strict=True))]
    assert 20 < len(twin) < 380
    assert rotations.count == len(twin)
    assert rotations.dates.equals(days(400)[twin])
    assert rotations.share == len(twin) / 399
    assert rotations.per_year(252) == pytest.approx(252 * len(twin) / 399)


def test_costs_fall_on_the_row_of_the_trade() -> None:
    decided = frame(A=[0.0, 0.5, 0.5, 0.46, 0.0, 0.0], B=[0.0, 0.5, 0.5, 0.54, 1.0, 1.0])
    executed = executed_weights(decided)
    cost = (0.001 * executed.diff().abs().sum(axis=1)).rename("cost")
    split = rotation_cost(cost, rotation_frequency(executed))
    assert split.rotations == 2
    assert split.rotation == pytest.approx(0.001 * (1.0 + 0.92), rel=1e-12)
    assert split.rest == pytest.approx(0.001 * 0.08, rel=1e-12)
    assert split.total == pytest.approx(0.002, rel=1e-12)
    assert split.share == split.rotation / split.total
    assert split.per_rotation == split.rotation / 2
    # Rotations of the decided weights meet the costs of other trades.
    wrong = rotation_cost(cost, rotation_frequency(decided))
    assert wrong.rotation == pytest.approx(0.00008, rel=1e-9)


@pytest.mark.parametrize("lag", [1, 2])
def test_with_the_ledger(lag: int, rng: np.random.Generator) -> None:
    prices = pd.DataFrame(100 * np.exp(rng.normal(0, 0.01, (120, 3)).cumsum(axis=0)), days(120), list("ABC"))
    weights = pd.DataFrame(rng.dirichlet(np.full(3, 200.0), 120), days(120), list("ABC"))
    weights.iloc[60:, 0] = 0.0
    execution = Execution(mode="constant-mix", lag=lag, costs=allocopt.ProportionalCost(0.001))
    ledger = account(weights, prices, execution)
    rotations = rotation_frequency(ledger.executed)
    split = rotation_cost(ledger.cost, rotations)
    assert days(120)[60 + lag] in rotations.dates
    assert split.total == math.fsum(ledger.cost)
    assert split.rotation + split.rest == pytest.approx(split.total, rel=1e-14)
    assert split.rotation == math.fsum(ledger.cost.loc[rotations.dates])
    assert 0.0 < split.rotation < split.total


def test_nothing_paid_and_nothing_rotated() -> None:
    still = rotation_frequency(frame(A=[0.5, 0.5, 0.5]))
    split = rotation_cost(pd.Series(0.0, index=days(3)), still)
    assert (split.rotation, split.rest, split.total, split.share, split.per_rotation) == (0.0, 0.0, 0.0, 0.0, 0.0)
    assert len(still.dates) == 0


def test_what_is_refused() -> None:
    weights = frame(A=[0.5, 0.25, 0.5])
    for threshold in (-0.01, math.nan, math.inf, True, "0.05"):
        with pytest.raises(SpecificationError, match="threshold is not a number of at least 0"):
            rotation_frequency(weights, threshold)  # type: ignore[arg-type]
    rotations = rotation_frequency(weights)
    for periods in (0.0, -252.0, math.inf):
        with pytest.raises(SpecificationError, match="periods_per_year is not a number above 0"):
            rotations.per_year(periods)
    with pytest.raises(ShapeError, match="one row has no change"):
        rotation_frequency(weights.iloc[:1])
    with pytest.raises(InputError, match="weight is missing or infinite at 2020-01-03, sleeve 'A'"):
        rotation_frequency(frame(A=[0.5, math.nan, 0.5]))
    cost = pd.Series([0.0, 1.0, 2.0], index=days(3))
    with pytest.raises(LabelError, match="not on the dates of the rotations"):
        rotation_cost(cost.iloc[1:], rotations)
    with pytest.raises(InputError, match="a cost is missing or infinite at 2020-01-06"):
        rotation_cost(cost.replace(2.0, math.nan), rotations)
    with pytest.raises(ShapeError, match="not of type Rotations"):
        rotation_cost(cost, rotations.is_rotation)  # type: ignore[arg-type]
    assert isinstance(rotations, Rotations)
