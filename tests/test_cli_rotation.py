"""The rotation engine from the command line: embedded data, files of one's own, wrong files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from allocopt.cli import app
from allocopt.rotation_command import money_lines, write_rotation
from allocopt.rotation_data import indices_in, rotation_data, unused_in

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


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made, but not drawn, which takes longer than the rest: one test here draws them."""

    def save(figure: object, path: Path, **_: object) -> None:
        Path(path).write_bytes(b"")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", save)


def test_files_of_ones_own(
    bars: pd.DataFrame, vix: pd.Series[float], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    indices, out = tmp_path / "indices", tmp_path / "out"
    indices.mkdir()
    bars.to_csv(tmp_path / "bars.csv")
    vix.to_frame().to_csv(indices / "VIX_daily.csv")
    (vix * 1.05).to_frame().to_parquet(indices / "vix3m.parquet")
    (vix * 0.0 + 95.0).to_frame().to_csv(indices / "vvix.csv")
    (vix * 0.0 + 130.0).to_frame().to_csv(indices / "skew_daily.csv")
    (vix * 3.0).to_frame().to_csv(indices / "vix_futures.csv")
    (indices / "readme.md").write_text("not a table")
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
    assert f"Not used of {indices}: skew_daily.csv, vix_futures.csv" in done.stdout
    assert "Bars: scaled" not in done.stdout
    # The sources are counted on the studied dates, not on those of the files.
    counted = [int(n) for n in re.findall(r"(\d+) dates from VIX", done.stdout)]
    studied = int(re.findall(r"Studied: (\d+) dates", done.stdout)[0])
    assert sum(counted) == studied < len(DAYS)
    assert "an order has 400,000 behind it" in done.stdout
    assert re.search(r"P2 .* trades .* units, 50% to 50% of the half-spread", done.stdout)
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
    assert {"difference-by-profile-and-regime.csv", "rotation-cost-kl.csv", "performance.csv"} <= names
    assert "stress.csv" not in names
    weights = pd.read_csv(out / "weights-euclidean.csv", index_col=0)
    assert weights.to_numpy().max() <= 0.40
    assert weights.to_numpy()[weights.to_numpy() > 0.0].min() >= 0.05
    table = pd.read_csv(out / "money.csv", index_col=0)
    ledger = pd.read_csv(out / "ledger-euclidean.csv", index_col=0)
    assert table.loc["P&L", "euclidean"] == pytest.approx(ledger["ledger equity"].iloc[-1] - 1e6)
    assert table.loc["cost of rotating", "euclidean"] == pytest.approx(ledger["ledger cost"].sum())
    assert ledger["ledger cost"].to_list() == ledger["cost charges"].to_list()
    assert ledger["ledger funding"].abs().max() == 0.0
    by_profile = pd.read_csv(out / "rotation-cost-euclidean.csv", index_col=0)
    assert by_profile.to_numpy().sum() == pytest.approx(ledger["ledger cost"].sum())
    difference = pd.read_csv(out / "difference-by-profile-and-regime.csv", index_col=0)
    whole = float(table["euclidean"].to_dict()["P&L"]) - float(table["heuristic"].to_dict()["P&L"])
    assert difference.to_numpy().sum() == pytest.approx(whole, abs=1e-4)
    assert all((out / f"{stem}.png").stat().st_size > 10_000 for stem in figures)
    (out / "money.csv").write_text("mine")
    request.getfixturevalue("undrawn")
    assert run(*call).exit_code == 2
    assert (out / "money.csv").read_text() == "mine"


@pytest.mark.usefixtures("undrawn")
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


@pytest.mark.usefixtures("undrawn")
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
    both = run("rotation", "--prices", tmp_path / "bars.csv", "--indices", twice, "--realized-proxy")
    assert both.exit_code == 2
    assert run("rotation", "--indices", empty).exit_code == 2
    # A hole after the last date that is studied is nobody's business.
    end = ("--end", f"{vix.index[299]:%Y-%m-%d}")
    call = ("rotation", "--prices", tmp_path / "bars.csv", "--indices", holes, "--no-stress")
    done = run(*call, *end, "--output", tmp_path / "good")
    assert done.exit_code == 0, done.output
    assert f"to {vix.index[299]:%Y-%m-%d};" in done.stdout
    assert run("rotation", "--prices", tmp_path / "bars.csv", "--indices", holes, "--start", "soon").exit_code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("undrawn")
def test_main_job_shows_the_money(tmp_path: Path) -> None:
    done = run("compare", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "The same with money" in done.stdout
    assert "2014-01-16 to 2018-12-31" in done.stdout
    assert {"money.png", "money.csv", "sharpe-tests.csv"} <= {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.usefixtures("undrawn")
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


def test_scaled_bars_are_named(bars: pd.DataFrame, vix: pd.Series[float], tmp_path: Path) -> None:
    """And a column that equals the close scales nothing."""
    for name, factor in (("scaled", 0.9), ("same", 1.0)):
        bars.assign(**{"Adj Close": factor * bars["Close"]}).to_csv(tmp_path / f"{name}.csv")
        vix.to_frame().to_csv(tmp_path / "vix.csv")
        notes = rotation_data(tmp_path / f"{name}.csv", {"vix": tmp_path / "vix.csv"}, dividend=0.02).notes
        found = [note for note in notes if note.startswith("Bars: scaled by Adj Close / Close")]
        assert len(found) == (name == "scaled")
        assert all(note.endswith("the dividend yield given is counted on top of that") for note in found)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("vix.csv", "vix"), ("VIX_History.csv", "vix"), ("^vix9d.parquet", "vix9d"), ("vix3m-daily.csv.gz", "vix3m"),
        ("vix_futures.csv", None), ("vixy.csv", None), ("skew_daily.csv", None), ("vix_daily_adjusted.csv", None),
    ],
)  # fmt: skip
def test_a_file_is_the_index_that_it_is_named_after(name: str, key: str | None, tmp_path: Path) -> None:
    for made in {name, "vix_close.csv"} if key != "vix" else {name}:
        (tmp_path / made).write_text("date,close")
    assert (key in indices_in(tmp_path)) is (key is not None)
    assert unused_in(tmp_path) == ([name] if key is None else [])


@pytest.mark.usefixtures("undrawn")
def test_the_stress_table_is_printed_for_eighty_columns(tmp_path: Path) -> None:
    done = run("rotation", "--start", "2018-09-04", "--partial-fills", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    lines = done.stdout[done.stdout.index("Stress") :].splitlines()
    assert max(map(len, lines[:-1])) <= 80
    assert any(line.startswith("fills 4 rows later") for line in lines)
    assert not any(line.startswith("partial fills") for line in lines)
    assert sum("its best days" in line for line in lines) == 2
    assert {"stress.csv", "stress-best-days.csv"} <= {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.usefixtures("undrawn")
def test_a_bankrupt_book_is_reported(tmp_path: Path) -> None:
    from allocopt.backtests.rotation.engine import RotationEngine
    from allocopt.backtests.rotation.money import compare_money
    from allocopt.costs import ProportionalCost

    engine = RotationEngine(rotation_costs=ProportionalCost(2.0))
    money = compare_money(engine, rotation_data().data, start_date="2017-07-03")
    lost = money.bankruptcies()
    assert f"Bankrupt: kl on {lost['kl']:%Y-%m-%d}; its ratios are not given" in money_lines(money)
    write_rotation(money, None, tmp_path / "out", overwrite=False)
    table = pd.read_csv(tmp_path / "out" / "money.csv", index_col=0)
    assert table.loc["bankrupt on", "kl"] == f"{lost['kl']:%Y-%m-%d}"
    assert not (tmp_path / "out" / "by-regime-kl.csv").exists()
