"""Allocators compared with money: every figure against single runs, every split against its whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from allocopt.allocation import SolverName
from allocopt.backtests.options import IndexSurface
from allocopt.backtests.rotation import OHLCV, ImpliedVolatility
from allocopt.backtests.rotation.engine import RotationData, RotationEngine
from allocopt.backtests.rotation.money import REPLICATIONS, MoneyComparison, compare_money
from allocopt.backtests.rotation.result import RotationResult
from allocopt.backtests.statistics import HAC, StudentisedBootstrap, sharpe_difference
from allocopt.costs import ProportionalCost
from allocopt.errors import LabelError, ShapeError, SpecificationError
from allocopt.market_files import embedded_prices, embedded_volatility_index

SOLVERS: tuple[SolverName, ...] = ("heuristic", "euclidean", "kl")
START, END = "2015-06-01", "2017-05-31"


@pytest.fixture(scope="module")
def data() -> RotationData:
    vix = embedded_volatility_index()
    bars = OHLCV(embedded_prices().loc["2014-06-01":])
    return RotationData(bars, ImpliedVolatility.flat(vix), IndexSurface.from_vix_only(vix), vix)


@pytest.fixture(scope="module")
def money(data: RotationData) -> MoneyComparison:
    return compare_money(RotationEngine(), data, start_date=START, end_date=END)


@pytest.fixture(scope="module")
def single(data: RotationData) -> dict[SolverName, RotationResult]:
    """Each allocator in a run of its own, from the bars on."""
    return {name: RotationEngine(solver=name).run(data, start_date=START, end_date=END) for name in SOLVERS}


def pnl(result: RotationResult) -> float:
    return float(result.ledger.equity.iloc[-1]) - result.ledger.capital


def figure(money: MoneyComparison, name: str, label: str) -> float:
    return float(money.table()[label].to_dict()[name])


def test_the_table_holds_the_figures_of_single_runs(
    money: MoneyComparison, single: dict[SolverName, RotationResult]
) -> None:
    table = money.table()
    assert list(table.columns) == list(SOLVERS)
    for name, result in single.items():
        column: dict[object, float] = {row: float(value) for row, value in table[name].items()}
        figures = result.performance
        equity, returns = result.ledger.equity, result.ledger.returns.to_numpy()[1:]
        assert column["P&L"] == pnl(result)
        assert column["total return"] == pytest.approx(equity.iloc[-1] / equity.iloc[0] - 1.0, rel=1e-12)
        assert column["annual return"] == figures.annual_return
        assert column["volatility"] == pytest.approx(np.sqrt(252) * returns.std(ddof=1))
        assert column["Sharpe ratio"] == pytest.approx(np.sqrt(252) * returns.mean() / returns.std(ddof=1))
        assert column["its standard error"] == figures.sharpe_standard_error
        assert column["maximum drawdown"] == pytest.approx((1.0 - equity / equity.cummax()).max())
        assert column["turnover a year"] == pytest.approx(252 * result.ledger.turnover.sum() / len(returns))
        assert column["rotations a year"] == pytest.approx(252 * result.rotations.count / len(returns))
        assert column["cost of rotating"] == pytest.approx(result.rotation_cost.sum())
        assert column["cost of rotating"] > 1000.0
        downside = np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))
        assert column["Sortino ratio"] == pytest.approx(np.sqrt(252) * returns.mean() / downside)
        assert column["Calmar ratio"] == pytest.approx(column["annual return"] / column["maximum drawdown"])
        active = result.active.to_numpy()[1:]
        assert column["win rate, active days"] == pytest.approx((returns[active] > 0.0).mean())
        assert column["win rate, all days"] == pytest.approx((returns > 0.0).mean())
        assert column["profit factor"] == pytest.approx(returns[returns > 0.0].sum() / -returns[returns < 0.0].sum())
        assert column["mean cash"] == pytest.approx(1.0 - result.ledger.executed.sum(axis=1).iloc[1:].mean(), abs=1e-12)
        w = result.allocations.to_numpy()
        assert column["dates over the cap"] == (w > 0.40).any(axis=1).sum()
        assert column["dates under the floor"] == ((w > 0.0) & (w < 0.05)).any(axis=1).sum()
    assert figure(money, "dates over the cap", "heuristic") > 100
    assert figure(money, "dates over the cap", "euclidean") == figure(money, "dates over the cap", "kl") == 0.0


def test_the_paired_tests_are_those_of_sharpe_difference(
    money: MoneyComparison, single: dict[SolverName, RotationResult]
) -> None:
    table = money.tests()
    assert list(table.index) == ["euclidean - heuristic", "kl - heuristic"]
    first = single["heuristic"].ledger.returns.iloc[1:]
    for name in ("euclidean", "kl"):
        own = single[name].ledger.returns.iloc[1:]
        row = {key: float(value) for key, value in table.T[f"{name} - heuristic"].to_dict().items()}
        hac = sharpe_difference(own, first, periods_per_year=252, method=HAC())
        boot = sharpe_difference(
            own, first, periods_per_year=252, method=StudentisedBootstrap(replications=REPLICATIONS)
        )
        assert row["difference"] == hac.difference
        assert row["difference"] == pytest.approx(
            single[name].performance.sharpe - single["heuristic"].performance.sharpe
        )
        assert row["standard error"] == hac.standard_error
        assert row["p (HAC)"] == hac.p_value
        assert row["p (bootstrap)"] == boot.p_value
        assert row["correlation"] == pytest.approx(np.corrcoef(own, first)[0, 1])


def test_steps_and_causes_telescope_to_the_whole(
    money: MoneyComparison, single: dict[SolverName, RotationResult]
) -> None:
    steps, causes = money.steps(), money.causes()
    whole = pnl(single["euclidean"]) - pnl(single["heuristic"])
    assert steps["cause"].tolist() == ["floor", "non-convergence", "floor", "objective", "whole"]
    assert steps["pnl"].iloc[-1] == pytest.approx(whole, abs=1e-6)
    assert steps["pnl"].iloc[:-1].sum() == pytest.approx(whole, abs=1e-6)
    assert causes["whole"] == pytest.approx(whole, abs=1e-6)
    assert causes.drop("whole").sum() == pytest.approx(whole, abs=1e-6)
    assert causes["floor"] == pytest.approx(steps["pnl"].iloc[0] + steps["pnl"].iloc[2], abs=1e-6)
    assert (steps["pnl"].iloc[:-1].abs() > 1.0).all(), "each step must be put to the test"


def test_the_chain_runs_from_the_heuristic_to_the_projection(
    money: MoneyComparison, single: dict[SolverName, RotationResult]
) -> None:
    chain = money.chain_equity
    np.testing.assert_array_equal(chain.iloc[:, 0], single["heuristic"].ledger.equity)
    np.testing.assert_array_equal(chain.iloc[:, 3], single["kl"].ledger.equity)
    np.testing.assert_array_equal(chain.iloc[:, 4], single["euclidean"].ledger.equity)
    assert chain.shape == (len(money.signals.dates), 5)
    assert chain.columns.is_unique


def test_a_comparison_that_ends_in_kl_has_no_step_of_objective(data: RotationData, money: MoneyComparison) -> None:
    other = compare_money(RotationEngine(), data, ("heuristic", "kl"), signals=money.signals)
    assert other.causes()["objective"] == 0.0
    whole = figure(money, "P&L", "kl") - figure(money, "P&L", "heuristic")
    assert other.causes()["whole"] == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("label", ["euclidean", "kl"])
def test_profiles_and_regimes_sum_to_the_difference(
    label: SolverName, money: MoneyComparison, single: dict[SolverName, RotationResult]
) -> None:
    parts = money.by_profile_and_regime(label)
    assert parts.to_numpy().sum() == pytest.approx(pnl(single[label]) - pnl(single["heuristic"]), abs=1e-6)
    by_profile = single[label].attribution_by_profile - single["heuristic"].attribution_by_profile
    pd.testing.assert_series_equal(parts.sum(axis=1), by_profile, check_names=False)
    by_regime = single[label].attribution_by_regime - single["heuristic"].attribution_by_regime
    pd.testing.assert_series_equal(parts.sum(axis=0), by_regime, check_names=False, check_index_type=False)


def test_the_second_allocator_is_the_default(money: MoneyComparison) -> None:
    pd.testing.assert_frame_equal(money.by_profile_and_regime(), money.by_profile_and_regime("euclidean"))
    assert money.baseline == "heuristic"
    assert repr(money) == "MoneyComparison(heuristic, euclidean, kl, 2015-06-01 to 2017-05-31)"


def test_the_engines_own_solver_is_not_used(data: RotationData, money: MoneyComparison) -> None:
    other = compare_money(RotationEngine(solver="kl"), data, signals=money.signals)
    pd.testing.assert_frame_equal(other.table(), money.table(), check_exact=True)


def test_calls_that_compare_nothing_are_refused(data: RotationData, money: MoneyComparison) -> None:
    engine = RotationEngine()
    with pytest.raises(SpecificationError, match="two solvers"):
        compare_money(engine, data, ("euclidean",), signals=money.signals)
    with pytest.raises(LabelError, match="same label"):
        compare_money(engine, data, ("euclidean", "euclidean"), signals=money.signals)
    with pytest.raises(SpecificationError, match="together with a window"):
        compare_money(engine, data, start_date=START, signals=money.signals)
    with pytest.raises(ShapeError, match="RotationSignals"):
        compare_money(engine, data, signals=money.table())  # type: ignore[arg-type]
    for label in ("heuristic", "other"):
        with pytest.raises(SpecificationError, match="no other allocator"):
            money.by_profile_and_regime(label)


def test_a_bankrupt_book_is_shown_with_its_date_and_not_measured(data: RotationData, money: MoneyComparison) -> None:
    engine = RotationEngine(rotation_costs=ProportionalCost(1.5))
    found = compare_money(engine, data, ("heuristic", "euclidean"), signals=money.signals)
    lost = found.bankruptcies()
    assert list(lost) == ["heuristic", "euclidean"]
    table = found.table()
    for label in lost:
        assert float(table.loc["total return", label]) <= -1.0  # type: ignore[arg-type]
        assert np.isnan(float(table.loc["Sharpe ratio", label]))  # type: ignore[arg-type]
        assert float(table.loc["maximum drawdown", label]) >= 1.0  # type: ignore[arg-type]
    assert found.tests().isna().all(axis=None)
    whole = pnl(found.results["euclidean"]) - pnl(found.results["heuristic"])
    assert found.causes()["whole"] == pytest.approx(whole, abs=1e-6)
    assert found.by_profile_and_regime().to_numpy().sum() == pytest.approx(whole, abs=1e-5)
    assert not money.bankruptcies()
