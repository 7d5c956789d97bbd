"""Combinatorial splits: every path by hand, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.accounting import Ledger, account
from allocopt.backtests.metrics import sharpe_ratio
from allocopt.backtests.splitters import CombinatorialPurged
from allocopt.backtests.walk_forward import walk_forward
from allocopt.errors import SpecificationError

Market = Callable[..., pd.DataFrame]


def study(data: pd.DataFrame, parameters: Mapping[str, Any]) -> Ledger:
    return account((data > data.rolling(parameters["window"]).mean()) / 2.0, data)


def test_every_path_takes_the_choice_of_the_split_that_tests_the_row(market: Market) -> None:
    prices = market(4, 300)
    windows = [3, 6, 12, 24]
    splitter = CombinatorialPurged(5, 2, embargo=10)
    found = walk_forward(
        study, {"window": windows}, prices, splitter, select="mean_annual_return", periods_per_year=252,
        benchmark=prices["A"],
    )  # fmt: skip
    runs = {window: study(prices, {"window": window}).returns for window in windows}
    chosen = []
    for train, _ in splitter.split(prices):
        rows = train[train > 0]
        chosen.append(max(windows, key=lambda w: runs[w].iloc[rows].mean()))
    assert found.chosen["window"].tolist() == chosen
    paths = splitter.paths(prices)
    assert found.paths is not None
    assert found.paths.shape == (299, 4)
    for number in range(4):
        expected = [runs[chosen[paths[number, row]]].iloc[row] for row in range(1, 300)]
        np.testing.assert_allclose(found.paths[f"path {number}"], expected, rtol=0.0, atol=1e-14)
        path = (1.0 + pd.Series([0.0, *expected], index=prices.index)).cumprod()
        sharpe = sharpe_ratio(path, periods_per_year=252)
        assert found.comparison.loc[f"path {number}", "sharpe"] == pytest.approx(sharpe, rel=1e-9)
    assert found.comparison.index.tolist()[4:] == ["benchmark", "best in hindsight", "median configuration"]
    assert found.returns_matrix().equals(found.returns_matrix("full"))
    assert len(found.returns_matrix()) == 299
    assert found.ledger is None
    assert found.switches.empty
    with pytest.raises(SpecificationError, match="several histories, and not one"):
        _ = found.returns


def test_what_combinatorial_splits_refuse(market: Market) -> None:
    prices = market(4, 100)
    with pytest.raises(SpecificationError, match="one account holds one"):
        walk_forward(
            study, {"window": [3]}, prices, CombinatorialPurged(4, 1), periods_per_year=252, stitching="account"
        )

    class Backwards:
        def split(self, X: Any, y: Any = None, groups: Any = None) -> Any:
            yield np.arange(50, 100), np.arange(50)

        def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
            return 1

    with pytest.raises(SpecificationError, match="does not say which paths its tests make up"):
        walk_forward(study, {"window": [3]}, prices, Backwards(), periods_per_year=252)
