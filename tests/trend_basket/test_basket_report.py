"""The report of a run: its files agree with the result, and every variant of the basket audits clean."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import DataFileError, InputError, LabelError, Limits, PerShareCost, ProportionalCost, SpecificationError
from allocopt.backtests.audit import audit_run
from allocopt.backtests.trend_basket import TrendBasket
from allocopt.backtests.trend_basket.report import BasketReport, Source, write_report
from allocopt.solvers import Heuristic


def read(folder: Path, name: str) -> pd.DataFrame:
    cells = pd.read_csv(folder / f"rotation-risk-{name}.csv", dtype=str, keep_default_na=False)
    numbers = {}
    for column in cells.columns:
        try:
            numbers[column] = cells[column].map(lambda cell: float(str(cell) or "nan"))
        except ValueError:
            numbers[column] = cells[column]
    return pd.DataFrame(numbers)


def test_files_hold_what_the_result_holds(tmp_path: Path, small: TrendBasket, closes: pd.DataFrame) -> None:
    result = small.run(closes)
    report = write_report(result, tmp_path, sources=[Source("a.csv", "0" * 64, 1500)])
    assert isinstance(report, BasketReport)
    ledger = read(tmp_path, "ledger")
    np.testing.assert_array_equal(ledger["equity"], result.equity)
    np.testing.assert_array_equal(ledger["close_ETH"], closes["ETH"])
    np.testing.assert_array_equal(ledger["executed_SOL"], result.executed["SOL"])
    np.testing.assert_array_equal(pd.DatetimeIndex(pd.to_datetime(ledger["date"])), closes.index)
    total = read(tmp_path, "total").iloc[0]
    for name, value in result.metrics.items():
        assert total[str(name)] == value, name
    assert total["fees"] == pytest.approx(float(result.ledger.cost.sum()), rel=1e-15)
    assert total["phase_rank"] == report.phases.rank
    phases, top = read(tmp_path, "phases"), read(tmp_path, "top")
    assert len(phases) == small.interval
    assert len(top) == 10
    assert top["total_return"].is_monotonic_decreasing
    assert [TrendBasket.from_name(name).offset for name in top["name"]] == top["offset"].tolist()
    assert len(read(tmp_path, "trades")) == len(result.trades)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["name"] == small.name
    assert run["sources"] == [{"file": "a.csv", "sha256": "0" * 64, "rows": 1500}]
    assert run["filled"] == {"BTC": 0, "ETH": 0, "SOL": 0}
    assert (tmp_path / "rotation-risk.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "rotation-risk-report.md").read_text()
    for heading in ("Result", "Delivered volatility", "Phases of the schedule", "Horizons", "Costs", "Not tested"):
        assert f"## {heading}" in page
    assert page.count(" | never |") == len(set(result.never_binding) - {"limits"}) + 3 * (
        "limits" in result.never_binding
    )


def test_the_same_run_gives_the_same_files(tmp_path: Path, small: TrendBasket, closes: pd.DataFrame) -> None:
    for name, jobs in (("a", 1), ("b", 2)):
        write_report(small.run(closes), tmp_path / name, n_jobs=jobs)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 12
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
        assert str(tmp_path).encode() not in (tmp_path / "a" / file).read_bytes()


@pytest.fixture
def plain_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty picture: drawing takes longer than all the rest of a small report."""
    from matplotlib.figure import Figure

    monkeypatch.setattr(
        "allocopt.backtests.trend_basket._report_figure.report_figure", lambda _: Figure(figsize=(1.0, 1.0))
    )


