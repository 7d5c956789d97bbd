"""The rotation engine from the command line: embedded data, files of one's own, wrong files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from allocopt.cli import app

DAYS = pd.bdate_range("2018-01-02", periods=420, name="date")


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def bars() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    close = 300.0 * np.exp(np.cumsum(rng.normal(0.0003, 0.011, len(DAYS))))
    wide = np.abs(rng.normal(0.0, 0.005, (2, len(DAYS))))
    return pd.DataFrame(
        {"Open": close, "High": close * (1.0 + wide[0]), "Low": close * (1.0 - wide[1]), "Close": close}, index=DAYS
    )


@pytest.fixture
def vix(bars: pd.DataFrame) -> pd.Series[float]:
    growth = bars["Close"].pct_change()
    realized = growth.rolling(20, min_periods=2).std().bfill()
    level: pd.Series[float] = realized * np.sqrt(252.0) * 110.0 + 3.0
    return level.rename("Close")


def test_files_of_ones_own(bars: pd.DataFrame, vix: pd.Series[float], tmp_path: Path) -> None:
    indices, out = tmp_path / "indices", tmp_path / "out"
    indices.mkdir()
    bars.to_csv(tmp_path / "bars.csv")
    vix.to_frame().to_csv(indices / "VIX_daily.csv")
    (vix * 1.05).to_frame().to_parquet(indices / "vix3m.parquet")
    (vix * 0.0 + 95.0).to_frame().to_csv(indices / "vvix.csv")
    (indices / "readme.txt").write_text("not an index")
    call = (
        "rotation",
        "--prices",
        tmp_path / "bars.csv",
        "--indices",
        indices,
        "--etf",
        "--no-stress",
        "--output",
        out,
    )
    done = run(*call)
    assert done.exit_code == 0, done.output
    assert "smile of VVIX" in done.stdout
    for words in ("P&L", "Sharpe ratio", "dates over the cap", "p (bootstrap)", "non-convergence", "cost of rotating"):
        assert words in done.stdout
    names = {path.name for path in out.iterdir()}
    figures = {
        "portfolio_pnl",
        "allocation_heatmap",
        "attribution",
        "regime_distribution",
        "allocation_evolution",
        "money",
    }
    assert {f"{stem}.png" for stem in figures} <= names
    assert {"money.csv", "sharpe-tests.csv", "ledger-euclidean.csv", "weights-heuristic.csv", "profiles.csv"} <= names
    assert "stress.csv" not in names
    weights = pd.read_csv(out / "weights-euclidean.csv", index_col=0)
    assert weights.to_numpy().max() <= 0.40
    assert weights.to_numpy()[weights.to_numpy() > 0.0].min() >= 0.05
    table = pd.read_csv(out / "money.csv", index_col=0)
    ledger = pd.read_csv(out / "ledger-euclidean.csv", index_col=0)
    assert table.loc["P&L", "euclidean"] == pytest.approx(ledger["ledger equity"].iloc[-1] - 1e6)
    (out / "money.csv").write_text("mine")
    assert run(*call).exit_code == 2
    assert (out / "money.csv").read_text() == "mine"


def test_without_any_index_by_name_only(bars: pd.DataFrame, tmp_path: Path) -> None:
    bars.to_parquet(tmp_path / "bars.parquet")
    call = ("rotation", "--prices", tmp_path / "bars.parquet", "--no-stress", "--output", tmp_path / "out")
    refused = run(*call)
    assert refused.exit_code == 2
    assert "no volatility index for these prices" in refused.stderr
    done = run(*call, "--realized-proxy", "--start", "2018-12-03", "--end", "2019-06-28")
    assert done.exit_code == 0, done.output
    assert "proxy" in done.stdout
    assert "2018-12-03 to 2019-06-28" in done.stdout


def test_what_cannot_be_used_is_said(bars: pd.DataFrame, vix: pd.Series[float], tmp_path: Path) -> None:
    bars.to_csv(tmp_path / "bars.csv")
    empty, twice, holes = tmp_path / "empty", tmp_path / "twice", tmp_path / "holes"
    for folder in (empty, twice, holes):
        folder.mkdir()
    for name in ("vix.csv", "vix_daily.csv"):
        vix.to_frame().to_csv(twice / name)
    vix.drop(vix.index[300]).to_frame().to_csv(holes / "vix.csv")
    for folder, words in (
        (empty, "holds no file of the VIX"),
        (twice, "two files of VIX"),
        (holes, "the VIX has no value on 1 dates with a bar"),
        (tmp_path / "none", "there is no folder"),
    ):
        done = run("rotation", "--prices", tmp_path / "bars.csv", "--indices", folder, "--output", tmp_path / "out")
        assert done.exit_code == 2, done.output
        assert words in done.stderr
        assert "Remedy:" in done.stderr
    assert run("rotation", "--indices", empty).exit_code == 2
    assert run("rotation", "--prices", tmp_path / "bars.csv", "--indices", holes, "--start", "soon").exit_code == 2
    assert not (tmp_path / "out").exists()


def test_main_job_shows_the_money(tmp_path: Path) -> None:
    done = run("compare", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "The same with money" in done.stdout
    assert "2014-01-16 to 2018-12-31" in done.stdout
    assert {"money.png", "money.csv", "sharpe-tests.csv"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_too_few_bars_for_money_are_said_not_hidden(bars: pd.DataFrame, vix: pd.Series[float], tmp_path: Path) -> None:
    bars.to_csv(tmp_path / "bars.csv")
    vix.iloc[-200:].drop(vix.index[-100]).to_frame().to_csv(tmp_path / "vix.csv")
    done = run(
        "compare", "--prices", tmp_path / "bars.csv", "--volatility-index", tmp_path / "vix.csv", "--implied",
        "index-then-proxy", "--output", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "Money: not accounted for, because the VIX has no value on 1 dates" in done.stdout
    assert "The money is not accounted for" in done.stdout
