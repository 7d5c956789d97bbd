"""Each scenario of the stress table against a run that is set up by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from allocopt.allocation import SolverName
from allocopt.backtests.options import IndexSurface
from allocopt.backtests.profiles import INDEX_COSTS, PartialFills
from allocopt.backtests.rotation import OHLCV, ImpliedVolatility
from allocopt.backtests.rotation.engine import RotationData, RotationEngine
from allocopt.backtests.rotation.stress import FIGURES, StressTable, stress
from allocopt.costs import ProportionalCost, SquareRootImpact
from allocopt.errors import LabelError, SpecificationError
from allocopt.market_files import embedded_prices, embedded_volatility_index

pytestmark = pytest.mark.slow

START, END = "2016-07-01", "2018-06-29"
SOLVERS: tuple[SolverName, ...] = ("heuristic", "euclidean")
BASE, BEST = "base", "best 10 days removed"


@pytest.fixture(scope="module")
def data() -> RotationData:
    vix = embedded_volatility_index()
    bars = OHLCV(embedded_prices().loc["2015-06-01":])
    return RotationData(bars, ImpliedVolatility.flat(vix), IndexSurface.from_vix_only(vix), vix)


@pytest.fixture(scope="module")
def found(data: RotationData) -> StressTable:
    return stress(RotationEngine(), data, start_date=START, end_date=END)


def cell(found: StressTable, scenario: str, figure: str, label: str) -> float:
    return float(found.table()[figure][label].to_dict()[scenario])


def test_the_table_has_every_scenario_and_figure(found: StressTable) -> None:
    table = found.table()
    assert table.index.tolist() == [
        BASE, "2x costs", "3x slippage", "partial fills", "hedges 1 row later", "fills 1 row later",
        "fills 2 rows later", "fills 3 rows later", "fills 4 rows later", BEST, "2016", "2017", "2018"
    ]  # fmt: skip
    assert table.columns.equals(pd.MultiIndex.from_product([FIGURES, SOLVERS]))
    assert np.isfinite(table.to_numpy()).all()
    assert table.drop_duplicates().shape == table.shape, "no scenario is another one again"
    table.iloc[:] = 0.0
    assert (found.table().to_numpy() != 0.0).any()
    assert repr(found) == "StressTable(13 scenarios, heuristic, euclidean)"


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("scenario", "engine"),
    [
        (BASE, RotationEngine()),
        (
            "2x costs",
            RotationEngine(profile_costs=INDEX_COSTS.scaled(costs=2.0)),
        ),
        ("3x slippage", RotationEngine(profile_costs=INDEX_COSTS.scaled(slippage=3.0))),
        ("partial fills", RotationEngine(partial_fills=PartialFills())),
        ("hedges 1 row later", RotationEngine(hedge_lag=2)),
        ("fills 1 row later", RotationEngine(lag=2, fill_lag=2)),
        ("fills 4 rows later", RotationEngine(lag=5, fill_lag=5)),
    ],
)
def test_a_row_is_a_run_of_its_own(
    scenario: str, engine: RotationEngine, solver: SolverName, data: RotationData, found: StressTable
) -> None:
    result = replace(engine, solver=solver).run(data, start_date=START, end_date=END)
    figures = result.performance
    expected = {
        "P&L": float(result.ledger.equity.iloc[-1]) - 1_000_000.0,
        "total return": figures.total_return,
        "Sharpe ratio": figures.sharpe,
        "maximum drawdown": figures.max_drawdown,
        "its standard error": figures.sharpe_standard_error,
        "cost of rotating": float(result.rotation_cost.sum()),
    }
    assert {name: cell(found, scenario, name, solver) for name in FIGURES} == pytest.approx(expected, rel=1e-10)
    pd.testing.assert_series_equal(found.runs[scenario][solver].ledger.equity, result.ledger.equity, check_exact=True)


def test_costs_and_slippage_only_cost(found: StressTable) -> None:
    for label in SOLVERS:
        base = found.runs[BASE][label].signals.profiles
        for scenario in ("2x costs", "3x slippage"):
            other = found.runs[scenario][label].signals.profiles
            # A stop at a loss may come earlier; the profile without a hedge and with the same trades shows the costs.
            same = [name for name in base if base[name].lots[["opened", "closed"]].equals(
                other[name].lots[["opened", "closed"]])]  # fmt: skip
            assert same
            for name in same:
                assert other[name].daily_pnl.sum() < base[name].daily_pnl.sum()
        doubled = [name for name in same if base[name].costs.to_numpy().sum() > 0.0]
        assert doubled


@pytest.mark.parametrize("label", SOLVERS)
def test_the_best_days_are_found_by_sorting(label: str, found: StressTable) -> None:
    returns = found.runs[BASE][label].ledger.returns
    best = sorted(returns.to_list(), reverse=True)[:10]
    assert sorted(returns.loc[found.best_days[label]].to_list(), reverse=True) == best
    run = found.runs[BASE][label]
    value, curve, cost = 1_000_000.0, [1_000_000.0], 0.0
    rate = (run.rotation_cost / run.ledger.equity.shift(1)).to_list()
    for t, r in enumerate(returns.to_list()[1:], start=1):
        if r not in best:
            cost += rate[t] * value
            value *= 1.0 + r
        curve.append(value)
    changes = np.diff(curve) / np.array(curve[:-1])
    assert cell(found, BEST, "P&L", label) == pytest.approx(value - 1_000_000.0)
    assert cell(found, BEST, "Sharpe ratio", label) == pytest.approx(
        np.sqrt(252) * changes.mean() / changes.std(ddof=1)
    )
    assert cell(found, BEST, "cost of rotating", label) == pytest.approx(cost)
    assert cell(found, BEST, "maximum drawdown", label) == pytest.approx(
        max(1.0 - curve[t] / max(curve[: t + 1]) for t in range(len(curve)))
    )
    assert cell(found, BEST, "P&L", label) < cell(found, BASE, "P&L", label)


@pytest.mark.parametrize("label", SOLVERS)
def test_sub_periods_are_slices_that_add_up(label: str, found: StressTable) -> None:
    years = ["2016", "2017", "2018"]
    for figure in ("P&L", "cost of rotating"):
        parts = sum(cell(found, year, figure, label) for year in years)
        assert parts == pytest.approx(cell(found, BASE, figure, label), rel=1e-9)
    growth = np.prod([1.0 + cell(found, year, "total return", label) for year in years])
    assert growth - 1.0 == pytest.approx(cell(found, BASE, "total return", label))
    ledger = found.runs[BASE][label].ledger
    for year in years:
        r = ledger.returns.loc[found.periods[year].difference(ledger.dates[:1])].to_numpy()
        assert cell(found, year, "Sharpe ratio", label) == pytest.approx(np.sqrt(252) * r.mean() / r.std(ddof=1))
        assert found.periods[year].year.unique().tolist() == [int(year)]


def test_own_settings_are_made_harder_from_where_they_are(data: RotationData) -> None:
    engine = RotationEngine(
        lag=2,
        fill_lag=2,
        hedge_lag=3,
        resizing=False,
        partial_fills=PartialFills(),
        rotation_costs=(ProportionalCost(0.001), SquareRootImpact(0.002)),
    )
    found = stress(engine, data, ["kl"], start_date="2018-01-02", end_date="2018-04-30")
    late = replace(engine, lag=3, fill_lag=3, solver="kl")
    assert "partial fills" not in found.table().index  # the base has them
    assert cell(found, "fills 1 row later", "P&L", "kl") == pytest.approx(
        float(late.run(data, start_date="2018-01-02", end_date="2018-04-30").ledger.equity.iloc[-1]) - 1_000_000.0
    )
    charged = {name: found.runs[name]["kl"].ledger for name in (BASE, "2x costs")}
    rates: dict[str, pd.Series[float]] = {
        name: ledger.costs.div(ledger.equity.shift(1), axis=0).sum() for name, ledger in charged.items()
    }
    np.testing.assert_allclose(rates["2x costs"], 2.0 * rates[BASE], rtol=1e-12)


def test_a_book_that_fails_is_shown_and_not_measured(data: RotationData) -> None:
    engine = RotationEngine(rotation_costs=ProportionalCost(1.5))
    found = stress(engine, data, ["euclidean"], start_date="2017-12-01", end_date="2018-03-29")
    assert cell(found, BASE, "total return", "euclidean") < -1.0
    assert np.isnan(found.table()["Sharpe ratio"].to_numpy()).all()
    assert cell(found, "2018", "P&L", "euclidean") == 0.0
    assert np.isnan(cell(found, "2018", "total return", "euclidean"))
    assert len(found.best_days["euclidean"]) == 0
    died = found.runs[BASE]["euclidean"].bankrupt
    assert f"bust {died:%Y-%m-%d}" in found.lines()[1]


def test_the_lines_fit_a_terminal_and_hold_the_figures(found: StressTable) -> None:
    lines = found.lines()
    assert max(map(len, lines)) <= 80
    for label in SOLVERS:
        head = next(k for k, line in enumerate(lines) if line.startswith(label))
        base = lines[head + 1].split()
        assert base[0] == BASE
        assert float(base[1].replace(",", "")) == pytest.approx(cell(found, BASE, "P&L", label), abs=0.5)
        assert float(base[3]) == pytest.approx(cell(found, BASE, "Sharpe ratio", label), abs=0.005)
        assert float(base[4].strip("()")) == pytest.approx(cell(found, BASE, "its standard error", label), abs=0.005)
        for date in found.best_days[label]:
            assert any(f"{date:%Y-%m-%d}" in line for line in lines)
    best = found.best()
    assert len(best) == 20
    own = best[best["allocator"] == "euclidean"]["return"].to_list()
    assert own == sorted(own, reverse=True)
    assert best["regime"].isin(range(1, 6)).all()


def test_the_published_years_are_four_periods() -> None:
    from allocopt.backtests.rotation.stress import _periods

    published = _periods(pd.bdate_range("2020-01-02", "2024-12-30"))
    assert list(published) == ["2020", "2021", "2022", "2023-24"]
    assert sum(map(len, published.values())) == len(pd.bdate_range("2020-01-02", "2024-12-30"))
    longer = _periods(pd.bdate_range("2018-06-01", "2025-02-03"))
    assert list(longer) == ["2018", "2019", "2020", "2021", "2022", "2023-24", "2025"]
    assert list(_periods(pd.bdate_range("2021-06-01", "2024-02-01"))) == ["2021", "2022", "2023", "2024"]


def test_calls_without_an_allocator_are_refused(data: RotationData) -> None:
    with pytest.raises(SpecificationError, match="no allocator"):
        stress(RotationEngine(), data, [])
    with pytest.raises(LabelError, match="same label"):
        stress(RotationEngine(), data, ["kl", "kl"], start_date="2018-06-01")
