"""Implied volatility: the way back from a price, its limits, a bisection, QuantLib."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from allocopt.backtests.options import implied_volatility, price
from allocopt.errors import InputError, ShapeError, SpecificationError


def _bisection(target: float, kind: int, strike: float, years: float, rate: float) -> float:
    low, high = 1e-9, 20.0
    for _ in range(200):
        middle = (low + high) / 2
        if float(price(kind, 100, strike, years, middle, rate)) < target:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def test_at_the_money_in_closed_form() -> None:
    from scipy.special import erfinv

    # price = S erf(sigma sqrt(T / 8))
    wanted = erfinv(0.05) / np.sqrt(0.25 / 8)
    assert float(implied_volatility(5.0, "call", 100, 100, 0.25)) == pytest.approx(wanted, rel=1e-13)


def test_way_back_over_eight_orders_of_time_value(rng: np.random.Generator) -> None:
    n = 20_000
    strike = 100 * np.exp(rng.normal(0, 0.5, n))
    years, volatility = rng.uniform(0.002, 3, n), np.exp(rng.uniform(np.log(0.02), np.log(2), n))
    rate, dividend = rng.normal(0.02, 0.02, n), rng.uniform(0, 0.04, n)
    out_of_the_money = np.where(strike * np.exp(-rate * years) > 100 * np.exp(-dividend * years), 1, -1)
    value = price(out_of_the_money, 100, strike, years, volatility, rate, dividend)
    readable = value > 1e-250
    assert readable.mean() > 0.97
    chosen = [array[readable] for array in (value, out_of_the_money, strike, years, rate, dividend)]
    found = implied_volatility(chosen[0], chosen[1], 100, *chosen[2:])
    assert found.shape == (int(readable.sum()),)
    np.testing.assert_allclose(found, volatility[readable], rtol=1e-11)


@given(
    st.sampled_from([1, -1]),
    st.floats(0.3, 3),
    st.floats(0.005, 3),
    st.floats(0.02, 3),
    st.floats(-0.05, 0.1),
)
def test_way_back_also_in_the_money(kind: int, ratio: float, years: float, volatility: float, rate: float) -> None:
    value = float(price(kind, 100, 100 * ratio, years, volatility, rate))
    intrinsic = max(kind * (100 - 100 * ratio * np.exp(-rate * years)), 0.0)
    bound = 100.0 if kind > 0 else 100 * ratio * np.exp(-rate * years)
    assume(value - intrinsic > 1e-6)
    assume(bound - value > 1e-6)
    found = float(implied_volatility(value, kind, 100, 100 * ratio, years, rate))
    # What is compared is the price: its rounding is all that can be lost.
    assert float(price(kind, 100, 100 * ratio, years, found, rate)) == pytest.approx(value, rel=1e-12, abs=1e-11)


def test_slow_twin(rng: np.random.Generator) -> None:
    for _ in range(40):
        kind, strike, years = int(rng.choice([-1, 1])), float(rng.uniform(85, 115)), float(rng.uniform(0.02, 1))
        value = float(price(kind, 100, strike, years, float(rng.uniform(0.1, 0.9)), 0.03))
        wanted = _bisection(value, kind, strike, years, 0.03)
        assert float(implied_volatility(value, kind, 100, strike, years, 0.03)) == pytest.approx(wanted, rel=1e-8)


def test_tiny_deviations_at_and_near_the_money() -> None:
    strike = np.array([100.0, 100 * (1 + 1e-9), 100 * (1 + 1e-6)])
    value = price("call", 100, strike, 1 / 365, [1e-6, 1e-6, 1e-4])
    np.testing.assert_allclose(implied_volatility(value, 1, 100, strike, 1 / 365), [1e-6, 1e-6, 1e-4], rtol=1e-6)


def test_prices_outside_their_bounds_raise_with_the_bounds() -> None:
    with pytest.raises(InputError, match=r"between 30 and 130 at position 1: 29.0"):
        implied_volatility([31.0, 29.0], "put", 100, 130, 0.25)
    with pytest.raises(InputError, match=r"between 0 and 100: 100.0"):
        implied_volatility(100.0, "call", 100, 130, 0.25)
    for nothing_left in (0.0, 30.0):  # no time value: every small volatility gives that price
        with pytest.raises(InputError, match="no volatility can be read"):
            implied_volatility(nothing_left, "put", 100, 130 if nothing_left else 70, 0.25)


def test_prices_outside_are_marked_when_asked_for_by_name() -> None:
    found = implied_volatility([31.0, 29.0, 130.0, 30.0], "put", 100, 130, 0.25, outside="nan")
    assert np.isnan(found).tolist() == [False, True, True, True]
    assert np.isnan(float(implied_volatility(0.0, "call", 100, 130, 0.25, outside="nan")))
    with pytest.raises(SpecificationError, match="outside is unknown"):
        implied_volatility(31.0, "put", 100, 130, 0.25, outside="drop")


def test_bad_input_is_an_error_even_where_prices_outside_are_marked() -> None:
    with pytest.raises(InputError, match="price is not finite"):
        implied_volatility([1.0, np.nan], "put", 100, 100, 0.25, outside="nan")
    with pytest.raises(InputError, match="years is not finite and above 0"):
        implied_volatility(1.0, "put", 100, 100, 0.0, outside="nan")
    with pytest.raises(ShapeError):
        implied_volatility([1.0, 2.0], "put", 100, [90.0, 95.0, 100.0], 0.25)


def test_against_quantlib(rng: np.random.Generator) -> None:
    ql = pytest.importorskip("QuantLib")
    for _ in range(200):
        kind, ratio, deviation = int(rng.choice([-1, 1])), float(rng.uniform(0.7, 1.4)), float(rng.uniform(0.03, 0.6))
        flag = ql.Option.Call if kind > 0 else ql.Option.Put
        value = ql.blackFormula(flag, 100 * ratio, 100.0, deviation, 0.98)
        found = float(implied_volatility(value / 0.98, kind, 100, 100 * ratio, 1.0))
        if value / 0.98 - max(kind * (100 - 100 * ratio), 0) < 1e-5:
            continue
        theirs = ql.blackFormulaImpliedStdDev(flag, 100 * ratio, 100.0, value, 0.98, 0.0, 0.2, 1e-14, 200)
        assert found == pytest.approx(theirs, rel=1e-7)
        assert found == pytest.approx(deviation, rel=1e-7)
