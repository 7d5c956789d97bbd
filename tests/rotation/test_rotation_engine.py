"""The rotation engine against plain loops, and on real data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from allocopt.allocation import SolverName
from allocopt.backtests.accounting import Financing
from allocopt.backtests.options import IndexSurface
from allocopt.backtests.overlays import VixSteps, VolatilityTarget
from allocopt.backtests.profiles import ExecutionCosts, PartialFills, published_profiles, run_profile
from allocopt.backtests.rotation import OHLCV, ImpliedVolatility, compute_features
from allocopt.backtests.rotation.engine import RotationData, RotationEngine, RotationSignals
from allocopt.backtests.rotation.result import RotationResult
from allocopt.backtests.rotation.study import RotationRows
from allocopt.backtests.runs import content_hash
from allocopt.backtests.studies import check_causality
from allocopt.compatibility import RegimeCompatibility
from allocopt.costs import ProportionalCost
from allocopt.errors import AllocoptError, InputError, LabelError, ShapeError, SpecificationError
from allocopt.market_files import embedded_prices, embedded_volatility_index, read_prices, read_volatility_index

START, END = "2014-04-01", "2018-12-31"
SOLVERS: tuple[SolverName, ...] = ("heuristic", "euclidean", "kl")
FREE: tuple[ProportionalCost, ...] = ()


@pytest.fixture(scope="module")
def vix() -> pd.Series[float]:
    return embedded_volatility_index()


@pytest.fixture(scope="module")
def data(vix: pd.Series[float]) -> RotationData:
    """S&P 500 with the real VIX, which begins in 2014."""
    bars = OHLCV(embedded_prices().loc["2013-06-01":])
    return RotationData(bars, ImpliedVolatility.flat(vix), IndexSurface.from_vix_only(vix), vix)


@pytest.fixture(scope="module")
def signals(data: RotationData) -> RotationSignals:
    return RotationEngine().signals(data, start_date=START, end_date=END)


@pytest.fixture(scope="module")
def results(data: RotationData, signals: RotationSignals) -> dict[SolverName, RotationResult]:
    return {name: RotationEngine(solver=name).run(data, signals=signals) for name in SOLVERS}


def pnl(result: RotationResult) -> float:
    return float(result.ledger.equity.iloc[-1]) - result.ledger.capital


def plain_book(
    weights: npt.NDArray[np.float64], signals: RotationSignals, rate: float, lag: int, capital: float
) -> tuple[list[float], list[float]]:
    """Value and cost of re-sizing by row, one profile and one unit at a time.

    What was decided `lag` rows before earns the row. Units are weight times value over the capital of one; carried ones
    that are added or removed pay at the start of the row from which that holds; `rate` a side on the weights.
    """
    profiles = list(signals.profiles.values())
    returns = signals.returns.to_numpy().tolist()
    capitals = [found.capital.to_list() for found in profiles]
    adding = [found.resizing["adding"].to_list() for found in profiles]
    removing = [found.resizing["removing"].to_list() for found in profiles]
    count = range(len(profiles))
    value, costs, units, held = [capital], [0.0], [0.0] * len(profiles), [0.0] * len(profiles)
    for t in range(1, len(weights)):
        now = [float(w) for w in weights[t - lag]] if t >= lag else [0.0] * len(profiles)
        worth, wanted, paid = value[-1], [0.0] * len(profiles), 0.0
        for i in count:
            if capitals[i][t] > 0.0:
                wanted[i] = now[i] * worth / capitals[i][t]
            more = wanted[i] - units[i]
            paid += adding[i][t] * more if more > 0.0 else removing[i][t] * -more
        costs.append(paid)
        change = sum(w * r for w, r in zip(now, returns[t], strict=True))
        change -= rate * sum(abs(w - old) for w, old in zip(now, held, strict=True))
        value.append(worth * (1.0 + change) - paid)
        held, units = now, wanted
    return value, costs


@pytest.mark.parametrize("solver", ["euclidean", "kl"])
def test_projections_keep_budget_cap_and_floor_bitwise(
    solver: SolverName, results: dict[SolverName, RotationResult]
) -> None:
    w = results[solver].allocations.to_numpy()
    assert (w <= 0.40).all()
    assert ((w == 0.0) | (w >= 0.05)).all()
    assert max(math.fsum(row) for row in w.tolist()) <= 1.0 + 1e-15
    assert results[solver].allocation.cash.min() >= 0.0


def test_the_heuristic_is_over_its_cap_where_the_loop_cannot_succeed(
    results: dict[SolverName, RotationResult],
) -> None:
    w = results["heuristic"].allocations.to_numpy()
    assert (w.sum(axis=1) <= 1.0 + 1e-12).all()
    assert (w > 0.40).any(axis=1).mean() > 0.5
    assert results["heuristic"].allocation.status.counts()  # and each such date has a status of its own


@pytest.mark.parametrize("solver", SOLVERS)
def test_rotations_are_counted_by_a_loop(solver: SolverName, results: dict[SolverName, RotationResult]) -> None:
    result, count = results[solver], 0
    rows = result.allocations.to_numpy().tolist()
    for before, after in pairwise(rows):
        if any(abs(b - a) > 0.05 for a, b in zip(before, after, strict=True)):
            count += 1
    assert result.rotations.count == count
    assert result.rotation_metrics["rotations"] == count
    assert result.rotation_metrics["share of dates"] == pytest.approx(count / (len(rows) - 1), abs=1e-3)
    assert result.rotation_metrics["rotations a year"] == pytest.approx(252 * count / (len(rows) - 1))
    metrics = result.rotation_metrics
    assert metrics["rotation cost"] == pytest.approx(result.rotation_cost_by_profile.to_numpy().sum())
    assert metrics["rotation cost a year, of the capital"] == pytest.approx(
        metrics["rotation cost"] / 1e6 * 252 / (len(rows) - 1)
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_parts_of_the_pnl_sum_to_the_ledgers(solver: SolverName, results: dict[SolverName, RotationResult]) -> None:
    result = results[solver]
    both = result.attribution.by_sleeve_and_regime
    assert both is not None
    whole = pnl(result)
    assert result.attribution_by_profile.sum() == pytest.approx(whole, rel=1e-9)
    assert result.attribution_by_regime.sum() == pytest.approx(whole, rel=1e-9)
    assert both.to_numpy().sum() == pytest.approx(whole, rel=1e-9)
    # The regime of a row is that of the row on which its weights were decided.
    regimes = result.signals.regimes.to_numpy()
    money = result.pnl_by_profile.to_numpy()
    for regime in range(1, 6):
        rows = [t for t in range(1, len(regimes)) if regimes[t - 1] == regime]
        assert result.attribution_by_regime.loc[regime] == pytest.approx(money[rows].sum(), rel=1e-9, abs=1e-6)
    assert result.regime_distribution.sum() == len(regimes)


@pytest.mark.parametrize("lag", [1, 3])
@pytest.mark.parametrize("rate", [0.0, 0.01])
def test_the_ledger_is_a_plain_loop(lag: int, rate: float, data: RotationData, signals: RotationSignals) -> None:
    engine = RotationEngine(lag=lag, rotation_costs=ProportionalCost(rate) if rate else FREE)
    result = engine.run(data, signals=signals)
    halved = np.where(signals.features["rv20"].to_numpy() > 0.30, 0.5, 1.0)
    decided = result.allocations.to_numpy() * halved[:, None]
    value, costs = plain_book(decided, signals, rate, lag, 1e6)
    np.testing.assert_allclose(result.ledger.equity.to_numpy(), value, rtol=1e-11)
    charged = result.ledger.charges
    assert charged is not None
    np.testing.assert_allclose(charged.sum(axis=1), costs, atol=1e-6)
    np.testing.assert_allclose(result.ledger.costs["charges"], costs, atol=1e-6)
    assert sum(costs) > 10_000.0
    extra = result.rotation_cost - result.ledger.costs["charges"]
    assert (extra.sum() > 1.0) == (rate > 0.0)
    np.testing.assert_allclose(result.rotation_cost_by_profile.sum(axis=1), result.rotation_cost, atol=1e-6)
    assert result.ledger.funding.abs().max() == 0.0


def test_nothing_is_charged_where_nothing_is_carried(data: RotationData, signals: RotationSignals) -> None:
    """Weights of idle profiles move for nothing, and so do those of a profile on the row that it opens."""
    result = RotationEngine().run(data, signals=signals)
    cost = result.rotation_cost_by_profile
    changed = result.ledger.traded.abs() > 0.01
    for name, found in signals.profiles.items():
        held = found.direction != 0
        idle = ~held
        assert (changed[name] & idle).sum() > 20
        assert cost[name][idle].abs().max() == 0.0
        alone = held & ~held.shift(1, fill_value=False) & ~held.shift(-1, fill_value=False)  # no close to re-size at
        assert cost[name][alone].abs().max() == 0.0 or not alone.any()
    assert (cost.sum() > 0.0).all()
    free = RotationEngine(resizing=False).run(data, signals=signals)
    assert free.rotation_cost.abs().max() == 0.0
    assert pnl(free) > pnl(result)


def test_a_change_of_half_the_weight_pays_for_half_the_units(data: RotationData, signals: RotationSignals) -> None:
    """One profile, one close: the money is the profile's own cost of the units."""
    found = signals.profiles["P1"]
    rows = found.trades.index[found.trades["rows"] >= 6]
    entry = signals.dates.get_loc(found.trades["entry"].loc[rows[0]])
    assert isinstance(entry, int)
    weights = signals.desirability * 0.0
    weights.iloc[entry : entry + 2, 0] = 0.30
    weights.iloc[entry + 2 : entry + 3, 0] = 0.15
    capital, row = found.capital.to_numpy(), entry + 3  # the first row with 0.15; without weight from the next on
    engine = RotationEngine(vix_scale_threshold=None)
    equity = engine.equity(data, signals, weights).to_numpy()
    free = replace(engine, resizing=False).equity(data, signals, weights).to_numpy()
    held = [
        0.30 * equity[row - 3] / capital[row - 2],
        0.30 * equity[row - 2] / capital[row - 1],
        0.15 * equity[row - 1] / capital[row],
        0.0,
    ]
    paid = [0.0]
    for step, (before, now) in enumerate(pairwise(held)):
        side = "adding" if now > before else "removing"
        paid.append(found.resizing[side].to_numpy()[row - 1 + step] * abs(now - before))
    assert paid[2] > 50.0
    assert paid[3] > 50.0  # nothing is held any more, and the units that are left are sold
    returns = equity[entry + 1 : row + 2] / equity[entry : row + 1] - 1.0
    expected = free[entry + 1 : row + 2] / free[entry : row + 1] - 1.0 - np.array(paid) / equity[entry : row + 1]
    np.testing.assert_allclose(returns, expected, rtol=0.0, atol=1e-14)


