"""Experiments in TOML, their runs, and the research on made closes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allocopt import SpecificationError
from allocopt.backtests.runs import CellStore
from allocopt.backtests.sector_rotation import (
    RESEARCH,
    Experiment,
    SectorData,
    SectorRotation,
    comparison,
    rotation_from_settings,
    run_experiment,
)
from allocopt.backtests.sector_rotation.figures import (
    equity_figure,
    holdings_figure,
    leverage_figure,
    offsets_figure,
)

SMALL = """
title = "made closes"
start = 2019-07-01
end = "2020-09-01"
[shared]
universe = ["AA", "BB", "CC", "DD", "EE"]
top_n = 2
financing_rate = 0.05
[profiles.slow]
momentum = 40
published = {cagr = 0.5, sharpe = 3.0}
[profiles.fast]
momentum = 20
schedule = "7D"
leverage = 1.0
[[phases]]
name = "as they are"
[[phases]]
name = "grid"
profiles = ["slow"]
grid = {momentum = [20, 40], top_n = [1, 2]}
[[phases]]
name = "vix"
profiles = ["slow"]
grid = {leverage = [{policy = "vix-steps", base = 1.25}]}
"""


def test_cells_of_an_experiment() -> None:
    found = Experiment.from_text(SMALL)
    assert [(cell.phase, cell.label) for cell in found.cells] == [
        ("as they are", "slow"), ("as they are", "fast"),
        ("grid", "momentum 20, top_n 1"), ("grid", "momentum 20, top_n 2"),
        ("grid", "momentum 40, top_n 1"), ("grid", "momentum 40, top_n 2"),
        ("vix", "VIX steps 15/20/30, base 1.25"),
    ]  # fmt: skip
    assert (found.start, found.end, found.clock) == ("2019-07-01", "2020-09-01", "sessions")
    assert found.cells[0].published == {"cagr": 0.5, "sharpe": 3.0}
    assert not found.cells[5].published, "only a profile as it is has what was published of it"
    assert found.needs_volatility_index == ("vix",)
    assert found.only("grid").phases == ("grid",)
    assert found.profile("fast")["top_n"] == 2
    for name, ask in (("nine", found.only), ("nine", found.profile)):
        with pytest.raises(SpecificationError, match="nine"):
            ask(name)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("title =", "titel =", "'titel' is no key of the configuration.*title, start, end"),
        ("top_n = 2", "topn = 2", r"'topn' is no setting.*table 'shared'.*momentum, top_n"),
        ("schedule =", "shedule =", "'shedule' is no setting of a rotation at profile 'fast'"),
        ("cagr = 0.5", "cagar = 0.5", "'cagar' is no figure"),
        ('name = "grid"', 'naem = "grid"', "not named apart"),
        ('name = "grid"', 'name = "vix"', "not named apart"),
        ("grid = {momentum = [20, 40]", "grd = {momentum = [20, 40]", "'grd' is no key of a phase at phase 'grid'"),
        ("[20, 40]", "[20, 20]", "a run is there twice at phase 'grid', momentum 20, top_n 1"),
        ("[20, 40]", "20", "values of momentum are no list at phase 'grid'"),
        ("[20, 40]", "[20, 0]", "momentum is not a whole number.*phase 'grid', momentum 0, top_n 1"),
        (
            'profiles = ["slow"]\ngrid = {m',
            'profiles = ["slo"]\ngrid = {m',
            "not a profile at phase 'grid'.*slow, fast",
        ),
        ("start = 2019-07-01", "start = 7", "start is no date"),
        ("start = 2019-07-01", 'clock = "moon"', "clock is unknown: 'moon'.*sessions or new-york"),
        ("[shared]", "[shared", "no TOML"),
        ("[profiles.slow]", "[profiles.slow]\nleverage = 9\nfinancing_rate = 7", "no rate between -1 and 1"),
    ],
)
def test_mistakes_in_a_configuration_are_named(old: str, new: str, told: str) -> None:
    assert old in SMALL
    with pytest.raises(SpecificationError, match=told):
        Experiment.from_text(SMALL.replace(old, new, 1))


def test_the_default_is_the_example() -> None:
    example = Path(__file__).resolve().parents[2] / "examples" / "sector-rotation.toml"
    if not example.is_file():
        pytest.skip("the tests are not in a checkout of allocopt")
    assert example.read_text(encoding="utf-8") == Experiment.default().text
    found = Experiment.default()
    assert len(found.cells) == 29
    momentum = [cell.rotation.momentum for cell in found.cells if cell.phase == "momentum"]
    assert momentum == [118, 120, 122, 124, 126, 128, 130, 132, 134]
    assert [cell.rotation.leverage for cell in found.cells if cell.phase == "leverage"] == [1.0, 1.25, 1.5, 1.75, 2.0]
    assert [cell.rotation.trend_filter for cell in found.cells if cell.phase == "filter"] == [150, 200, 250]


def test_a_study_is_its_runs(closes: pd.DataFrame, vix: pd.Series[float], tmp_path: Path) -> None:
    experiment, data = Experiment.from_text(SMALL), SectorData(closes, vix)
    with CellStore(tmp_path / "cells") as store:
        found = run_experiment(experiment, data, store=store)
    for cell in experiment.cells:
        alone = cell.rotation.run(data, start=experiment.start, end=experiment.end)
        pd.testing.assert_series_equal(found.table.T[(cell.phase, cell.label)], alone.metrics, check_names=False)
        np.testing.assert_array_equal(found.equity[f"{cell.phase}: {cell.label}"], alone.equity)
    first = experiment.cells[0].rotation.run(data, start=experiment.start, end=experiment.end)
    pd.testing.assert_series_equal(found.benchmark, first.benchmark)
    assert found.with_benchmark.index[-1] == ("benchmark", "SPY")
    assert len(found.with_benchmark) == 8
    published = found.published
    assert list(published.index) == [("slow", "cagr"), ("slow", "sharpe")]
    true = found.table["sharpe"][("as they are", "slow")]
    assert published.T[("slow", "sharpe")].tolist() == pytest.approx([3.0, true * (2190 / 252) ** 0.5, true])
    with CellStore(tmp_path / "cells") as store:
        again = run_experiment(experiment, data, store=store)
        assert store.report.reused == 6, "seven runs, two of them the same"
        assert store.report.kept == 0
    pd.testing.assert_frame_equal(again.table, found.table)
    with pytest.raises(SpecificationError, match=r"need a volatility index.*vix.*--phase grid"):
        run_experiment(experiment, SectorData(closes))


def test_runs_without_a_start_begin_together(closes: pd.DataFrame) -> None:
    text = SMALL.replace("start = 2019-07-01", "").split('[[phases]]\nname = "vix"')[0]
    found = run_experiment(Experiment.from_text(text), SectorData(closes))
    assert found.start == closes.index[40], "after the longest warm-up"
    assert found.equity.notna().all().all()


def test_clock_of_the_original(closes: pd.DataFrame) -> None:
    text = 'clock = "new-york"\n' + SMALL.split('[[phases]]\nname = "vix"')[0]
    found = run_experiment(Experiment.from_text(text), SectorData(closes))
    assert str(found.start) == "2019-07-01 04:00:00+00:00"
    assert found.end == pd.Timestamp("2020-09-01 04:00", tz="UTC")


def test_every_offset_is_run_and_ranked(closes: pd.DataFrame, small: SectorRotation) -> None:
    result = small.run(closes)
    sweep = result.offsets()
    assert len(sweep.table) == 22, "a month of business days"
    assert sweep.table.T["MS"].to_dict() == pytest.approx(result.metrics.to_dict())
    for place in (5, 11):
        alone = replace(small, schedule=rotation_from_settings(
            {"schedule": {"calendar": "MS", "row": place}, "leverage": 1.0}
        ).schedule).run(closes)  # fmt: skip
        assert sweep.table.T[f"MS, row {place}"].to_dict() == pytest.approx(alone.metrics.to_dict())
    better = (sweep.table["cagr"] > result.metrics["cagr"]).sum()
    assert sweep.rank == better + 1
    assert small.run(closes).cost_sweep().table["total_return"].is_monotonic_decreasing


@pytest.mark.parametrize("name", [*RESEARCH])
def test_research_says_how_much_was_tried(
    name: str, closes: pd.DataFrame, vix: pd.Series[float], small: SectorRotation
) -> None:
    # EE begins late, so that its look-back cannot be chosen before the split.
    dates = {"start": "2019-09-02", "end": "2020-09-30"}
    if name == "bear-market":
        dates["start"] = "2020-03-02"
    if name in ("weightings", "look-backs", "vix-thresholds"):
        dates["split"] = "2020-05-01"
    if name == "look-backs":
        small = replace(small, momentum=20)
    changes = {"candidates": (10, 20)} if name == "look-backs" else {}
    found = RESEARCH[name](SectorData(closes, vix), small, **dates, **changes)
    assert found.name == name
    assert found.table.index[-1] == "benchmark SPY"
    assert found.tried == {
        "leverage": 7, "limits": 4, "bear-market": 10, "weightings": 8, "vix-thresholds": 22, "look-backs": 10
    }[name]  # fmt: skip
    assert f"{found.tried} variants were run" in found.multiple_testing
    assert "without skill" in found.multiple_testing
    if "split" in dates:
        assert list(found.table.columns.get_level_values(0).unique()) == ["before", "after"]
        assert found.trials.returns.index[-1] < pd.Timestamp("2020-05-01"), "choices saw nothing of the second window"
    if name == "look-backs":
        last = found.table[("before", "sharpe")]["chosen by sector"]
        assert np.isfinite(last)
        assert "EE" in found.notes[0]


def test_comparisons_keep_the_streams(closes: pd.DataFrame, small: SectorRotation) -> None:
    found = comparison({"a": small, "b": replace(small, top_n=1)}, SectorData(closes))
    alone = small.run(closes)
    np.testing.assert_array_equal(found.returns["a"], alone.ledger.returns.iloc[1:])
    pd.testing.assert_series_equal(found.table.T["a"], alone.metrics, check_names=False)
    assert found.tested["p_benchmark"]["a"] == alone.against_benchmark.p_value
    with pytest.raises(SpecificationError, match="do not begin on the same date"):
        comparison({"a": small, "b": replace(small, momentum=20)}, SectorData(closes))


def test_figures_show_what_was_run(closes: pd.DataFrame, small: SectorRotation) -> None:
    result = replace(small, trend_filter=30).run(closes)
    equity = equity_figure(result)
    top, middle, bottom = equity.axes
    line = top.get_lines()[0]
    np.testing.assert_allclose(np.asarray(line.get_ydata(), dtype=float), result.equity / 100_000.0)
    assert np.asarray(middle.get_lines()[0].get_ydata(), dtype=float).min() == pytest.approx(
        -result.metrics["max_drawdown"]
    )
    assert np.asarray(bottom.get_lines()[0].get_ydata(), dtype=float).mean() == pytest.approx(
        result.metrics["average_leverage"]
    )
    holdings = holdings_figure(result)
    labels = [text.get_text() for text in holdings.axes[0].get_yticklabels()]
    assert any("no history at" in label for label in labels if label.startswith("EE"))
    sweep = result.offsets()
    drawn = offsets_figure(sweep, benchmark=0.1, published=0.2, title="made")
    heights = [patch.get_height() for patch in drawn.axes[0].patches]  # type: ignore[attr-defined]
    np.testing.assert_allclose(heights, sweep.table["cagr"])
    assert f"rank {sweep.rank}" in str(drawn.get_suptitle())
    several = leverage_figure({"a": result, "b": small.run(closes, start=result.dates[0])})
    assert [text.get_text().split(":")[0] for text in several.axes[0].get_legend().get_texts()] == ["a", "b"]  # type: ignore[union-attr]
    assert len(result.plot().axes) == 3
