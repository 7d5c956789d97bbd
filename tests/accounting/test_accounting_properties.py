"""What holds for every ledger: scale, order, known formulas; and that tables changed afterwards are noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from allocopt import PerShareCost, ProportionalCost, SpreadCost, SquareRootImpact
from allocopt.backtests.accounting import Execution, Financing, Ledger, account, executed_weights, simple_returns
from allocopt.backtests.accounting._raw import Mode
from allocopt.costs import Cost
from allocopt.errors import StaleInputError

Market = Callable[..., tuple[pd.DataFrame, pd.DataFrame]]
ROWS, N = 12, 3
SLEEVES = list("ABC")
DATES = pd.bdate_range("2024-01-01", periods=ROWS)
FREE = Financing(0.0, 0.0, periods_per_year=252)

moves = arrays(np.float64, (ROWS, N), elements=st.floats(-0.2, 0.2)).map(
    lambda x: pd.DataFrame(50.0 * np.exp(x).cumprod(axis=0), DATES, SLEEVES)
)
mixes = arrays(np.float64, (ROWS, N), elements=st.floats(-0.3, 0.3)).map(lambda x: pd.DataFrame(x, DATES, SLEEVES))
modes = st.sampled_from(["holdings", "constant-mix"])
lags = st.integers(1, 3)


def assert_close(found: Any, wanted: Any, tolerance: float = 1e-11) -> None:
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found.to_numpy(), wanted.to_numpy(), rtol=tolerance, atol=tolerance)


@given(moves, mixes, modes, lags, st.integers(-20, 20))
@settings(max_examples=40)
def test_capital_is_only_a_unit(prices: pd.DataFrame, weights: pd.DataFrame, mode: Mode, lag: int, power: int) -> None:
    costs: list[Cost] = [ProportionalCost(0.001), SpreadCost(0.0002), SquareRootImpact(0.01), PerShareCost(0.01)]
    how = Execution(mode=mode, lag=lag, costs=costs, financing=Financing(0.02, 0.05, 252))
    scale = 1000.0 * 2.0**power
    one, many = account(weights, prices, how, capital=1000.0), account(weights, prices, how, capital=scale)
    for name in ("equity", "cash", "cost", "interest", "opening_positions", "sleeve_pnl", "costs"):
        assert_close(getattr(many, name) / scale * 1000.0, getattr(one, name), 1e-9)
    for name in ("returns", "turnover", "executed"):
        assert_close(getattr(many, name), getattr(one, name))


@given(moves, mixes, modes)
@settings(max_examples=30)
def test_a_minimum_weighs_on_small_capital(prices: pd.DataFrame, weights: pd.DataFrame, mode: Mode) -> None:
    how = Execution(mode=mode, costs=PerShareCost(0.001, minimum=1.0))
    small, large = (account(weights, prices, how, capital=capital) for capital in (1e4, 1e7))
    rows = small.turnover > 0.0
    assert (small.cost[rows] >= 1.0).all()
    assert small.equity.iloc[-1] / 1e4 <= large.equity.iloc[-1] / 1e7 + 1e-12


@given(moves, mixes, modes, lags, st.permutations(range(N)))
@settings(max_examples=40)
def test_the_order_of_sleeves_does_not_matter(
    prices: pd.DataFrame, weights: pd.DataFrame, mode: Mode, lag: int, order: list[int]
) -> None:
    costs: list[Cost] = [
        ProportionalCost({"A": 0.001, "B": 0.002, "C": 0.0}),
        PerShareCost(0.01, minimum={"A": 1, "B": 0, "C": 2}),
    ]
    how = Execution(mode=mode, lag=lag, costs=costs)
    straight = account(weights, prices, how, capital=1e4)
    turned = account(weights.iloc[:, order], prices.iloc[:, order], how, capital=1e4)
    assert_close(turned.to_frame()["ledger"], straight.to_frame()["ledger"], 1e-9)
    assert_close(turned.executed[SLEEVES], straight.executed)
    assert_close(turned.sleeve_pnl[SLEEVES], straight.sleeve_pnl, 1e-8)


@given(moves, mixes, lags)
@settings(max_examples=40)
def test_a_free_constant_mix_compounds_its_weighted_returns(
    prices: pd.DataFrame, weights: pd.DataFrame, lag: int
) -> None:
    ledger = account(weights, prices, Execution(mode="constant-mix", lag=lag))
    growth = 1.0 + (executed_weights(weights, lag) * simple_returns(prices)).sum(axis=1)
    assert_close(ledger.equity, growth.cumprod())
    assert_close(ledger.returns, growth - 1.0)


@given(moves, arrays(np.float64, N, elements=st.floats(-0.3, 0.3)), lags)
@settings(max_examples=40)
def test_buying_and_holding_earns_price_ratios(prices: pd.DataFrame, mix: np.ndarray[Any, Any], lag: int) -> None:
    weights = pd.DataFrame([mix], DATES[:1], SLEEVES)
    ledger = account(weights, prices, Execution(lag=lag))
    ratio = prices.iloc[lag - 1 :] / prices.iloc[lag - 1]
    assert_close(ledger.equity.iloc[lag - 1 :], 1.0 + ((ratio - 1.0) * mix).sum(axis=1))
    assert (ledger.equity.iloc[:lag] == 1.0).all()


@given(moves, mixes, modes, st.floats(0.1, 3.0))
@settings(max_examples=30)
def test_exposure_is_a_factor_on_the_weights(
    prices: pd.DataFrame, weights: pd.DataFrame, mode: Mode, factor: float
) -> None:
    how = Execution(mode=mode, costs=ProportionalCost(0.001), financing=Financing(0.02, 0.06, 252))
    by_exposure, by_weights = account(weights, prices, how, exposure=factor), account(weights * factor, prices, how)
    assert_close(
        by_exposure.to_frame()["ledger"].drop(columns="exposure"),
        by_weights.to_frame()["ledger"].drop(columns="exposure"),
    )
    assert_close(by_exposure.composition * factor, by_weights.composition)
    assert_close(by_exposure.executed, by_weights.executed)


@given(moves, mixes, modes, st.lists(st.floats(1e-3, 1e3), min_size=N, max_size=N))
@settings(max_examples=30)
def test_the_unit_of_a_price_does_not_matter(
    prices: pd.DataFrame, weights: pd.DataFrame, mode: Mode, units: list[float]
) -> None:
    how = Execution(mode=mode, costs=[ProportionalCost(0.001), SquareRootImpact(0.01)])
    assert_close(account(weights, prices * units, how).to_frame(), account(weights, prices, how).to_frame())


@given(moves, mixes, modes, st.floats(0.0, 0.05), st.floats(1e-4, 0.05))
@settings(max_examples=30)
def test_a_higher_rate_never_leaves_more(
    prices: pd.DataFrame, weights: pd.DataFrame, mode: Mode, rate: float, more: float
) -> None:
    low, high = (account(weights, prices, Execution(mode=mode, costs=ProportionalCost(r))) for r in (rate, rate + more))
    # Weights are fractions of the value, so the one that has paid more trades less money at the same returns.
    both = slice(None, min(len(low.dates), len(high.dates)))
    assert (high.equity.iloc[both] <= low.equity.iloc[both] * (1.0 + 1e-12)).all()


def test_trend_basket_convention_in_plain_pandas(market: Market) -> None:
    """``growth = 1 + leverage * (sum executed * r - fee * sum abs(change of executed))``, hourly."""
    fee, leverage = 0.0004, 0.75
    rng = np.random.default_rng(1)
    hours = pd.date_range("2020-01-01", periods=1500, freq="h")
    closes = pd.DataFrame(100.0 * np.exp(rng.normal(0, 0.01, (1500, 2)).cumsum(axis=0)), hours, ["BTC", "ETH"])
    held = pd.DataFrame((rng.random((1500, 2)) < 0.5) * 0.25, hours, closes.columns)
    held = held.iloc[::168].reindex(hours, method="ffill")
    scale = pd.Series(rng.uniform(0.3, 1.0, 1500), hours)

    executed = held.mul(scale, axis=0).shift(1).fillna(0.0)
    change = executed.diff().fillna(executed).abs().sum(axis=1)
    growth = 1.0 + leverage * (executed * closes.pct_change().fillna(0.0)).sum(axis=1) - leverage * fee * change
    equity = growth.cumprod()

    how = Execution(mode="constant-mix", costs=ProportionalCost(fee))
    for exposure, weights in ((leverage, held.mul(scale, axis=0)), (scale * leverage, held)):
        ledger = account(weights, closes, how, exposure=exposure)
        assert_close(ledger.equity, equity, 1e-13)
        assert_close(ledger.executed, leverage * executed, 1e-15)
        assert_close(ledger.turnover, leverage * change, 1e-13)
    assert 0.5 < equity.iloc[-1] < 2.0
    assert change.sum() > 50.0


class TestChangedAfterTheRun:
    """Tables by sleeve are worked out later from the caller's prices: these must still be those of the run."""

    @pytest.fixture
    def fresh(self, market: Market) -> tuple[pd.DataFrame, Callable[..., Ledger]]:
        weights, prices = market(0)
        once = weights.iloc[:1] * 0.0 + 0.2
        return prices, lambda mode, daily: account(
            weights if daily else once, prices, Execution(mode=mode, costs=ProportionalCost(0.001))
        )

    @pytest.mark.parametrize("value", [1.001, 3.0, np.nan, np.inf, -1.0])
    @pytest.mark.parametrize(("mode", "daily"), [("holdings", True), ("holdings", False), ("constant-mix", True)])
    @pytest.mark.parametrize("name", ["executed", "opening_positions", "traded", "sleeve_pnl", "sleeve_cost"])
    def test_prices(
        self, name: str, mode: Mode, daily: bool, value: float, fresh: tuple[pd.DataFrame, Callable[..., Ledger]]
    ) -> None:
        prices, run = fresh
        wanted = getattr(run(mode, daily), name)
        ledger = run(mode, daily)
        prices.iloc[17] *= value
        if mode == "constant-mix" and name != "sleeve_pnl":  # follows from the weights and the values alone
            pd.testing.assert_frame_equal(getattr(ledger, name), wanted, check_exact=True)
            return
        with pytest.raises(StaleInputError, match=r"prices were changed in place after the run.*call account again"):
            getattr(ledger, name)

    def test_what_was_asked_for_before_stays(self, fresh: tuple[pd.DataFrame, Callable[..., Ledger]]) -> None:
        prices, run = fresh
        ledger = run("holdings", True)
        before = ledger.sleeve_pnl.copy(), ledger.equity.copy(), ledger.cash.copy()
        prices.iloc[17] *= 3.0
        pd.testing.assert_frame_equal(ledger.sleeve_pnl, before[0])
        pd.testing.assert_series_equal(ledger.equity, before[1])
        pd.testing.assert_series_equal(ledger.cash, before[2])

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_weights_and_exposure_are_kept_by_the_ledger(self, order: Any, market: Market) -> None:
        weights, prices = market(1)
        weights = pd.DataFrame(weights.to_numpy().copy(order=order), weights.index, weights.columns, copy=False)
        exposure = pd.Series(np.linspace(0.1, 1.0, 40), weights.index)
        how = Execution(mode="constant-mix", financing=FREE)
        ledger = account(weights, prices, how, exposure=exposure)
        before = weights.copy(), exposure.copy()
        weights.iloc[:] = 7.0
        exposure.iloc[:] = 7.0
        np.testing.assert_array_equal(ledger.composition.iloc[1:], before[0].iloc[:-1])
        np.testing.assert_array_equal(ledger.exposure.iloc[1:], before[1].iloc[:-1])
        np.testing.assert_allclose(ledger.executed, ledger.composition.mul(ledger.exposure, axis=0), rtol=1e-15)

    def test_rates(self, market: Market) -> None:
        weights, prices = market(2)
        rate = pd.Series(0.02, prices.index)
        how = Execution(financing=Financing(rate, rate, 252))
        before = account(weights, prices, how).equity
        rate.iloc[:] = 9.0
        pd.testing.assert_series_equal(account(weights, prices, how).equity, before)


def test_a_run_leaves_its_inputs_alone(market: Market) -> None:
    weights, prices = market(3, missing=0.1)
    funding = prices.ffill() * 1e-6
    kept = weights.copy(), prices.copy(), funding.copy()
    for mode in ("holdings", "constant-mix"):
        account(weights, prices, Execution(mode=mode, gaps="hold", financing=FREE), funding=funding).to_frame()
    for frame, before in zip((weights, prices, funding), kept, strict=True):
        pd.testing.assert_frame_equal(frame, before, check_exact=True)
