"""Studies that look ahead are caught in their cells; those that do not pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pytest

from allocopt.backtests.accounting import Ledger, account
from allocopt.backtests.splitters import CombinatorialPurged, Rolling, Splitter
from allocopt.backtests.walk_forward import walk_forward
from allocopt.errors import SpecificationError

Market = Callable[..., pd.DataFrame]
Parameters = Mapping[str, Any]

SPLITTER = Rolling(train=100, test=50, incomplete="drop")


def honest(data: pd.DataFrame, parameters: Parameters) -> Ledger:
    return account((data > data.rolling(parameters["window"]).mean()) / 2.0, data)


def whole_sample(data: pd.DataFrame, parameters: Parameters) -> Ledger:
    """Compare with the mean of all rows, those to come included."""
    return account((data > data.mean() * (1.0 + parameters["margin"])) / 2.0, data)


def next_row(data: pd.DataFrame, parameters: Parameters) -> Ledger:
    """Know tomorrow's close. On the last row there is none, and nothing is held."""
    return account((data.shift(-parameters["ahead"]) > data) / 2.0, data)


def returns_ahead(data: pd.DataFrame, parameters: Parameters) -> pd.Series[float]:
    returns = data["A"].pct_change()
    return returns.where(returns.shift(-1).fillna(0.0) > 0.0, 0.0)


def run(study: Any, grid: Any, data: pd.DataFrame, splitter: Splitter = SPLITTER, **settings: Any) -> Any:
    return walk_forward(study, grid, data, splitter, periods_per_year=252, **settings)


def test_a_causal_study_passes(market: Market) -> None:
    assert len(run(honest, {"window": [5, 10]}, market(1)).folds) == 5


def test_a_statistic_of_the_whole_sample_is_caught(market: Market) -> None:
    prices = market(1)
    with pytest.raises(SpecificationError, match=r"the study looks ahead: with margin=0.0 a \w+") as caught:
        run(whole_sample, {"margin": [0.0]}, prices)
    seen = prices.iloc[:100], prices.iloc[:151]
    one, other = (part > part.mean() for part in seen)
    first = prices.index[:100][(one != other.iloc[:100]).any(axis=1)][0]
    assert str(first.date()) in str(caught.value.where)


@pytest.mark.parametrize("ahead", [1, 3])
def test_tomorrows_close_is_caught_on_the_last_row(market: Market, ahead: int) -> None:
    """Returns up to the cut are the same; what was decided at its close is not."""
    prices = market(2)
    with pytest.raises(SpecificationError, match=f"with ahead={ahead} a decided weight changes"):
        run(next_row, {"ahead": [ahead]}, prices)


def test_returns_that_look_ahead_are_caught(market: Market) -> None:
    for seed in range(4):  # one row of the returns tells, and only where tomorrow rises
        prices = market(seed)
        rises = [prices["A"].iloc[t + 1] > prices["A"].iloc[t] for t in (99, 149, 199, 249, 299)]
        assert any(rises)
        with pytest.raises(SpecificationError, match="a return changes once later rows are known"):
            run(returns_ahead, {"any": [1]}, prices)


def test_the_check_can_be_switched_off(market: Market) -> None:
    found = run(whole_sample, {"margin": [0.0, 0.01]}, market(1), check_causality=False)
    assert len(found.folds) == 5


def test_scores_without_the_check_are_those_with_it(market: Market) -> None:
    prices = market(1)
    with_check, without = (run(honest, {"window": [5, 10]}, prices, check_causality=c) for c in (True, False))
    pd.testing.assert_frame_equal(with_check.scores, without.scores, rtol=1e-9)
    assert with_check.returns.equals(without.returns)


def test_random_studies_are_found_when_they_are_run_again(market: Market) -> None:
    calls: list[int] = []

    def random(data: pd.DataFrame, parameters: Parameters) -> Ledger:
        calls.append(1)
        return account(pd.DataFrame(0.1 / len(calls), index=data.index, columns=data.columns), data)

    with pytest.raises(SpecificationError, match="gives other returns when it is run again, with a=1"):
        run(random, {"a": [1]}, market(1), check_causality=False)
    with pytest.raises(SpecificationError, match="looks ahead"):
        run(random, {"a": [1]}, market(1))


def test_combinatorial_splits_see_all_rows_and_do_not_check(market: Market) -> None:
    found = run(whole_sample, {"margin": [0.0]}, market(1), CombinatorialPurged(4, 2))
    assert found.stitching == "paths"
    assert "choices know returns that come after" in found.stitching_note
