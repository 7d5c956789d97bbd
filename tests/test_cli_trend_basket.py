"""``allocopt trend-basket`` and ``allocopt audit`` as a user meets them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from allocopt import DataFileError
from allocopt.backtests.trend_basket import TrendBasket, TrendBasketResult
from allocopt.cli import app
from allocopt.market_files import read_closes

SMALL = "trend_basket-1h-lb48-tr72-bt96-rb12-top2-mm0.000-bm0.000-vw36-vc0.0300-lev0.75-exp0.50-vt0.3000"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def basket(*arguments: str | Path) -> Result:
    return run("trend-basket", "--name", SMALL, "--jobs", "1", *arguments)


@pytest.fixture
def closes() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    rows = 900
    hours = pd.date_range("2024-01-30 00:00", periods=rows, freq="h", tz="UTC", name="date")
    drift = 0.002 * np.sin(np.arange(rows) / 90.0)[:, None] * np.array([1.0, 1.3])
    shocks = rng.normal(0.0, 0.006, (rows, 1)) + rng.normal(0.0, 0.004, (rows, 2))
    prices = np.array([40_000.0, 2_500.0]) * np.exp(np.cumsum(drift + shocks, axis=0))
    return pd.DataFrame(prices, index=hours, columns=["BTC", "ETH"])


@pytest.fixture
def files(tmp_path: Path, closes: pd.DataFrame) -> list[str]:
    """One file a coin, with the options that name them."""
    for coin in closes.columns:
        closes[coin].rename("Close").to_csv(tmp_path / f"{coin}.csv")
    return [part for coin in closes.columns for part in ("--closes", f"{coin}={tmp_path / coin}.csv")]


def test_run_and_audit(tmp_path: Path, closes: pd.DataFrame, files: list[str]) -> None:
    out = tmp_path / "out"
    done = basket(*files, "--output", out)
    assert done.exit_code == 0, done.output
    result = TrendBasket.from_name(SMALL).run(closes)
    for part in (
        SMALL, "900 bars", "bars filled: BTC 0, ETH 0", f"{result.metrics['total_return']:.6g}", "never bind",
        "All 12 phases", "of 12 by total return", "In sample", str(out), "leveraged_while_held",
    ):  # fmt: skip
        assert part in done.stdout, part
    audited = run("audit", out, "--jobs", "1")
    assert audited.exit_code == 0, audited.output
    for part in ("metric", "reported", "recomputed", "status", "fee basis", "report consistency", "look-ahead",
                 "return slicing", "other futures", "Audit passed"):  # fmt: skip
        assert part in audited.stdout, part
    assert "MISMATCH" not in audited.stdout
    assert "FAILED" not in audited.stdout


def test_exit_status_of_the_audit(tmp_path: Path, files: list[str]) -> None:
    out = tmp_path / "out"
    assert basket(*files, "--output", out).exit_code == 0
    total = out / "rotation-risk-total.csv"
    header, row = total.read_text().splitlines()
    cells = row.split(",")
    at = header.split(",").index("max_drawdown")
    cells[at] = repr(float(cells[at]) * 1.001)
    total.write_text(f"{header}\n{','.join(cells)}\n")
    failed = run("audit", out, "--jobs", "1", "--cuts", "0")
    assert failed.exit_code == 1
    assert "rotation-risk-total.csv: max_drawdown" in failed.stdout
    assert [line for line in failed.stdout.splitlines() if "max_drawdown" in line and "MISMATCH" in line]
    total.unlink()
    unreadable = run("audit", out)
    assert unreadable.exit_code == 2
    assert "rotation-risk-total.csv is missing" in unreadable.stderr
    assert run("audit", tmp_path / "none").exit_code == 2


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_one_wide_table(tmp_path: Path, closes: pd.DataFrame, files: list[str], kind: str) -> None:
    path = tmp_path / f"all=closes.{kind}"
    if kind == "csv":
        closes.to_csv(path)
    else:
        closes.to_parquet(path)
    assert basket("--closes", path, "--output", tmp_path / "wide").exit_code == 0
    assert basket(*files, "--output", tmp_path / "apart").exit_code == 0
    for name in ("ledger", "total", "phases"):
        file = f"rotation-risk-{name}.csv"
        assert (tmp_path / "wide" / file).read_bytes() == (tmp_path / "apart" / file).read_bytes()


def test_limits_fee_and_dates(tmp_path: Path, closes: pd.DataFrame, files: list[str]) -> None:
    done = basket(
        *files, "--cap", "0.4", "--floor", "0.05", "--fee", "0.001", "--start", "2024-02-01", "--end", "2024-02-28",
        "--market", "ETH", "--output", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert f"{SMALL}-cap0.40-floor0.05" in done.stdout
    ledger = pd.read_csv(tmp_path / "out" / "rotation-risk-ledger.csv")
    assert ledger["date"].iloc[0] == "2024-02-01T00:00:00+00:00"
    assert ledger["date"].iloc[-1] == "2024-02-28T23:00:00+00:00", "the whole last day"
    held = ledger.filter(like="composition_")
    assert held.to_numpy().max() == 0.4
    assert run("audit", tmp_path / "out", "--jobs", "1", "--cuts", "2").exit_code == 0
    exact = basket(*files, "--end", "2024-02-28 05:00", "--output", tmp_path / "exact")
    assert "to 2024-02-28 05:00:00+00:00" in exact.stdout


def test_gaps_are_an_error_or_filled_and_counted(tmp_path: Path, closes: pd.DataFrame) -> None:
    holes = closes.copy()
    holes.iloc[100:103, 1] = np.nan
    path = tmp_path / "closes.csv"
    holes.drop(holes.index[[200, 201]]).to_csv(path)
    refused = basket("--closes", path, "--output", tmp_path / "out")
    assert refused.exit_code == 2
    for part in ("BTC on 2, ETH on 5 of 900", "2024-02-07 08:00", "--gaps fill"):
        assert part in refused.stderr, refused.stderr
    assert not (tmp_path / "out").exists()
    done = basket("--closes", path, "--gaps", "fill", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "bars filled: BTC 2, ETH 5" in done.stdout
    assert "| ETH |" in (tmp_path / "out" / "rotation-risk-report.md").read_text()
    assert run("audit", tmp_path / "out", "--jobs", "1", "--cuts", "2").exit_code == 0


def test_a_coin_that_begins_late_or_ends_early(tmp_path: Path, closes: pd.DataFrame) -> None:
    for rows, told in ((slice(50, None), "before 2024-02-01 02:00"), (slice(None, 800), "after 2024-03-03 07:00")):
        other = closes.copy()
        other["ETH"] = closes["ETH"].iloc[rows]
        other.to_csv(tmp_path / "closes.csv")
        refused = basket("--closes", tmp_path / "closes.csv", "--gaps", "fill", "--output", tmp_path / "out")
        assert refused.exit_code == 2
        assert f"ETH has no close {told}" in refused.stderr
        option = "--start" if "before" in told else "--end"
        assert f"pass {option} '" in refused.stderr


def test_wrong_input_gets_a_sentence(tmp_path: Path, closes: pd.DataFrame, files: list[str]) -> None:
    both = tmp_path / "both.csv"
    closes.rename(columns={"BTC": "open", "ETH": "close"}).to_csv(both)
    unclear = tmp_path / "unclear.csv"
    closes.to_csv(unclear)
    naive = tmp_path / "naive.csv"
    closes["ETH"].tz_localize(None).rename("close").to_csv(naive)
    for arguments, told in [
        (("--closes", tmp_path / "none.csv"), "there is no file"),
        (("--closes", both), "no name of a coin"),
        (("--closes", f"BTC={unclear}"), "which column is the close is not clear"),
        ((*files, "--closes", f"BTC={both}"), "a coin is given twice"),
        ((*files[:2], "--closes", f"ETH={naive}"), "differ in having a time zone"),
        ((*files, "--start", "soon"), "--start is no date"),
        ((*files, "--start", "2030-01-01"), "no close lies between"),
        ((*files, "--cap", "40"), "cap is outside"),
        ((*files, "--fee", "-1"), "rate"),
        ((*files, "--name", "my basket"), "not the name of a trend basket"),
        ((*files, "--market", "DOGE"), "the market coin is no column"),
        ((*files, "--end", "2024-02-01"), "too few closes for the warm-up"),
    ]:
        refused = basket(*map(str, arguments), "--output", tmp_path / "out")
        assert refused.exit_code == 2, (arguments, refused.output)
        assert told in refused.stderr, refused.stderr
        assert "Remedy:" in refused.stderr
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "text", "told"),
    [
        (5, "2024-01-30 03:00:00+00:00,-4", "no positive number at line 5"),
        (5, "2024-01-30 03:00:00+00:00,n/a", "no positive number at line 5"),
        (5, "soon,4", "date that cannot be read at line 5"),
        (5, "2024-01-30 02:00:00+00:00,4", "date twice at line 5"),
        (5, "2024-01-30 01:30:00+00:00,4", "not sorted by date at line 5"),
        (5, "2024-01-30 03:30:00+00:00,4", "not on the grid"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, files: list[str], line: int, text: str, told: str) -> None:
    path = tmp_path / "BTC.csv"
    lines = path.read_text().splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n")
    refused = basket(*files, "--output", tmp_path / "out")
    assert refused.exit_code == 2
    assert told in refused.stderr, refused.stderr


def test_closes_keep_their_names_and_empty_cells(tmp_path: Path) -> None:
    path = tmp_path / "closes.csv"
    path.write_text("Time,wBTC,eth\n2024-01-01 00:00+02:00,1,\n2024-01-01 01:00+02:00,,2.5\n")
    found = read_closes(path)
    assert list(found.columns) == ["wBTC", "eth"]
    assert found.index[0] == pd.Timestamp("2023-12-31 22:00", tz="UTC")
    np.testing.assert_array_equal(found, [[1.0, np.nan], [np.nan, 2.5]])
    path.write_text("date,close\n2024-01-01 00:00+02:00,1\n2024-01-01 01:00+01:00,2\n")
    with pytest.raises(DataFileError, match="mixes time zones"):
        read_closes(path, "BTC")


def test_stopping_leaves_nothing(tmp_path: Path, files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: TrendBasketResult) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(TrendBasketResult, "cost_sweep", stop)
        stopped = basket(*files, "--output", out)
        assert stopped.exit_code == 130
        assert "stopped" in stopped.stderr
        assert not out.exists()
    assert basket(*files, "--output", out).exit_code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr("allocopt.backtests.trend_basket._report_figure._exposure", lambda *_: stop(None))  # type: ignore[arg-type]
        stopped = basket(*files, "--cap", "0.4", "--output", out)
        assert stopped.exit_code == 130, "while writing"
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_files_of_the_user_are_never_lost(tmp_path: Path, files: list[str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "rotation-risk-total.csv").write_text("mine")
    refused = basket(*files, "--output", out)
    assert refused.exit_code == 2
    assert "--overwrite" in refused.stderr
    assert [path.name for path in out.iterdir()] == ["rotation-risk-total.csv"]
    assert basket(*files, "--output", out, "--overwrite").exit_code == 0


def test_help_is_quick_and_complete() -> None:
    for command, words in {
        "trend-basket": ("--closes", "--name", "--start", "--end", "--fee", "--cap", "--floor", "--gaps", "--jobs"),
        "audit": ("--jobs", "--cuts", "Exit status"),
    }.items():
        page = run(command, "--help").output
        for word in words:
            assert word in page, word
    code = (
        "import sys; from allocopt.cli import app; "
        "heavy = {'matplotlib', 'numba', 'cvxpy', 'statsmodels', 'joblib', 'arch'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.market_data
def test_the_published_basket_on_real_closes(market_data: Path, tmp_path: Path) -> None:
    """Published: total return 1.52024, 45 trades, win rate .57778; other exchanges' prices land within 1 percent."""
    folder = market_data / "crypto"
    done = run(
        "trend-basket", "--closes", f"BTC={folder / 'btcusdt_1h.parquet'}", "--closes",
        f"ETH={folder / 'ethusdt_1h.parquet'}", "--start", "2019-12-25", "--end", "2026-05-03 15:00", "--gaps", "fill",
        "--output", tmp_path,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    total = pd.read_csv(tmp_path / "rotation-risk-total.csv").iloc[0]
    assert total["total_return"] == pytest.approx(1.52024, rel=0.01)
    assert total["trades"] == 45
    assert total["win_rate"] == pytest.approx(0.57778, abs=5e-6)
    assert total["rows"] == 55_720
    assert total["first_signal"] == "2020-04-30T00:00:00+00:00"
    assert total["first_exposure"] == "2020-04-30T01:00:00+00:00"
    assert total["phases"] == 168
    assert "volatility_cap" in total["never_binding"]
    audited = run("audit", tmp_path, "--cuts", "4")
    assert audited.exit_code == 0, audited.output
    assert "Audit passed" in audited.stdout
