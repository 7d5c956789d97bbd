"""Portfolio P&L and its parts: by hand, against slow twins, exact sums, the published table, what is refused."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import allocopt
from allocopt.backtests.accounting import Execution, account, in_force, simple_returns
from allocopt.backtests.portfolio import aggregate_pnl, attribution, exposure_over_time
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError
from allocopt.regimes import PROFILES, Regime

#: Totals of the original study, in money, rounded to a cent.
PROFILE_TOTALS = [-266.93, -99.89, -7.88, 9.69, 5.78, 0.19]
REGIME_TOTALS = [-216.57, 1.64, -7.76, -7.01, -129.33]
TOTAL = -359.04


def days(rows: int) -> pd.DatetimeIndex:
    return pd.bdate_range("2020-01-02", periods=rows, name="date")


def study(rng: np.random.Generator, rows: int = 300) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Weights with a warm-up, P&L in money, and the regime known on each row."""
    names = list(PROFILES)
    weights = rng.dirichlet(np.ones(6), rows) * (np.arange(rows) >= 80)[:, None]
    pnl = rng.normal(0.0, 50.0, (rows, 6)) * 10.0 ** rng.integers(-3, 4, (rows, 6))
    regimes = pd.Series(rng.integers(1, 6, rows), index=days(rows), dtype="Int64").where(np.arange(rows) >= 80)
    return pd.DataFrame(weights, days(rows), names), pd.DataFrame(pnl, days(rows), names), regimes


def test_a_portfolio_by_hand() -> None:
    weights = pd.DataFrame({"P1": [0.5, 0.25, 1.0, 0.0], "P2": [0.5, 0.5, 0.0, 1.0]}, index=days(4))
    pnl = pd.DataFrame({"P1": [8.0, 16.0, -4.0, 2.0], "P2": [1.0, -2.0, 6.0, 64.0]}, index=days(4))
    made = aggregate_pnl(weights, pnl)
    assert made.by_sleeve.to_numpy().tolist() == [[0.0, 0.0], [8.0, -1.0], [-1.0, 3.0], [2.0, 0.0]]
    assert made.total.tolist() == [0.0, 7.0, 2.0, 2.0]
    assert made.executed.to_numpy().tolist() == [[0.0, 0.0], [0.5, 0.5], [0.25, 0.5], [1.0, 0.0]]
    later = aggregate_pnl(weights, pnl, lag=2)
    assert later.total.tolist() == [0.0, 0.0, 1.0, 0.25 * 2.0 + 0.5 * 64.0]
    assert (made.lag, later.lag) == (1, 2)


def test_the_same_day_weights_of_the_original_are_not_used(rng: np.random.Generator) -> None:
    weights, pnl, _ = study(rng)
    made = aggregate_pnl(weights, pnl)
    twin = [0.0] + [
        math.fsum(w * p for w, p in zip(weights.iloc[t - 1], pnl.iloc[t], strict=True)) for t in range(1, 300)
    ]
    np.testing.assert_allclose(made.total, twin, rtol=1e-11, atol=1e-9)
    # What is decided on the last row earns nothing yet, and P&L of the first row is earned by nobody.
    last = weights.copy()
    last.iloc[-1] = 0.0
    first = pnl.copy()
    first.iloc[0] = 1e6
    assert aggregate_pnl(last, first).total.equals(made.total)


def test_agrees_with_the_ledger_at_constant_mix(rng: np.random.Generator) -> None:
    rows = 60
    prices = pd.DataFrame(100.0 * np.exp(rng.normal(0, 0.01, (rows, 3)).cumsum(axis=0)), days(rows), list("ABC"))
    weights = pd.DataFrame(rng.dirichlet(np.ones(3), rows), days(rows), list("ABC"))
    ledger = account(weights, prices, Execution(mode="constant-mix"))
    made = aggregate_pnl(weights, simple_returns(prices))
    np.testing.assert_allclose(made.total, ledger.returns, atol=1e-13)


def test_attribution_by_hand() -> None:
    pnl = pd.DataFrame({"P1": [0.0, 4.0, 1.0, 2.0], "P2": [0.0, -8.0, 12.0, 0.5]}, index=days(4))
    parts = attribution(pnl, pd.Series([None, "storm", "calm", "storm"], index=days(4)))
    assert parts.by_sleeve.to_dict() == {"P1": 7.0, "P2": 4.5}
    assert parts.by_regime is not None
    assert parts.by_regime.to_dict() == {"calm": 13.0, "storm": -1.5}
    assert parts.by_sleeve_and_regime is not None
    assert parts.by_sleeve_and_regime.to_dict() == {"calm": {"P1": 1.0, "P2": 12.0}, "storm": {"P1": 6.0, "P2": -7.5}}
    assert (parts.total, parts.residual) == (11.5, 0.0)
    alone = attribution(pnl)
    assert alone.by_regime is None
    assert alone.by_sleeve_and_regime is None
    assert alone.by_sleeve.equals(parts.by_sleeve)


