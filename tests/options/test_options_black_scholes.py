"""Prices and greeks: published figures, limits, parity, finite differences, QuantLib."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocopt.backtests.options import Greeks, greeks, price
from allocopt.errors import InputError, ShapeError, SpecificationError

Array = npt.NDArray[np.float64]


def _market(rng: np.random.Generator, n: int = 300) -> tuple[Array, ...]:
    """Kind, spot, strike, years, volatility, rate, dividend."""
    return (
        rng.choice([-1.0, 1.0], n),
        rng.uniform(50, 150, n),
        rng.uniform(60, 140, n),
        rng.uniform(0.01, 2, n),
        rng.uniform(0.05, 0.8, n),
        rng.uniform(-0.02, 0.08, n),
        rng.uniform(0, 0.05, n),
    )


def test_hull_published_prices() -> None:
    # Hull, 10th edition: section 15.9 (4.76 and 0.81), 17.4 (51.83), 18.9 futures put by q = r (1.12).
    assert price(["call", "put"], 42, 40, 0.5, 0.2, 0.1).round(2).tolist() == [4.76, 0.81]
    assert round(float(price("call", 930, 900, 2 / 12, 0.2, 0.08, 0.03)), 2) == 51.83
    assert round(float(price("put", 20, 20, 4 / 12, 0.25, 0.09, 0.09)), 2) == 1.12


def test_hull_published_greeks() -> None:
    call = greeks(1, 49, 50, 0.3846, 0.2, 0.05)
    found = [float(value) for value in (call.delta, call.gamma, call.vega, call.theta, call.rho)]
    assert np.round(found, 3).tolist() == [0.522, 0.066, 12.105, -4.305, 8.907]
    assert float(call.theta_per_day) == pytest.approx(-0.0118, abs=5e-5)
    assert float(call.vega_per_point) == pytest.approx(0.121, abs=5e-4)
    assert float(call.rho_per_point) == pytest.approx(0.0891, abs=5e-5)


def test_at_the_money_forward_in_closed_form() -> None:
    from math import erf

    # Spot equal to strike, no rates: S (2 N(sigma sqrt(T) / 2) - 1) = S erf(sigma sqrt(T / 8)).
    assert float(price("call", 100, 100, 0.25, 0.3)) == pytest.approx(100 * erf(0.3 * np.sqrt(0.25 / 8)), rel=1e-14)


def test_put_call_parity(rng: np.random.Generator) -> None:
    _, spot, strike, years, volatility, rate, dividend = _market(rng)
    call = price(1, spot, strike, years, volatility, rate, dividend)
    put = price(-1, spot, strike, years, volatility, rate, dividend)
    asset, bond = spot * np.exp(-dividend * years), strike * np.exp(-rate * years)
    np.testing.assert_allclose(call - put, asset - bond, atol=1e-11)
    c, p = (greeks(sign, spot, strike, years, volatility, rate, dividend) for sign in (1, -1))
    np.testing.assert_allclose(c.delta - p.delta, np.exp(-dividend * years), rtol=1e-12)
    np.testing.assert_allclose(c.gamma, p.gamma, rtol=1e-12)
    np.testing.assert_allclose(c.vega, p.vega, rtol=1e-12)
    np.testing.assert_allclose(c.rho - p.rho, years * bond, rtol=1e-12)


def test_greeks_are_the_derivatives(rng: np.random.Generator) -> None:
    kind, spot, strike, years, volatility, rate, dividend = _market(rng)
    # Away from the last days, where the price bends within the step.
    years = years + 0.1

    def value(ds: float = 0, dt: float = 0, dv: float = 0, dr: float = 0) -> Array:
        return price(kind, spot + ds, strike, years + dt, volatility + dv, rate + dr, dividend)

    found, h = greeks(kind, spot, strike, years, volatility, rate, dividend), 1e-4
    np.testing.assert_allclose(found.delta, (value(ds=h) - value(ds=-h)) / (2 * h), atol=1e-7)
    np.testing.assert_allclose(found.gamma, (value(ds=0.01) - 2 * value() + value(ds=-0.01)) / 1e-4, atol=1e-6)
    np.testing.assert_allclose(found.vega, (value(dv=h) - value(dv=-h)) / (2 * h), atol=1e-4)
    np.testing.assert_allclose(found.theta, -(value(dt=h) - value(dt=-h)) / (2 * h), atol=1e-4)
    np.testing.assert_allclose(found.rho, (value(dr=h) - value(dr=-h)) / (2 * h), atol=1e-4)


def test_merton_differential_equation(rng: np.random.Generator) -> None:
    market = _market(rng)
    _, spot, _, _, volatility, rate, dividend = market
    g, value = greeks(*market), price(*market)
    drift = (rate - dividend) * spot * g.delta + 0.5 * volatility**2 * spot**2 * g.gamma
    np.testing.assert_allclose(g.theta + drift, rate * value, atol=1e-9)


def test_expired_option_is_worth_its_intrinsic_value_and_has_a_step() -> None:
    spot = np.array([90.0, 100.0, 110.0])
    assert price("call", spot, 100, 0, 0.2, 0.05, 0.02).tolist() == [0, 0, 10]
    assert price("put", spot, 100, 0, 0.2, 0.05, 0.02).tolist() == [10, 0, 0]
    call, put = (greeks(kind, spot, 100, 0, 0.2, 0.05, 0.02) for kind in ("call", "put"))
    assert call.delta.tolist() == [0, 0.5, 1]
    assert put.delta.tolist() == [-1, -0.5, 0]
    for name in ("gamma", "vega", "theta", "rho"):
        assert getattr(call, name).tolist() == [0, 0, 0], name


def test_greeks_approach_their_values_at_expiry() -> None:
    soon = greeks("call", [90.0, 110.0], 100, 1e-9, 0.2)
    np.testing.assert_allclose(soon.delta, [0, 1], atol=1e-12)
    np.testing.assert_allclose([soon.gamma, soon.vega], 0, atol=1e-12)


def test_without_volatility_the_forward_decides() -> None:
    value = price("call", 100, [100.0, 103.5], 1, 0, 0.05, 0.02)
    np.testing.assert_allclose(value, [100 * np.exp(-0.02) - 100 * np.exp(-0.05), 0.0])
    g = greeks("call", 100, [100.0, 103.5], 1, 0, 0.05, 0.02)
    np.testing.assert_allclose(g.delta, [np.exp(-0.02), 0])
    assert g.gamma.tolist() == [0, 0]
    assert np.isfinite(np.array([g.vega, g.theta, g.rho])).all()


def test_shapes_and_words() -> None:
    assert price("call", 100.0, [[90.0], [100.0]], [0.1, 0.2, 0.3], 0.2).shape == (2, 3)
    assert isinstance(float(price(1, 100, 100, 1, 0.2)), float)
    both = price(np.array(["call", "put"]), 100, 95, 0.5, 0.2)
    np.testing.assert_array_equal(both, price([1, -1], 100, 95, 0.5, 0.2))
    g = greeks([1, -1], 100, 95, 0.5, 0.2)
    assert isinstance(g, Greeks)
    np.testing.assert_array_equal(g.vega_per_point * 100, g.vega)
    np.testing.assert_array_equal(g.theta_per_day * 365, g.theta)


@pytest.mark.parametrize("kind", ["Call", 0, 2, [1, 0], ["call", "straddle"], np.nan])
def test_unknown_kind(kind: object) -> None:
    with pytest.raises(SpecificationError, match="neither call nor put"):
        price(kind, 100, 100, 1, 0.2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("spot", 0.0, "spot is not finite and above 0: 0.0"),
        ("strike", [100.0, -1.0], r"strike is not finite and above 0 at position 1: -1.0"),
        ("years", -0.1, "years is not finite and at least 0"),
        ("volatility", np.nan, "volatility is not finite and at least 0"),
        ("volatility", [[0.2, 0.2], [0.2, -0.2]], r"at position \(1, 1\): -0.2"),
        ("rate", np.inf, "rate is not finite: inf"),
        ("dividend", "none", "dividend is not a number"),
    ],
)
def test_bad_values_are_named(name: str, value: object, message: str) -> None:
    arguments: dict[str, object] = {"spot": 100.0, "strike": 100.0, "years": 1.0, "volatility": 0.2, name: value}
    for function in (price, greeks):
        with pytest.raises(InputError, match=message):
            function("call", **arguments)  # type: ignore[arg-type]


def test_shapes_that_do_not_go_together() -> None:
    with pytest.raises(ShapeError, match="do not go together"):
        price(1, [100.0, 101.0], [1.0, 2.0, 3.0], 1, 0.2)


@given(
    st.sampled_from([1, -1]),
    st.floats(0.5, 1.5),
    st.floats(0.001, 3),
    st.floats(0.01, 2),
    st.floats(-0.05, 0.1),
    st.floats(0, 0.1),
)
def test_bounds_and_order(
    kind: int, strike: float, years: float, volatility: float, rate: float, dividend: float
) -> None:
    asset, bond = np.exp(-dividend * years), strike * np.exp(-rate * years)
    value = float(price(kind, 1, strike, years, volatility, rate, dividend))
    assert max(kind * (asset - bond), 0) - 1e-14 <= value <= (asset if kind > 0 else bond)
    assert value <= float(price(kind, 1, strike, years, volatility * 1.1, rate, dividend)) + 1e-15
    g = greeks(kind, 1, strike, years, volatility, rate, dividend)
    assert 0 <= kind * float(g.delta) <= 1.0 + 1e-12 or dividend == 0
    assert float(g.gamma) >= 0
    assert float(g.vega) >= 0


def test_against_quantlib(rng: np.random.Generator) -> None:
    ql = pytest.importorskip("QuantLib")
    today = ql.Date(2, 1, 2018)
    ql.Settings.instance().evaluationDate = today
    count = ql.Actual365Fixed()
    calendar = ql.NullCalendar()
    n = 200
    kind, spot, strike, _, volatility, rate, dividend = _market(rng, n)
    days = rng.integers(1, 700, n)
    mine_price = price(kind, spot, strike, days / 365, volatility, rate, dividend)
    mine = greeks(kind, spot, strike, days / 365, volatility, rate, dividend)
    for i in range(n):
        process = ql.BlackScholesMertonProcess(
            ql.QuoteHandle(ql.SimpleQuote(float(spot[i]))),
            ql.YieldTermStructureHandle(ql.FlatForward(today, float(dividend[i]), count)),
            ql.YieldTermStructureHandle(ql.FlatForward(today, float(rate[i]), count)),
            ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, calendar, float(volatility[i]), count)),
        )
        option = ql.VanillaOption(
            ql.PlainVanillaPayoff(ql.Option.Call if kind[i] > 0 else ql.Option.Put, float(strike[i])),
            ql.EuropeanExercise(today + int(days[i])),
        )
        option.setPricingEngine(ql.AnalyticEuropeanEngine(process))
        theirs = [option.NPV(), option.delta(), option.gamma(), option.vega(), option.theta(), option.rho()]
        found = [mine_price[i], mine.delta[i], mine.gamma[i], mine.vega[i], mine.theta[i], mine.rho[i]]
        np.testing.assert_allclose(found, theirs, rtol=1e-9, atol=1e-10)
        assert float(mine.theta_per_day[i]) == pytest.approx(option.thetaPerDay(), rel=1e-9, abs=1e-12)
