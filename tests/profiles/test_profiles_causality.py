"""Nothing on row t knows what comes after row t: not the P&L, not the risk, not the capital."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.options import FlatSurface
from allocopt.backtests.profiles import ETF_COSTS, PartialFills, published_profiles, run_profiles
from allocopt.backtests.rotation import OHLCV
from allocopt.backtests.studies import check_causality

pytestmark = pytest.mark.slow

Study = Callable[..., tuple[pd.DataFrame, pd.DataFrame, "pd.Series[int]", "pd.Series[float]"]]
SIX = published_profiles()

#: Orders of every tier: each trade is sized at its fill.
COSTS = replace(ETF_COSTS, order_capital=60_000.0)


@pytest.mark.parametrize(
    ("fill_lag", "hedge_lag", "fills", "cuts", "other"),
    [
        (1, 1, None, [*range(60, 67), 127], "jump"),
        (2, 2, None, [61, 62, 64], "scaled"),
        (1, 1, PartialFills(), [*range(61, 65)], "jump"),
    ],
)
def test_the_future_changes_nothing(
    study: Study,
    fill_lag: int,
    hedge_lag: int,
    fills: PartialFills | None,
    cuts: list[int],
    other: Literal["jump", "scaled"],
) -> None:
    frame, scores, regimes, level = study(4, rows=130)

    def record(tables: Mapping[str, Any]) -> pd.DataFrame:
        made = run_profiles(
            SIX,
            OHLCV(tables["bars"]),
            tables["scores"],
            tables["regimes"],
            FlatSurface(tables["level"], "made"),
            fill_lag=fill_lag,
            hedge_lag=hedge_lag,
            costs=COSTS,
            partial_fills=fills,
        )
        columns: dict[str, pd.Series[float]] = {}
        for name, result in made.items():
            columns |= {
                f"{name} pnl": result.daily_pnl,
                f"{name} capital": result.capital,
                f"{name} shares": result.hedge["shares"],
                f"{name} cost": result.costs.sum(axis=1),
                f"{name} vega": result.greeks["vega"],
                f"{name} gamma": result.attribution["gamma"],
                f"{name} adding": result.resizing["adding"],
                f"{name} removing": result.resizing["removing"],
            }
        return pd.DataFrame(columns)

    tables: dict[str, pd.DataFrame | pd.Series[Any]] = {
        "bars": frame,
        "scores": scores.fillna(0.0),
        "regimes": regimes,
        "level": level,
    }
    # Cuts on every row of a week and more: expiries, rolls and Fridays fall on the last row that is kept.
    report = check_causality(record, tables, cuts=cuts, rtol=1e-12, atol=1e-10, perturbations=(other, "truncated"))
    report.require()
    assert not report.vacuous


def test_closed_trades_do_not_change_when_rows_are_added(study: Study) -> None:
    frame, scores, regimes, level = study(6)
    whole = run_profiles(SIX, OHLCV(frame), scores, regimes, FlatSurface(level, "made"))
    compared = 0
    for last in (150, 151, 152, 153, 154, 300):
        part = run_profiles(SIX, OHLCV(frame[:last]), scores[:last], regimes[:last], FlatSurface(level[:last], "made"))
        for name, made in part.items():
            done = made.trades[made.trades["exit"].notna()]
            same = whole[name].trades.loc[done.index]
            compared += len(done)
            for column in ("entry", "exit", "reason", "legs", "campaign"):
                assert done[column].tolist() == same[column].tolist()
            # A hedge that the next trade takes over is not sold: both runs leave it where it is.
            np.testing.assert_allclose(done["pnl"], same["pnl"], atol=1e-8)
    assert compared > 100
