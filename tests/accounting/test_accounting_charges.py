"""Charges: costs that do not follow from the trades, paid out of cash at the start of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from allocopt import ProportionalCost
from allocopt.backtests.accounting import Execution, Financing, Ledger, account, account_grid, simple_returns
from allocopt.backtests.accounting._raw import Gaps, Mode
from allocopt.costs import Cost
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

if TYPE_CHECKING:
    import cvxpy as cp

Table = Callable[[Mapping[str, Sequence[float]]], pd.DataFrame]
Market = Callable[..., tuple[pd.DataFrame, pd.DataFrame]]
Rates = Callable[[pd.DatetimeIndex, int], Financing]
CASH = 1000.0
MODES: tuple[Mode, ...] = ("holdings", "constant-mix")


def equal(found: pd.Series[float] | pd.DataFrame | None, wanted: Any) -> bool:
    assert found is not None
    return found.shape == np.shape(wanted) and np.allclose(found.to_numpy(), wanted, rtol=1e-13, atol=1e-11)


def spread_over(prices: pd.DataFrame, seed: int, size: float = 0.004) -> pd.DataFrame:
    """Charges on half of the cells."""
    rng = np.random.default_rng(seed)
    paid = rng.uniform(0.0, size, prices.shape) * (rng.random(prices.shape) < 0.5)
    return pd.DataFrame(paid, prices.index, prices.columns)


@pytest.fixture
def prices(table: Table) -> pd.DataFrame:
    return table({"A": [10, 20, 10, 40], "B": [5, 5, 10, 10]})


@pytest.fixture
def once(prices: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"A": [0.5], "B": [0.25]}, index=prices.index[:1])


@pytest.fixture
def paid(table: Table) -> pd.DataFrame:
    """Row 0 ends no period, whatever stands on it."""
    return table({"A": [0.5, 0.01, 0.0, 0.1], "B": [0.5, 0.02, 0.0, 0.0]})


class TestByHand:
    def test_shares_are_kept_and_cash_pays(self, once: pd.DataFrame, prices: pd.DataFrame, paid: pd.DataFrame) -> None:
        ledger = account(once, prices, charges=paid, capital=CASH)
        # 50 shares of each. Row 1 pays 3 % of 1000, row 3 a tenth of the 1220 that there are at the close of row 2.
        assert equal(ledger.equity, [1000, 1470, 1220, 2720 - 122])
        assert equal(ledger.cash, [1000, 220, 220, 98])
        assert equal(ledger.cost, [0, 30, 0, 122])
        assert list(ledger.costs) == ["charges"]
        assert equal(ledger.costs, [[0], [30], [0], [122]])
        assert equal(ledger.charges, [[0, 0], [10, 20], [0, 0], [122, 0]])
        assert equal(ledger.sleeve_cost, [[0, 0], [10, 20], [0, 0], [122, 0]])
        assert equal(ledger.turnover, [0, 0.75, 0, 0])
        assert equal(ledger.sleeve_pnl.sum(axis=1), [0, 500, -250, 1500])
        assert (ledger.identities <= 1e-15).all()
        assert "charges" in ledger.to_frame()["cost"]

    def test_a_constant_mix_grows_by_what_is_left(
        self, once: pd.DataFrame, prices: pd.DataFrame, paid: pd.DataFrame
    ) -> None:
        ledger = account(once, prices, Execution(mode="constant-mix"), charges=paid, capital=CASH)
        # Returns of the rows before charges: 1/2, 0, 3/2; weights are of the value before charges.
        assert equal(ledger.equity, [1000, 1470, 1470, 1470 * 2.4])
        assert equal(ledger.cost, [0, 30, 0, 147])
        assert equal(ledger.executed, [[0, 0], [0.5, 0.25], [0.5, 0.25], [0.5, 0.25]])
        assert equal(ledger.returns, [0, 0.47, 0, 1.4])

    def test_they_come_beside_the_costs_of_trading(
        self, once: pd.DataFrame, prices: pd.DataFrame, paid: pd.DataFrame
    ) -> None:
        for costs, names in (
            ([ProportionalCost(0.01)], ["proportional cost", "charges"]),
            (
                [ProportionalCost(0.01), ProportionalCost(0.02)],
                ["proportional cost 1", "proportional cost 2", "charges"],
            ),
        ):
            ledger = account(once, prices, Execution(costs=costs), charges=paid, capital=CASH)
            assert list(ledger.costs) == names
            assert equal(ledger.costs["charges"].iloc[:3], [0, 30, 0])
            assert equal(ledger.costs.iloc[1], [7.5 * (k + 1) for k in range(len(costs))] + [30])
            assert equal(ledger.sleeve_cost.sum(axis=1), ledger.cost)

    def test_nothing_need_be_held(self, prices: pd.DataFrame, paid: pd.DataFrame) -> None:
        nothing = pd.DataFrame(0.0, prices.index, prices.columns)
        for mode in MODES:
            ledger = account(nothing, prices, Execution(mode=mode), charges=paid, capital=CASH)
            assert equal(ledger.equity, [1000, 970, 970, 873])
            assert equal(ledger.cash, ledger.equity)
            assert ledger.turnover.max() == 0.0

    def test_interest_is_on_what_is_left(self, prices: pd.DataFrame, paid: pd.DataFrame) -> None:
        nothing = pd.DataFrame(0.0, prices.index, prices.columns)
        rate = Financing(lending=0.252, borrowing=0.504, periods_per_year=252)
        ledger = account(nothing, prices, Execution(financing=rate), charges=paid, capital=CASH)
        assert equal(ledger.interest.iloc[1:3], [970 * 0.001, 970 * 1.001 * 0.001])
        borrowed = account(nothing.assign(A=1.0), prices, Execution(financing=rate), charges=paid, capital=CASH)
        assert equal(borrowed.interest.iloc[1:2], [-30 * 0.002])

    def test_cash_may_be_owed_by_what_was_charged(self, prices: pd.DataFrame, paid: pd.DataFrame) -> None:
        """As by what trading has cost: a book of full weights needs no financing for them."""
        full = pd.DataFrame({"A": [0.75], "B": [0.25]}, index=prices.index[:1])
        for mode in MODES:
            ledger = account(full, prices, Execution(mode=mode), charges=paid, capital=CASH)
            assert ledger.cash.iloc[1] == pytest.approx(-30.0)
            assert ledger.borrowed.iloc[1] == pytest.approx(0.03)
        # What waits for a price while other sleeves are bought is still an error.
        gap = prices.assign(A=[10.0, np.nan, 10.0, 40.0])
        turn = pd.DataFrame({"A": [1.0, 0.0], "B": [0.0, 1.0]}, index=prices.index[:2])
        with pytest.raises(SpecificationError, match="cash is owed beyond what trading has cost"):
            account(turn, gap, Execution(gaps="hold"), charges=paid, capital=CASH)

    @pytest.mark.parametrize("mode", MODES)
    def test_they_can_ruin(self, mode: Mode, once: pd.DataFrame, prices: pd.DataFrame, paid: pd.DataFrame) -> None:
        paid.iloc[2] = [0.9, 0.1]
        ledger = account(once, prices, Execution(mode=mode), charges=paid, capital=CASH)
        assert ledger.bankrupt == prices.index[2]
        assert len(ledger.dates) == 3
        assert equal(ledger.charges, [[0, 0], [10, 20], [0.9 * 1470, 147]])
        assert ledger.equity.iloc[-1] <= 1e-9

    def test_without_any_there_is_no_table(self, once: pd.DataFrame, prices: pd.DataFrame) -> None:
        assert account(once, prices).charges is None
        free = account(once, prices, charges=prices * 0.0)
        assert equal(free.charges, np.zeros((4, 2)))
        pd.testing.assert_series_equal(free.equity, account(once, prices).equity, check_exact=True)


@pytest.mark.parametrize("mode", MODES)
def test_a_constant_rate_on_the_trades_is_the_proportional_cost(mode: Mode, market: Market) -> None:
    """The same costs by another door: fractions of the value that were traded, times the rate."""
    weights, prices = market(5, rows=60)
    by_cost = account(weights, prices, Execution(mode=mode, costs=ProportionalCost(0.002)), capital=CASH)
    by_charge = account(weights, prices, Execution(mode=mode), charges=0.002 * by_cost.traded.abs(), capital=CASH)
    for name in ("equity", "cash", "cost", "returns", "sleeve_cost"):
        np.testing.assert_allclose(getattr(by_charge, name), getattr(by_cost, name), rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize(("mode", "gaps", "relative"), list(product(MODES, ("raise", "hold", "fill"), (False, True))))
def test_every_row_is_that_of_the_twin_and_adds_up(
    mode: Mode,
    gaps: Gaps,
    relative: bool,
    market: Market,
    every_cost: tuple[Cost, ...],
    rates: Rates,
    in_python: Callable[..., Ledger],
) -> None:
    for seed, (count, financed, funded) in enumerate(product((0, 1, 3), (False, True), (False, True))):
        weights, prices = market(
            seed, rows=20, short=seed % 3 == 0, missing=0.0 if gaps == "raise" or relative else 0.1
        )
        arguments: dict[str, Any] = {
            "execution": Execution(
                mode=mode, gaps=gaps, lag=1 + seed % 3, costs=every_cost[:count],
                financing=rates(prices.index, seed) if financed else None,  # type: ignore[arg-type]
            ),
            "returns" if relative else "prices": simple_returns(prices) if relative else prices,
            "funding": prices.ffill() / prices.ffill().sum() / 100.0 if funded else None,
            "charges": spread_over(prices, seed).iloc[:, ::-1],  # in any order of the sleeves
            "capital": CASH,
        }  # fmt: skip
        try:
            one = account(weights, **arguments)
        except SpecificationError as error:  # a sale that waits while a purchase does not
            assert gaps == "hold"
            assert not financed
            with pytest.raises(SpecificationError, match=str(error)[:40]):
                in_python(weights, **arguments)
            continue
        other = in_python(weights, **arguments)
        assert (one.route, other.route) == ("compiled", "python")
        for name in ("equity", "cash", "cost", "costs", "interest", "funding", "executed", "charges", "sleeve_cost"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-10, atol=1e-9, err_msg=name)
        assert one.charges is not None
        before = np.r_[CASH, one.equity.to_numpy()[:-1]]
        given_table = arguments["charges"][one.sleeves].to_numpy()[: len(before)].copy()
        given_table[0] = 0.0
        near: Any = {"rtol": 1e-11, "atol": 1e-9 * CASH}
        np.testing.assert_allclose(one.charges, given_table * before[:, None], **near)
        np.testing.assert_allclose(one.costs["charges"], one.charges.sum(axis=1), **near)
        np.testing.assert_allclose(one.costs.sum(axis=1), one.cost, **near)
        np.testing.assert_allclose(one.sleeve_cost.sum(axis=1), one.cost, **near)
        assert one.charges.to_numpy().sum() > 1.0
        moved = one.sleeve_pnl.sum(axis=1) - one.cost + one.interest + one.funding
        np.testing.assert_allclose(moved, one.equity - before, **near)
        after = one.cash - one.interest - one.funding + one.opening_positions.sum(axis=1)
        np.testing.assert_allclose(after, before - one.cost, **near)
        assert (one.identities <= 1e-12).all()


DATES = pd.bdate_range("2024-01-01", periods=12)
SLEEVES = list("ABC")


def tables(low: float, high: float) -> st.SearchStrategy[pd.DataFrame]:
    return arrays(np.float64, (12, 3), elements=st.floats(low, high)).map(lambda x: pd.DataFrame(x, DATES, SLEEVES))


@given(tables(-0.2, 0.2), tables(0.0, 0.3), tables(0.0, 0.05), st.sampled_from(MODES), st.integers(1, 3))
@settings(max_examples=40)
def test_more_charges_never_leave_more_and_money_is_only_a_unit(
    moves: pd.DataFrame, weights: pd.DataFrame, paid: pd.DataFrame, mode: Mode, lag: int
) -> None:
    prices = pd.DataFrame(50.0 * np.exp(moves.to_numpy().cumsum(axis=0)), DATES, SLEEVES)
    how = Execution(mode=mode, lag=lag, costs=ProportionalCost(0.001))
    free, half, full = (account(weights, prices, how, charges=paid * f, capital=CASH) for f in (0.0, 0.5, 1.0))
    for less, more in ((free, half), (half, full)):
        assert (more.equity <= less.equity * (1.0 + 1e-12)).all()
        assert (more.costs["charges"] >= 0.0).all()
    rich = account(weights, prices, how, charges=paid, capital=1024.0 * CASH)
    np.testing.assert_allclose(rich.equity / 1024.0, full.equity, rtol=1e-12)
    assert rich.charges is not None
    np.testing.assert_allclose(rich.charges.sum(axis=1), rich.costs["charges"], rtol=1e-12, atol=1e-9)
    # A constant mix compounds what its rows earn and pay.
    if mode == "constant-mix":
        cost = paid.sum(axis=1) + 0.001 * full.traded.abs().sum(axis=1)
        growth = 1.0 + (full.executed * simple_returns(prices)).sum(axis=1) - cost
        np.testing.assert_allclose(full.equity.iloc[1:], CASH * growth.iloc[1:].cumprod(), rtol=1e-11)


def test_what_comes_later_changes_nothing(market: Market) -> None:
    weights, prices = market(6)
    paid = spread_over(prices, 6)
    for mode in MODES:
        how = Execution(mode=mode, costs=ProportionalCost(0.001))
        whole = account(weights, prices, how, charges=paid)
        for t in (1, 17, 38):
            rows = slice(0, t + 1)
            cut = account(weights.iloc[rows], prices.iloc[rows], how, charges=paid.iloc[rows])
            pd.testing.assert_frame_equal(
                cut.to_frame(), whole.to_frame().iloc[rows], check_exact=True, check_freq=False
            )


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_grid_is_its_runs(n_jobs: int, market: Market, every_cost: tuple[Cost, ...]) -> None:
    weights, prices = market(7)
    paid = spread_over(prices, 7)
    how = {count: Execution(costs=every_cost[:count]) for count in (0, 1, 4)}
    grid = account_grid(weights, prices, how, charges=paid, capital=CASH, n_jobs=n_jobs)
    for name, execution in how.items():
        alone = account(weights, prices, execution, charges=paid, capital=CASH)
        pd.testing.assert_series_equal(grid.equity[name], alone.equity, check_names=False, check_exact=True)
        pd.testing.assert_series_equal(grid.cost[name], alone.cost, check_names=False, check_exact=True)
    ruin = account_grid(weights, prices, how, charges=paid + 0.5, capital=CASH)
    assert ruin.bankrupt.notna().all()


class Surcharge(ProportionalCost):
    """An own cost that takes the name of the charges."""

    @property
    def label(self) -> str:
        return "charges"

    def cost(self, trades: npt.NDArray[np.float64], sleeves: pd.Index | None = None) -> npt.NDArray[np.float64]:
        return np.abs(trades) * 0.001

    def expression(self, trades: cp.Expression, sleeves: pd.Index | None = None) -> cp.Expression:
        raise NotImplementedError


@pytest.mark.parametrize("run", [account, account_grid])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-12])
def test_bad_charges_are_named(run: Callable[..., object], value: float, prices: pd.DataFrame) -> None:
    paid = prices * 0.0
    paid.iloc[2, 1] = value
    message = "a charge is negative" if value == -1e-12 else "charge is missing or infinite"
    with pytest.raises(InputError, match=message) as error:
        run(prices * 0.0, prices, charges=paid)
    assert error.value.where == "2024-01-03, sleeve 'B'"
    assert error.value.value == value or np.isnan(value)


@pytest.mark.parametrize("run", [account, account_grid])
def test_charges_of_other_rows_or_sleeves_are_refused(run: Callable[..., object], prices: pd.DataFrame) -> None:
    weights = prices * 0.0
    for other in (weights.iloc[1:], weights[["A"]], weights.rename(columns={"A": "C"})):
        with pytest.raises(LabelError, match="charges have other dates or sleeves"):
            run(weights, prices, charges=other)
    with pytest.raises(ShapeError, match="table of charges"):
        run(weights, prices, charges=0.01)
    with pytest.raises(InputError, match=r"charge of 'A' is not a number"):
        run(weights, prices, charges=weights.astype(object).replace(0.0, "x"))


def test_a_cost_may_not_have_their_name(once: pd.DataFrame, prices: pd.DataFrame, paid: pd.DataFrame) -> None:
    how = Execution(costs=Surcharge(0.001))
    assert list(account(once, prices, how).costs) == ["charges"]
    with pytest.raises(SpecificationError, match="name of the charges"):
        account(once, prices, how, charges=paid)


def test_they_are_kept_and_left_alone(once: pd.DataFrame, prices: pd.DataFrame, paid: pd.DataFrame) -> None:
    before = paid.copy()
    for order in (slice(None), slice(None, None, -1)):
        table = paid.iloc[:, order].copy()
        ledger = account(once, prices, charges=table, capital=CASH)
        pd.testing.assert_frame_equal(table[paid.columns.to_list()], before, check_exact=True)
        table.iloc[:] = 9.0
        assert equal(ledger.charges, [[0, 0], [10, 20], [0, 0], [122, 0]])
