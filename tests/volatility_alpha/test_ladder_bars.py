"""Bars that cannot be traded on: an error that names the date."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import AllocoptError, InputError, LabelError, ShapeError, SpecificationError
from allocopt.backtests.volatility_alpha import VolatilityAlpha, bars_from_closes

LADDER = VolatilityAlpha(8, shares="fractional")


@pytest.fixture
def table(random_bars: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    return random_bars(0, rows=40, volatility=0.01)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("close", np.nan, "the close is missing or infinite at 2001-01-11"),
        ("open", np.inf, "the open is missing or infinite at 2001-01-11"),
        ("low", 0.0, "the low is not positive at 2001-01-11: 0.0"),
        ("close", -3.0, "the close is not positive at 2001-01-11: -3.0"),
        ("high", 1.0, "the high is below the low at 2001-01-11"),
        ("open", 1000.0, "the open is above the high at 2001-01-11"),
        ("open", 1.0, "the open is below the low at 2001-01-11"),
        ("close", 1000.0, "the close is above the high at 2001-01-11"),
        ("close", 1.0, "the close is below the low at 2001-01-11"),
    ],
)
def test_bad_prices(table: pd.DataFrame, column: str, value: float, told: str) -> None:
    table.loc["2001-01-11", column] = value
    with pytest.raises(InputError, match=told):
        LADDER.run(table)


def test_dates(table: pd.DataFrame) -> None:
    with pytest.raises(LabelError, match=r"not sorted by date at row 1: '2001-02-08'"):
        LADDER.run(table.iloc[::-1])
    with pytest.raises(LabelError, match=r"a date twice at row 6: '2001-01-06'"):
        LADDER.run(pd.concat([table.iloc[:6], table.iloc[5:]]))
    with pytest.raises(LabelError, match="not indexed by dates"):
        LADDER.run(table.reset_index(drop=True))


def test_a_gap(table: pd.DataFrame) -> None:
    holes = table.drop(table.index[10:22])
    with pytest.raises(InputError, match=r"no bar for 13 days after 2001-01-10 at 2001-01-23"):
        LADDER.run(holes)
    assert len(LADDER.run(holes, allow=("gap",)).equity) == 28
    assert len(LADDER.run(table.drop(table.index[10:19])).equity) == 31, "ten days are no gap"


@pytest.mark.parametrize("ratio", [2.0, 3.0, 4.0, 10.0, 20.0, 1.5])
@pytest.mark.parametrize("up", [False, True])
def test_a_split(table: pd.DataFrame, ratio: float, up: bool) -> None:
    factor = ratio if up else 1.0 / ratio
    table.iloc[20:] *= factor * table["close"].iloc[19] / table["open"].iloc[20]
    with pytest.raises(InputError, match=rf"looks like a split .* at 2001-01-21: {round(factor, 4)}"):
        LADDER.run(table)
    assert LADDER.run(table, allow=["split"]).total_return != 0.0


@pytest.mark.parametrize("path", ["flat", "joined"])
def test_a_split_in_closes(table: pd.DataFrame, path: Any) -> None:
    closes = table["close"].copy()
    closes.iloc[20:] *= 0.5 * closes.iloc[19] / closes.iloc[20]
    with pytest.raises(InputError, match=r"looks like a split .* at 2001-01-21: 0\.5\."):
        LADDER.run(bars_from_closes(closes, path=path))


def test_a_crash_is_no_split(table: pd.DataFrame) -> None:
    for factor in (0.45, 0.56, 0.72, 1.3, 1.6, 2.3):
        other = table.copy()
        other.iloc[20:] *= factor * table["close"].iloc[19] / table["open"].iloc[20]
        LADDER.run(other)


def test_columns_and_rows(table: pd.DataFrame) -> None:
    upper = table.rename(columns=str.upper).assign(Volume=1.0, Name="x")
    pd.testing.assert_series_equal(LADDER.run(upper).equity, LADDER.run(table).equity)
    with pytest.raises(LabelError, match=r"lacks columns: \['low'\]"):
        LADDER.run(table.drop(columns="low"))
    with pytest.raises(LabelError, match="a column twice: 'close'"):
        LADDER.run(table.assign(CLOSE=table["close"]))
    with pytest.raises(InputError, match="the close is not a number at 2001-01-01"):
        LADDER.run(table.assign(close=[str(x) for x in table["close"]]))
    for wrong in (table.iloc[:1], table.iloc[:0]):
        with pytest.raises(ShapeError, match="fewer than two bars"):
            LADDER.run(wrong)
    with pytest.raises(ShapeError, match="not of type DataFrame"):
        LADDER.run(table["close"])  # type: ignore[arg-type]


def test_start_and_end(table: pd.DataFrame) -> None:
    result = LADDER.run(table, start="2001-01-05", end=pd.Timestamp("2001-01-20"))
    assert (result.equity.index[0], result.equity.index[-1]) == (table.index[4], table.index[19])
    assert result.start_value == 100.0 * table["close"].iloc[4]
    table.iloc[30, 0] = np.nan
    assert len(LADDER.run(table, end="2001-01-30").equity) == 30, "what is not used is not checked"
    hourly = table.iloc[:30].set_axis(pd.date_range("2001-01-01", periods=30, freq="h", tz="UTC"), axis=0)
    assert len(LADDER.run(hourly, end="2001-01-01").equity) == 24, "a date is its whole day"
    assert len(LADDER.run(hourly, end="2001-01-01 05:00").equity) == 6
    wrongs: list[tuple[dict[str, Any], type[AllocoptError]]] = [
        ({"start": "soon"}, SpecificationError),
        ({"end": pd.NaT}, SpecificationError),
        ({"start": "2001-02-09"}, ShapeError),
        ({"end": "1999-01-01"}, ShapeError),
        ({"start": pd.Timestamp("2001-01-01", tz="UTC")}, LabelError),
        ({"allow": "split"}, SpecificationError),
        ({"allow": ("splits",)}, SpecificationError),
    ]
    for wrong, kind in wrongs:
        with pytest.raises(kind):
            LADDER.run(table, **wrong)


def test_bars_of_closes() -> None:
    closes = pd.Series([100.0, 90.0, 95.0], index=pd.date_range("2001-01-01", periods=3))
    flat, joined = bars_from_closes(closes), bars_from_closes(closes, path="joined")
    assert (flat.to_numpy() == closes.to_numpy()[:, None]).all()
    assert joined.to_numpy().tolist() == [[100.0] * 4, [100.0, 100.0, 90.0, 90.0], [90.0, 95.0, 90.0, 95.0]]
    assert LADDER.run(flat).transactions["price"].tolist() == [100.0, 90.0]
    assert LADDER.run(joined).transactions["price"].iloc[1] == pytest.approx(100.0 / 2 ** (1 / 8))
    wrong: Any = [1.0]
    with pytest.raises(ShapeError):
        bars_from_closes(wrong)
    with pytest.raises(SpecificationError, match="path is unknown"):
        bars_from_closes(closes, path="curved")  # type: ignore[arg-type]


def test_errors_have_a_remedy(table: pd.DataFrame) -> None:
    table.iloc[3, 3] = np.nan
    with pytest.raises(AllocoptError) as caught:
        LADDER.run(table)
    assert caught.value.where == "2001-01-04"
    assert caught.value.remedy
