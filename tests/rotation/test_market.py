"""OHLCV: what is accepted, what is refused and with which words."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.rotation import OHLCV
from allocopt.errors import AllocoptError, InputError, LabelError, ShapeError


@pytest.fixture
def bars() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Open": [10.0, 11.0, 12.0],
            "High": [11.5, 12.5, 12.5],
            "Low": [9.5, 10.5, 11.0],
            "Close": [11.0, 12.0, 11.5],
            "Volume": [100, 0, 300],
        },
        index=pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"]),
    )


def test_accepts_any_capitalisation_and_drops_other_columns(bars: pd.DataFrame) -> None:
    expected = OHLCV(bars).frame
    assert list(expected.columns) == ["open", "high", "low", "close", "volume"]
    assert (expected.dtypes == np.float64).all()
    for change in (str.upper, str.lower, str.capitalize):
        other = bars.rename(columns=change).assign(ticker="SPY", dividends=0.0)
        pd.testing.assert_frame_equal(OHLCV(other).frame, expected)


def test_volume_is_optional_and_may_be_zero(bars: pd.DataFrame) -> None:
    assert OHLCV(bars).frame["volume"].tolist() == [100.0, 0.0, 300.0]
    assert list(OHLCV(bars.drop(columns="Volume")).frame.columns) == ["open", "high", "low", "close"]


def test_integers_and_nullable_floats_are_numbers(bars: pd.DataFrame) -> None:
    whole = bars.round().astype("int64")
    assert OHLCV(whole).close.tolist() == [11.0, 12.0, 12.0]
    assert OHLCV(bars.astype("Float64")).close.tolist() == [11.0, 12.0, 11.5]


def test_later_changes_do_not_reach_it(bars: pd.DataFrame) -> None:
    market = OHLCV(bars)
    before = market.frame
    bars.loc[bars.index[0], "Close"] = 1.0
    frame = market.frame
    frame.iloc[:] = 1.0
    for column in (market.high, market.low, market.close):
        column.iloc[0] = 1.0
    pd.testing.assert_frame_equal(market.frame, before)
    with pytest.raises(dataclasses.FrozenInstanceError):
        market._frame = before  # type: ignore[misc]


def test_survives_pickle_and_copy(bars: pd.DataFrame) -> None:
    market = OHLCV(bars)
    for twin in (pickle.loads(pickle.dumps(market)), copy.deepcopy(market)):
        pd.testing.assert_frame_equal(twin.frame, market.frame)


def test_says_what_it_is(bars: pd.DataFrame) -> None:
    market = OHLCV(bars)
    assert repr(market) == "OHLCV(3 bars, 2024-01-02 to 2024-01-04)"
    assert len(market) == 3
    assert market.index.equals(bars.index)


def test_time_zones_and_resolutions_are_kept(bars: pd.DataFrame) -> None:
    dates = pd.DatetimeIndex(bars.index)
    for index in (dates.tz_localize("America/New_York"), dates.as_unit("s")):
        assert OHLCV(bars.set_axis(index, axis=0)).index.equals(index)


@pytest.mark.parametrize("name", ["Open", "High", "Low", "Close"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -3.0])
def test_refuses_a_bad_price(bars: pd.DataFrame, name: str, value: float) -> None:
    bars.loc["2024-01-03", name] = value
    with pytest.raises(InputError, match="Remedy") as caught:
        OHLCV(bars)
    assert caught.value.where == "2024-01-03"
    assert caught.value.what == f"{name.lower()} is missing, infinite or not positive"
    np.testing.assert_equal(caught.value.value, value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_refuses_a_bad_volume(bars: pd.DataFrame, value: float) -> None:
    bars["Volume"] = bars["Volume"].astype(float)
    bars.loc["2024-01-04", "Volume"] = value
    with pytest.raises(InputError, match="volume is missing, infinite or negative at 2024-01-04"):
        OHLCV(bars)


def test_refuses_high_below_low(bars: pd.DataFrame) -> None:
    bars.loc["2024-01-03", ["High", "Low"]] = [10.5, 12.5]
    with pytest.raises(InputError, match=r"high is below low at 2024-01-03: 10\.5"):
        OHLCV(bars)


@pytest.mark.parametrize("name", ["Open", "Close"])
@pytest.mark.parametrize(("value", "fits"), [(12.5, True), (10.5, True), (12.51, False), (10.49, False)])
def test_open_and_close_lie_within_the_bar(bars: pd.DataFrame, name: str, value: float, fits: bool) -> None:
    bars.loc["2024-01-03", name] = value
    if fits:
        assert len(OHLCV(bars)) == 3
    else:
        with pytest.raises(InputError, match=f"{name.lower()} is outside the bar's low and high at 2024-01-03"):
            OHLCV(bars)


def test_rounding_in_the_last_place_is_accepted(bars: pd.DataFrame) -> None:
    bars.loc["2024-01-03", "Close"] = np.nextafter(12.5, 13)
    bars.loc["2024-01-03", "Open"] = np.nextafter(10.5, 10)
    assert len(OHLCV(bars)) == 3
    bars.loc["2024-01-03", "Close"] = 12.5 * (1 + 1e-11)
    with pytest.raises(InputError, match="close is outside"):
        OHLCV(bars)


@pytest.mark.parametrize("cell", ["11.0", True, None, 1j])
def test_refuses_what_is_no_number(bars: pd.DataFrame, cell: object) -> None:
    bars["Close"] = pd.Series([cell, 12.0, 11.5], index=bars.index, dtype=object)
    with pytest.raises(InputError, match="close is not a number at 2024-01-02"):
        OHLCV(bars)


def test_refuses_columns_of_text_truth_values_and_boxed_numbers(bars: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=r"close is not a number at 2024-01-02: '11\.0'"):
        OHLCV(bars.astype({"Close": str}))
    with pytest.raises(InputError, match="close is not a number at 2024-01-02: True"):
        OHLCV(bars.assign(Close=True))
    with pytest.raises(InputError, match="close is not numeric: 'object'"):
        OHLCV(bars.astype({"Close": object}))
    with pytest.raises(InputError, match="close is missing"):
        OHLCV(bars.astype("Float64").assign(Close=pd.array([11.0, None, 11.5], dtype="Float64")))


@pytest.mark.parametrize("name", ["Open", "High", "Low", "Close"])
def test_refuses_a_missing_column(bars: pd.DataFrame, name: str) -> None:
    with pytest.raises(LabelError, match=rf"lacks columns: \['{name.lower()}'\]"):
        OHLCV(bars.drop(columns=name))


def test_refuses_a_column_named_twice(bars: pd.DataFrame) -> None:
    with pytest.raises(LabelError, match=r"names columns twice: \['close'\]"):
        OHLCV(bars.assign(close=1.0))


def test_refuses_dates_that_are_not_increasing_dates(bars: pd.DataFrame) -> None:
    with pytest.raises(LabelError, match="not indexed by dates"):
        OHLCV(bars.reset_index(drop=True))
    with pytest.raises(LabelError, match="not indexed by dates"):
        OHLCV(bars.set_axis(["2024-01-02", "2024-01-03", "2024-01-04"], axis=0))
    with pytest.raises(LabelError, match="not sorted by date at row 1: '2024-01-03'"):
        OHLCV(bars.iloc[::-1])
    with pytest.raises(LabelError, match="a date twice at row 1: '2024-01-02'"):
        OHLCV(bars.iloc[[0, 0, 1]])
    with pytest.raises(LabelError, match="a missing date at row 1"):
        OHLCV(bars.set_axis(pd.DatetimeIndex(["2024-01-02", None, "2024-01-04"]), axis=0))


def test_refuses_other_shapes(bars: pd.DataFrame) -> None:
    with pytest.raises(ShapeError, match="no rows"):
        OHLCV(bars.iloc[:0])
    with pytest.raises(ShapeError, match="more than one level"):
        OHLCV(pd.concat({"SPY": bars}, axis=1))
    with pytest.raises(ShapeError, match="not of type DataFrame: 'Series'"):
        OHLCV(bars["Close"])  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="not of type DataFrame: 'ndarray'"):
        OHLCV(bars.to_numpy())  # type: ignore[arg-type]


@pytest.mark.parametrize("label", ["Adj Close", "adj_close", "ADJ CLOSE"])
def test_adjusted_scales_prices_by_the_adjusted_close(bars: pd.DataFrame, label: str) -> None:
    quoted = bars.assign(**{label: [5.5, 12.0, 11.5]})
    adjusted = OHLCV.adjusted(quoted).frame
    # Row 0: factor 5.5 / 11 = 1/2. The other rows: factor 1.
    assert adjusted.iloc[0].tolist() == [5.0, 5.75, 4.75, 5.5, 100.0]
    assert adjusted.iloc[1].tolist() == [11.0, 12.5, 10.5, 12.0, 0.0]


def test_adjusted_close_is_taken_exactly(random_bars: Callable[[int, int], pd.DataFrame]) -> None:
    bars = random_bars(3, 500)
    quoted = np.random.default_rng(3).uniform(50, 150, 500)  # close * (quoted / close) misses many by one bit
    assert (bars["close"] * (quoted / bars["close"]) != quoted).any()
    adjusted = OHLCV.adjusted(bars.assign(adj_close=quoted))
    assert adjusted.close.tolist() == quoted.tolist()
    np.testing.assert_allclose(adjusted.high, bars["high"] * quoted / bars["close"], rtol=1e-14)


def test_an_adjusted_close_is_never_ignored_in_silence(bars: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=r"differs from the close on 1 of 3 rows, first at 2024-01-02: 5\.5"):
        OHLCV(bars.assign(adj_close=[5.5, 12.0, 11.5]))
    with pytest.raises(InputError, match="differs from the close"):
        OHLCV(bars.assign(adj_close=[np.nan, 12.0, 11.5]))
    pd.testing.assert_frame_equal(OHLCV(bars.assign(adj_close=bars["Close"])).frame, OHLCV(bars).frame)


def test_adjusted_refuses_a_missing_or_bad_factor(bars: pd.DataFrame) -> None:
    with pytest.raises(LabelError, match="lacks columns"):
        OHLCV.adjusted(bars)
    for value in (np.nan, 0.0, np.inf):
        with pytest.raises(InputError, match="adj close is missing, infinite or not positive at 2024-01-02"):
            OHLCV.adjusted(bars.assign(adj_close=[value, 12.0, 11.5]))


def test_errors_have_the_common_base(bars: pd.DataFrame) -> None:
    with pytest.raises(AllocoptError) as caught:
        OHLCV(bars.drop(columns="Low"))
    assert caught.value.remedy == "name the price columns open, high, low and close"