def test_signals_are_the_same_for_every_allocator(data: RotationData, signals: RotationSignals) -> None:
    """A study over cap, floor, budget, solver, sizing and further costs computes them once."""
    for changes in (
        {"max_profile_weight": 0.25, "min_profile_weight": 0.10, "budget": 0.8, "solver": "kl"},
        {"vix_scale_threshold": None, "lag": 2, "resizing": False, "rotation_costs": ProportionalCost(0.001)},
    ):
        engine = RotationEngine(**changes)
        fresh = engine.run(data, start_date=START, end_date=END)
        again = engine.run(data, signals=signals)
        pd.testing.assert_series_equal(fresh.ledger.equity, again.ledger.equity, check_exact=True)


def test_cut_signals_decide_and_earn_what_the_whole_do(data: RotationData, signals: RotationSignals) -> None:
    engine = RotationEngine()
    whole = engine.run(data, signals=signals)
    early = engine.run(data, signals=signals.until("2016-12-31"))
    assert early.ledger.dates[-1] == pd.Timestamp("2016-12-30")
    part = signals.window("2016-01-04", "2016-12-30")
    run = engine.run(data, signals=part)
    assert (run.ledger.dates[0], run.ledger.dates[-1]) == (pd.Timestamp("2016-01-04"), pd.Timestamp("2016-12-30"))
    pd.testing.assert_frame_equal(run.allocations, whole.allocations.loc[run.ledger.dates], check_freq=False)
    np.testing.assert_array_equal(part.returns, signals.returns.loc[part.dates])
    with pytest.raises(SpecificationError, match="fewer than two rows"):
        signals.window("2016-01-04", "2016-01-04")


STUDIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "costs and a later lag": {"lag": 3, "rotation_costs": ProportionalCost(0.001), "solver": "heuristic"},
    "all of the sizing": {
        "vix_scale_threshold": 0.15,
        "leverage": VixSteps(),
        "financing": Financing(lending=0.02, borrowing=0.05, periods_per_year=252),
        "volatility_target": VolatilityTarget(0.20, 20, periods_per_year=252, undefined="full"),
        "solver": "kl",
    },
}


@pytest.mark.parametrize("settings", STUDIES.values(), ids=STUDIES)
def test_a_cut_run_is_the_beginning_of_the_whole_run(
    settings: dict[str, Any], data: RotationData, signals: RotationSignals
) -> None:
    """Nothing that is paid or held on a row depends on a later one: bit for bit, as walk-forward studies ask."""
    engine = RotationEngine(**settings)
    whole = engine.run(data, signals=signals)
    rows = RotationRows(signals, data.volatility_index)
    pd.testing.assert_frame_equal(engine.run_rows(rows).ledger.to_frame(), whole.ledger.to_frame(), check_exact=True)
    assert whole.ledger.charges is not None
    dearest = np.argsort(-whole.ledger.charges.sum(axis=1).to_numpy())[:3].tolist()
    for k in (1, 2, *(row - 1 for row in dearest), *dearest, 777, len(signals.dates) - 2):
        date = signals.dates[k]
        cut = engine.run_rows(rows.until(date))
        known = cut.ledger.dates
        assert known[-1] == date
        pd.testing.assert_series_equal(
            engine.run(data.until(date), signals=signals.until(date)).ledger.returns,
            cut.ledger.returns,
            check_exact=True,
        )
        for name in ("returns", "equity", "executed", "charges", "costs", "cash", "exposure"):
            part, found = getattr(cut.ledger, name), getattr(whole.ledger, name).loc[known]
            np.testing.assert_array_equal(part.to_numpy(), found.to_numpy(), err_msg=f"{name} until {date}")
    assert whole.ledger.charges.iloc[dearest].sum(axis=1).min() > 500.0, "costs must be at stake"


def test_rows_of_a_study_are_cut_and_checked(data: RotationData, signals: RotationSignals) -> None:
    rows = RotationRows(signals, data.volatility_index)
    cut = rows.until("2016-12-31")
    assert cut.dates.equals(signals.until("2016-12-31").dates)
    assert cut.volatility_index is not None
    assert cut.volatility_index.index[-1] == cut.dates[-1] == pd.Timestamp("2016-12-30")
    assert RotationRows(signals).until("2016-12-31").volatility_index is None
    with pytest.raises(ShapeError, match="rows of the engine"):
        RotationEngine().run_rows(signals)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="signals"):
        RotationRows(data)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="volatility index"):
        RotationRows(signals, 20.0)  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="signals were made with other"):
        RotationEngine(hedge_lag=2).run_rows(rows)
    with pytest.raises(SpecificationError, match="volatility_index, which is not given"):
        RotationEngine(leverage=VixSteps(multipliers=(1.0, 0.8, 0.6, 0.4))).run_rows(RotationRows(signals))


