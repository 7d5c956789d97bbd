"""The figures show the numbers of the result, with units, and draw without warnings."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.container import BarContainer
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from allocopt.backtests.accounting import Financing
from allocopt.backtests.options import FlatSurface
from allocopt.backtests.rotation import OHLCV, ImpliedVolatility, compute_features
from allocopt.backtests.rotation.engine import RotationData, RotationEngine
from allocopt.backtests.rotation.figures import (
    FIGURES,
    allocation_evolution,
    allocation_heatmap,
    attribution_figure,
    portfolio_figure,
    regime_figure,
)
from allocopt.backtests.rotation.figures_money import money_figure
from allocopt.backtests.rotation.figures_parts import binned, money
from allocopt.backtests.rotation.money import MoneyComparison, compare_money
from allocopt.backtests.rotation.result import RotationResult
from allocopt.costs import ProportionalCost
from allocopt.regimes import PROFILES, Regime

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data() -> RotationData:
    """Bars of a random walk with volatility clusters, options at 18 % whatever happens."""
    rng = np.random.default_rng(5)
    level = np.exp(0.4 * np.cumsum(rng.normal(size=420)) / np.sqrt(np.arange(1, 421)))
    close = 100 * np.exp(np.cumsum(0.01 * level * rng.normal(size=420)))
    open_ = close * np.exp(0.003 * rng.normal(size=420))
    bars = pd.DataFrame(
        {
            "open": open_,
            "high": np.maximum(open_, close) * 1.003,
            "low": np.minimum(open_, close) * 0.997,
            "close": close,
            "volume": rng.integers(1, 10**6, 420),
        },
        index=pd.bdate_range("2015-01-02", periods=420),
    )
    market = OHLCV(bars)
    surface = FlatSurface(pd.Series(0.18, index=bars.index), "constant")
    return RotationData(market, ImpliedVolatility.realized_proxy(compute_features(market)), surface)


@pytest.fixture(scope="module")
def comparison(data: RotationData) -> MoneyComparison:
    return compare_money(RotationEngine(), data)


@pytest.fixture(scope="module")
def result(comparison: MoneyComparison) -> RotationResult:
    return comparison.results["heuristic"]


def widths(axes: Axes) -> list[float]:
    bars = cast("BarContainer", axes.containers[0])
    return [cast("Rectangle", bar).get_width() for bar in bars]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def days(dates: pd.Index) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(date2num(pd.DatetimeIndex(dates).to_numpy()), dtype=np.float64)  # type: ignore[no-untyped-call]


def rendered(figure: Figure) -> int:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50)
    return len(file.getvalue())


def inside(figure: Figure) -> bool:
    """No printed number of any axes crosses its frame."""
    rendered(figure)
    found = True
    for axes in figure.axes:
        frame = axes.get_window_extent().padded(1.0)
        for text in axes.texts:
            box = text.get_window_extent()
            found &= bool(frame.x0 <= box.x0 and box.x1 <= frame.x1)
    return found


def test_the_mapping_holds_the_five_named_figures() -> None:
    assert list(FIGURES) == [
        "portfolio_pnl",
        "allocation_heatmap",
        "attribution",
        "regime_distribution",
        "allocation_evolution",
    ]


@pytest.mark.parametrize("stem", list(FIGURES))
def test_each_renders_with_labelled_axes(stem: str, result: RotationResult) -> None:
    figure = FIGURES[stem](result)
    assert rendered(figure) > 3000
    for axes in figure.axes:
        shared = axes.get_shared_x_axes().get_siblings(axes)
        assert any(one.get_xlabel() for one in shared) or axes.get_label() == "<colorbar>"
        shared = axes.get_shared_y_axes().get_siblings(axes)
        assert any(one.get_ylabel() for one in shared)
    labels = " ".join(axes.get_xlabel() + axes.get_ylabel() for axes in figure.axes)
    assert "(%" in labels or "money)" in labels or "% of all)" in labels


def test_the_curve_is_the_ledger(result: RotationResult) -> None:
    top, bottom = portfolio_figure(result).axes
    equity = result.ledger.equity
    np.testing.assert_array_equal(np.asarray(top.lines[0].get_ydata()), (equity - 1e6).to_numpy())
    assert top.get_ylabel() == "P&L (money; capital 1,000,000)"
    assert money(equity.iloc[-1] - 1e6, signed=True) in top.get_title(loc="left")
    drawn = bottom.collections[0].get_paths()[0].get_extents()
    assert -drawn.y0 == pytest.approx(result.performance.max_drawdown, rel=1e-12)
    assert f"{result.performance.max_drawdown:.1%}" in bottom.get_title(loc="left")
    assert "(%)" in bottom.get_ylabel()


def test_the_heat_map_is_the_decided_weights(result: RotationResult) -> None:
    axes, bar = allocation_heatmap(result).axes
    mesh = next(one for one in axes.collections if isinstance(one, QuadMesh))
    means, kind = binned(result.allocations)
    assert kind == "means of weeks"
    np.testing.assert_array_equal(np.asarray(mesh.get_array()), means.to_numpy().T)
    assert "means of weeks" in axes.get_title(loc="left")
    assert bar.get_ylabel() == "Weight (% of the capital)"
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == f"P1 {PROFILES['P1']}\nmean {result.allocations['P1'].mean():.1%}"
    assert mesh.get_clim() == (0.0, max(0.4, float(means.to_numpy().max())))


@pytest.mark.parametrize(
    ("rows", "kind", "groups"), [(150, "every date", 150), (151, "means of weeks", 31), (900, "means of months", 42)]
)
def test_groups_are_means_and_lose_no_date(rows: int, kind: str, groups: int) -> None:
    dates = pd.bdate_range("2018-01-02", periods=rows)
    weights = pd.DataFrame({"A": np.random.default_rng(1).random(rows)}, index=dates)
    means, found = binned(weights)
    assert (found, len(means)) == (kind, groups)
    if kind != "every date":
        freq = "W" if "weeks" in kind else "M"
        slow = [part.mean() for _, part in weights["A"].groupby(dates.to_period(freq))]
        np.testing.assert_allclose(means["A"].to_numpy(), slow, rtol=1e-14)
        firsts = [part.index[0] for _, part in weights["A"].groupby(dates.to_period(freq))]
        assert list(means.index) == firsts


def test_bars_and_cells_are_the_attribution(result: RotationResult) -> None:
    figure = attribution_figure(result)
    left, right, below = figure.axes
    assert widths(left) == result.attribution_by_profile.tolist()
    assert widths(right) == result.attribution_by_regime.tolist()
    assert {left.get_xlabel(), right.get_xlabel()} == {"P&L (money)"}
    table = result.attribution.by_sleeve_and_regime
    assert table is not None
    np.testing.assert_array_equal(np.asarray(below.images[0].get_array()), table.to_numpy())
    largest = float(table.abs().to_numpy().max())
    assert texts(below) == [money(float(value), True, largest) for value in table.to_numpy().ravel()]
    assert [label.get_text().replace("\n", " ") for label in below.get_xticklabels()] == [
        Regime(int(number)).label for number in table.columns
    ]
    assert sum(widths(left)) == pytest.approx(result.ledger.equity.iloc[-1] - 1e6, rel=1e-9)
    assert "cash" not in [label.get_text() for label in left.get_yticklabels()]
    assert inside(figure)


def test_interest_that_no_profile_earned_is_named(data: RotationData, comparison: MoneyComparison) -> None:
    engine = replace(
        RotationEngine(),
        financing=Financing(lending=0.05, borrowing=0.05, periods_per_year=252),
        max_profile_weight=0.15,
    )
    found = engine.run(data, signals=comparison.signals)
    interest = float(found.ledger.interest.sum())
    assert abs(interest) > 100.0
    figure = attribution_figure(found)
    assert widths(figure.axes[0])[-1] == pytest.approx(interest)
    assert figure.axes[0].get_yticklabels()[-1].get_text() == "cash"
    assert sum(widths(figure.axes[0])) == pytest.approx(found.ledger.equity.iloc[-1] - 1e6, rel=1e-9)


def test_a_book_that_failed_is_drawn_with_its_date(data: RotationData, comparison: MoneyComparison) -> None:
    engine = replace(RotationEngine(), rotation_costs=ProportionalCost(2.0))
    found = compare_money(engine, data, signals=comparison.signals)
    lost = found.bankruptcies()
    assert list(lost) == ["heuristic", "euclidean", "kl"]
    title = portfolio_figure(found.results["kl"]).axes[0].get_title(loc="left")
    assert f"bankrupt on {lost['kl']:%Y-%m-%d}" in title
    assert rendered(found.plot()) > 3000


def test_regimes_are_counted_and_every_date_is_marked(result: RotationResult) -> None:
    left, right = regime_figure(result).axes
    counts = result.regime_distribution
    assert widths(left) == counts.tolist()
    assert texts(left) == [f"{n:,} ({n / counts.sum():.1%})" for n in counts]
    assert left.get_xlabel() == "Dates (number and % of all)"
    regimes = result.signals.regimes
    numbers = sorted(regimes.unique())
    stamps = days(regimes.index)
    assert len(right.containers) == len(numbers)
    for row, (number, spells) in enumerate(zip(numbers, right.containers, strict=True)):
        boxes = [cast("Rectangle", bar) for bar in cast("BarContainer", spells)]
        marked = np.zeros(len(stamps), dtype=bool)
        for box in boxes:
            assert box.get_y() + 0.5 * box.get_height() == pytest.approx(row)
            marked |= (stamps >= box.get_x()) & (stamps < box.get_x() + box.get_width())
        np.testing.assert_array_equal(marked, (regimes == number).to_numpy())


def test_the_stack_is_the_weights_and_cash(result: RotationResult) -> None:
    top, bottom = allocation_evolution(result).axes
    means, _ = binned(result.allocations)
    expected = [*means.to_numpy().T, 1.0 - means.sum(axis=1).to_numpy()]
    base = np.zeros(len(means))
    starts = days(means.index)
    assert len(top.collections) == len(expected)
    for layer, values in zip(top.collections, expected, strict=True):
        corners = np.asarray(layer.get_paths()[0].vertices)
        middles = starts + 0.25  # inside the first day of each group
        for middle, low, value in zip(middles[::7], base[::7], values[::7], strict=True):
            assert layer.get_paths()[0].contains_point((middle, low + 0.5 * value)) or value < 1e-9
            if value > 1e-6:
                assert not layer.get_paths()[0].contains_point((middle, low + 1.01 * value))
        assert float(np.max(corners[:, 1])) == pytest.approx(float((base + values).max()))
        base = base + values
    cap, executed, largest = bottom.lines
    np.testing.assert_array_equal(np.asarray(largest.get_ydata()), result.allocations.max(axis=1).to_numpy())
    np.testing.assert_array_equal(np.asarray(executed.get_ydata()), result.ledger.executed.abs().sum(axis=1).to_numpy())
    assert set(np.asarray(cap.get_ydata()).tolist()) == {0.4}
    over = float((result.allocations.max(axis=1) > 0.4).mean())
    assert over > 0.0
    assert f"{over:.1%} of dates" in bottom.get_title(loc="left")
    assert {axes.get_ylabel() for axes in (top, bottom)} == {"Weight (% of the capital)"}


def test_the_difference_in_money_and_its_parts(comparison: MoneyComparison) -> None:
    figure = money_figure(comparison)
    top, middle, left, right = figure.axes
    runs = {label: run.ledger.equity.to_numpy() for label, run in comparison.results.items()}
    assert len(top.lines) == 3
    for line, (label, equity) in zip(top.lines, runs.items(), strict=True):
        np.testing.assert_array_equal(np.asarray(line.get_ydata()), equity)
        assert str(line.get_label()).startswith(f"{label}: P&L ")
    for line, label in zip(middle.lines[:2], ("euclidean", "kl"), strict=True):
        np.testing.assert_array_equal(np.asarray(line.get_ydata()), runs[label] - runs["heuristic"])
    assert widths(left) == comparison.causes().tolist()
    assert sum(widths(left)[:-1]) == pytest.approx(widths(left)[-1], abs=1e-6)
    cells = np.asarray(right.images[0].get_array())
    np.testing.assert_array_equal(cells, comparison.by_profile_and_regime().to_numpy())
    assert cells.sum() == pytest.approx(runs["euclidean"][-1] - runs["heuristic"][-1], abs=1e-4)
    assert all("(money)" in label for label in (top.get_ylabel(), middle.get_ylabel(), left.get_xlabel()))
    assert right.get_xlabel() == "Regime; cells: Difference of P&L (money)"
    assert inside(figure)
    assert len(comparison.plot().axes) == 4


@pytest.mark.parametrize(
    ("value", "largest", "text"),
    [(1234.5, None, "+1,234"), (-12.3456, None, "-12.35"), (-12.3456, 5000.0, "-12"), (0.0, None, "+0")],
)
def test_money_is_written_at_one_scale(value: float, largest: float | None, text: str) -> None:
    assert money(value, True, largest) == text
