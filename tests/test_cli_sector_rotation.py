"""``allocopt sector-rotation`` as a user meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from allocopt.backtests.runs import list_runs
from allocopt.backtests.sector_rotation import Experiment, SectorData, rotation_from_settings
from allocopt.sector_rotation_command import Question, read_sector_closes, sector_rotation

SMALL = """
title = "made closes"
start = 2019-07-01
end = 2020-06-30
[shared]
universe = ["AA", "BB", "CC"]
top_n = 2
financing_rate = 0.05
[profiles.base]
momentum = 20
published = {cagr = 0.1, sharpe = 2.0}
[profiles.weekly]
momentum = 30
schedule = "7D"
[[phases]]
name = "momentum"
profiles = ["base"]
grid = {momentum = [20, 30]}
[[phases]]
name = "published"
[[phases]]
name = "vix"
profiles = ["base"]
grid = {leverage = [{policy = "vix-inverse"}]}
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(sector_rotation, [str(a) for a in arguments])


@pytest.fixture(autouse=True)
def coarse_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of the time of these tests would go into pixels."""
    monkeypatch.setattr("allocopt.backtests.sector_rotation.report.DPI", 25)


@pytest.fixture
def closes() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    days = pd.bdate_range("2019-03-04", "2020-07-31", name="date")
    rows = len(days)
    waves = 0.004 * np.sin(np.arange(rows)[:, None] / 25.0 + 2.0 * np.arange(5))
    values = 50.0 * np.exp(np.cumsum(waves + rng.normal(0.0002, 0.01, (rows, 5)), axis=0))
    return pd.DataFrame(values, days, ["AA", "BB", "CC", "TLT", "SPY"])


@pytest.fixture
def files(tmp_path: Path, closes: pd.DataFrame) -> tuple[Path, Path, Path]:
    """Configuration, closes, volatility index."""
    toml, prices, vix = tmp_path / "small.toml", tmp_path / "closes.csv", tmp_path / "vix.csv"
    toml.write_text(SMALL)
    closes.to_csv(prices)
    level = 20.0 + 8.0 * np.sin(np.arange(len(closes)) / 30.0)
    pd.DataFrame({"Close": level}, index=closes.index).to_csv(vix)
    return toml, prices, vix


def test_study_prints_its_table_and_keeps_the_run(tmp_path: Path, files: tuple[Path, Path, Path]) -> None:
    toml, prices, vix = files
    options = ("--prices", prices, "--volatility-index", vix, "--jobs", "1", "--runs", tmp_path / "kept")
    done = run("study", toml, *options)
    assert done.exit_code == 0, done.output
    for part in ("made closes: 5 runs, 2019-07-01 to 2020-06-30", "benchmark SPY", "momentum 30", "published weekly",
                 "VIX inverse", "by its definitions", "in sample", "Kept in"):  # fmt: skip
        assert part in done.stdout, part
    kept = list(list_runs(tmp_path / "kept"))
    assert len(kept) == 1
    assert (kept[0].kind, kept[0].status, kept[0].title) == ("sector-rotation", "finished", "made closes")
    assert kept[0].configuration() == SMALL
    table = kept[0].table()
    assert list(table.index)[:3] == ["momentum: 20", "momentum: 30", "published: base"]
    data = SectorData(read_sector_closes(prices))
    alone = rotation_from_settings(Experiment.from_text(SMALL).profile("weekly")).run(
        data, None, "2019-07-01", "2020-06-30"
    )
    assert table.T["published: weekly"].tolist() == alone.metrics.tolist(), "read back to the last bit"
    again = run("study", toml, *options, "--resume")
    assert again.exit_code == 0, again.output
    assert len(list_runs(tmp_path / "kept")) == 1
    pd.testing.assert_frame_equal(next(iter(list_runs(tmp_path / "kept"))).table(), table)
    other = tmp_path / "other.toml"
    other.write_text(SMALL + "\n# changed\n")
    refused = run("study", other, *options, "--resume")
    assert refused.exit_code == 2
    assert "no kept run of this configuration" in refused.stderr


def test_only_some_phases(tmp_path: Path, files: tuple[Path, Path, Path]) -> None:
    toml, prices, _ = files
    options = ("--prices", prices, "--jobs", "1", "--runs", tmp_path / "kept")
    refused = run("study", toml, *options)
    assert refused.exit_code == 2
    assert "phases need a volatility index, which is not given: vix" in refused.stderr
    assert "--phase momentum --phase published" in refused.stderr
    assert not (tmp_path / "kept").exists(), "nothing is kept of a run that could not begin"
    done = run("study", toml, *options, "--phase", "momentum")
    assert done.exit_code == 0, done.output
    assert "2 runs" in done.stdout
    assert [run.title for run in list_runs(tmp_path / "kept")] == ["made closes (phases: momentum)"]
    other = run("study", toml, *options, "--phase", "published", "--resume")
    assert other.exit_code == 2, "it would replace the table of the other phase"
    assert "no kept run of this configuration and these phases" in other.stderr
    assert run("study", toml, *options, "--phase", "momentum", "--resume").exit_code == 0
    assert [len(run.table()) for run in list_runs(tmp_path / "kept")] == [3]
    assert run("study", toml, *options, "--phase", "moon").exit_code == 2


def test_a_run_that_fails_is_marked(
    tmp_path: Path, files: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    toml, prices, vix = files
    options = ("--prices", prices, "--volatility-index", vix, "--jobs", "1", "--runs", tmp_path / "kept")
    with monkeypatch.context() as patch:
        patch.setattr("allocopt.backtests.sector_rotation.study.run_cells", stop)
        stopped = run("study", toml, *options)
    assert stopped.exit_code == 130
    assert "the same command with --resume goes on" in stopped.stderr
    assert next(iter(list_runs(tmp_path / "kept"))).status == "interrupted"
    assert run("study", toml, *options, "--resume").exit_code == 0
    assert [kept.status for kept in list_runs(tmp_path / "kept")] == ["finished"]


def test_one_configuration_with_figures_and_tables(
    tmp_path: Path, files: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    toml, prices, vix = files
    out = tmp_path / "out"
    done = run("run", "--prices", prices, "--configuration", toml, "--output", out, "--jobs", "1")
    assert done.exit_code == 0, done.output
    for part in ("262 sessions, 2019-07-01 to 2020-06-30", "rotation", "SPY", "published", "rank", "p = ",
                 "Interest paid", "In sample", str(out)):  # fmt: skip
        assert part in done.stdout, part
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == {
        "sector-rotation.png", "sector-holdings.png", "sector-offsets.png", "metrics.csv", "offsets.csv", "ledger.csv",
        "trades.csv", "decisions.csv", "momentum.csv", "costs.csv",
    }  # fmt: skip
    ledger = pd.read_csv(out / "ledger.csv", index_col=0, parse_dates=True)
    metrics = pd.read_csv(out / "metrics.csv", index_col=0)["rotation"]
    value = ledger["ledger equity"]
    assert 1.0 - (value / value.cummax()).min() == pytest.approx(metrics["max_drawdown"])
    monkeypatch.setattr("allocopt.backtests.sector_rotation.report.write_run", lambda *_: None)  # drawn above already
    changed = run(
        "run", "--prices", prices, "--volatility-index", vix, "--configuration", toml, "--output", tmp_path / "other",
        "--set", 'leverage={policy = "vix-steps", base = 1.25}', "--set", "schedule=7D", "--set", "momentum=30",
        "--start", "2019-08-01", "--end", "2020-05-29", "--jobs", "1",
    )  # fmt: skip
    assert changed.exit_code == 0, changed.output
    assert "2019-08-01 to 2020-05-29" in changed.stdout
    assert "at least 7 days apart" in changed.stdout
    assert "published" not in changed.stdout, "of another configuration nothing was published"


@pytest.mark.parametrize("question", [Question.LIMITS, Question.LEVERAGE, Question.WEIGHTINGS])
def test_research(tmp_path: Path, files: tuple[Path, Path, Path], question: Question) -> None:
    toml, prices, vix = files
    extra = ("--split", "2020-03-02") if question is Question.WEIGHTINGS else ()
    done = run(
        "research", question.value, "--prices", prices, "--volatility-index", vix, "--configuration", toml, "--start",
        "2019-09-02", "--jobs", "1", "--output", tmp_path / "out", *extra,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "variants were run on the same" in done.stdout
    assert "benchmark SPY" in done.stdout
    table = pd.read_csv(tmp_path / "out" / f"{question.value}.csv", index_col=0)
    assert table.index[-1] == "benchmark SPY"
    assert (tmp_path / "out" / "sector-leverage.png").exists() is (question is Question.LEVERAGE)


def test_the_published_experiment_can_be_copied(tmp_path: Path) -> None:
    done = run("configuration")
    assert done.exit_code == 0
    assert done.stdout == Experiment.default().text


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_long_and_wide_files(tmp_path: Path, closes: pd.DataFrame, kind: str) -> None:
    long = closes.reset_index().melt("date", var_name="Ticker", value_name="Close")
    long["Volume"] = 1
    path = tmp_path / f"long.{kind}"
    if kind == "csv":
        long.to_csv(path, index=False)
    else:
        long.to_parquet(path)
    pd.testing.assert_frame_equal(read_sector_closes(path), closes, check_freq=False, check_index_type=False)
    wide = tmp_path / f"wide.{kind}"
    if kind == "csv":
        closes.to_csv(wide)
    else:
        closes.to_parquet(wide)
    pd.testing.assert_frame_equal(read_sector_closes(wide), closes, check_freq=False, check_index_type=False)


def test_wrong_input_gets_a_sentence(tmp_path: Path, files: tuple[Path, Path, Path], closes: pd.DataFrame) -> None:
    toml, prices, vix = files
    nameless, half, fewer = tmp_path / "nameless.csv", tmp_path / "half.csv", tmp_path / "fewer.csv"
    nameless.write_text("date,Close\n2024-01-02,10\n")
    half.write_text("date,ticker,adjusted\n2024-01-02,XLK,10\n")
    closes.drop(columns="TLT").to_csv(fewer)
    typo = tmp_path / "typo.toml"
    typo.write_text(SMALL.replace("top_n", "topn"))
    base = ("run", "--configuration", toml, "--output", tmp_path / "out")
    for arguments, told in [
        (("study",), "no sector prices in the program"),
        (("run",), "no sector prices in the program"),
        (("research", "limits"), "no sector prices in the program"),
        (("study", "--prices", prices), "phases need a volatility index"),
        (("study", tmp_path / "none.toml", "--prices", prices), "there is no file"),
        (("study", typo, "--prices", prices), "'topn' is no setting of a rotation"),
        ((*base, "--prices", tmp_path / "none.csv"), "there is no file"),
        ((*base, "--prices", fewer), "TLT (defensive)"),
        ((*base, "--prices", nameless), "has a column 'close' and none named 'ticker'"),
        ((*base, "--prices", half), "has a column 'ticker' and none named 'close'"),
        ((*base, "--prices", prices, "--set", "leverage=vix-steps"), "give one: --volatility-index FILE"),
        ((*base, "--prices", prices, "--set", "leverage=moon"), "not a leverage policy: 'moon'"),
        ((*base, "--prices", prices, "--profile", "best"), "not a profile"),
        ((*base, "--prices", prices, "--set", "lookback=3"), "'lookback' is no setting"),
        ((*base, "--prices", prices, "--set", "momentum"), "no KEY=VALUE"),
        ((*base, "--prices", prices, "--set", "momentum=2", "--set", "momentum=3"), "given twice"),
        ((*base, "--prices", prices, "--set", "leverage={policy"), "no TOML"),
        ((*base, "--prices", prices, "--start", "soon"), "the start is no date"),
        ((*base, "--prices", prices, "--start", "2031-01-01"), "fewer than"),
        (("research", "limits", "--prices", prices, "--split", "2020-01-01"), "--split does not go with"),
        (
            ("research", "leverage", "--configuration", toml, "--prices", prices, "--jobs", "1"),
            "needs a volatility index",
        ),
    ]:
        refused = run(*arguments)
        assert refused.exit_code == 2, (arguments, refused.output)
        assert told in refused.stderr, refused.stderr
        assert "Remedy:" in refused.stderr
        assert not (tmp_path / "out").exists()
    assert vix.exists()


def test_help_is_quick_and_complete() -> None:
    for command, words in {
        "study": ("--prices", "--volatility-index", "--phase", "--jobs", "--runs", "--resume"),
        "run": ("--prices", "--profile", "--set", "--start", "--end", "--output"),
        "research": ("leverage", "look-backs", "vix-thresholds", "bear-market", "--split"),
    }.items():
        page = run(command, "--help").output
        for word in words:
            assert word in page, word
    code = (
        "import sys; from allocopt.sector_rotation_command import sector_rotation; "
        "heavy = {'matplotlib', 'numba', 'cvxpy', 'statsmodels', 'joblib', 'arch'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.market_data
def test_the_published_study_on_real_closes(market_data: Path, tmp_path: Path) -> None:
    done = run(
        "study", "--prices", market_data / "sectors" / "ohlcv_daily.parquet", "--phase", "published", "--jobs", "1",
        "--runs", tmp_path,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    table = next(iter(list_runs(tmp_path))).table()
    assert table["cagr"]["published: base"] == pytest.approx(0.1301, abs=0.007)
    assert table["cagr"]["published: enhanced"] == pytest.approx(0.1243, abs=0.007)