def test_rows_of_a_study_have_a_key_by_content(data: RotationData, signals: RotationSignals) -> None:
    few = signals.window("2018-06-01", "2018-12-31")
    rows = RotationRows(few, data.volatility_index)
    keys = [
        content_hash(one)
        for one in (
            rows,
            RotationRows(replace(few), data.volatility_index),
            RotationRows(few),
            rows.until("2018-11-30"),
        )
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


@pytest.mark.parametrize(("factor", "ruined"), [(20.0, False), (100.0, False), (2000.0, True)])
def test_re_sizing_at_any_price_is_a_plain_loop(
    factor: float, ruined: bool, data: RotationData, signals: RotationSignals
) -> None:
    """Costs as large as the positions are paid row by row, too, until nothing is left."""
    dear = replace(
        signals,
        profiles={name: replace(found, resizing=found.resizing * factor) for name, found in signals.profiles.items()},
    )
    engine = RotationEngine(vix_scale_threshold=None)
    result = engine.run(data, signals=dear)
    value, costs = plain_book(result.allocations.to_numpy(), dear, 0.0, 1, 1e6)
    rows = len(result.ledger.dates)
    assert (result.bankrupt is not None) == (rows < len(signals.dates)) == ruined
    np.testing.assert_allclose(result.ledger.equity.to_numpy(), value[:rows], rtol=1e-9, atol=1e-4)
    np.testing.assert_allclose(result.rotation_cost.to_numpy(), costs[:rows], rtol=1e-9, atol=1e-4)
    assert (value[rows - 1] <= 0.0 < value[rows - 2]) == ruined
    if ruined:
        assert result.rotation_cost.iloc[-1] > 0.1 * value[rows - 2]
    date = signals.dates[rows - 3]
    cut = engine.run(data, signals=dear.until(date))
    np.testing.assert_array_equal(cut.ledger.returns, result.ledger.returns.loc[:date])


def test_data_until_a_date_give_the_decisions_of_the_whole(data: RotationData, signals: RotationSignals) -> None:
    known = data.until("2016-12-31")
    assert known.market.index[-1] == known.implied.index[-1] == pd.Timestamp("2016-12-30")
    assert known.volatility_index is not None
    assert known.volatility_index.index[-1] == pd.Timestamp("2016-12-30")
    part = RotationEngine().signals(known, start_date=START)
    pd.testing.assert_frame_equal(part.desirability, signals.desirability.loc[part.dates], check_freq=False)
    pd.testing.assert_frame_equal(part.returns.iloc[:-1], signals.returns.loc[part.dates[:-1]], check_freq=False)
    with pytest.raises(SpecificationError, match="no bar is left"):
        data.until("1990-01-02")


def test_rates_may_be_given_by_date(data: RotationData) -> None:
    window = {"start_date": "2018-06-01", "end_date": "2018-12-31"}
    rate = pd.Series(0.02, index=data.market.index)
    by_date = RotationEngine().signals(replace(data, rate=rate, dividend=rate / 2), **window)  # type: ignore[arg-type]
    number = RotationEngine().signals(replace(data, rate=0.02, dividend=0.01), **window)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(by_date.returns, number.returns, check_exact=True)
    assert replace(data, rate=rate).until("2018-06-01").rate.index[-1] == pd.Timestamp("2018-06-01")  # type: ignore[union-attr]
    hole = replace(data, rate=rate.drop(pd.Timestamp("2018-07-03")))
    with pytest.raises(LabelError, match="2018-07-03"):
        RotationEngine().signals(hole, **window)  # type: ignore[arg-type]


def test_orders_are_sized_by_the_capital_behind_them(data: RotationData) -> None:
    window: dict[str, Any] = {"start_date": "2017-01-03", "end_date": "2018-12-31"}
    small, large = (
        RotationEngine(capital=capital).signals(data, **window).profiles for capital in (10_000.0, 100_000_000.0)
    )
    for name in ("P1", "P2", "P4"):
        first = large[name].trades.iloc[0]
        lots = large[name].lots[large[name].lots["trade"] == 0]
        spot = float(data.market.close.loc[first["entry"]])
        long = lots[lots["quantity"] > 0]
        needed = 100.0 * float((long["quantity"] * long["open_price"]).sum())
        if name == "P2" and first["direction"] == "short":
            needed = 100.0 * (0.2 * spot + float(-(lots["quantity"] * lots["open_price"]).sum()))
        assert first["units"] == pytest.approx(0.40 * 1e8 / needed)
        assert small[name].trades["units"].max() < 10.0 < 50.0 < large[name].trades["units"].min()
        # A tenth of the half-spread against a half.
        ratio = large[name].costs["slippage"].sum() / large[name].costs["spread"].sum()
        assert ratio == pytest.approx(0.5, abs=0.02)
        assert small[name].costs["slippage"].sum() / small[name].costs["spread"].sum() == pytest.approx(0.1, abs=0.02)
    given = RotationEngine(profile_costs=ExecutionCosts(units=100.0))
    assert given.sized_costs == ExecutionCosts(units=100.0)
    assert RotationEngine(order_weight=None).sized_costs == RotationEngine().profile_costs


def test_a_book_that_fails_says_when(data: RotationData, signals: RotationSignals) -> None:
    result = RotationEngine(rotation_costs=ProportionalCost(2.0)).run(data, signals=signals)
    assert result.bankrupt == result.ledger.dates[-1]
    assert result.bankrupt is not None
    assert f"bankrupt on {result.bankrupt:%Y-%m-%d}" in repr(result)
    assert result.attribution_by_profile.sum() == pytest.approx(pnl(result), rel=1e-9)
    with pytest.raises(InputError):
        _ = result.performance


def test_active_days_are_those_with_a_position_and_a_weight(data: RotationData, signals: RotationSignals) -> None:
    result = RotationEngine().run(data, signals=signals)
    expected = [
        any(result.ledger.executed[name].iloc[t] > 0.0 and found.direction.iloc[t] != 0
            for name, found in signals.profiles.items())
        for t in range(len(signals.dates))
    ]  # fmt: skip
    assert result.active.to_list() == expected
    assert 0.2 < np.mean(expected) < 0.8
    wins = (result.ledger.returns[1:] > 0.0).sum()
    assert result.performance.win_rate_active == pytest.approx(wins / sum(expected), rel=0.02)
    assert result.performance.win_rate_all == pytest.approx(wins / (len(expected) - 1))


def test_profiles_are_weighted_on_their_own_capital(signals: RotationSignals) -> None:
    for name, result in signals.profiles.items():
        capital = result.capital.to_numpy()
        expected = np.divide(result.daily_pnl.to_numpy(), capital, out=np.zeros_like(capital), where=capital > 0.0)
        np.testing.assert_allclose(signals.returns[name].to_numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("fill_lag", "hedge_lag"), [(1, 1), (2, 1), (1, 3)])
def test_profiles_are_run_on_the_studied_rows_with_the_engines_lags_and_costs(
    fill_lag: int, hedge_lag: int, data: RotationData
) -> None:
    costs = ExecutionCosts(spread_atm=0.1)
    engine = RotationEngine(profile_costs=costs, fill_lag=fill_lag, hedge_lag=hedge_lag)
    found = engine.signals(data, start_date="2016-01-04", end_date="2016-12-30")
    market = OHLCV(data.market.frame.loc["2016-01-04":"2016-12-30"])
    costs = replace(costs, order_capital=400_000.0)
    alone = run_profile(
        published_profiles()["P2"],
        market,
        found.scores["P2"],
        found.regimes,
        data.surface,
        costs=costs,
        fill_lag=fill_lag,
        hedge_lag=hedge_lag,
    )
    assert len(alone.trades) > 3
    pd.testing.assert_series_equal(found.profiles["P2"].daily_pnl, alone.daily_pnl, check_exact=True)


@pytest.mark.parametrize(("threshold", "least"), [(0.30, 10), (0.15, 100)])
def test_high_realised_volatility_halves_the_book_and_the_half_is_cash(
    threshold: float, least: int, data: RotationData, signals: RotationSignals
) -> None:
    result = RotationEngine(vix_scale_threshold=threshold).run(data, signals=signals)
    high = signals.features["rv20"].to_numpy() > threshold
    assert least <= high.sum() < len(high) / 2
    decided, executed = result.allocations.to_numpy(), result.ledger.executed.to_numpy()
    np.testing.assert_array_equal(executed[1:], decided[:-1] * np.where(high[:-1], 0.5, 1.0)[:, None])
    np.testing.assert_allclose(
        result.exposure_over_time["cash"].to_numpy()[1:], 1.0 - executed[1:].sum(axis=1), atol=1e-15
    )
    pd.testing.assert_frame_equal(
        result.ledger.composition.iloc[1:], result.allocations.shift(1).iloc[1:], check_freq=False
    )
    assert result.exposure_policies[0].decided.to_numpy().tolist() == np.where(high, 0.5, 1.0).tolist()


def test_without_the_rule_and_with_a_factor_of_one_nothing_is_halved(
    data: RotationData, signals: RotationSignals
) -> None:
    off = RotationEngine(vix_scale_threshold=None).run(data, signals=signals)
    one = RotationEngine(vix_scale_threshold=0.15, vix_scale_factor=1.0).run(data, signals=signals)
    assert off.exposure_policies == ()
    pd.testing.assert_series_equal(off.ledger.equity, one.ledger.equity, check_exact=True)
    np.testing.assert_array_equal(off.ledger.executed.to_numpy()[1:], off.allocations.to_numpy()[:-1])


def test_leverage_follows_the_volatility_index(data: RotationData, signals: RotationSignals) -> None:
    engine = RotationEngine(leverage=VixSteps(), financing=Financing(lending=0.0, borrowing=0.0, periods_per_year=252))
    result = engine.run(data, signals=signals)
    assert data.volatility_index is not None
    points = data.volatility_index.loc[signals.dates].to_numpy()
    steps = np.select([points < 15.0, points < 20.0, points < 30.0], [1.2, 1.0, 0.8], 0.6)
    halved = np.where(signals.features["rv20"].to_numpy() > 0.30, 0.5, 1.0)
    assert len(set(steps)) == 4
    np.testing.assert_allclose(result.ledger.exposure.to_numpy()[1:], (steps * halved)[:-1], rtol=1e-15)
    assert result.ledger.executed.to_numpy().sum(axis=1).max() == pytest.approx(1.2)
    with pytest.raises(SpecificationError, match="borrow"):
        RotationEngine(leverage=VixSteps()).run(data, signals=signals)


def test_interest_is_a_part_of_its_own(data: RotationData, signals: RotationSignals) -> None:
    financing = Financing(lending=0.01, borrowing=0.05, periods_per_year=252)
    result = RotationEngine(leverage=VixSteps(), financing=financing).run(data, signals=signals)
    interest = float(result.ledger.interest.sum())
    assert interest < 0.0
    assert result.attribution_by_profile["cash"] == pytest.approx(interest)
    assert result.attribution.total == pytest.approx(pnl(result), rel=1e-9)
    assert result.pnl_by_profile.to_numpy().sum() + interest == pytest.approx(pnl(result), rel=1e-9)
    # Interest before the first decision takes effect stands under that decision's regime.
    late = RotationEngine(lag=4, financing=financing).run(data, signals=signals)
    assert late.ledger.interest.iloc[1] > 0.0
    assert late.attribution.total == pytest.approx(pnl(late), rel=1e-9)


def test_a_volatility_target_cuts_by_the_books_own_trailing_volatility(
    data: RotationData, signals: RotationSignals
) -> None:
    target = VolatilityTarget(0.20, 20, periods_per_year=252, undefined="full")
    result = RotationEngine(vix_scale_threshold=0.15, volatility_target=target).run(data, signals=signals)
    free = RotationEngine(vix_scale_threshold=0.15, resizing=False).run(data, signals=signals)
    book = free.ledger.returns.to_numpy()
    # Rows 20, 21, ... have 20 returns behind them that a decision has earned or not.
    for t in range(25, len(book), 97):
        realized = math.sqrt(252) * float(np.std(book[t - 19 : t + 1], ddof=1))
        scale = min(1.0, 0.20 / realized) if realized > 0.0 else 1.0
        halved = 0.5 if signals.features["rv20"].iloc[t] > 0.15 else 1.0
        assert float(result.ledger.exposure.iloc[t + 1]) == pytest.approx(halved * scale, rel=1e-9)
    assert result.volatility_scaling is not None
    assert result.performance.volatility < 0.75 * free.performance.volatility


def test_a_policy_without_its_index_is_an_error_that_names_the_date(
    data: RotationData, signals: RotationSignals, vix: pd.Series[float]
) -> None:
    engine = RotationEngine(leverage=VixSteps(multipliers=(1.0, 0.8, 0.6, 0.4)))
    with pytest.raises(SpecificationError, match="volatility_index, which is not given at 2014-04-01"):
        engine.run(replace(data, volatility_index=None), signals=signals)
    with pytest.raises(InputError, match="2015-08-06"):
        engine.run(replace(data, volatility_index=vix.drop(pd.Timestamp("2015-08-06"))), signals=signals)


def test_a_missing_index_level_is_never_filled(data: RotationData, vix: pd.Series[float]) -> None:
    hole = vix.drop(pd.Timestamp("2015-08-06"))
    window: dict[str, Any] = {"start_date": START, "end_date": "2015-12-31"}
    for broken in (
        replace(data, implied=ImpliedVolatility.flat(hole)),
        replace(data, surface=IndexSurface.from_vix_only(hole)),
    ):
        with pytest.raises(LabelError, match="2015-08-06"):
            RotationEngine().signals(broken, **window)
    # A level that is missing after the window is not needed.
    short = replace(data, implied=ImpliedVolatility.flat(hole))
    assert len(RotationEngine().signals(short, start_date=START, end_date="2014-12-31").dates) == 191


@pytest.mark.parametrize(
    ("start", "end", "error", "message"),
    [
        ("2016-01-04", "2015-01-05", SpecificationError, "fewer than two rows"),
        ("2030-01-02", None, SpecificationError, "fewer than two rows"),
        (None, "1990-01-02", SpecificationError, "fewer than two rows"),
        ("2018-12-31", None, SpecificationError, "fewer than two rows"),
        ("2013-09-03", None, SpecificationError, "start on or after 2014-01-16"),
        ("1980-01-02", None, SpecificationError, "start on or after 2014-01-16"),
        ("soon", None, SpecificationError, "not a date"),
        ("", None, SpecificationError, "not a date"),
        (pd.Timestamp("2015-01-02", tz="UTC"), None, LabelError, "time zone"),
    ],
)
def test_windows_that_hold_nothing_are_refused(
    start: str | pd.Timestamp | None, end: str | None, error: type[AllocoptError], message: str, data: RotationData
) -> None:
    with pytest.raises(error, match=message):
        RotationEngine().run(data, start_date=start, end_date=end)


def test_data_that_do_not_belong_together_are_refused(
    data: RotationData, signals: RotationSignals, vix: pd.Series[float]
) -> None:
    engine = RotationEngine()
    with pytest.raises(ShapeError, match="RotationData"):
        engine.run(data.market)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="RotationSignals"):
        engine.run(data, signals=signals.returns)  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="together with a window"):
        engine.run(data, start_date=START, signals=signals)
    zoned = ImpliedVolatility.flat(vix.tz_localize("UTC"))
    with pytest.raises(LabelError, match="time zone"):
        engine.run(replace(data, implied=zoned))
    late = vix.set_axis(vix.index + pd.Timedelta(days=7300))
    with pytest.raises(SpecificationError, match="begins after the last row at 2033"):
        engine.run(replace(data, implied=ImpliedVolatility.flat(late)))
    with pytest.raises(SpecificationError, match="no row has scores"):
        engine.run(replace(data, market=OHLCV(data.market.frame.iloc[:155])))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RotationEngine(max_profile_weight=0.02), "cap"),
        (lambda: RotationEngine(min_profile_weight=-0.1), "floor"),
        (lambda: RotationEngine(lag=0), "lag"),
        (lambda: RotationEngine(vix_scale_threshold=30.0), "threshold"),
        (lambda: RotationEngine(vix_scale_factor=1.5), "factor"),
        (lambda: RotationEngine(rotation_costs=0.001), "cost"),  # type: ignore[arg-type]
    ],
)
def test_settings_outside_their_range_are_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        build()


