"""The search for arbitrage finds what was planted, and nothing where there is none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from allocopt.backtests.options import FlatSurface, check_arbitrage
from allocopt.errors import LabelError, ShapeError, SpecificationError

DATES = pd.to_datetime(["2024-01-02", "2024-01-03"])
Array = npt.NDArray[np.float64]


class _Shaped:
    """A volatility from a formula of days and log-moneyness, on the second date only; 20 % on the first."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def implied_volatility(self, dates: pd.DatetimeIndex, days: Array, log_moneyness: Array) -> Array:
        if self.kind == "falling":  # total variance 0.04 / 365 * 30 from 30 days on, 1 % less at 60
            shaped = 0.2 * np.sqrt(np.where(days < 60, 30, 29.7) / np.maximum(days, 30.0)) * np.ones_like(days)
        elif self.kind == "kinked":  # a cusp downwards at the money: a negative density there
            shaped = 0.2 - 0.5 * np.abs(log_moneyness)
        else:  # a wing so steep that far calls get dearer with the strike
            shaped = 0.2 + 6 * np.maximum(log_moneyness, 0)
        return np.where(dates == DATES[1], shaped, 0.2)


def test_flat_is_free() -> None:
    check = check_arbitrage(FlatSurface(pd.Series([0.01, 0.8], index=DATES), "desk"), DATES)
    assert check.free
    assert check.points == 2 * 16 * 81
    assert list(check.calendar.columns) == list(check.butterfly.columns) == ["date", "days", "strike", "amount"]


def test_calendar() -> None:
    check = check_arbitrage(_Shaped("falling"), DATES)
    assert not check.free
    assert set(check.calendar["date"]) == {DATES[1]}
    assert set(check.calendar["days"]) == {60.0}
    assert len(check.calendar) == 81
    np.testing.assert_allclose(check.calendar["amount"], 0.04 * 0.3 / 365)
    assert check.butterfly.empty
    assert repr(check) == "ArbitrageCheck(calendar 81, butterfly 0: 2592 points)"


def test_butterfly() -> None:
    check = check_arbitrage(_Shaped("kinked"), DATES, [30.0])
    assert check.calendar.empty
    assert set(check.butterfly["date"]) == {DATES[1]}
    worst = int(check.butterfly["amount"].to_numpy().argmax())
    assert check.butterfly["strike"].to_numpy()[worst] == 1.0


def test_dearer_with_the_strike() -> None:
    check = check_arbitrage(_Shaped("steep"), DATES, [30.0])
    assert 1.2 in set(check.butterfly["strike"])
    assert set(check.butterfly["date"]) == {DATES[1]}


def test_batches_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = check_arbitrage(_Shaped("falling"), DATES.repeat(3))
    monkeypatch.setattr("allocopt.backtests.options.arbitrage._LARGEST_BATCH", 2 * 16 * 81)
    pd.testing.assert_frame_equal(whole.calendar, check_arbitrage(_Shaped("falling"), DATES.repeat(3)).calendar)


def test_bad_grids() -> None:
    flat = FlatSurface(pd.Series([0.1, 0.2], index=DATES), "desk")
    with pytest.raises(ShapeError, match="too small"):
        check_arbitrage(flat, DATES, [30.0], [0.9, 1.1])
    with pytest.raises(SpecificationError, match="days do not rise"):
        check_arbitrage(flat, DATES, [30.0, 30.0])
    with pytest.raises(SpecificationError, match="strikes do not rise"):
        check_arbitrage(flat, DATES, [30.0], [1.1, 1.0, 0.9])
    with pytest.raises(LabelError):
        check_arbitrage(flat, pd.DatetimeIndex(["2025-01-02"]))
    with pytest.raises(ShapeError):
        check_arbitrage(flat, ["2024-01-02"])  # type: ignore[arg-type]