def test_published_totals_are_sums_of_their_parts() -> None:
    """A table whose margins are the published ones: both splits reach the published total to a cent."""
    assert math.fsum(PROFILE_TOTALS) == pytest.approx(TOTAL, abs=1e-9)
    assert math.fsum(REGIME_TOTALS) == pytest.approx(TOTAL, abs=0.0101)
    # Five days, one a regime; the last profile takes up the cent that rounding has left.
    cells = np.outer(REGIME_TOTALS, PROFILE_TOTALS) / math.fsum(PROFILE_TOTALS)
    cells[:, -1] += np.array(REGIME_TOTALS) - cells.sum(axis=1)
    pnl = pd.DataFrame(cells, index=days(5), columns=list(PROFILES))
    parts = attribution(pnl, pd.Series([1, 2, 3, 4, 5], index=days(5)))
    assert parts.by_sleeve.index.tolist() == ["P1", "P2", "P3", "P4", "P5", "P6"]
    np.testing.assert_allclose(parts.by_sleeve, PROFILE_TOTALS, atol=0.0101)
    assert parts.by_regime is not None
    assert [Regime(number).label for number in parts.by_regime.index] == [
        "Trend Up", "Trend Down", "Compression", "Breaking Vol", "Choppy"
    ]  # fmt: skip
    np.testing.assert_allclose(parts.by_regime, REGIME_TOTALS, atol=1e-12)
    assert parts.total == pytest.approx(TOTAL, abs=0.0101)
    assert parts.residual <= 1e-12 * abs(TOTAL)


@pytest.mark.parametrize("seed", range(4))
def test_parts_sum_to_the_whole(seed: int) -> None:
    weights, pnl, known = study(np.random.default_rng(seed))
    made = aggregate_pnl(weights, pnl)
    parts = attribution(made.by_sleeve, in_force(known), made.total)
    exact = sum(map(Fraction, made.by_sleeve.to_numpy().ravel().tolist()), Fraction(0))
    assert parts.total == float(exact)
    assert parts.by_regime is not None
    assert parts.by_sleeve_and_regime is not None
    assert list(parts.by_regime.index) == [1, 2, 3, 4, 5]
    assert parts.by_sleeve_and_regime.shape == (6, 5)
    whole = abs(parts.total)
    for split in (parts.by_sleeve, parts.by_regime, parts.by_sleeve_and_regime.to_numpy().ravel()):
        assert abs(math.fsum(split) - parts.total) <= 1e-12 * whole
    table = parts.by_sleeve_and_regime
    np.testing.assert_allclose(table.sum(axis=1), parts.by_sleeve, rtol=1e-12, atol=1e-12 * whole)
    np.testing.assert_allclose(table.sum(axis=0), parts.by_regime, rtol=1e-12, atol=1e-12 * whole)
    # The twin: which regime was known on the row before, and add up.
    twin: dict[tuple[str, int], Fraction] = {}
    for t in range(81, 300):
        for name in made.by_sleeve.columns:
            key = (name, int(known.iloc[t - 1]))
            twin[key] = twin.get(key, Fraction(0)) + Fraction(float(made.by_sleeve[name].iloc[t]))
    expected = [[float(twin[name, regime]) for regime in range(1, 6)] for name in PROFILES]
    assert table.to_numpy().tolist() == expected


@given(
    cells=st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(-1e-3, 1e-3)), min_size=1, max_size=30),
    seed=st.integers(0, 2**16),
)
def test_parts_of_any_table_sum_to_the_whole(cells: list[tuple[float, float]], seed: int) -> None:
    pnl = pd.DataFrame(cells, index=days(len(cells)), columns=["A", "B"])
    regimes = pd.Series(np.random.default_rng(seed).integers(0, 3, len(cells)), index=pnl.index)
    parts = attribution(pnl, regimes)
    assert parts.by_regime is not None
    assert parts.residual <= 1e-12 * math.fsum(abs(x) for row in cells for x in row)
    assert set(parts.by_regime.index) == set(regimes)
    # The order of the rows does not matter to an exactly rounded sum.
    turned = attribution(pnl.iloc[::-1].set_axis(pnl.index, axis=0), regimes.iloc[::-1].set_axis(pnl.index))
    assert turned.total == parts.total
    assert turned.by_sleeve.equals(parts.by_sleeve)
    assert turned.by_regime is not None
    assert turned.by_regime.equals(parts.by_regime)


def test_costs_as_columns_bring_the_parts_to_the_equity(rng: np.random.Generator) -> None:
    rows = 80
    prices = pd.DataFrame(100.0 * np.exp(rng.normal(0, 0.01, (rows, 3)).cumsum(axis=0)), days(rows), list("ABC"))
    weights = pd.DataFrame(rng.dirichlet(np.ones(3), rows), days(rows), list("ABC"))
    ledger = account(weights, prices, Execution(costs=allocopt.ProportionalCost(0.001)), capital=100_000.0)
    change = ledger.equity.diff().fillna(0.0)
    parts = attribution(pd.concat([ledger.sleeve_pnl, -ledger.costs], axis=1), total=change)
    assert parts.total == pytest.approx(ledger.equity.iloc[-1] - 100_000.0, rel=1e-9)
    assert parts.by_sleeve.shape == (4,)
    assert parts.by_sleeve.iloc[-1] < -100.0
    with pytest.raises(InputError, match="the parts miss the total P&L by -"):
        attribution(ledger.sleeve_pnl, total=change)


