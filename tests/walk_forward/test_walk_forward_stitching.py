"""The chained history: by hand, as an identity, against the runs that it is made of, and without look-ahead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import ProportionalCost
from allocopt.backtests.accounting import Execution, Financing, Ledger, account
from allocopt.backtests.schedules import EveryRows
from allocopt.backtests.splitters import Rolling
from allocopt.backtests.studies import check_causality
from allocopt.backtests.walk_forward import walk_forward
from allocopt.errors import SpecificationError

Market = Callable[..., pd.DataFrame]
Parameters = Mapping[str, Any]

COST = Execution(costs=ProportionalCost(0.01))


def buy_and_hold(prices: pd.DataFrame, parameters: Parameters) -> Ledger:
    """Put half of the money into one sleeve on the first row, and never trade again."""
    weights = pd.DataFrame(0.0, index=prices.index[:1], columns=prices.columns)
    weights[parameters["sleeve"]] = 0.5
    return account(weights, prices, COST)


def momentum(execution: Execution, prices: pd.DataFrame, parameters: Parameters) -> Ledger:
    """Hold what is above its mean of the last rows, decided every so many rows."""
    held = (prices > prices.rolling(parameters["window"]).mean()).astype(float) / prices.shape[1]
    how = replace(execution, schedule=EveryRows(parameters.get("every", 3)))
    size = pd.Series(0.7 + 0.2 * np.sin(np.arange(len(prices))), index=prices.index)
    return account(held, prices, how, exposure=size)


def hand_prices() -> pd.DataFrame:
    """A rises first, then B: chosen are A, B and again B."""
    a = [10.0, 11, 12, 12, 12.5, 12, 12.5, 12, 12.5, 12, 12.5, 13]
    b = [20.0, 20, 19, 20, 22, 24, 25, 27, 30, 29, 31, 28]
    return pd.DataFrame({"A": a, "B": b}, index=pd.bdate_range("2024-01-01", periods=12))


def test_three_folds_with_costs_by_hand() -> None:
    prices = hand_prices()
    splitter = Rolling(train=3, test=3, gap=0)
    found = walk_forward(
        buy_and_hold, {"sleeve": ["A", "B"]}, prices, splitter, select="total_return", periods_per_year=252
    )
    assert found.folds["configuration"].tolist() == ["sleeve=A", "sleeve=B", "sleeve=B"]
    assert found.stitching == "account"
    a, b = prices["A"].to_numpy(), prices["B"].to_numpy()
    value = 0.495 + 0.5 * a / a[0]  # half in A, bought at the first close for a hundredth of it
    # B's own run at the close of row 5, the last before the second fold: its weight has drifted from a half.
    weight = (0.5 * b[5] / b[0]) / (0.495 + 0.5 * b[5] / b[0])
    sold, bought = 0.5 * a[5] / a[0], weight * value[5]
    cash = 0.495 + sold - bought - 0.01 * (sold + bought)
    value[6:] = cash + bought * b[6:] / b[5]
    expected = value[3:] / value[2:-1] - 1.0
    np.testing.assert_allclose(found.returns.to_numpy(), expected, rtol=0.0, atol=1e-15)
    assert found.returns.index.equals(prices.index[3:])
    np.testing.assert_allclose(found.equity.to_numpy(), value[2:] / value[2], rtol=1e-14)
    assert found.ledger is not None
    traded = found.ledger.turnover.to_numpy()
    assert np.flatnonzero(traded).tolist() == [1, 6]
    assert traded[6] == pytest.approx((sold + bought) / value[5], rel=1e-14)
    switch = found.switches.iloc[0]
    assert len(found.switches) == 1
    assert (switch["fold"], switch["from"], switch["to"]) == (1, "sleeve=A", "sleeve=B")
    assert switch["date"] == prices.index[6]
    assert switch["cost"] == pytest.approx(0.01 * (sold + bought) / value[5], rel=1e-14)


@pytest.mark.parametrize("mode", ["holdings", "constant-mix"])
@pytest.mark.parametrize("lag", [1, 2])
def test_one_configuration_gives_the_studys_own_ledger(market: Market, mode: Any, lag: int) -> None:
    prices = market(1, 300)
    execution = Execution(mode=mode, lag=lag, costs=ProportionalCost(0.002))

    def study(data: pd.DataFrame, parameters: Parameters) -> Ledger:
        return momentum(execution, data, parameters)

    own = study(prices, {"window": 7})
    splitter = Rolling(train=100, test=40, gap=0, lag=lag)
    found = walk_forward(study, {"window": [7]}, prices, splitter, periods_per_year=252)
    assert len(found.folds) == 5
    assert found.switches.empty
    assert found.returns.to_numpy().tobytes() == own.returns.to_numpy()[100:].tobytes()
    assert found.ledger is not None
    assert found.ledger.equity.equals(own.equity)
    assert found.ledger.executed.equals(own.executed)
    assert found.ledger.exposure.equals(own.exposure)


@pytest.mark.parametrize("mode", ["holdings", "constant-mix"])
@pytest.mark.parametrize("seed", range(2))
def test_without_costs_the_account_earns_what_the_chosen_runs_earn(market: Market, mode: Any, seed: int) -> None:
    prices = market(seed, 420, 3)
    execution = Execution(mode=mode)

    def study(data: pd.DataFrame, parameters: Parameters) -> Ledger:
        return momentum(execution, data, parameters)

    grid = {"window": [3, 9], "every": [1, 4]}
    splitter = Rolling(train=60, test=37, gap=1, incomplete="keep")
    by_account = walk_forward(study, grid, prices, splitter, periods_per_year=252)
    by_returns = walk_forward(study, grid, prices, splitter, periods_per_year=252, stitching="returns")
    assert len(by_account.switches) >= 3
    np.testing.assert_allclose(by_account.returns, by_returns.returns, rtol=0.0, atol=1e-13)
    assert by_returns.stitching == "returns"
    assert "free" in by_returns.stitching_note
    assert by_returns.switches["cost"].isna().all()
    assert by_returns.ledger is None


def test_costs_of_switches_are_what_separates_account_from_chained_returns(market: Market) -> None:
    prices = market(5, 420, 3)
    execution = Execution(mode="constant-mix", costs=ProportionalCost(0.003))

    def study(data: pd.DataFrame, parameters: Parameters) -> Ledger:
        return momentum(execution, data, parameters)

    grid = {"window": [3, 5, 9, 17], "every": [5]}
    splitter = Rolling(train=60, test=37, gap=1, incomplete="keep")
    paid = walk_forward(study, grid, prices, splitter, periods_per_year=252)
    free = walk_forward(study, grid, prices, splitter, periods_per_year=252, stitching="returns")
    difference = (paid.returns - free.returns).to_numpy()
    borders = prices.index.get_indexer(pd.DatetimeIndex(paid.switches["date"])) - 61
    others = np.delete(np.arange(len(difference)), borders)
    assert len(borders) >= 3
    np.testing.assert_allclose(difference[others], 0.0, atol=1e-13)
    # On a border both pay: the account for its own switch, each run for what it happened to trade on that row.
    for border, cost in zip(borders, paid.switches["cost"], strict=True):
        fold = int(border // 37)
        own = study(prices, {"window": paid.chosen["window"].iloc[fold], "every": 5})
        charged = float(own.cost.iloc[61 + border] / own.equity.iloc[60 + border])
        assert difference[border] == pytest.approx(charged - cost, abs=1e-13)


@pytest.mark.parametrize(("mode", "lag"), [("holdings", 1), ("holdings", 3), ("constant-mix", 2)])
def test_decisions_of_the_chained_account_do_not_look_ahead(market: Market, mode: Any, lag: int) -> None:
    prices = market(9, 140, 3)
    execution = Execution(mode=mode, lag=lag, costs=ProportionalCost(0.001))
    splitter = Rolling(train=50, test=40, lag=lag, gap=lag)

    def study(data: pd.DataFrame, parameters: Parameters) -> Ledger:
        return momentum(execution, data, parameters)

    def decide(data: pd.DataFrame) -> pd.DataFrame:
        cut = data.iloc[: 130 + lag]
        found = walk_forward(study, {"window": [3, 15]}, cut, splitter, periods_per_year=252, check_causality=False)
        assert found.ledger is not None
        ahead = found.ledger.composition.mul(found.ledger.exposure, axis=0).shift(-lag)
        return ahead.iloc[:-lag]  # as decided; on the last rows nothing is in force yet

    border = 50 + lag + 40
    cuts = [border - lag - 1, border - lag, border - 1]
    check_causality(decide, prices, cuts, perturbations=("jump",), rtol=1e-12).require()


def test_borrowed_money_is_paid_for_through_all_folds(market: Market) -> None:
    prices = market(4, 300)
    execution = Execution(
        costs=ProportionalCost(0.001), financing=Financing(lending=0.01, borrowing=0.06, periods_per_year=252)
    )

    def study(data: pd.DataFrame, parameters: Parameters) -> Ledger:
        weights = pd.DataFrame(parameters["weight"], index=data.index[::20], columns=data.columns)
        return account(weights, data, execution, exposure=1.5)

    splitter = Rolling(train=80, test=50, incomplete="keep")
    found = walk_forward(
        study, {"weight": [0.2, 0.5, 0.6]}, prices, splitter, select="total_return", periods_per_year=252
    )
    assert found.ledger is not None
    assert len(found.switches) >= 1
    assert found.ledger.interest.to_numpy()[1:].all()
    assert (found.ledger.identities <= 1e-12).all()
    assert (found.ledger.exposure.iloc[1:] == 1.5).all()


def test_fully_invested_without_financing_switches_without_borrowing(market: Market) -> None:
    prices = market(6, 200)

    def study(data: pd.DataFrame, parameters: Parameters) -> Ledger:
        weights = pd.DataFrame(0.0, index=data.index[:1], columns=data.columns)
        weights[parameters["sleeve"]] = 1.0
        return account(weights, data, COST)  # cash is what the purchase cost, and owed

    splitter = Rolling(train=40, test=30, incomplete="keep")
    found = walk_forward(study, {"sleeve": ["A", "B"]}, prices, splitter, periods_per_year=252)
    assert len(found.switches) >= 1
    assert (found.switches["turnover"] > 1.9).all()


def test_universes_of_their_own_share_one_account(market: Market) -> None:
    prices = market(11, 260, 3)

    def study(data: pd.DataFrame, parameters: Parameters) -> Ledger:
        own = data[list(parameters["sleeves"])]
        return account(pd.DataFrame(0.9 / own.shape[1], index=own.index[::10], columns=own.columns), own)

    grid: list[dict[str, Any]] = [{"sleeves": ("A", "B")}, {"sleeves": ("C",)}, {"sleeves": ("B", "C")}]
    splitter = Rolling(train=60, test=40, incomplete="keep")
    found = walk_forward(study, grid, prices, splitter, periods_per_year=252)
    free = walk_forward(study, grid, prices, splitter, periods_per_year=252, stitching="returns")
    assert found.folds["configuration"].nunique() > 1
    assert found.ledger is not None
    assert set(found.ledger.sleeves) <= {"A", "B", "C"}
    np.testing.assert_allclose(found.returns, free.returns, rtol=0.0, atol=1e-13)


def test_what_one_account_cannot_hold_is_refused(market: Market) -> None:
    prices = hand_prices()
    splitter = Rolling(train=3, test=3, gap=0)
    how: dict[str, Any] = {"select": "total_return", "periods_per_year": 252}

    def dearer(data: pd.DataFrame, parameters: Parameters) -> Ledger:
        found = buy_and_hold(data, parameters)
        costs = {"A": 0.01, "B": 0.02}[parameters["sleeve"]]
        weights = found.composition.iloc[[1]].set_axis(data.index[:1])
        return account(weights, data, Execution(costs=ProportionalCost(costs)))

    def rebased(data: pd.DataFrame, parameters: Parameters) -> Ledger:
        return buy_and_hold(data * {"A": 1.0, "B": 2.0}[parameters["sleeve"]], parameters)

    with pytest.raises(SpecificationError, match="executed differently: costs"):
        walk_forward(dearer, {"sleeve": ["A", "B"]}, prices, splitter, **how)
    with pytest.raises(SpecificationError, match="different prices, and one account cannot hold both"):
        walk_forward(rebased, {"sleeve": ["A", "B"]}, prices, splitter, **how)
    for study in (dearer, rebased):
        found = walk_forward(study, {"sleeve": ["A", "B"]}, prices, splitter, stitching="returns", **how)
        assert found.stitching == "returns"


def test_returns_alone_are_chained_and_said_to_be() -> None:
    prices = hand_prices()

    def study(data: pd.DataFrame, parameters: Parameters) -> pd.Series[float]:
        sleeve: Any = data[parameters["sleeve"]]
        closes: pd.Series[float] = sleeve
        return closes.pct_change()

    splitter = Rolling(train=3, test=3, gap=0)
    how: dict[str, Any] = {"select": "total_return", "periods_per_year": 252}
    found = walk_forward(study, {"sleeve": ["A", "B"]}, prices, splitter, **how)
    assert found.stitching == "returns"
    assert found.folds["configuration"].tolist() == ["sleeve=A", "sleeve=B", "sleeve=B"]
    growth = prices.pct_change()
    expected = [*growth["A"].iloc[3:6], *growth["B"].iloc[6:]]
    np.testing.assert_allclose(found.returns, expected, rtol=0.0, atol=1e-15)
    with pytest.raises(SpecificationError, match="gives no ledgers, and one account was asked for"):
        walk_forward(study, {"sleeve": ["A", "B"]}, prices, splitter, stitching="account", **how)


def test_a_lost_account_ends_the_history() -> None:
    prices = pd.DataFrame(
        {"A": [10.0, 11, 12, 13, 14, 15, 3, 3, 3], "B": [10.0, 10, 10, 10, 10, 10, 10, 10, 10]},
        index=pd.bdate_range("2024-01-01", periods=9),
    )

    def study(data: pd.DataFrame, parameters: Parameters) -> Ledger:
        weights = pd.DataFrame(0.0, index=data.index, columns=data.columns)
        weights[parameters["sleeve"]] = 2.0
        free = Financing(lending=0.0, borrowing=0.0, periods_per_year=252)
        return account(weights, data, Execution(financing=free))

    splitter = Rolling(train=3, test=3, gap=0)
    found = walk_forward(study, {"sleeve": ["A", "B"]}, prices, splitter, select="total_return", periods_per_year=252)
    assert found.bankrupt == prices.index[6]
    assert found.returns.index[-1] == prices.index[5]
    figures: Any = found.comparison.loc["walk-forward"]
    assert figures.drop("configuration").isna().all()
    assert found.returns_matrix()["sleeve=A"].isna().tolist() == [False, False, False, True, True, True]
