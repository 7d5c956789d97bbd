"""On real files: the errors that the documentation states, and thirty-six years without arbitrage."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.options import VVIX_SMILE, IndexSurface

pytestmark = pytest.mark.market_data
NAMES = ["2018-01", "2018-02", "2020-12-01", "2022-07-12", "2023-09-14"]


@pytest.fixture(scope="module")
def programme() -> ModuleType:
    file = Path(__file__).resolve().parents[2] / "benchmarks" / "surface.py"
    specification = importlib.util.spec_from_file_location("surface_benchmark", file)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def history(market_data: Path, programme: ModuleType) -> dict[str, Any]:
    found: dict[str, Any] = programme.indices(market_data)
    return found


@pytest.fixture(scope="module")
def marks(market_data: Path, programme: ModuleType) -> pd.DataFrame:
    table: pd.DataFrame = programme.marks(market_data)
    return table[table["whole_days"].between(7, 90)].reset_index(drop=True)


def test_errors_with_constants_from_other_dates(
    programme: ModuleType, marks: pd.DataFrame, history: dict[str, Any]
) -> None:
    dates = pd.DatetimeIndex(marks["date"].unique())
    given = {name: level[level.index.isin(dates)] for name, level in history.items()}
    some = marks.groupby("judged", group_keys=False)[list(marks.columns)].apply(lambda part: part.iloc[::7])
    some = some.reset_index(drop=True)
    errors, smiles = programme.left_out(given, some, VVIX_SMILE)
    result = programme.judged_table(errors, some)
    assert sorted(result.index) == sorted([*NAMES, "2018-02-05"])
    assert set(smiles) == {*NAMES, "all"}
    assert result.loc[NAMES, "median"].mean() < 0.9
    assert result.loc[NAMES, "median"].max() < 1.0
    assert result.loc[NAMES, "90 %"].mean() < 2.0
    # The shipped constants are those of the fit to all dates.
    shipped, fitted = np.array(list(vars(VVIX_SMILE).values())), np.array(list(vars(smiles["all"]).values()))
    np.testing.assert_allclose(fitted, shipped, atol=0.05)


def test_shipped_constants(programme: ModuleType, marks: pd.DataFrame, history: dict[str, Any]) -> None:
    result = programme.judged_table(programme.errors(programme.surface_of(history, VVIX_SMILE), marks), marks)
    assert result.loc[NAMES, "options"].tolist() == [1420, 1311, 357, 2424, 3006]
    assert result.loc[NAMES, "median"].mean() == pytest.approx(0.67, abs=0.02)
    assert result.loc[NAMES, "median"].max() == pytest.approx(0.78, abs=0.02)
    assert result.loc[NAMES, "90 %"].mean() == pytest.approx(1.61, abs=0.03)


def test_all_of_history_is_free_of_arbitrage_and_named(history: dict[str, Any]) -> None:
    surface = IndexSurface(**history, where_missing="degrade")
    counts = surface.source_counts(surface.index)
    assert sum(counts.values()) == len(surface.index) == 9234
    assert counts["VIX, smile of VIX"] == 4316
    assert counts["VIX9D+VIX+VIX3M+VIX6M, smile of VVIX"] == 3848
    assert surface.repairs(surface.index).sum().tolist() == [0, 0]
    highest = history["vix"].nlargest(40).index.sort_values()
    check = surface.arbitrage(surface.index[::60].union(pd.DatetimeIndex(highest)))
    assert check.free
    assert check.points > 200_000
