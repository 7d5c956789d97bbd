"""What is selected, weighted and levered, on closes whose answer is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocopt import InputError, Limits
from allocopt.backtests.overlays import (
    Fixed,
    RealizedVolHalving,
    VixFineSteps,
    VixInverse,
    VixSteps,
    VolatilityTarget,
)
from allocopt.backtests.schedules import Calendar, EveryRows, MinimumGap
from allocopt.backtests.sector_rotation import (
    InverseCorrelation,
    InverseVolatility,
    MomentumWeighting,
    SectorData,
    SectorRotation,
    decide,
)

DAYS = pd.bdate_range("2024-01-01", periods=12, name="date")


def table(**growth: float) -> pd.DataFrame:
    """Closes that grow by a constant factor a day."""
    return pd.DataFrame({name: 100.0 * factor ** np.arange(12) for name, factor in growth.items()}, index=DAYS)


def rule(universe: str, **changes: object) -> SectorRotation:
    base = SectorRotation(
        momentum=2, top_n=2, leverage=1.0, schedule=EveryRows(100), universe=list(universe), financing_rate=0.0
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_the_best_are_taken_then_those_below_the_minimum_dropped() -> None:
    closes = table(A=1.01, B=1.02, C=0.99, D=1.005, TLT=1.0, SPY=1.0)
    assert decide(rule("ABCD"), closes).composition.iloc[0].to_dict() == {"A": 0.5, "B": 0.5, "C": 0, "D": 0, "TLT": 0}
    found = decide(rule("ABCD", min_momentum=0.03), closes).composition.iloc[0]
    assert found.to_dict() == {"A": 0, "B": 1.0, "C": 0, "D": 0, "TLT": 0}, "one survivor holds all"
    assert decide(rule("ABCD", min_momentum=0.2), closes).composition.iloc[0]["TLT"] == 1.0
    falling = table(A=0.99, B=0.98, TLT=1.0, SPY=1.0)
    assert decide(rule("AB"), falling).composition.iloc[0]["TLT"] == 1.0
    assert decide(rule("AB", min_momentum=-math.inf), falling).composition.iloc[0]["TLT"] == 0.0


def test_a_momentum_of_exactly_the_minimum_is_kept() -> None:
    flat = table(A=1.0, B=0.99, TLT=1.0, SPY=1.0)
    found = decide(rule("AB"), flat)
    assert found.momentum.iloc[0]["A"] == 0.0
    assert found.composition.iloc[0].to_dict() == {"A": 1.0, "B": 0.0, "TLT": 0.0}
    by_momentum = decide(rule("AB", weighting="momentum"), flat)
    assert by_momentum.composition.iloc[0]["TLT"] == 1.0, "0 is no desirability"
    assert not by_momentum.survivors.iloc[0].any()


def test_equal_momentum_goes_to_the_lower_column() -> None:
    closes = table(A=1.01, B=1.01, C=1.01, TLT=1.0, SPY=1.0)
    assert decide(rule("ABC"), closes).composition.iloc[0].to_dict() == {"A": 0.5, "B": 0.5, "C": 0.0, "TLT": 0.0}


def test_the_filter_leaves_today_out() -> None:
    closes = table(A=1.01, TLT=1.0, SPY=1.0)
    closes["SPY"] = [10.0, 10.0, 10.0, 10.1] + [1.0] * 8
    # On row 3 the mean of the three closes before is 10.0.
    filtered = rule("A", trend_filter=3)
    assert decide(filtered, closes, end=DAYS[4]).composition.iloc[0]["A"] == 1.0
    closes["SPY"] = [10.0, 10.0, 10.0, 10.0] + [99.0] * 8
    found = decide(filtered, closes, end=DAYS[4])
    assert found.composition.iloc[0]["TLT"] == 1.0, "at the mean is not above it"
    assert found.trend is not None
    assert found.composition.index[0] == DAYS[3], "the warm-up of the filter comes first"
    with pytest.raises(InputError, match=r"too little history.*2024-01-03, ticker 'SPY'.*2 closes before it, 3 needed"):
        decide(filtered, closes, start=DAYS[2])


def test_leverage_also_counts_for_the_defensive_asset() -> None:
    falling = table(A=0.99, TLT=1.0, SPY=1.0)
    found = decide(rule("A", leverage=1.5), falling)
    assert found.weights.iloc[0].to_dict() == {"A": 0.0, "TLT": 1.5}


def test_weights_by_momentum_volatility_and_correlation() -> None:
    rng = np.random.default_rng(1)
    days = pd.bdate_range("2020-01-01", periods=200)
    common, own = rng.normal(0, 0.01, (200, 1)), rng.normal(0, 0.01, (200, 3))
    steps = 0.01 + np.hstack([common + 0.2 * own[:, :1], common + 0.2 * own[:, 1:2], 2.0 * own[:, 2:]])
    closes = pd.DataFrame(100 * np.cumprod(1 + steps, axis=0), days, list("ABC"))
    closes["TLT"], closes["SPY"] = 50.0, 50.0
    base = rule("ABC", top_n=3, momentum=20)
    by_momentum = decide(replace(base, weighting="momentum"), closes, start=days[150]).composition.iloc[0, :3]
    momentum = closes[list("ABC")].iloc[150] / closes[list("ABC")].iloc[130] - 1.0
    np.testing.assert_allclose(by_momentum, momentum / momentum.sum(), rtol=1e-12)
    returns = closes[list("ABC")].pct_change().iloc[91:151]
    by_volatility = decide(replace(base, weighting=InverseVolatility(60)), closes, start=days[150]).composition
    inverse = 1.0 / returns.std()
    np.testing.assert_allclose(by_volatility.iloc[0, :3], inverse / inverse.sum(), rtol=1e-10)
    by_correlation = decide(replace(base, weighting=InverseCorrelation(60)), closes, start=days[150]).composition
    mean = (returns.corr().sum() - 1.0) / 2.0
    inverse = 1.0 / (1.0 + mean)
    np.testing.assert_allclose(by_correlation.iloc[0, :3], inverse / inverse.sum(), rtol=1e-10)
    assert by_correlation.iloc[0].idxmax() == "C"


def test_limits_hold_on_the_composition_and_leave_cash(closes: pd.DataFrame, small: SectorRotation) -> None:
    found = decide(replace(small, limits=Limits(0.40, 0.05), weighting="momentum"), closes).composition
    values = found.to_numpy()
    assert values.max() <= 0.40
    assert ((values == 0.0) | (values >= 0.05)).all()
    two = (values > 0).sum(axis=1) == 2
    assert two.any()
    assert (values[two].sum(axis=1) == 0.8).all(), "two hold 40 % each and the rest is cash"
    defensive = found["TLT"] > 0
    assert defensive.any()
    assert (found.loc[defensive, "TLT"] == 0.40).all(), "the defensive asset is capped too"


@settings(max_examples=20)
@given(st.integers(0, 50), st.integers(1, 4), st.sampled_from(["equal", "momentum", "inverse_volatility"]))
def test_compositions_spend_the_capital_on_survivors(seed: int, top: int, weighting: str) -> None:
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=60)
    closes = pd.DataFrame(50 * np.exp(rng.normal(0, 0.02, (60, 6)).cumsum(axis=0)), days, [*"ABCD", "TLT", "SPY"])
    base = SectorRotation(
        momentum=10, top_n=top, leverage=1.0, schedule="every 7", universe=list("ABCD"),
        weighting=weighting if weighting != "inverse_volatility" else InverseVolatility(10),  # type: ignore[arg-type]
    )  # fmt: skip
    found = decide(base, closes)
    np.testing.assert_array_equal(found.composition.sum(axis=1), 1.0)
    held = found.composition[list("ABCD")] > 0
    assert (held.sum(axis=1) <= top).all()
    assert (found.momentum.where(held).min(axis=1).dropna() >= 0.0).all()
    assert ((found.composition["TLT"] == 1.0) == ~held.any(axis=1)).all()


def test_a_late_sector_is_not_eligible_and_counted(closes: pd.DataFrame, small: SectorRotation) -> None:
    result = replace(small, schedule="every 5").run(closes)
    assert result.dates[0] == closes.index[40], "the first momentum of the others"
    decisions = result.decisions
    early = decisions.momentum.index < closes.index[150 + 40]
    assert decisions.without_history.to_dict() == {"AA": 0, "BB": 0, "CC": 0, "DD": 0, "EE": int(early.sum())}
    assert decisions.momentum["EE"][early].isna().all()
    assert decisions.momentum["EE"][~early].notna().all()
    assert (decisions.composition["EE"][early] == 0.0).all()
    assert (decisions.composition["EE"][~early] > 0.0).any()


def test_history_before_the_start_is_used(closes: pd.DataFrame, small: SectorRotation) -> None:
    start = closes.index[100]
    with_history = small.run(closes, start=start)
    assert with_history.dates[0] == start
    assert with_history.decisions.momentum.iloc[0]["AA"] == closes["AA"].iloc[100] / closes["AA"].iloc[60] - 1.0
    assert with_history.ledger.executed.iloc[1].sum() == pytest.approx(1.25), "invested from the first day on"
    with pytest.raises(InputError, match=r"no sector has enough history.*\(?.*0 closes before it, at least 40 needed"):
        small.run(closes.iloc[100:], start=start)
    later = small.run(closes.iloc[100:])
    assert later.dates[0] == closes.index[140], "without a start the warm-up comes first"


def test_per_sector_look_backs(closes: pd.DataFrame, small: SectorRotation) -> None:
    own = {"AA": 10, "BB": 20, "CC": 30, "DD": 40, "EE": 50}
    found = decide(replace(small, momentum=own), closes, start=closes.index[300])
    for name, sessions in own.items():
        expected = closes[name].iloc[300] / closes[name].iloc[300 - sessions] - 1.0
        assert found.momentum.iloc[0][name] == expected


def test_schedules_by_name_and_by_object(closes: pd.DataFrame, small: SectorRotation) -> None:
    start = closes.index[103]  # in the middle of a month
    study = closes.index[103:]

    def dates(schedule: object) -> list[pd.Timestamp]:
        rule = replace(small, schedule=schedule)  # type: ignore[arg-type]
        return list(decide(rule, closes, start=start).exposure.index)

    by_month = [day for i, day in enumerate(study) if i == 0 or day.month != study[i - 1].month]
    assert dates("month-start") == by_month, "the first row of the study decides"
    assert dates(Calendar("MS")) == by_month[1:], "an object is taken as it is"
    assert dates("W-MON") == [study[0], *[day for day in study[1:] if day.weekday() == 0]]
    assert dates("every 9") == list(study[::9])
    assert dates(EveryRows(9, offset=4)) == list(study[4::9])
    assert dates("7D") == list(study[MinimumGap("7D").rows(pd.DatetimeIndex(study))])


@pytest.mark.parametrize(
    "policy",
    [
        Fixed(1.25),
        VixSteps(base=1.25),
        VixInverse(base=1.25),
        VixFineSteps(base=1.25),
        RealizedVolHalving(base=1.25, threshold=0.12),
        VolatilityTarget(0.15, 20, periods_per_year=252, cap=1.5, undefined="full"),
    ],
    ids=lambda policy: type(policy).__name__,
)
def test_policies_decide_on_the_rows_of_the_schedule(
    policy: object, closes: pd.DataFrame, vix: pd.Series[float], small: SectorRotation
) -> None:
    result = replace(small, leverage=policy).run(SectorData(closes, vix))  # type: ignore[arg-type]
    decisions = result.decisions
    held = result.holdings.sum(axis=1).to_numpy()
    rows = result.dates.get_indexer(pd.DatetimeIndex(decisions.exposure.index)) + 1
    within = rows < len(held)
    np.testing.assert_allclose(held[rows[within]], decisions.exposure.to_numpy()[within], rtol=1e-12)
    if not isinstance(policy, Fixed):
        assert decisions.exposure.nunique() > 1
    assert result.metrics["average_leverage"] != decisions.exposure.mean(), "measured with drift, not assumed"


def test_halving_looks_at_the_benchmarks_own_volatility(closes: pd.DataFrame, small: SectorRotation) -> None:
    found = decide(replace(small, leverage=RealizedVolHalving(base=1.0, threshold=0.12)), closes)
    logs = pd.Series(np.log(closes["SPY"])).diff()
    expected = logs.rolling(20).std() * math.sqrt(252) > 0.12
    np.testing.assert_array_equal(found.exposure == 0.5, expected.loc[found.exposure.index])


def test_parameters_that_never_bind_are_named(closes: pd.DataFrame, small: SectorRotation) -> None:
    loose = replace(small, top_n=5, min_momentum=-5.0, trend_filter=None)
    assert loose.run(closes).never_binding == ("min_momentum",)
    assert "min_momentum" not in small.run(closes).never_binding
    by_momentum = replace(small, top_n=5, weighting=MomentumWeighting())
    assert "min_momentum" not in by_momentum.run(closes).never_binding
