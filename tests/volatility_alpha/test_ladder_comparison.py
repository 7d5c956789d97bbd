"""The variants and buy-and-hold side by side: table and figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.accounting import Financing
from allocopt.backtests.metrics import drawdowns, max_drawdown
from allocopt.backtests.volatility_alpha import VolatilityAlpha

Bars = Callable[..., pd.DataFrame]


def test_each_run_is_its_own(random_bars: Bars) -> None:
    table = random_bars(1, rows=400, volatility=0.015)
    ladder = VolatilityAlpha(8, lots="lifo", financing=Financing(lending=0.01, borrowing=0.05, periods_per_year=252))
    found = ladder.compare(table, capital=50_000.0, allow=("split",))
    assert list(found.table.index) == ["full", "ath_only", "ath_sell", "buy_and_hold"]
    for variant in ("full", "ath_only", "ath_sell"):
        alone = replace(ladder, variant=variant).run(table, capital=50_000.0, allow=("split",))
        pd.testing.assert_series_equal(found.results[variant].equity, alone.equity)
        row: dict[Any, Any] = found.table.loc[variant].to_dict()
        assert row["total_return"] == alone.total_return
        assert row["max_drawdown"] == pytest.approx(max_drawdown(alone.equity))
        assert row["longest_under_water"] == drawdowns(alone.equity)["time_under_water"].max().days
        assert row["under_water"] == (alone.equity < alone.equity.cummax()).mean()
        assert row["minimum_bank"] == alone.minimum_bank / 50_000.0
        assert (row["buys"], row["sells"]) == (alone.buys, alone.sells)
    parts = found.table[[*found.results["full"].profit.index]].sum(axis=1).astype(float)
    np.testing.assert_allclose(parts, found.table["total_return"].astype(float), atol=1e-9)
    held: dict[Any, Any] = found.table.loc["buy_and_hold"].to_dict()
    shares = np.floor(50_000.0 / table["close"].iloc[0])
    gain = shares * (table["close"].iloc[-1] - table["close"].iloc[0]) / 50_000.0
    assert held["unrealised_initial"] == pytest.approx(gain)
    assert (held["buys"], held["sells"]) == (1, 0)
    assert found.results["full"].volatility_alpha_baseline == pytest.approx(
        found.table["total_return"]["full"] - found.table["total_return"]["ath_only"]
    )
    assert "buy_and_hold" in repr(found)


def test_a_ruined_ladder_beside_others(through: Bars) -> None:
    found = VolatilityAlpha(16, shares="fractional").compare(through(100.0, 20.0, 150.0))
    table = found.table
    full = found.results["full"]
    assert full.ruined is not None
    assert table.loc["full", "ruined"] == full.ruined
    assert table["total_return"].astype(float)["full"] <= -1.0
    assert table["max_drawdown"].astype(float)["full"] >= 1.0
    assert table.loc["buy_and_hold", "total_return"] == pytest.approx(0.5)
    assert pd.isna(table["ruined"]["buy_and_hold"])
    assert full.returns.iloc[-1] <= -1.0
    assert np.isnan(full.leverage.iloc[-1])
    assert "ruined on" in repr(full)
    assert len(found.figure().axes) == 4


def test_figure_says_what_it_shows(random_bars: Bars, through: Bars) -> None:
    found = VolatilityAlpha(8, shares="fractional", fee=0.001).compare(random_bars(2, 2000, 0.015), allow=("split",))
    figure = found.figure()
    value, below, bank, parts = figure.axes
    assert "sd8-fractional" in figure.get_suptitle()
    assert "2001-01-01 to 2006-06-23" in figure.get_suptitle()
    assert "%" in below.get_ylabel()
    assert "% of the start" in bank.get_ylabel()
    assert "start" in value.get_ylabel()
    styles = {(line.get_linestyle(), line.get_color()) for line in value.get_lines()}
    assert len({style for style, _ in styles}) == 4, "apart without colour"
    legend = value.get_legend()
    assert legend is not None
    assert f"{found.results['full'].total_return:+.1%}" in legend.get_texts()[0].get_text()
    assert [label.get_text() for label in parts.get_yticklabels()] == ["Buy-and-hold", "ATH-sell", "ATH-only", "Full"]
    growing = VolatilityAlpha(8, shares="fractional").compare(through(100.0, 900.0)).figure()
    assert growing.axes[0].get_yscale() == "log"