def test_a_row_that_is_missing_from_the_parts_is_named() -> None:
    pnl = pd.DataFrame({"A": [0.0, 1.0, 2.0]}, index=days(3))
    with pytest.raises(InputError, match=r"by 1e-06; the largest gap on one row at 2020-01-06: 1\.0") as caught:
        attribution(pnl, total=pd.Series([0.0, 1.0, 2.000001], index=days(3)))
    assert "add what is missing as a column" in caught.value.remedy
    assert attribution(pnl, total=pd.Series([0.0, 1.0, 2.0], index=days(3))).residual == 0.0


def test_p_and_l_without_a_regime_is_an_error() -> None:
    pnl = pd.DataFrame({"A": [0.0, 1.0, 2.0], "B": [0.0, -1.0, 2.0]}, index=days(3))
    with pytest.raises(InputError, match=r"missing on 1 rows with P&L, the first at 2020-01-03: \[1.0, -1.0\]"):
        attribution(pnl, pd.Series([pd.NA, pd.NA, 1], index=days(3), dtype="Int64"))
    named = pd.Series([None, None, "calm"], index=days(3), dtype=object).fillna("warm-up")
    parts = attribution(pnl, named)
    assert parts.by_regime is not None
    assert parts.by_regime.to_dict() == {"calm": 4.0, "warm-up": 0.0}
    # A regime without any row is no part of it; neither is one of a table without P&L.
    still = attribution(pnl * 0.0, pd.Series([pd.NA] * 3, index=days(3), dtype="Int64"))
    assert still.by_regime is not None
    assert (len(still.by_regime), still.total, still.residual) == (0, 0.0, 0.0)


def test_tables_that_do_not_belong_together_are_refused(rng: np.random.Generator) -> None:
    weights, pnl, regimes = study(rng, 100)
    with pytest.raises(LabelError, match="differ in their dates or sleeves"):
        aggregate_pnl(weights, pnl.iloc[1:])
    with pytest.raises(LabelError, match="differ in their dates or sleeves"):
        aggregate_pnl(weights, pnl[list(PROFILES)[::-1]])
    holed = pnl.copy()
    holed.iloc[5, 2] = np.nan
    with pytest.raises(InputError, match="P&L is missing or infinite at 2020-01-09, sleeve 'P3'"):
        aggregate_pnl(weights, holed)
    with pytest.raises(InputError, match="P&L is missing or infinite at 2020-01-09, sleeve 'P3'"):
        attribution(holed)
    with pytest.raises(SpecificationError, match="lag"):
        aggregate_pnl(weights, pnl, lag=0)
    with pytest.raises(ShapeError, match="not of type DataFrame"):
        aggregate_pnl(weights, pnl["P1"])  # type: ignore[arg-type]
    with pytest.raises(LabelError, match="regimes are not on the dates"):
        attribution(pnl, regimes.iloc[1:])
    with pytest.raises(LabelError, match="total P&L is not on the dates"):
        attribution(pnl, total=pnl["P1"].iloc[1:])
    with pytest.raises(InputError, match="total P&L is missing or infinite at 2020-01-02"):
        attribution(pnl, total=pnl.sum(axis=1).diff())
    with pytest.raises(LabelError, match="named twice: 'P1'"):
        attribution(pnl.rename(columns={"P2": "P1"}))


def test_exposure_over_time_by_hand() -> None:
    executed = pd.DataFrame({"A": [0.0, 0.75, 1.25], "B": [0.0, -0.25, 0.25]}, index=days(3))
    held = exposure_over_time(executed)
    assert held.columns.tolist() == ["gross", "net", "cash", "held"]
    assert held.to_numpy().tolist() == [[0.0, 0.0, 1.0, 0.0], [1.0, 0.5, 0.5, 2.0], [1.5, 1.5, -0.5, 2.0]]
    assert held["held"].dtype.kind == "i"
    assert held.index.equals(executed.index)
    with pytest.raises(InputError, match="2020-01-03, sleeve 'A'"):
        exposure_over_time(executed.replace(0.75, np.nan))


def test_exposure_of_an_allocation_is_its_budget(rng: np.random.Generator) -> None:
    scores = pd.DataFrame(rng.random((50, 6)), days(50), list(PROFILES))
    result = allocopt.allocate(scores)
    held = exposure_over_time(result.weights)
    assert held["gross"].equals(held["net"])
    assert held["net"].tolist() == result.invested.tolist()
    assert (held["cash"] + held["net"]).tolist() == [1.0] * 50
