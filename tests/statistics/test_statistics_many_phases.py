"""Luck of the phase: figures by hand, published expectations of the largest, and a strategy with known luck."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.schedules import Schedule
from allocopt.backtests.statistics import expected_largest, phase_luck
from allocopt.backtests.studies import Sweep, phase_sweep
from allocopt.errors import InputError, ShapeError, SpecificationError


@pytest.fixture
def sweep() -> Sweep:
    table = pd.DataFrame(
        {"total_return": [0.10, 0.16, 0.40, 0.12, 0.22], "max_drawdown": [0.30, 0.25, 0.20, 0.35, 0.25]},
        pd.Index(["mon", "tue", "wed", "thu", "fri"], name="phase"),
    )
    return Sweep(table, "wed")


def test_figures_by_hand(sweep: Sweep) -> None:
    found = phase_luck(sweep)
    assert (found.value, found.median, found.best, found.rank, found.share) == (0.40, 0.16, 0.40, 1, 0.2)
    assert found.luck == pytest.approx(0.24)
    squares = [(x - 0.2) ** 2 for x in (0.10, 0.16, 0.40, 0.12, 0.22)]
    assert found.standard_error == pytest.approx(math.sqrt(sum(squares) / 4))
    assert found.expected_best == pytest.approx(0.2 + 1.1629644736 * found.standard_error)


def test_less_is_better(sweep: Sweep) -> None:
    found = phase_luck(Sweep(sweep.table, "tue"), "max_drawdown")
    assert found.lower_is_better
    assert (found.rank, found.share, found.best, found.luck) == (2, 0.6, 0.20, 0.0)
    assert found.expected_best < 0.27 < 0.30
    best = phase_luck(sweep, "max_drawdown")
    assert best.luck == pytest.approx(0.05)
    assert best.expected_best == pytest.approx(0.27 - 1.1629644736 * best.standard_error)


def test_rank_and_share_agree_with_the_sweep(sweep: Sweep) -> None:
    for phase in sweep.table.index:
        for metric in sweep.table:
            one = Sweep(sweep.table, phase, str(metric))
            assert phase_luck(one).rank == one.rank
            assert phase_luck(one).median == one.summary["median"]


def test_expected_largest_is_the_published_one() -> None:
    """Harter (1961), table 1, to five decimals; and the closed forms for two to five."""
    table = {2: 0.56419, 3: 0.84628, 4: 1.02938, 5: 1.16296, 10: 1.53875, 20: 1.86748, 50: 2.24907, 100: 2.50759}
    assert {n: round(expected_largest(n), 5) for n in table} == table
    assert expected_largest(2) == pytest.approx(1.0 / math.sqrt(math.pi), abs=1e-9)
    assert expected_largest(3) == pytest.approx(1.5 / math.sqrt(math.pi), abs=1e-9)
    assert expected_largest(1) == 0.0
    assert 4.0 < expected_largest(100_000) < expected_largest(10**6) < 5.0
    for count in (0, 1.5, True):
        with pytest.raises(SpecificationError):
            expected_largest(count)  # type: ignore[arg-type]


def test_best_of_equal_correlated_phases_is_as_expected(rng: np.random.Generator) -> None:
    """Phases that share a market: the formula needs no independence."""
    gaps = []
    for _ in range(400):
        figures = 0.1 + 0.5 * rng.standard_normal() + 0.1 * rng.standard_normal(21)
        table = pd.DataFrame({"total_return": figures})
        found = phase_luck(Sweep(table, 0))
        gaps.append(found.best - found.expected_best)
    assert abs(float(np.mean(gaps))) < 0.006  # the deviation of a mean is 0.002; the expected best is 0.19 above


def test_share_of_a_phase_picked_blindly_is_uniform(rng: np.random.Generator) -> None:
    figures = pd.DataFrame({"total_return": rng.standard_normal(20)})
    shares = [phase_luck(Sweep(figures, phase)).share for phase in range(20)]
    assert sorted(shares) == pytest.approx([(k + 1) / 20 for k in range(20)])


def test_of_a_sweep_over_a_schedule() -> None:
    days = pd.bdate_range("2020-01-01", periods=200)

    def run(schedule: Schedule) -> dict[str, float]:
        return {"total_return": float(schedule.rows(days).argmax())}

    found = phase_luck(phase_sweep(run, "every 5", days))
    assert found.figures.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert (found.luck, found.rank, found.share) == (-2.0, 5, 1.0)


def test_figure_shows_every_phase(sweep: Sweep) -> None:
    figure = phase_luck(sweep).figure()
    axes = figure.axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert np.asarray(dots[0].get_ydata()).tolist() == sweep.table["total_return"].tolist()
    chosen = next(line for line in axes.lines if line.get_marker() == "D")
    assert np.column_stack((chosen.get_xdata(), chosen.get_ydata())).tolist() == [[2.0, 0.40]]
    assert "+0.24 against the median, rank 1 of 5" in axes.get_title(loc="left")
    assert axes.get_legend() is not None


def test_no_luck_without_differences() -> None:
    same = phase_luck(Sweep(pd.DataFrame({"total_return": [0.1, 0.1, 0.1]}), 1))
    assert (same.luck, same.standard_error, same.share, same.rank) == (0.0, 0.0, 1.0, 1)
    assert str(same).splitlines()[2] == "standard error of timing 0"


def test_what_is_refused(sweep: Sweep) -> None:
    with pytest.raises(SpecificationError, match="metric"):
        phase_luck(sweep, "sharpe")
    with pytest.raises(ShapeError, match="too few"):
        phase_luck(Sweep(sweep.table.iloc[1:3], "wed"))
    with pytest.raises(ShapeError, match="Sweep"):
        phase_luck(sweep.table)  # type: ignore[arg-type]
    table = sweep.table.copy()
    table.loc["thu", "total_return"] = math.nan
    with pytest.raises(InputError, match="phase thu"):
        phase_luck(Sweep(table, "wed"))
