"""Leverage policies: every step and boundary, bounds that are counted, the limit on changes, what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocopt.backtests.overlays import (
    Exposure,
    Fixed,
    LeveragePolicy,
    RealizedVolHalving,
    VixFineSteps,
    VixInverse,
    VixSteps,
)
from allocopt.errors import AllocoptError, InputError, LabelError, ShapeError, SpecificationError

POLICIES: list[LeveragePolicy] = [Fixed(1.25), VixSteps(), VixFineSteps(), VixInverse(), RealizedVolHalving()]
BELOW = math.nextafter


def days(rows: int) -> pd.DatetimeIndex:
    return pd.bdate_range("2020-01-02", periods=rows)


def decided(policy: LeveragePolicy, values: list[float]) -> list[float]:
    """Exposure for levels of whatever the policy looks at."""
    return decision(policy, values).decided.tolist()


def decision(policy: LeveragePolicy, values: list[float]) -> Exposure:
    series = pd.Series(values, index=days(len(values)), dtype=float)
    if isinstance(policy, RealizedVolHalving):
        return policy.exposure(pd.DatetimeIndex(series.index), realized_volatility=series)
    return policy.exposure(pd.DatetimeIndex(series.index), volatility_index=series)


def test_steps_hold_from_their_level_up() -> None:
    levels = [1.0, 9.14, BELOW(15, 0), 15.0, BELOW(20, 0), 20.0, BELOW(30, 0), 30.0, 82.69]
    assert decided(VixSteps(), [14.0, *levels])[1:] == [1.2, 1.2, 1.2, 1.0, 1.0, 0.8, 0.8, 0.6, 0.6]
    assert decided(VixSteps(1.25), [10.0, 15.0, 20.0, 30.0]) == [1.5, 1.25, 1.0, 0.75]


def test_fine_steps_hold_from_their_level_up() -> None:
    levels = [BELOW(15, 0), 15.0, BELOW(20, 0), 20.0, BELOW(25, 0), 25.0, BELOW(35, 0), 35.0, 82.69]
    assert decided(VixFineSteps(), levels) == [1.2, 1.0, 1.0, 0.8, 0.8, 0.6, 0.6, 0.4, 0.4]
    assert VixFineSteps() != VixSteps(1.0, (15, 20, 25, 35), (1.2, 1.0, 0.8, 0.6, 0.4))
    assert decided(VixSteps(1.0, (15, 20, 25, 35), (1.2, 1.0, 0.8, 0.6, 0.4)), levels) == decided(
        VixFineSteps(), levels
    )


def test_inverse_is_clipped_and_says_how_often() -> None:
    exposure = decision(VixInverse(), [10.0, 15.0, 20.0, 24.0, 30.0, 40.0, 50.0])
    assert exposure.rule.tolist() == [2.0, 2.0, 1.5, 1.25, 1.0, 0.75, 0.6]
    assert exposure.decided.tolist() == [1.5, 1.5, 1.5, 1.25, 1.0, 0.75, 0.75]
    assert (exposure.clipped_above, exposure.clipped_below, exposure.held, exposure.changes) == (2, 1, 0, 3)
    assert exposure.bounds == VixInverse().bounds == (0.75, 1.5)
    # The product is clipped, not the ratio.
    assert decided(VixInverse(base=2.0), [30.0, 80.0, 160.0]) == [1.5, 0.75, 0.75]
    assert decided(VixInverse(base=2.0, highest=3.0), [30.0]) == [2.0]


def test_halving_needs_more_than_the_threshold() -> None:
    assert decided(RealizedVolHalving(), [0.1, 0.30, math.nextafter(0.30, 1), 0.78]) == [1.0, 1.0, 0.5, 0.5]
    assert decided(RealizedVolHalving(0.2, 0.25, 1.25), [0.2, 0.21]) == [1.25, 0.3125]


def test_fixed_needs_nothing() -> None:
    exposure = Fixed(1.25).exposure(days(3))
    assert exposure.decided.tolist() == [1.25] * 3
    assert (exposure.clipped_above, exposure.clipped_below, exposure.held, exposure.changes) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "policy",
    [
        Fixed(1.25, bounds=(0.5, 1.0)),
        VixSteps(bounds=(0.7, 1.0)),
        VixFineSteps(bounds=(0.7, 1.0)),
        RealizedVolHalving(bounds=(0.7, 1.0)),
    ],
)
def test_bounds_clip_the_result_and_count(policy: LeveragePolicy) -> None:
    levels = [0.1, 0.5] if isinstance(policy, RealizedVolHalving) else [12.0, 80.0]
    exposure = decision(policy, levels)
    low, high = policy.bounds
    assert exposure.decided.tolist() == [min(max(x, low), high) for x in exposure.rule]
    assert exposure.clipped_above == sum(x > high for x in exposure.rule)
    assert exposure.clipped_below == sum(x < low for x in exposure.rule)
    assert exposure.clipped_above + exposure.clipped_below >= 1


def test_an_exposure_is_kept_for_its_rows() -> None:
    vix = [10.0, 16.0, 10.0, 25.0, 25.0, 31.0, 31.0, 31.0, 10.0]
    free = decision(VixSteps(), vix)
    assert free.decided.tolist() == [1.2, 1.0, 1.2, 0.8, 0.8, 0.6, 0.6, 0.6, 1.2]
    paced = decision(VixSteps(min_rows_between_changes=3), vix)
    # The first change comes at once, on row 1; the next may come on row 4, the one after that on row 7.
    assert paced.decided.tolist() == [1.2, 1.0, 1.0, 1.0, 0.8, 0.8, 0.8, 0.6, 0.6]
    assert (paced.changes, paced.held) == (3, 5)
    assert paced.bounded.tolist() == free.decided.tolist()
    assert decided(VixSteps(min_rows_between_changes=1), vix) == free.decided.tolist()


def twin_hold(values: list[float], rows: int) -> list[float]:
    """On each row look back at everything decided so far."""
    out: list[float] = []
    for value in values:
        moves = [t for t in range(1, len(out)) if out[t] != out[t - 1]]
        may = not moves or len(out) - moves[-1] >= rows
        out.append(value if not out or may else out[-1])
    return out


@given(
    vix=st.lists(st.sampled_from([12.0, 17.0, 25.0, 40.0]), min_size=1, max_size=40),
    rows=st.integers(1, 12),
)
def test_the_limit_on_changes_against_the_twin(vix: list[float], rows: int) -> None:
    exposure = decision(VixSteps(min_rows_between_changes=rows), vix)
    assert exposure.decided.tolist() == twin_hold(exposure.bounded.tolist(), rows)
    moves = np.flatnonzero(np.diff(exposure.decided.to_numpy()))
    assert (np.diff(moves) >= rows).all()
    assert exposure.changes == len(moves)


@given(
    vix=st.lists(st.floats(1.6, 150.0), min_size=2, max_size=30),
    cut=st.integers(1, 29),
    policy=st.sampled_from([VixSteps(1.5, min_rows_between_changes=4), VixFineSteps(), VixInverse(1.25)]),
)
def test_the_future_changes_nothing(vix: list[float], cut: int, policy: LeveragePolicy) -> None:
    cut = min(cut, len(vix) - 1)
    other = [*vix[:cut], *(160.0 - level for level in vix[cut:])]
    assert decided(policy, vix)[:cut] == decided(policy, other)[:cut] == decided(policy, vix[:cut])
    assert all(policy.bounds[0] <= x <= policy.bounds[1] for x in decided(policy, vix))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.label)
def test_every_policy_is_one(policy: LeveragePolicy) -> None:
    assert isinstance(policy, LeveragePolicy)
    assert hash(policy) == hash(policy)
    assert policy.label
    assert 0.0 <= policy.bounds[0] <= policy.bounds[1]
    both = pd.Series([16.0, 21.0], index=days(2))
    exposure = policy.exposure(days(2), volatility_index=both, realized_volatility=both / 100)
    assert exposure.decided.index.equals(days(2))
    assert exposure.label == policy.label


@pytest.mark.parametrize("policy", POLICIES[1:], ids=lambda policy: policy.label)
def test_what_a_policy_needs_must_be_there(policy: LeveragePolicy) -> None:
    with pytest.raises(SpecificationError, match="which is not given at 2020-01-02"):
        policy.exposure(days(3))
    level = 0.2 if isinstance(policy, RealizedVolHalving) else 20.0

    def ask(series: pd.Series[float], dates: pd.DatetimeIndex) -> Exposure:
        if isinstance(policy, RealizedVolHalving):
            return policy.exposure(dates, realized_volatility=series)
        return policy.exposure(dates, volatility_index=series)

    whole = pd.Series(level, index=days(5))
    with pytest.raises(InputError, match="no value on 1 of 5 dates, the first at 2020-01-07"):
        ask(whole.drop(days(5)[3]), days(5))
    with pytest.raises(InputError, match="at 2020-01-02"):
        ask(whole.where(whole.index > days(5)[0]), days(5))
    with pytest.raises(InputError, match=r"no value on 1 of 5 dates.*2020-01-08|missing after.*2020-01-08"):
        ask(whole.where(whole.index < days(5)[4]), days(5))
    with pytest.raises(LabelError, match="time zone"):
        ask(whole.tz_localize("UTC"), days(5))
    with pytest.raises(LabelError, match="not sorted"):
        ask(whole.iloc[::-1], days(5))
    with pytest.raises(LabelError, match="not sorted"):
        ask(whole, days(5)[::-1])
    with pytest.raises(ShapeError, match="no dates"):
        ask(whole, days(5)[:0])
    with pytest.raises(AllocoptError, match="not of type Series"):
        ask(whole.to_frame(), days(5))  # type: ignore[arg-type]
    # More dates than are asked for are no fault, and neither is another resolution.
    assert len(ask(whole, days(5)[1:3].as_unit("s")).decided) == 2


def test_wrong_units_are_refused() -> None:
    with pytest.raises(InputError, match="looks like a decimal"):
        decided(VixSteps(), [0.15, 0.20])
    with pytest.raises(InputError, match="looks like points: its median"):
        decided(RealizedVolHalving(), [15.0, 20.0])
    with pytest.raises(InputError, match="not positive at 2020-01-03"):
        decided(VixInverse(), [15.0, 0.0])
    with pytest.raises(InputError, match="negative"):
        decided(RealizedVolHalving(), [0.2, -0.1])


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: Fixed(-0.1), "base exposure"),
        (lambda: Fixed(math.nan), "base exposure"),
        (lambda: Fixed(True), "base exposure"),
        (lambda: Fixed(1.0, bounds=(1.5, 0.5)), "bounds"),
        (lambda: Fixed(1.0, bounds=(-0.5, 0.5)), "bounds"),
        (lambda: Fixed(1.0, bounds=(math.nan, 0.5)), "bounds"),
        (lambda: Fixed(1.0, bounds=(math.inf, math.inf)), "bounds"),
        (lambda: VixSteps(min_rows_between_changes=0), "min_rows_between_changes"),
        (lambda: VixSteps(min_rows_between_changes=2.5), "min_rows_between_changes"),  # type: ignore[arg-type]
        (lambda: VixSteps(levels=(0.15, 0.20, 0.30)), "a level is not a number of at least 1.5"),
        (lambda: VixSteps(levels=(15, 15, 30)), "do not increase"),
        (lambda: VixSteps(levels=(15, 20)), "not one more than the levels"),
        (lambda: VixSteps(multipliers=(1, 1, 1, -1)), "a multiplier"),
        (lambda: VixInverse(reference=0.3), "reference"),
        (lambda: VixInverse(floor=0.15), "floor"),
        (lambda: VixInverse(lowest=2.0), "bounds"),
        (lambda: RealizedVolHalving(threshold=30.0), "threshold is not a number of at least 0 and at most 5"),
        (lambda: RealizedVolHalving(factor=1.5), "factor"),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[[], LeveragePolicy], what: str) -> None:
    with pytest.raises(SpecificationError, match=what):
        make()


def test_scaled_weights_leave_cash() -> None:
    weights = pd.DataFrame({"P1": [0.4, 0.4], "P2": [0.05, 0.4]}, index=days(2))
    exposure = decision(RealizedVolHalving(), [0.5, 0.2])
    scaled = exposure.scale(weights)
    assert scaled.to_numpy().tolist() == [[0.2, 0.025], [0.4, 0.4]]
    assert list(scaled.columns) == ["P1", "P2"]
    assert weights.iloc[0].tolist() == [0.4, 0.05]
    with pytest.raises(LabelError, match="not on the dates of the exposure"):
        exposure.scale(weights.iloc[:1])
    with pytest.raises(InputError, match="2020-01-03, sleeve 'P2'"):
        exposure.scale(weights.assign(P2=[0.05, math.nan]))


@pytest.mark.market_data
def test_on_the_real_index(market_data: Path) -> None:
    vix = pd.read_parquet(market_data / "index" / "vix_daily.parquet")["CLOSE"].astype(float)
    vix.index = pd.DatetimeIndex(vix.index)
    dates = pd.DatetimeIndex(vix.loc["2020-01-01":"2024-12-31"].index)
    quoted = vix.loc[dates]
    steps = VixSteps(1.25).exposure(dates, volatility_index=vix)
    counts = {1.5: (quoted < 15).sum(), 0.75: (quoted >= 30).sum(), 1.0: ((quoted >= 20) & (quoted < 30)).sum()}
    assert {level: int((steps.decided == level).sum()) for level in counts} == counts
    assert min(counts.values()) > 100
    inverse = VixInverse().exposure(dates, volatility_index=vix)
    assert inverse.decided["2020-03-16"] == 0.75
    assert (inverse.clipped_above, inverse.clipped_below) == ((quoted < 20).sum(), (quoted > 40).sum())
