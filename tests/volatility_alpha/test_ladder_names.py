"""Parameters, their names, and the suggested number of rungs."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocopt import SpecificationError
from allocopt.backtests.volatility_alpha import VolatilityAlpha, suggested_n

NAMES = (
    "sd8", "sd6", "sd8,75", "sd8-ath-only", "sd10-ath-sell-lifo", "sd16,25-lifo-exact-fractional-cash", "sd8.5",
    "sd-9.05,50", "sd-ath-only-9.05,50", "sd-ath-sell-7.5,100-exact", "sd-5,33.3-fractional", "sd20,0",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_are_read_and_written(name: str) -> None:
    assert VolatilityAlpha.from_name(name).name == name


def test_what_names_mean() -> None:
    assert VolatilityAlpha.from_name("sd8") == VolatilityAlpha(8)
    found = VolatilityAlpha.from_name("sd-ath-only-9.05,50")
    assert found.variant == "ath_only"
    assert found.profit_sharing == 0.5
    assert found.trigger == pytest.approx(0.0905, rel=1e-14)
    assert VolatilityAlpha.from_name("sd16,25-lifo-exact-fractional-cash") == VolatilityAlpha(
        16, 0.25, "full", "lifo", "exact", "fractional", margin=False
    )
    assert VolatilityAlpha.from_name("sd8,50").name == "sd8"
    assert str(found) == "sd-ath-only-9.05,50"
    assert VolatilityAlpha.from_trigger(0.0905, variant="ath_only").name == "sd-ath-only-9.05,50"


@given(
    n=st.one_of(st.integers(2, 200), st.floats(2.0, 500.0)),
    sharing=st.floats(0.0, 1.0),
    words=st.tuples(
        st.sampled_from(["full", "ath_only", "ath_sell"]), st.sampled_from(["fifo", "lifo"]),
        st.sampled_from(["note", "exact"]), st.sampled_from(["integer", "fractional"]), st.booleans(),
    ),
)  # fmt: skip
def test_round_trip(n: float, sharing: float, words: tuple[Any, ...]) -> None:
    ladder = VolatilityAlpha(n, sharing, *words)
    assert VolatilityAlpha.from_name(ladder.name) == ladder


@given(percent=st.integers(1, 1_900_000))
def test_round_trip_of_a_trigger(percent: int) -> None:
    ladder = VolatilityAlpha.from_trigger(percent / 1e6)
    assert VolatilityAlpha.from_name(ladder.name) == ladder


@pytest.mark.parametrize(
    "name", ["", "sd", "sd-8", "sd8-", "8", "SD8", "sd8-ath", "sd-ath-only-8", "sd8-exact-lifo", "sd8,-5", "sd8 ", None]
)
def test_names_that_are_none(name: Any) -> None:
    with pytest.raises(SpecificationError, match="not the name of a ladder"):
        VolatilityAlpha.from_name(name)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"n": 0}, "n is not a number above 0"),
        ({"n": float("nan")}, "n is not"),
        ({"n": "8"}, "n is not"),
        ({"profit_sharing": -0.1}, "profit_sharing is not"),
        ({"profit_sharing": 50}, "looks like percent"),
        ({"n": 0.5, "profit_sharing": 0.5}, "would trade all shares"),
        ({"variant": "ath-only"}, "variant is unknown"),
        ({"lots": "hifo"}, "lots is unknown"),
        ({"sell_quantity": "half"}, "sell_quantity is unknown"),
        ({"shares": 100}, "shares is unknown"),
        ({"margin": 1}, "margin is neither"),
        ({"financing": 0.05}, "financing is no Financing"),
        ({"fee": 1.0}, "fee is not below 1"),
        ({"fee": -0.1}, "fee is not a number"),
    ],
)
def test_parameters_out_of_range(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecificationError, match=told):
        VolatilityAlpha(**wrong)


def test_it_is_frozen() -> None:
    ladder = VolatilityAlpha()
    with pytest.raises(dataclasses.FrozenInstanceError):
        ladder.n = 9  # type: ignore[misc]
    assert hash(ladder) == hash(VolatilityAlpha())


def test_suggested_rungs() -> None:
    edges = {0.50: 6, 0.4999: 8, 0.30: 8, 0.2999: 10, 0.20: 10, 0.1999: 16, 0.10: 16, 0.0999: 20, 0.0: 20}
    assert {volatility: suggested_n(volatility) for volatility in edges} == edges
    for wrong in (-0.1, float("nan"), 25.0):
        with pytest.raises(SpecificationError):
            suggested_n(wrong)
