"""Sweeps in general: phases of any schedule, multiples of any cost, parameters without effect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from allocopt import AllocoptError, InputError, ProportionalCost, SpecificationError, SquareRootImpact
from allocopt.backtests.accounting import Execution, account
from allocopt.backtests.schedules import EveryRow, EveryRows, Schedule
from allocopt.backtests.studies import Sweep, cost_sweep, curve_figures, never_binding, phase_sweep
from allocopt.charging import scaled
from allocopt.costs import PerShareCost, SpreadCost

DAYS = pd.bdate_range("2022-01-03", periods=300)


@pytest.fixture
def market(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    prices = pd.DataFrame(40 * np.exp(np.cumsum(rng.normal(0, 0.01, (300, 3)), axis=0)), DAYS, list("ABC"))
    weights = pd.DataFrame(rng.dirichlet(np.ones(4), 300)[:, :3], DAYS, prices.columns)
    return weights, prices


def figures(weights: pd.DataFrame, prices: pd.DataFrame, schedule: Schedule) -> dict[str, float]:
    ledger = account(weights, prices, Execution(schedule=schedule, costs=ProportionalCost(0.001)))
    return curve_figures(ledger.equity, ledger.turnover, periods_per_year=252)


class TestPhases:
    @pytest.mark.parametrize(("schedule", "phases"), [("every 5", 5), ("W-MON", 5), (EveryRow(), 1)])
    def test_every_phase_is_run_once(
        self, schedule: str | Schedule, phases: int, market: tuple[pd.DataFrame, pd.DataFrame]
    ) -> None:
        sweep = phase_sweep(lambda when: figures(*market, when), schedule, DAYS)
        assert len(sweep.table) == phases
        assert sweep.table.index.is_unique
        assert sweep.table["total_return"].nunique() == phases
        assert 1 <= sweep.rank <= phases

    def test_ranks(self) -> None:
        table = pd.DataFrame(
            {"total_return": [0.1, 0.3, 0.3, np.nan], "max_drawdown": [0.1, 0.2, 0.4, 0.3]}, list("abcd")
        )
        sweep = Sweep(table, "a")
        assert sweep.ranks.tolist() == [3, 1, 1, 4]
        assert sweep.rank == 3
        assert sweep.summaries["rank"].to_dict() == {"total_return": 3, "max_drawdown": 1}
        assert sweep.summary.to_dict() == {
            "values": 4, "min": 0.1, "median": 0.3, "max": 0.3, "chosen": 0.1, "rank": 3,
        }  # fmt: skip
        with pytest.raises(SpecificationError, match="none of those swept over"):
            Sweep(table, "e")
        with pytest.raises(SpecificationError, match="no figure of the runs"):
            Sweep(table, "a", "sharpe")

    def test_chosen_phase_keeps_its_place(self, market: tuple[pd.DataFrame, pd.DataFrame]) -> None:
        chosen = EveryRows(4, offset=3)
        sweep = phase_sweep(lambda when: figures(*market, when), chosen, DAYS)
        assert sweep.chosen == chosen.label
        assert sweep.summary["chosen"] == figures(*market, chosen)["total_return"]


class TestCosts:
    def test_runs_are_those_of_scaled_costs(self, market: tuple[pd.DataFrame, pd.DataFrame]) -> None:
        weights, prices = market
        how = Execution(
            costs=(ProportionalCost({"A": 0.001, "B": 0.002, "C": 0.0}), SquareRootImpact([0.01, 0.0, 0.02]))
        )
        sweep = cost_sweep(weights, prices, how, periods_per_year=252, multipliers=[0, 3])
        assert sweep.table.index.tolist() == [0.0, 1.0, 3.0]
        three = Execution(
            costs=(ProportionalCost({"A": 0.003, "B": 0.006, "C": 0.0}), SquareRootImpact([0.03, 0.0, 0.06]))
        )
        for factor, other in ((0.0, Execution()), (1.0, how), (3.0, three)):
            ledger = account(weights, prices, other)
            expected = curve_figures(ledger.equity, ledger.turnover, periods_per_year=252)
            found = sweep.table[sweep.table.index == factor].iloc[0].to_dict()
            assert found == pytest.approx(expected, rel=1e-12)
        assert sweep.table["total_return"].is_monotonic_decreasing
        assert sweep.rank == 2

    @pytest.mark.parametrize(
        "arguments",
        [{"multipliers": [1, 1]}, {"multipliers": [-1.0]}, {"multipliers": [math.nan]}, {"execution": Execution()}],
    )
    def test_bad_settings(self, arguments: dict[str, Any], market: tuple[pd.DataFrame, pd.DataFrame]) -> None:
        given = {"execution": Execution(costs=ProportionalCost(0.001)), "periods_per_year": 252.0, **arguments}
        with pytest.raises(AllocoptError):
            cost_sweep(*market, **given)

    def test_a_ruin_is_named(self, market: tuple[pd.DataFrame, pd.DataFrame]) -> None:
        with pytest.raises(InputError, match="bankrupt at multiplier 900"):
            cost_sweep(*market, Execution(costs=ProportionalCost(0.001)), periods_per_year=252, multipliers=[900])

    def test_every_kind_of_cost_scales(self) -> None:
        trades = np.array([0.2, -0.1, 0.0])
        own = _Own()
        costs = (
            ProportionalCost(pd.Series([0.1, 0.2, 0.3], index=list("ABC"))),
            SpreadCost(0.002, slippage=[0.001, 0.002, 0.003]),
            SquareRootImpact({"A": 0.1, "B": 0.2, "C": 0.1}),
            PerShareCost(0.01, minimum=1.0, prices=10.0, capital=1e4),
            own,
        )
        names = pd.Index(list("ABC"))
        for cost in costs:
            twice = scaled(cost, 2.5)
            assert twice.label == cost.label
            np.testing.assert_allclose(twice.cost(trades, names), 2.5 * cost.cost(trades, names), rtol=1e-15)
        market = scaled(_OwnAtMarket(), 2.0)
        assert market.at([1.0], 10.0).cost(np.array([1.0]))[0] == 20.0  # type: ignore[attr-defined]


class _Own:
    label = "own"

    def cost(self, trades: npt.NDArray[Any], sleeves: pd.Index | None = None) -> npt.NDArray[Any]:
        return np.asarray(trades**2)

    def expression(self, trades: Any, sleeves: pd.Index | None = None) -> Any:
        raise NotImplementedError


class _OwnAtMarket(_Own):
    capital = 0.0

    def at(self, prices: Sequence[float], capital: float) -> _OwnAtMarket:
        found = _OwnAtMarket()
        found.capital = capital
        return found

    def cost(self, trades: npt.NDArray[Any], sleeves: pd.Index | None = None) -> npt.NDArray[Any]:
        return np.asarray(trades * self.capital)


@dataclass(frozen=True)
class _Rule:
    cap: float = 0.9
    floor: float = 0.2
    idle: float = 7.0


class TestNeverBinding:
    def decide(self, rule: _Rule) -> pd.Series[float]:
        return pd.Series([0.1, 0.5, 0.8]).clip(rule.floor, rule.cap)

    def test_names_what_can_be_relaxed(self) -> None:
        relaxed = {"cap": math.inf, "floor": -math.inf, "idle": 0.0}
        assert never_binding(self.decide, _Rule(), relaxed) == ("cap", "idle")
        assert never_binding(self.decide, _Rule(cap=0.6), relaxed) == ("idle",)
        assert never_binding(self.decide, _Rule(idle=0.0), relaxed) == ("cap",)

    def test_unknown_names_are_errors(self) -> None:
        with pytest.raises(SpecificationError, match="not a parameter"):
            never_binding(self.decide, _Rule(), {"capp": 1.0})
        with pytest.raises(SpecificationError, match="no dataclass"):
            never_binding(lambda rule: pd.Series([1.0]), {"cap": 1.0}, {})
