"""The protocol of one method, and the flat surface."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from allocopt.backtests.options import FlatSurface, IndexSurface, VolatilitySurface
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

DATES = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"])


def _ask(surface: VolatilitySurface, dates: pd.DatetimeIndex) -> npt.NDArray[np.float64]:
    return surface.implied_volatility(dates, np.full(len(dates), 30.0), np.zeros(len(dates)))


def test_surfaces_follow_the_protocol() -> None:
    flat = FlatSurface(pd.Series([0.1, 0.2, 0.3], index=DATES), "desk")
    assert isinstance(flat, VolatilitySurface)
    assert isinstance(IndexSurface.from_vix_only(pd.Series([15.0], index=DATES[:1])), VolatilitySurface)
    assert not isinstance(object(), VolatilitySurface)


def test_dates_in_any_order() -> None:
    flat = FlatSurface(pd.Series([0.1, 0.2, 0.3], index=DATES), "desk")
    assert _ask(flat, DATES[[2, 0, 0, 1]]).tolist() == [0.3, 0.1, 0.1, 0.2]
    assert flat.sources(DATES[:2]).tolist() == ["desk", "desk"]
    assert flat.source_counts(DATES) == {"desk": 3}
    assert repr(flat) == "FlatSurface(3 dates, 'desk')"


def test_from_an_index_and_by_proxy() -> None:
    vix = FlatSurface.from_index(pd.Series([15.0, np.nan, 30.0], index=DATES))
    assert _ask(vix, DATES[[0, 2]]).tolist() == [0.15, 0.3]
    with pytest.raises(LabelError, match=r"no value on 1 of 1 dates, first at 2024-01-03"):
        _ask(vix, DATES[[1]])
    proxy = FlatSurface.realized_proxy(pd.Series([np.nan, 0.1, 0.2], index=DATES), 1.5)
    np.testing.assert_allclose(_ask(proxy, DATES[1:]), [0.15, 0.3])
    assert proxy.source == "realised proxy x1.5"
    with pytest.raises(LabelError, match="not defined yet at 2024-01-02"):
        _ask(proxy, DATES)


def test_what_is_asked_is_checked() -> None:
    flat = FlatSurface(pd.Series([0.1, 0.2, 0.3], index=DATES), "desk")
    with pytest.raises(InputError, match=r"days to expiry is not finite and above 0 at position 1: 0.0"):
        flat.implied_volatility(DATES[:2], [1.0, 0.0], [0.0, 0.0])
    with pytest.raises(InputError, match="log-moneyness is not finite"):
        flat.implied_volatility(DATES[:1], [1.0], [np.nan])
    with pytest.raises(ShapeError, match="not one length"):
        flat.implied_volatility(DATES, [1.0], [0.0])
    with pytest.raises(LabelError, match="time zone"):
        _ask(flat, DATES.tz_localize("UTC"))
    with pytest.raises(ShapeError, match="DatetimeIndex"):
        flat.implied_volatility(["2024-01-02"], [1.0], [0.0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([0.1, np.nan, 0.2], InputError, "missing after its first value"),
        ([15.0, 16.0, 17.0], InputError, "looks like points"),
        ([0.1, -0.1, 0.2], InputError, "negative"),
        ([0.1, 0.0, 0.2], InputError, "zero at 2024-01-03"),
    ],
)
def test_bad_volatility(values: list[float], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        FlatSurface(pd.Series(values, index=DATES), "desk")


def test_bad_specification() -> None:
    good = pd.Series([0.1, 0.2, 0.3], index=DATES)
    with pytest.raises(SpecificationError, match="no name"):
        FlatSurface(good, "")
    with pytest.raises(SpecificationError, match="multiplier"):
        FlatSurface.realized_proxy(good, 0)
    with pytest.raises(ShapeError, match="no rows"):
        FlatSurface(good[:0], "desk")
    with pytest.raises(LabelError, match="sorted"):
        FlatSurface(good[::-1], "desk")
    with pytest.raises(ShapeError):
        FlatSurface(good.to_frame(), "desk")  # type: ignore[arg-type]
