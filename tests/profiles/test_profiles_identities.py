"""What has to hold for every profile on any market: sums, signs, clocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocopt.backtests.options import FlatSurface
from allocopt.backtests.profiles import (
    NO_COSTS,
    GreekLimits,
    ProfileResult,
    ProfileSpecification,
    published_profiles,
    run_profile,
    run_profiles,
)
from allocopt.backtests.rotation import OHLCV
from allocopt.errors import LedgerError

Study = Callable[..., tuple[pd.DataFrame, pd.DataFrame, "pd.Series[int]", "pd.Series[float]"]]
SIX = published_profiles()


def everything(study: Study, seed: int, **options: Any) -> dict[str, ProfileResult]:
    frame, scores, regimes, level = study(seed)
    surface = FlatSurface(level, "made")
    return run_profiles(SIX, OHLCV(frame), scores, regimes, surface, rate=0.03, dividend=0.015, **options)


@pytest.mark.parametrize(("fill_lag", "hedge_lag"), [(1, 1), (2, 1), (3, 4), (1, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_parts_sum_to_the_whole(study: Study, seed: int, fill_lag: int, hedge_lag: int) -> None:
    for name, made in everything(study, seed, fill_lag=fill_lag, hedge_lag=hedge_lag).items():
        assert len(made.trades) >= 2, name
        np.testing.assert_allclose(made.attribution.sum(axis=1), made.daily_pnl, atol=1e-9)
        np.testing.assert_allclose(made.attribution["costs"], -made.costs.sum(axis=1), atol=1e-12)
        np.testing.assert_allclose(made.attribution["hedge"], made.hedge["pnl"], atol=0)
        np.testing.assert_allclose(made.costs["hedge"], made.hedge["cost"], atol=0)
        trades = made.trades
        assert trades["pnl"].sum() == pytest.approx(made.daily_pnl.sum(), abs=1e-7)
        np.testing.assert_allclose(
            trades["pnl"], trades["option_pnl"] + trades["hedge_pnl"] - trades["costs"], atol=1e-7
        )
        lots = made.lots.groupby("trade")["pnl"].sum()
        np.testing.assert_allclose(lots, trades["option_pnl"], atol=1e-7)
        held = made.direction != 0
        assert held.sum() == trades["rows"].sum()
        assert (made.capital[held] > 0.0).all()
        for table in (
            made.daily_pnl,
            made.returns,
            made.capital,
            made.greeks,
            made.hedge,
            made.attribution,
            made.costs,
        ):
            assert not table[~held].to_numpy().any(), name
        np.testing.assert_allclose(made.returns * made.capital, made.daily_pnl, atol=1e-9)
        assert (made.costs.to_numpy() >= 0.0).all()
        assert made.identities.max() < 1e-9
        assert made.summary()["pnl"] == made.daily_pnl.sum()
        if SIX[name].delta_hedge is None:
            assert not made.hedge.to_numpy().any()


@pytest.mark.parametrize("seed", range(3))
def test_trades_follow_their_rules(study: Study, seed: int) -> None:
    frame, scores, regimes, _ = study(seed)
    for name, made in everything(study, seed).items():
        spec, index, spells = SIX[name], frame.index, regimes.tolist()
        previous = None
        for number, trade in made.trades.iterrows():
            entry = index.to_list().index(trade["entry"])
            end = index.to_list().index(trade["exit"]) if trade["reason"] else len(index) - 1
            same = previous is not None and previous["campaign"] == trade["campaign"]
            sign = 1 if trade["direction"] == "long" else -1
            assert spec.direction_in(spells[entry]) == sign
            assert trade["decided"] == trade["entry"]
            if same:
                assert previous is not None
                assert previous["reason"] == "roll"
                assert previous["exit"] == trade["entry"]
            else:
                assert scores[name].iloc[entry] >= spec.threshold
                assert previous is None or previous["exit"] < trade["entry"]
            assert all(spec.direction_in(regime) == sign for regime in spells[entry:end]), (name, number)
            if trade["reason"] == "regime":
                assert spec.direction_in(spells[end]) != sign
            if trade["reason"] == "days":
                first = made.trades[made.trades["campaign"] == trade["campaign"]]["entry"].iloc[0]
                assert (trade["exit"] - first).days >= (spec.max_days or 0)
            previous = trade


def test_a_run_is_the_same_alone_and_among_others(study: Study) -> None:
    frame, scores, regimes, level = study(5)
    together = everything(study, 5)
    surface = FlatSurface(level, "made")
    for name, spec in SIX.items():
        alone = run_profile(spec, OHLCV(frame), scores[name], regimes, surface, rate=0.03, dividend=0.015)
        pd.testing.assert_series_equal(alone.daily_pnl, together[name].daily_pnl, check_exact=True)
        pd.testing.assert_frame_equal(alone.trades, together[name].trades, check_exact=True)


def test_rates_may_be_given_by_date(study: Study) -> None:
    frame, scores, regimes, level = study(1)
    market, surface = OHLCV(frame), FlatSurface(level, "made")
    number = run_profile(SIX["P1"], market, scores["P1"], regimes, surface, rate=0.02, dividend=0.01)
    by_date = run_profile(
        SIX["P1"],
        market,
        scores["P1"],
        regimes,
        surface,
        rate=pd.Series(0.02, index=frame.index),
        dividend=pd.Series(0.01, index=frame.index),
    )
    pd.testing.assert_series_equal(number.daily_pnl, by_date.daily_pnl, check_exact=True)


def test_prices_in_other_units_scale_the_money(study: Study) -> None:
    """Ten times the price: ten times the P&L, the same returns, where nothing is paid in fixed money."""
    frame, scores, regimes, level = study(2)
    surface = FlatSurface(level, "made")
    for name, spec in SIX.items():
        small, large = (
            run_profile(spec, OHLCV(frame * factor), scores[name], regimes, surface, costs=NO_COSTS)
            for factor in (1, 10)
        )
        np.testing.assert_allclose(large.daily_pnl, 10.0 * small.daily_pnl, rtol=1e-9, atol=1e-7)
        np.testing.assert_allclose(large.returns, small.returns, rtol=1e-9, atol=1e-12)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**16),
    name=st.sampled_from(list(SIX)),
    fill_lag=st.integers(1, 3),
    profit=st.sampled_from([None, 0.1, 0.5]),
    limit=st.sampled_from([None, 10.0, 40.0]),
    stop=st.sampled_from([None, 0.1, 0.5]),
    action=st.sampled_from(["exit", "roll"]),
)
def test_accounts_add_up_whatever_the_rules(
    seed: int, name: str, fill_lag: int, profit: float | None, limit: float | None, stop: float | None, action: Any
) -> None:
    rng = np.random.default_rng(seed)
    rows = 90
    index = pd.bdate_range("2022-11-01", periods=rows)
    close = 400.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, rows)))
    market = OHLCV(pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), close), index=index))
    spec: ProfileSpecification = replace(
        SIX[name],
        take_profit=profit,
        take_profit_action=action,
        stop=stop,
        stop_action=action,
        greek_limits=GreekLimits(delta=limit),
    )
    regimes: pd.Series[int] = pd.Series(rng.choice([*spec.regimes] * 4 + [6], rows).tolist(), index=index)
    surface = FlatSurface(pd.Series(rng.uniform(0.1, 0.5, rows), index=index), "made")
    made = run_profile(
        spec,
        market,
        pd.Series(rng.uniform(0.3, 1.0, rows), index=index),
        regimes,
        surface,
        fill_lag=fill_lag,
        hedge_lag=2,
    )
    np.testing.assert_allclose(made.attribution.sum(axis=1), made.daily_pnl, atol=1e-9)
    assert made.trades["pnl"].sum() == pytest.approx(made.daily_pnl.sum(), abs=1e-7)
    assert (made.capital[made.direction != 0] > 0.0).all()


def test_accounts_that_do_not_add_up_are_refused(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    from allocopt.backtests.profiles import _walk

    honest = _walk.Walk._cost
    monkeypatch.setattr(_walk.Walk, "_cost", lambda self, lot, row, contracts: 1.01 * honest(self, lot, row, contracts))
    with pytest.raises(LedgerError, match="do not add up"):
        everything(study, 0)