def test_signals_that_are_used_again_give_the_same_result(data: RotationData, signals: RotationSignals) -> None:
    engine = RotationEngine(solver="kl")
    fresh = engine.run(data, start_date=START, end_date=END)
    again = engine.run(data, signals=signals)
    pd.testing.assert_series_equal(fresh.ledger.equity, again.ledger.equity, check_exact=True)
    pd.testing.assert_frame_equal(fresh.allocations, again.allocations, check_exact=True)
    pd.testing.assert_frame_equal(fresh.signals.returns, signals.returns, check_exact=True)


def test_the_window_does_not_change_what_is_decided_within_it(data: RotationData, signals: RotationSignals) -> None:
    part = RotationEngine().signals(data, start_date="2016-01-04", end_date="2016-12-30")
    for name in ("scores", "desirability", "features"):
        pd.testing.assert_frame_equal(
            getattr(part, name), getattr(signals, name).loc["2016-01-04":"2016-12-30"], check_freq=False
        )
    assert part.regimes.to_list() == signals.regimes.loc["2016-01-04":"2016-12-30"].to_list()


def test_only_the_weights_depend_on_the_allocator(
    data: RotationData, signals: RotationSignals, results: dict[SolverName, RotationResult]
) -> None:
    first = results["heuristic"]
    for name in ("euclidean", "kl"):
        other = results[name]
        assert other.profile_results is first.profile_results
        pd.testing.assert_series_equal(other.ledger.exposure, first.ledger.exposure, check_exact=True)
        pd.testing.assert_series_equal(other.regimes_in_force, first.regimes_in_force)
        assert not other.allocations.equals(first.allocations)
    # The same weights by another door give the same money.
    engine = replace(RotationEngine(), solver="kl")
    equity = RotationEngine(solver="heuristic").equity(data, signals, results["kl"].allocations)
    pd.testing.assert_series_equal(equity, results["kl"].ledger.equity, check_exact=True)
    assert engine.solver == "kl"


