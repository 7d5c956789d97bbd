"""The surface from index levels: the indices come back out of it, a slow twin, missing indices, arbitrage."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocopt.backtests.options import (
    VIX_SMILE,
    VVIX_SMILE,
    BusinessClock,
    IndexSmile,
    IndexSurface,
    check_arbitrage,
    price,
)
from allocopt.backtests.options.smile import ssvi, swap_ratio
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

Array = npt.NDArray[np.float64]
DATES = pd.bdate_range("2018-01-29", periods=6)
LEVELS = {  # closes of the week of the spike
    "vix": [13.84, 14.79, 13.54, 13.47, 17.31, 37.32],
    "vix9d": [14.2, 15.6, 13.3, 13.86, 18.86, 59.34],
    "vix3m": [14.7, 15.2, 14.8, 14.72, 17.03, 28.13],
    "vix6m": [15.9, 16.2, 15.9, 15.90, 17.49, 24.55],
    "vvix": [104.0, 110.0, 103.0, 105.77, 125.51, 177.34],
}


def _series(**changes: Any) -> dict[str, Any]:
    return {name: pd.Series(changes.get(name, values), index=DATES, dtype=float) for name, values in LEVELS.items()}


def _at_the_money(surface: IndexSurface, dates: pd.DatetimeIndex, days: float) -> Array:
    return surface.implied_volatility(dates, np.full(len(dates), days), np.zeros(len(dates)))


@pytest.mark.parametrize(("days", "name"), [(9, "vix9d"), (30, "vix"), (93, "vix3m"), (184, "vix6m")])
def test_the_index_comes_back_from_option_prices(days: int, name: str) -> None:
    # The index formula (Cboe): twice the integral of out-of-the-money prices over the squared strike, per year.
    surface = IndexSurface(**_series())
    k = np.linspace(-8, 4, 24_001)
    for date, level in zip(DATES, LEVELS[name], strict=True):
        volatility = surface.implied_volatility(pd.DatetimeIndex([date] * len(k)), np.full(len(k), float(days)), k)
        value = price(np.where(k > 0, 1, -1), 1.0, np.exp(k), days / 365, volatility)
        swap = np.trapezoid(2 * value / np.exp(k), k) / (days / 365)
        assert 100 * np.sqrt(swap) == pytest.approx(VVIX_SMILE.level * level, rel=1e-4)


def test_slow_twin() -> None:
    surface = IndexSurface(**_series())
    clock = BusinessClock()
    rng = np.random.default_rng(7)
    smile, rho = VVIX_SMILE, VVIX_SMILE.correlation
    for _ in range(60):
        row, days, k = int(rng.integers(6)), float(rng.uniform(1, 300)), float(rng.uniform(-0.2, 0.2))
        date = DATES[[row]]
        nodes = [(0.0, 0.0)]
        for maturity, name in ((9, "vix9d"), (30, "vix"), (93, "vix3m"), (184, "vix6m")):
            elapsed = float(clock.elapsed(date, [maturity])[0])
            nodes.append((elapsed, (LEVELS[name][row] / 100) ** 2 * maturity / 365))
        at = float(clock.elapsed(date, [days])[0])
        swap = float(np.interp(at, [node[0] for node in nodes], [node[1] for node in nodes]))
        if at > nodes[-1][0]:
            swap = nodes[-1][1] * at / nodes[-1][0]
        ratio = (LEVELS["vvix"][row] / 95) ** smile.vvix_power * (LEVELS["vix"][row] / 18) ** smile.vix_power
        eta = np.array([min(smile.curvature * ratio, smile.highest_curvature)])
        theta = np.array([swap * smile.level**2])
        for _ in range(40):
            theta = swap * smile.level**2 / swap_ratio(theta, eta, rho)
        wanted = float(np.sqrt(ssvi(theta, eta, rho, np.array([k])) * 365 / days)[0])
        found = float(surface.implied_volatility(date, np.array([days]), np.array([k]))[0])
        assert found == pytest.approx(wanted, rel=2e-6)


def test_elementwise_in_any_order(rng: np.random.Generator) -> None:
    surface = IndexSurface(**_series())
    dates, days, k = DATES[rng.integers(0, 6, 200)], rng.uniform(1, 200, 200), rng.normal(0, 0.1, 200)
    whole = surface.implied_volatility(dates, days, k)
    assert whole.shape == (200,)
    assert np.isfinite(whole).all()
    order = rng.permutation(200)
    np.testing.assert_allclose(surface.implied_volatility(dates[order], days[order], k[order]), whole[order])
    one = [float(surface.implied_volatility(dates[[i]], days[[i]], k[[i]])[0]) for i in range(20)]
    np.testing.assert_allclose(one, whole[:20])
    assert surface.implied_volatility(dates[:0], days[:0], k[:0]).shape == (0,)


def test_nothing_later_is_used() -> None:
    early = IndexSurface(**{name: level.iloc[:3] for name, level in _series().items()})
    whole = IndexSurface(**_series())
    np.testing.assert_array_equal(_at_the_money(early, DATES[:3], 20), _at_the_money(whole, DATES[:3], 20))


def test_puts_are_dearer_than_calls_and_the_spike_is_inverted() -> None:
    surface = IndexSurface(**_series())
    spike = DATES[[5, 5, 5]]
    left, middle, right = surface.implied_volatility(spike, np.full(3, 30.0), np.array([-0.1, 0.0, 0.1]))
    assert left > middle > right
    short, long = surface.implied_volatility(spike[:2], np.array([9.0, 90.0]), np.zeros(2))
    assert short > 1.5 * long


def test_a_missing_value_is_an_error_that_names_date_and_index() -> None:
    holes = LEVELS["vix3m"].copy()
    holes[2] = np.nan
    surface = IndexSurface(**_series(vix3m=holes))
    with pytest.raises(LabelError, match=r"VIX3M has no value on 1 of 6 dates, first at 2018-01-31"):
        _at_the_money(surface, DATES, 20)
    assert np.isfinite(_at_the_money(surface, DATES[:2], 20)).all()
    with pytest.raises(LabelError, match=r"VIX has no value on 1 of 1 dates, first at 2019-01-02"):
        _at_the_money(surface, pd.DatetimeIndex(["2019-01-02"]), 20)
    with pytest.raises(LabelError, match=r"VIX3M .* 2018-01-31"):
        surface.sources(DATES)


def test_degrading_by_name() -> None:
    gone = {name: [*LEVELS[name][:row], np.nan, *LEVELS[name][row + 1 :]] for row, name in enumerate(_series())}
    gone["vix"] = LEVELS["vix"]  # never missing
    surface = IndexSurface(**_series(**gone), where_missing="degrade")
    sources = surface.sources(DATES).tolist()
    assert sources == [
        "VIX9D+VIX+VIX3M+VIX6M, smile of VVIX",
        "VIX+VIX3M+VIX6M, smile of VVIX",
        "VIX9D+VIX+VIX6M, smile of VVIX",
        "VIX9D+VIX+VIX3M, smile of VVIX",
        "VIX9D+VIX+VIX3M+VIX6M, smile of VIX",
        "VIX9D+VIX+VIX3M+VIX6M, smile of VVIX",
    ]
    assert surface.source_counts(DATES) == {name: sources.count(name) for name in dict.fromkeys(sources)}
    # Each date is marked as by a surface that was never given the index.
    for row, name in ((1, "vix9d"), (2, "vix3m"), (3, "vix6m")):
        fewer = IndexSurface(**{key: level for key, level in _series().items() if key != name})
        for days in (5.0, 25.0, 60.0, 150.0, 250.0):
            expected = _at_the_money(fewer, DATES[[row]], days)
            np.testing.assert_allclose(_at_the_money(surface, DATES[[row]], days), expected)
    # Without VVIX the other constants hold.
    alone = IndexSurface.from_vix_only(_series()["vix"])
    assert float(_at_the_money(surface, DATES[[4]], 30)[0]) == pytest.approx(
        float(_at_the_money(alone, DATES[[4]], 30)[0]), rel=1e-9
    )


def test_vix_alone_has_the_same_level_at_all_tenors_on_its_clock() -> None:
    surface = IndexSurface.from_vix_only(_series()["vix"], clock=BusinessClock(1.0))
    assert surface.source_counts(DATES) == {"VIX, smile of VIX": 6}
    for days in (5.0, 90.0, 300.0):
        # The smile narrows with the square root of time, so the at-the-money level hardly moves.
        np.testing.assert_allclose(_at_the_money(surface, DATES, days), _at_the_money(surface, DATES, 30), rtol=0.05)
    assert repr(surface) == "IndexSurface(6 dates, VIX, where_missing='degrade')"


def test_early_vvix_counts_as_missing() -> None:
    dates = pd.DatetimeIndex(["2006-11-13", "2007-01-03"])
    given: dict[str, Any] = {"vix": pd.Series([10.9, 12.0], dates), "vvix": pd.Series([36.14, 87.0], dates)}
    six_months = pd.Series([14.0, 15.0], dates)
    assert IndexSurface(**given, vix6m=six_months, where_missing="degrade").source_counts(dates) == {
        "VIX+VIX6M, smile of VIX": 1,
        "VIX+VIX6M, smile of VVIX": 1,
    }
    with pytest.raises(LabelError, match=r"VVIX \(not usable before 2007\) has no value .* 2006-11-13"):
        _at_the_money(IndexSurface(**given, vix6m=six_months), dates, 20)


def test_a_falling_total_variance_is_raised_and_said() -> None:
    inverted = [*LEVELS["vix3m"][:5], 20.0]  # 20^2 x 93 is below 37.32^2 x 30
    surface = IndexSurface(**_series(vix3m=inverted))
    assert surface.repairs(DATES)["variance_raised"].tolist() == [False] * 5 + [True]
    assert surface.arbitrage(DATES).free
    untouched = IndexSurface(**_series())
    assert not untouched.repairs(DATES).to_numpy().any()
    np.testing.assert_array_equal(_at_the_money(surface, DATES[:5], 60), _at_the_money(untouched, DATES[:5], 60))


def test_a_curvature_beyond_the_bound_is_cut_and_said() -> None:
    wild = [*LEVELS["vvix"][:5], 400.0]
    surface = IndexSurface(**_series(vvix=wild))
    assert surface.repairs(DATES)["curvature_capped"].tolist() == [False] * 5 + [True]
    assert surface.arbitrage(DATES).free


@settings(max_examples=60)
@given(
    st.lists(st.floats(6, 95), min_size=4, max_size=4),
    st.floats(55, 250),
    st.sampled_from([VVIX_SMILE, IndexSmile(1.0, 1.5, 1.0, -0.5, -0.7)]),
)
def test_free_of_arbitrage_whatever_the_levels(levels: list[float], vvix: float, smile: IndexSmile) -> None:
    date = pd.DatetimeIndex(["2018-02-02"])
    series = [pd.Series([level], index=date) for level in (*levels, vvix)]
    surface = IndexSurface(series[1], series[0], series[2], series[3], series[4], smile=smile)
    check = surface.arbitrage(date)
    assert check.free, (check.calendar, check.butterfly)
    assert check_arbitrage(surface, date, np.arange(1.0, 366.0, 7), np.linspace(0.5, 1.6, 60)).free


def test_specification() -> None:
    series = _series()
    with pytest.raises(SpecificationError, match="needs VVIX"):
        IndexSurface(series["vix"], vix3m=series["vix3m"])
    with pytest.raises(SpecificationError, match="beyond 30 days"):
        IndexSurface(series["vix"], vvix=series["vvix"])
    with pytest.raises(SpecificationError, match="where_missing is unknown"):
        IndexSurface(**series, where_missing="drop")
    with pytest.raises(SpecificationError, match="without VVIX needs VVIX"):
        IndexSurface(**series, smile_without_vvix=VVIX_SMILE)
    with pytest.raises(SpecificationError, match="without VVIX needs VVIX"):
        IndexSurface.from_vix_only(series["vix"], smile=VVIX_SMILE)
    # A smile that does not depend on VVIX does not ask for it.
    assert IndexSurface(series["vix"], vix3m=series["vix3m"], smile=VIX_SMILE).source_counts(DATES) == {
        "VIX+VIX3M, smile of VIX": 6
    }


def test_bad_data_and_requests() -> None:
    with pytest.raises(InputError, match=r"VIX9D looks like a decimal"):
        IndexSurface(**_series(vix9d=[0.14] * 6))
    with pytest.raises(InputError, match=r"VIX6M is above what the smile covers at 2018-02-05: 190.0"):
        IndexSurface(**_series(vix6m=[*LEVELS["vix6m"][:5], 190.0]))
    with pytest.raises(InputError, match="infinite or not positive at 2018-01-30"):
        IndexSurface(**_series(vix=[13.84, -1.0, 13.54, 13.47, 17.31, 37.32]))
    with pytest.raises(LabelError, match="time zone"):
        IndexSurface(**{**_series(), "vvix": _series()["vvix"].tz_localize("UTC")})
    surface = IndexSurface(**_series())
    with pytest.raises(InputError, match=r"beyond 368.* at 2018-01-30: 400.0"):
        surface.implied_volatility(DATES[:2], np.array([30.0, 400.0]), np.zeros(2))
    with pytest.raises(InputError, match="above 0"):
        surface.implied_volatility(DATES[:1], np.array([0.0]), np.zeros(1))
    with pytest.raises(ShapeError, match="not one length"):
        surface.implied_volatility(DATES, np.array([30.0]), np.zeros(6))
