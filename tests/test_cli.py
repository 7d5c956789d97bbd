"""The command line as a user meets it: the main job, files of their own, and files that are wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from allocopt import allocate
from allocopt.cli import app


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def bars(rng: np.random.Generator) -> pd.DataFrame:
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 300)))
    high = close * (1 + rng.random(300) * 0.01)
    low = close * (1 - rng.random(300) * 0.01)
    index = pd.bdate_range("2015-01-01", periods=300, name="Date")
    return pd.DataFrame({"Open": close, "High": high, "Low": low, "Close": close, "Volume": 1}, index=index)


@pytest.fixture
def vix(bars: pd.DataFrame) -> pd.Series[float]:
    return pd.Series(np.linspace(12.0, 30.0, len(bars)), index=bars.index, name="CLOSE")


def test_the_main_job_on_embedded_data(tmp_path: Path) -> None:
    result = run("compare", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "S&P 500 (embedded), 5,031 rows, 1999-01-04 to 2018-12-31" in result.stdout
    assert "realised proxy x1.2" in result.stdout
    assert "flat VIX" in result.stdout
    summary = pd.read_csv(tmp_path / "out" / "summary.csv", index_col="figure")
    over = {str(name): float(value) for name, value in summary.T["dates over the cap"].items()}
    assert over["euclidean"] == over["kl"] == 0.0
    assert over["heuristic"] > 4951 / 2
    desirability = pd.read_parquet(tmp_path / "out" / "desirability.parquet")
    written = pd.read_parquet(tmp_path / "out" / "weights-euclidean.parquet")
    profiles = ["P1", "P2", "P3", "P4", "P5", "P6"]
    pd.testing.assert_frame_equal(written[profiles], allocate(desirability[profiles]).weights)
    as_text = pd.read_csv(tmp_path / "out" / "weights-euclidean.csv", index_col=0)
    np.testing.assert_array_equal(as_text[profiles], written[profiles])
    assert (tmp_path / "out" / "comparison.png").stat().st_size > 50_000


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_own_files(tmp_path: Path, bars: pd.DataFrame, vix: pd.Series[float], kind: str) -> None:
    prices, index = tmp_path / f"prices.{kind}", tmp_path / f"vix.{kind}"
    if kind == "csv":
        bars.to_csv(prices)
        vix.to_frame().to_csv(index)
    else:
        bars.to_parquet(prices)
        vix.to_frame().to_parquet(index)
    result = run("compare", "--prices", prices, "--volatility-index", index, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "300 dates from flat VIX" in result.stdout
    assert "realised" not in result.stdout


def test_the_proxy_only_by_name(tmp_path: Path, bars: pd.DataFrame) -> None:
    prices = tmp_path / "prices.csv"
    bars.to_csv(prices)
    refused = run("compare", "--prices", prices, "--output", tmp_path / "out")
    assert refused.exit_code == 2
    assert "--implied realized-proxy" in refused.stderr
    accepted = run("compare", "--prices", prices, "--implied", "realized-proxy", "--output", tmp_path / "out")
    assert accepted.exit_code == 0, accepted.output
    assert "realised proxy" in accepted.stdout


@pytest.mark.parametrize(
    ("line", "column", "text", "expected"),
    [
        (17, 4, "n/a", ["line 17", "'close'", "'n/a'"]),
        (40, 0, "yesterday", ["line 40", "'date'", "'yesterday'"]),
        (9, 2, "", ["line 9", "'high'"]),
        (12, 3, "-4", ["2015-01-15", "low"]),
        (12, 3, "1e9", ["2015-01-15", "high"]),
    ],
)
def test_a_bad_cell_is_named(
    tmp_path: Path, bars: pd.DataFrame, line: int, column: int, text: str, expected: list[str]
) -> None:
    prices = tmp_path / "prices.csv"
    bars.to_csv(prices)
    lines = prices.read_text().splitlines()
    cells = lines[line - 1].split(",")
    cells[column] = text
    lines[line - 1] = ",".join(cells)
    prices.write_text("\n".join(lines) + "\n")
    result = run("compare", "--prices", prices, "--implied", "realized-proxy", "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
    for part in expected:
        assert part.lower() in result.stderr.lower(), result.stderr
    assert not list((tmp_path / "out").glob("*.csv"))


def test_wrong_files_get_a_sentence(tmp_path: Path, bars: pd.DataFrame, vix: pd.Series[float]) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 not really")
    narrow = tmp_path / "narrow.csv"
    bars[["Close"]].to_csv(narrow)
    other = tmp_path / "prices.xlsx"
    other.write_bytes(b"")
    good = tmp_path / "good.csv"
    bars.to_csv(good)
    short = tmp_path / "short.csv"
    bars.head(30).to_csv(short)
    holes = tmp_path / "vix.csv"
    vix.drop(vix.index[100]).to_frame().to_csv(holes)
    for arguments, expected in [
        (("--prices", tmp_path / "none.csv"), "there is no file"),
        (("--prices", broken), "cannot be read"),
        (("--prices", narrow), "no column 'open'"),
        (("--prices", other), "neither CSV nor Parquet"),
        (("--prices", short, "--implied", "realized-proxy"), "too short"),
        (("--prices", good, "--volatility-index", holes), "2015-05-21"),
        (("--volatility-index", holes), "--prices"),
        (("--cap", "40"), "cap is outside"),
    ]:
        result = run("compare", *arguments, "--output", tmp_path / "out")
        assert result.exit_code == 2, result.output
        assert expected in result.stderr
        assert "Remedy:" in result.stderr


def test_files_of_the_user_are_never_lost(tmp_path: Path, bars: pd.DataFrame) -> None:
    prices, out = tmp_path / "prices.csv", tmp_path / "out"
    bars.to_csv(prices)
    call = ("compare", "--prices", prices, "--implied", "realized-proxy", "--output", out)
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    assert run(*call).exit_code == 0
    assert run(*call).exit_code == 0, "its own untouched files may be replaced"
    (out / "summary.csv").write_text("edited by hand")
    refused = run(*call)
    assert refused.exit_code == 2
    assert "summary.csv" in refused.stderr
    assert (out / "summary.csv").read_text() == "edited by hand"
    assert run(*call, "--overwrite").exit_code == 0
    assert (out / "summary.csv").read_text() != "edited by hand"
    assert (out / "notes.txt").read_text() == "mine"
    assert not list(out.glob(".allocopt-??????*/"))


def test_help_and_version() -> None:
    page = run("compare", "--help").output
    for word in ("--prices", "--volatility-index", "--output", "--overwrite", "decimal"):
        assert word in page
    assert run("--version").output.startswith("allocopt ")
    module = subprocess.run([sys.executable, "-m", "allocopt", "--version"], capture_output=True, text=True, check=True)
    assert module.stdout.startswith("allocopt ")


@pytest.mark.market_data
def test_real_spy_with_real_vix(market_data: Path, tmp_path: Path) -> None:
    index = market_data / "index"
    result = run(
        "compare", "--prices", index / "spy_daily.parquet", "--volatility-index", index / "vix_daily.parquet",
        "--implied", "index-then-proxy", "--output", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "scaled by Adj Close / Close" in result.stdout