def test_no_decision_and_no_profile_knows_the_future(vix: pd.Series[float]) -> None:
    bars = embedded_prices().loc["2015-09-01":"2016-05-31"]
    levels = vix.loc["2015-09-01":"2016-05-31"].to_frame()

    def decide(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
        index = tables["vix"]["vix"]
        market = OHLCV(tables["bars"])
        proxy = ImpliedVolatility.realized_proxy(compute_features(market))
        implied = ImpliedVolatility.flat(index).where_available(market.index, proxy)
        found = RotationData(market, implied, IndexSurface.from_vix_only(index), index)
        engine = RotationEngine(
            vix_scale_threshold=0.15,
            leverage=VixSteps(multipliers=(1.0, 0.9, 0.7, 0.5)),
            volatility_target=VolatilityTarget(0.20, 10, periods_per_year=252, undefined="full"),
        )
        result = engine.run(found, start_date="2016-01-04")
        exposure = result.exposure_policies[0].decided * result.exposure_policies[1].decided
        assert result.volatility_scaling is not None
        sized = result.allocations.mul(exposure * result.volatility_scaling.scale, axis=0).add_prefix("weight ")
        return pd.concat([sized, result.signals.returns.add_prefix("return ")], axis=1)

    def drifted(later: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """Levels that wander off by five percent a day; scaling each by its own factor makes no volatility."""
        factor = pd.Series(np.exp(np.cumsum(rng.normal(0.0, 0.05, len(later)))), index=later.index)
        return later.mul(factor, axis=0)

    report = check_causality(
        decide,
        {"bars": bars, "vix": levels},
        ["2016-01-06", "2016-02-11", "2016-05-20"],
        rtol=1e-9,
        atol=1e-12,
        perturbations=(drifted, "jump", "truncated"),
    )
    assert report.require().passed


def test_the_embedded_window_with_the_real_vix(results: dict[SolverName, RotationResult]) -> None:
    euclidean, heuristic = results["euclidean"], results["heuristic"]
    assert euclidean.regime_distribution.to_dict() == {
        "Trend Up": 246, "Trend Down": 108, "Compression": 179, "Breaking Vol": 94, "Choppy": 570
    }  # fmt: skip
    assert (heuristic.rotations.count, euclidean.rotations.count) == (500, 446)
    assert euclidean.rotation_metrics["turnover a year"] == pytest.approx(51.1, abs=0.5)
    for result in results.values():
        figures = result.performance
        assert figures.sharpe_standard_error is not None
        assert figures.sharpe_standard_error == pytest.approx(0.41, abs=0.05)
        assert abs(figures.sharpe) < 2.0 * figures.sharpe_standard_error  # no edge that could be told from none
        assert figures.sharpe == pytest.approx(0.47, abs=0.25)
        assert figures.max_drawdown == pytest.approx(0.54, abs=0.10)
        assert result.attribution_by_profile.idxmax() == "P4"
        assert result.attribution_by_profile.idxmin() == "P6"
    assert euclidean.performance.sharpe == pytest.approx(heuristic.performance.sharpe, abs=0.03)
    assert repr(euclidean).startswith("RotationResult(euclidean, 1197 rows, 2014-04-01 to 2018-12-31: P&L ")


@pytest.mark.market_data
def test_spy_on_the_whole_index_family(market_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = market_data / "index"
    bars = read_prices(folder / "spy_daily.parquet").loc["2019-06-03":"2024-12-31"]
    level = {
        name: read_volatility_index(folder / f"{name}_daily.parquet").dropna()
        for name in ("vix", "vix9d", "vix3m", "vix6m", "vvix")
    }
    surface = IndexSurface(level["vix"], level["vix9d"], level["vix3m"], level["vix6m"], level["vvix"])
    implied = ImpliedVolatility.from_term_structure(level["vix"], vix9d=level["vix9d"], vix3m=level["vix3m"])
    spy = RotationData(OHLCV.adjusted(bars), implied, surface, level["vix"])
    engine = RotationEngine(profile_costs=ExecutionCosts())
    result = engine.run(spy, start_date="2020-01-02", end_date="2024-12-30")
    assert len(result.ledger.dates) == 1257
    assert surface.source_counts(result.ledger.dates) == {"VIX9D+VIX+VIX3M+VIX6M, smile of VVIX": 1257}
    assert result.regime_distribution["Trend Up"] == 393
    assert result.signals.regimes.loc["2020-03-16"] == 4  # Breaking Vol, where the original saw Trend Down
    assert result.ledger.exposure.loc["2020-03-17"] == 0.5
    assert all(len(profile.trades) for profile in result.profile_results.values())
    assert result.attribution_by_profile.sum() == pytest.approx(pnl(result), rel=1e-9)
    figures = result.performance
    assert figures.sharpe_standard_error is not None
    assert abs(figures.sharpe) < 2.0 * figures.sharpe_standard_error
    assert figures.max_drawdown > 0.4
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "change",
    [
        {"profile_costs": ExecutionCosts()},
        {"capital": 250_000.0},
        {"order_weight": 0.2},
        {"partial_fills": PartialFills()},
        {"fill_lag": 2},
        {"hedge_lag": 2},
        {"profiles": {"P1": published_profiles()["P1"]}},
        {"compatibility": RegimeCompatibility.with_event()},
    ],
)
def test_signals_of_another_engine_are_refused(
    change: dict[str, Any], data: RotationData, signals: RotationSignals
) -> None:
    with pytest.raises(SpecificationError, match="signals were made with other"):
        RotationEngine(**change).run(data, signals=signals)
    RotationEngine(solver="kl", compatibility=RegimeCompatibility()).run(data, signals=signals)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fill_lag": 0}, "fill_lag"),
        ({"hedge_lag": 1.5}, "hedge_lag"),
        ({"capital": -5.0}, "capital"),
        ({"order_weight": 0.0}, "order_weight"),
        ({"solver": "foo"}, "foo"),
        ({"profiles": {}}, "no profiles"),
        ({"vix_scale_threshold": None, "vix_scale_factor": -3.0}, "vix_scale_factor"),
    ],
)
def test_settings_are_refused_at_once(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        RotationEngine(**change)


def test_progress_is_told(data: RotationData) -> None:
    told: list[str] = []
    RotationEngine().run(data, start_date="2018-10-01", progress=told.append)
    assert told == ["features, regimes and scores", "6 profiles on 63 rows", "allocating and accounting"]


def test_profiles_of_an_engine_are_its_own() -> None:
    mine = published_profiles()
    engine = RotationEngine(profiles=mine)
    mine.clear()
    assert list(engine.profiles) == ["P1", "P2", "P3", "P4", "P5", "P6"]


def test_figures_by_regime_make_up_the_whole(data: RotationData, signals: RotationSignals) -> None:
    result = RotationEngine().run(data, signals=signals)
    table = result.performance_by_regime
    assert set(table.index) == set(signals.regimes.unique())
    assert table["pnl"].sum() == pytest.approx(result.ledger.equity.iloc[-1] - result.ledger.capital, rel=1e-9)