@pytest.mark.usefixtures("plain_figure")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"offset": 23},
        {"limits": Limits(0.4, 0.05)},
        {"limits": Limits(0.45, 0.3, 0.8), "top": 3},
        {"weighting": "momentum", "top": 3, "limits": Limits(0.6, 0.1)},
        {"weighting": "momentum", "top": 3, "limits": Limits(0.5, 0.2), "solver": "kl"},
        {"weighting": "momentum", "top": 3, "limits": Limits(0.4, 0.05), "solver": "heuristic"},
        {"limits": Limits(0.4, 0.05), "solver": Heuristic(max_passes=3)},
        {"interval": 1},
        {"leverage": 0.0},
        {"exposure": 0.0},
        {"leverage": 2.5, "exposure": 1.0},
        {"volatility_target": math.inf, "volatility_cap": math.inf},
        {"volatility_cap": 0.0},
        {"min_momentum": -0.02, "min_market_momentum": 0.01},
        {"costs": ProportionalCost(0.0)},
        {"momentum": 7, "trend": 5, "market_trend": 3, "volatility_window": 2},
        {"market": "SOL"},
    ],
)
def test_every_variant_audits_clean(
    tmp_path: Path, small: TrendBasket, closes: pd.DataFrame, changes: dict[str, Any]
) -> None:
    basket = replace(small, **changes)
    write_report(basket.run(closes), tmp_path)
    report = audit_run(tmp_path)
    assert report.passed, report.to_text()


@pytest.mark.usefixtures("plain_figure")
def test_funding_gaps_and_dates_without_a_zone(tmp_path: Path, small: TrendBasket, closes: pd.DataFrame) -> None:
    rng = np.random.default_rng(1)
    plain = closes.tz_localize(None)
    plain.iloc[200:203, 1] = float(plain["ETH"].iloc[199])
    filled = pd.DataFrame(False, index=plain.index, columns=plain.columns)
    filled.iloc[200:203, 1] = True
    funding = pd.DataFrame(rng.normal(1e-5, 3e-5, plain.shape), index=plain.index, columns=plain.columns)
    result = small.run(plain, funding=funding)
    assert result.metrics["total_return"] != small.run(plain).metrics["total_return"]
    write_report(result, tmp_path, filled=filled)
    report = audit_run(tmp_path)
    assert report.passed, report.to_text()
    assert json.loads((tmp_path / "run.json").read_text())["filled"]["ETH"] == 3
    path = tmp_path / "rotation-risk-ledger.csv"
    lines = [line.split(",") for line in path.read_text().splitlines()]
    at = lines[0].index("funding_BTC")
    lines[700][at] = repr(float(lines[700][at]) * (1.0 + 1e-6))
    path.write_text("\n".join(map(",".join, lines)) + "\n")
    assert "run.json: digest of funding_BTC" in audit_run(tmp_path).failures


def test_what_cannot_be_reported(tmp_path: Path, small: TrendBasket, closes: pd.DataFrame) -> None:
    result = small.run(closes)
    for costs in (PerShareCost(0.01), (ProportionalCost(0.001), ProportionalCost(0.001)), ()):
        other = replace(small, costs=costs).run(closes)
        with pytest.raises(SpecificationError, match="one proportional fee"):
            write_report(other, tmp_path)
    with pytest.raises(SpecificationError, match="cannot recompute"):
        write_report(replace(result, basket=replace(small, solver="cvxpy")), tmp_path)
    with pytest.raises(LabelError, match="time zone"):
        write_report(small.run(closes.tz_convert("Asia/Tokyo")), tmp_path)
    with pytest.raises(LabelError, match="filled has other dates"):
        write_report(result, tmp_path, filled=pd.DataFrame(False, index=closes.index[1:], columns=closes.columns))
    ruined, held = closes.copy(), int((result.executed["BTC"] > 0.0).to_numpy().argmax())
    ruined.iloc[held:] *= 0.05
    bankrupt = replace(small, leverage=9.0, exposure=1.0).run(ruined)
    assert bankrupt.ledger.bankrupt is not None
    with pytest.raises(InputError, match="bankrupt"):
        write_report(bankrupt, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("plain_figure")
def test_edited_files_are_kept(tmp_path: Path, small: TrendBasket, closes: pd.DataFrame) -> None:
    result = small.run(closes)
    write_report(result, tmp_path)
    (tmp_path / "rotation-risk-report.md").write_text("mine")
    with pytest.raises(DataFileError, match=r"rotation-risk-report\.md"):
        write_report(result, tmp_path)
    assert (tmp_path / "rotation-risk-report.md").read_text() == "mine"
    write_report(result, tmp_path, overwrite=True)
    assert audit_run(tmp_path).passed
