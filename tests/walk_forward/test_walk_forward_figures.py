"""Figures: what they draw, for histories and for paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.accounting import Ledger, account
from allocopt.backtests.splitters import CombinatorialPurged, Rolling
from allocopt.backtests.walk_forward import WalkForward, walk_forward


def study(data: pd.DataFrame, parameters: Mapping[str, Any]) -> Ledger:
    return account((data > data.rolling(parameters["window"]).mean()) * parameters["size"], data)


@pytest.fixture
def forward(market: Callable[..., pd.DataFrame]) -> WalkForward:
    prices = market(4, 400)
    grid = {"window": [12, 3, 6], "size": [0.5, 0.25]}
    splitter = Rolling(100, 50, incomplete="drop")
    return walk_forward(study, grid, prices, splitter, periods_per_year=252, benchmark=prices["A"])


def test_history_has_its_borders_and_switches(forward: WalkForward, tmp_path: Any) -> None:
    figure = forward.figure_history()
    axes = figure.axes[0]
    curve = axes.lines[0]
    np.testing.assert_allclose(np.asarray(curve.get_ydata(), dtype=float), forward.equity.to_numpy())
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["walk-forward", "border of a fold", "another configuration", "benchmark"]
    vertical = [line for line in axes.lines if len(set(np.asarray(line.get_xdata(), dtype=float).tolist())) == 1
                and line.get_linestyle() == ":"]  # fmt: skip
    assert len(vertical) == len(forward.folds)
    figure.savefig(tmp_path / "history.png")
    assert (tmp_path / "history.png").stat().st_size > 10_000


def test_scores_are_all_drawn_and_the_chosen_filled(forward: WalkForward, tmp_path: Any) -> None:
    figure = forward.figure_scores()
    axes = figure.axes[0]
    drawn = [line for line in axes.lines if line.get_marker() != "None" and len(np.atleast_1d(line.get_xdata()))]
    points = sum(len(np.atleast_1d(line.get_xdata())) for line in drawn)
    assert points == len(forward.scores) + len(forward.folds)
    assert axes.get_xlabel() == "Sharpe ratio in sample"
    figure.savefig(tmp_path / "scores.png")


def test_chosen_values_are_on_the_values_of_the_grid(forward: WalkForward, tmp_path: Any) -> None:
    figure = forward.figure_chosen()
    window, size = figure.axes
    assert [tick.get_text() for tick in window.get_yticklabels()] == ["3", "6", "12"]
    assert [tick.get_text() for tick in size.get_yticklabels()] == ["0.25", "0.5"]
    drawn = np.asarray(window.lines[1].get_ydata(), dtype=int)
    assert [[3, 6, 12][place] for place in drawn] == forward.chosen["window"].tolist()
    figure.savefig(tmp_path / "chosen.png")


def test_paths_are_drawn_too(market: Callable[..., pd.DataFrame], tmp_path: Any) -> None:
    prices = market(4, 300)
    found = walk_forward(
        study, {"window": [3, 6], "size": [0.5]}, prices, CombinatorialPurged(5, 2), periods_per_year=252
    )
    for name, figure in (
        ("history", found.figure_history()),
        ("scores", found.figure_scores()),
        ("chosen", found.figure_chosen()),
    ):
        figure.savefig(tmp_path / f"{name}.png")
    assert len(found.figure_history().axes[0].lines) == 4
