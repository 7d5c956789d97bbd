"""Implied volatility: each source by hand, the splice, and what is refused."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.rotation import ImpliedVolatility
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

DAYS = pd.bdate_range("2024-01-02", periods=4)


def level(*values: float, days: pd.DatetimeIndex = DAYS) -> pd.Series[float]:
    return pd.Series(list(values), index=days[: len(values)], dtype=float)


def table(*rows: tuple[float, float, float], days: pd.DatetimeIndex = DAYS) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["iv7", "iv20", "iv60"], index=days[: len(rows)], dtype=float)


def test_term_structure_by_hand() -> None:
    implied = ImpliedVolatility.from_term_structure(level(25.0), vix9d=level(20.0), vix3m=level(30.0))
    iv7, iv20, iv60 = implied.frame.iloc[0]
    # Below nine days the level is flat.
    assert iv7 == pytest.approx(0.20, rel=1e-14)
    # Variance x days: 0.04 x 9 = 0.36 and 0.0625 x 30 = 1.875; at 20 days 0.36 + 11/21 x 1.515 = 1.153571...
    assert iv20 == pytest.approx(math.sqrt((0.36 + 11 / 21 * 1.515) / 20), rel=1e-14)
    # 0.09 x 93 = 8.37; at 60 days 1.875 + 30/63 x 6.495 = 4.967857...
    assert iv60 == pytest.approx(math.sqrt((1.875 + 30 / 63 * 6.495) / 60), rel=1e-14)
    assert (round(iv20, 6), round(iv60, 6)) == (0.240164, 0.287746)


def test_a_flat_term_structure_is_flat() -> None:
    implied = ImpliedVolatility.from_term_structure(level(18.0), vix9d=level(18.0), vix3m=level(18.0))
    np.testing.assert_allclose(implied.frame, 0.18, rtol=1e-14)


def test_term_structure_without_the_shortest_index() -> None:
    implied = ImpliedVolatility.from_term_structure(level(25.0), vix3m=level(30.0))
    assert implied.frame.iloc[0, :2].tolist() == pytest.approx([0.25, 0.25], rel=1e-14)
    assert implied.source.tolist() == ["term structure VIX+VIX3M"]


def test_six_month_index_stands_in_for_the_three_month_one_only() -> None:
    both = ImpliedVolatility.from_term_structure(
        level(25.0), vix3m=level(30.0), vix6m=pd.Series([99.0], index=DAYS[3:])
    )
    one = ImpliedVolatility.from_term_structure(level(25.0), vix3m=level(30.0))
    pd.testing.assert_frame_equal(both.frame, one.frame)
    assert both.source_counts() == one.source_counts() == {"term structure VIX+VIX3M": 1}
    far = ImpliedVolatility.from_term_structure(level(25.0), vix6m=level(30.0))
    # 0.09 x 184 = 16.56; at 60 days 1.875 + 30/154 x 14.685.
    assert far.frame["iv60"].iloc[0] == pytest.approx(math.sqrt((1.875 + 30 / 154 * 14.685) / 60), rel=1e-14)
    assert far.source_counts() == {"term structure VIX+VIX6M": 1}


def test_term_structure_covers_the_dates_that_all_indices_have() -> None:
    implied = ImpliedVolatility.from_term_structure(
        level(25.0, 26.0, math.nan, 27.0), vix9d=level(20.0, 21.0, 22.0), vix3m=level(30.0, 31.0, 32.0, 33.0)
    )
    assert implied.index.equals(DAYS[:2])


def test_term_structure_refuses_too_little() -> None:
    with pytest.raises(SpecificationError, match="no index reaches the 60-day tenor"):
        ImpliedVolatility.from_term_structure(level(25.0), vix9d=level(20.0))
    with pytest.raises(LabelError, match="no date in common"):
        ImpliedVolatility.from_term_structure(level(25.0), vix3m=pd.Series([30.0], index=DAYS[2:3]))
    with pytest.raises(LabelError, match="with and without a time zone"):
        ImpliedVolatility.from_term_structure(level(25.0), vix3m=level(30.0).tz_localize("UTC"))


def test_flat_uses_one_level() -> None:
    implied = ImpliedVolatility.flat(level(82.69, math.nan, 20.0))
    assert implied.index.equals(DAYS[[0, 2]])
    np.testing.assert_allclose(implied.frame, [[0.8269] * 3, [0.2] * 3], rtol=1e-14)
    assert implied.source_counts() == {"flat VIX": 2}


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf])
def test_an_index_is_positive(value: float) -> None:
    with pytest.raises(InputError, match="VIX is infinite or not positive at 2024-01-03"):
        ImpliedVolatility.flat(level(20.0, value))


def test_an_index_is_in_points() -> None:
    with pytest.raises(InputError, match=r"VIX looks like a decimal: its median: 0\.25. Remedy: multiply it by 100"):
        ImpliedVolatility.flat(level(0.2, 0.3))
    with pytest.raises(InputError, match="VIX3M looks like a decimal"):
        ImpliedVolatility.from_term_structure(level(25.0), vix3m=level(0.3))


def test_an_index_is_a_dated_series_of_numbers() -> None:
    with pytest.raises(ShapeError, match="VIX is not of type Series"):
        ImpliedVolatility.flat(level(20.0).to_frame())  # type: ignore[arg-type]
    with pytest.raises(LabelError, match="VIX is not indexed by dates"):
        ImpliedVolatility.flat(pd.Series([20.0]))
    with pytest.raises(InputError, match="VIX is not a number"):
        ImpliedVolatility.flat(pd.Series(["."], index=DAYS[:1]))  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="VIX has no values"):
        ImpliedVolatility.flat(level(math.nan))


def test_realised_proxy_by_hand() -> None:
    features = pd.DataFrame({"rv5": [math.nan, 0.1], "rv10": [math.nan, 0.2], "rv20": [math.nan, 0.3]}, index=DAYS[:2])
    implied = ImpliedVolatility.realized_proxy(features)
    np.testing.assert_allclose(implied.frame, [[math.nan] * 3, [0.12, 0.24, 0.36]], rtol=1e-14)
    assert implied.source_counts() == {"realised proxy x1.2": 2}
    assert ImpliedVolatility.realized_proxy(features, 1.5).source_counts() == {"realised proxy x1.5": 2}


def test_realised_proxy_refuses_wrong_arguments() -> None:
    features = pd.DataFrame({"rv5": [0.1], "rv10": [0.2], "rv20": [0.3]}, index=DAYS[:1])
    for value in (0.0, -1.2, math.nan, math.inf):
        with pytest.raises(SpecificationError, match="multiplier is not positive"):
            ImpliedVolatility.realized_proxy(features, value)
    with pytest.raises(LabelError, match=r"lacks columns: \['rv20'\]"):
        ImpliedVolatility.realized_proxy(features.drop(columns="rv20"))


def test_own_table_with_a_source_for_each_row() -> None:
    sources = pd.Series(["a", "b", "a"], index=DAYS[:3])
    implied = ImpliedVolatility(table((0.1, 0.2, 0.3), (0.1, 0.2, 0.3), (0.1, 0.2, 0.3)), sources)
    assert implied.source_counts() == {"a": 2, "b": 1}
    assert implied.source.name == "source"
    assert len(implied) == 3
    assert repr(implied) == "ImpliedVolatility(3 rows, {'a': 2, 'b': 1})"


@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan])
def test_own_table_is_finite_and_defined_once_it_starts(value: float) -> None:
    with pytest.raises(InputError, match="iv20 is infinite, negative, or missing after its first value at 2024-01-03"):
        ImpliedVolatility(table((0.1, 0.2, 0.3), (0.1, value, 0.3)), "own")


def test_own_table_is_in_decimals() -> None:
    with pytest.raises(InputError, match=r"iv7 looks like points: its median: 17\.0. Remedy: divide it by 100"):
        ImpliedVolatility(table((17.0, 18.0, 19.0)), "own")


def test_own_table_refuses_wrong_shapes_and_sources() -> None:
    good = table((0.1, 0.2, 0.3), (0.1, 0.2, 0.3))
    with pytest.raises(ShapeError, match="no rows"):
        ImpliedVolatility(good.iloc[:0], "own")
    with pytest.raises(LabelError, match=r"lacks columns: \['iv60'\]"):
        ImpliedVolatility(good.drop(columns="iv60"), "own")
    with pytest.raises(LabelError, match="not sorted"):
        ImpliedVolatility(good.iloc[::-1], "own")
    with pytest.raises(InputError, match="a source has no name"):
        ImpliedVolatility(good, "")
    with pytest.raises(InputError, match="a source has no name at 2024-01-03"):
        ImpliedVolatility(good, pd.Series(["a", None], index=good.index, dtype=object))
    with pytest.raises(LabelError, match="another index"):
        ImpliedVolatility(good, pd.Series(["a"], index=good.index[:1]))
    with pytest.raises(ShapeError, match="sources is not of type Series"):
        ImpliedVolatility(good, ["a", "b"])  # type: ignore[arg-type]


def test_on_selects_dates_and_leaves_out_holidays() -> None:
    implied = ImpliedVolatility.flat(level(20.0, 21.0, 22.0, 23.0))
    wanted = DAYS[[0, 3]]
    assert implied.on(wanted).frame["iv7"].tolist() == pytest.approx([0.20, 0.23])
    assert implied.on(wanted).index.equals(wanted)


def test_on_works_across_resolutions_and_time_zones() -> None:
    implied = ImpliedVolatility.flat(level(20.0, 21.0))
    fine = DAYS[:2].as_unit("ns")
    assert implied.on(fine).index.equals(fine)
    zoned = ImpliedVolatility.flat(level(20.0, 21.0).tz_localize("America/New_York"))
    utc = zoned.index.tz_convert("UTC")
    assert zoned.on(utc).index.equals(utc)
    with pytest.raises(LabelError, match="with and without a time zone"):
        implied.on(utc)


def test_on_refuses_a_missing_date() -> None:
    implied = ImpliedVolatility.flat(level(20.0, math.nan, 22.0))
    with pytest.raises(LabelError, match=r"missing on 2 of 4 dates, first at 2024-01-03.*where_available"):
        implied.on(DAYS)


def test_where_available_counts_each_source() -> None:
    quoted = ImpliedVolatility.flat(level(20.0, math.nan, 22.0))
    other = ImpliedVolatility(table(*[(0.1, 0.2, 0.3)] * 4), "own")
    joined = quoted.where_available(DAYS, other)
    assert joined.source.tolist() == ["flat VIX", "own", "flat VIX", "own"]
    assert joined.source_counts() == {"flat VIX": 2, "own": 2}
    np.testing.assert_allclose(joined.frame, [[0.2] * 3, [0.1, 0.2, 0.3], [0.22] * 3, [0.1, 0.2, 0.3]])


def test_where_available_takes_whole_rows() -> None:
    partial = ImpliedVolatility(table((0.5, 0.5, math.nan), (0.5, 0.5, 0.5)), "partial")
    other = ImpliedVolatility(table((0.1, 0.2, 0.3), (0.1, 0.2, 0.3)), "own")
    joined = partial.where_available(DAYS[:2], other)
    np.testing.assert_allclose(joined.frame, [[0.1, 0.2, 0.3], [0.5] * 3])


def test_where_available_needs_no_fallback_row_it_does_not_use() -> None:
    quoted = ImpliedVolatility.flat(level(20.0, 21.0))
    other = ImpliedVolatility(table((0.1, 0.2, 0.3)), "own")
    assert quoted.where_available(DAYS[:2], other).source_counts() == {"flat VIX": 2}
    with pytest.raises(LabelError, match="missing on 1 of 1 dates, first at 2024-01-04"):
        quoted.where_available(DAYS[:3], other)


def test_where_available_keeps_a_warm_up_at_the_start_only() -> None:
    unknown = (math.nan, math.nan, math.nan)
    proxy = ImpliedVolatility(table(unknown, unknown, (0.1, 0.1, 0.1), (0.1, 0.1, 0.1)), "proxy")
    late = ImpliedVolatility.flat(pd.Series([20.0], index=DAYS[3:]))
    assert late.where_available(DAYS, proxy).source_counts() == {"proxy": 3, "flat VIX": 1}
    early = ImpliedVolatility.flat(level(20.0))
    with pytest.raises(InputError, match="missing after its first value at 2024-01-03"):
        early.where_available(DAYS, proxy)


def test_chains_of_sources() -> None:
    curve = ImpliedVolatility.from_term_structure(level(25.0), vix3m=level(30.0))
    flat = ImpliedVolatility.flat(level(25.0, 26.0))
    own = ImpliedVolatility(table(*[(0.1, 0.2, 0.3)] * 4), "own")
    joined = curve.where_available(DAYS, flat.where_available(DAYS, own))
    assert joined.source_counts() == {"term structure VIX+VIX3M": 1, "flat VIX": 1, "own": 2}


def test_later_changes_do_not_reach_it() -> None:
    data = table((0.1, 0.2, 0.3))
    implied = ImpliedVolatility(data, "own")
    data.iloc[0, 0] = 9.0
    frame, source = implied.frame, implied.source
    frame.iloc[0, 0] = 9.0
    source.iloc[0] = "other"
    assert implied.frame.iloc[0].tolist() == [0.1, 0.2, 0.3]
    assert implied.source.tolist() == ["own"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        implied._frame = data  # type: ignore[misc]
    for twin in (pickle.loads(pickle.dumps(implied)), copy.deepcopy(implied)):
        pd.testing.assert_frame_equal(twin.frame, implied.frame)
