"""``allocopt volatility-alpha`` and ``volatility-alpha-windows`` as a user meets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from matplotlib.figure import Figure
from typer.testing import CliRunner, Result

from allocopt.backtests.volatility_alpha import VolatilityAlpha, VolatilityAlphaComparison
from allocopt.market_files import embedded_prices
from allocopt.volatility_alpha_command import volatility_alpha, volatility_alpha_windows

app = typer.Typer()
app.command()(volatility_alpha)
app.command()(volatility_alpha_windows)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def blank_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the drawing where another test looks at the figure."""
    monkeypatch.setattr(VolatilityAlphaComparison, "figure", lambda _: Figure(figsize=(1.0, 1.0)))


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    rng = np.random.default_rng(4)
    closes = 100.0 * np.exp(rng.normal(0.0, 0.015, 400).cumsum())
    opens = closes * np.exp(rng.normal(0.0, 0.003, 400))
    table = pd.DataFrame(
        {"Open": opens, "High": np.maximum(opens, closes) * 1.01, "Low": np.minimum(opens, closes) / 1.01,
         "Close": closes},
        index=pd.bdate_range("2020-01-01", periods=400, name="Date"),
    )  # fmt: skip
    path = tmp_path / "prices.csv"
    table.to_csv(path)
    return path


def test_embedded_prices(tmp_path: Path) -> None:
    done = run("volatility-alpha", "--n", "8", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    result = VolatilityAlpha(8).run(embedded_prices())
    for part in (
        "sd8 on S&P 500 (embedded), 5,031 bars", f"{result.total_return:.2%}", "suggests n = 16",
        f"{result.volatility_alpha_realized:,.2f}", "No interest is booked", "return over buy-and-hold",
    ):  # fmt: skip
        assert part in done.stdout, part
    written = {path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")}
    assert written == {
        "comparison.png", "comparison.csv", "transactions.csv", "lots.csv", "stack.csv", "orders.csv", "equity.csv",
    }  # fmt: skip
    table = pd.read_csv(tmp_path / "out" / "comparison.csv", index_col="run")
    assert table.loc["full", "total_return"] == pytest.approx(result.total_return, rel=1e-12)
    stack = pd.read_csv(tmp_path / "out" / "stack.csv")
    assert list(stack.columns) == ["buy_date", "buy_price", "qty", "expected_sell_price"]
    equity = pd.read_csv(tmp_path / "out" / "equity.csv", index_col="date", parse_dates=True)
    np.testing.assert_allclose(equity["equity"], result.equity, rtol=1e-12)
    assert list(equity.columns) == ["equity", "bank", "holding", "return", "leverage"]
    assert len(pd.read_csv(tmp_path / "out" / "transactions.csv")) == result.buys + result.sells


@pytest.mark.usefixtures("blank_figures")
def test_options_and_names(tmp_path: Path, prices: Path) -> None:
    options = run(
        "volatility-alpha", "--prices", prices, "--n", "12", "--profit-sharing", "0.75", "--lots", "lifo", "--shares",
        "fractional", "--sell-quantity", "exact", "--cash", "--output", tmp_path / "a",
    )  # fmt: skip
    assert options.exit_code == 0, options.output
    assert "sd12,75-lifo-exact-fractional-cash on prices.csv, 400 bars" in options.stdout
    variant = run("volatility-alpha", "--prices", prices, "--name", "sd-ath-only-9.05,50", "--lending", "0.02",
                  "--borrowing", "0.06", "--capital", "50000", "--start", "2020-02-03", "--end", "2021-01-29",
                  "--output", tmp_path / "c")  # fmt: skip
    assert variant.exit_code == 0, variant.output
    assert "sd-ath-only-9.05,50 on prices.csv, 260 bars, 2020-02-03 to 2021-01-29" in variant.stdout
    assert "Interest is booked" in variant.stdout
    assert pd.read_csv(tmp_path / "c" / "lots.csv").empty


def test_wrong_input_gets_a_sentence(tmp_path: Path, prices: Path) -> None:
    lines = prices.read_text().splitlines()
    bad = tmp_path / "bad.csv"
    cells = lines[10].split(",")
    bad.write_text("\n".join([*lines[:10], ",".join([cells[0], cells[1], "1.0", *cells[3:]]), *lines[11:]]))
    for arguments, told in [
        (("--prices", tmp_path / "none.csv"), "there is no file"),
        (("--prices", bad), "the high is below the low at 2020-01-14"),
        (("--prices", prices, "--name", "eight"), "not the name of a ladder"),
        (("--prices", prices, "--name", "sd8", "--n", "8"), "--name goes with no option"),
        (("--prices", prices, "--name", "sd8", "--lots", "lifo"), "--name goes with no option"),
        (("--prices", prices, "--n", "0"), "n is not a number above 0"),
        (("--prices", prices, "--bought", "3"), "fewer than one lot at 2020-01-01"),
        (("--prices", prices, "--bought", "100", "--capital", "1"), "given both"),
        (("--prices", prices, "--profit-sharing", "50"), "looks like percent"),
        (("--prices", prices, "--borrowing", "5"), "between -1 and 1"),
        (("--prices", prices, "--start", "2031-01-01"), "fewer than two bars"),
    ]:
        refused = run("volatility-alpha", *arguments, "--output", tmp_path / "out")
        assert refused.exit_code == 2, (arguments, refused.output)
        assert told in refused.stderr, refused.stderr
        assert "Remedy:" in refused.stderr
        assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("blank_figures")
def test_a_split_is_refused_or_allowed_and_files_are_kept(tmp_path: Path, prices: Path) -> None:
    table = pd.read_csv(prices, index_col="Date")
    table.iloc[200:] *= 0.5 * table["Close"].iloc[199] / table["Open"].iloc[200]
    table.to_csv(prices)
    refused = run("volatility-alpha", "--prices", prices, "--output", tmp_path / "out")
    assert refused.exit_code == 2
    assert "looks like a split" in refused.stderr
    assert "2020-10-07: 0.5" in refused.stderr
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "stack.csv").write_text("mine")
    refused = run("volatility-alpha", "--prices", prices, "--allow", "split", "--output", tmp_path / "out")
    assert refused.exit_code == 2, "the bars are taken, and the user's file is kept"
    assert "--overwrite" in refused.stderr
    assert (tmp_path / "out" / "stack.csv").read_text() == "mine"


def test_windows(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    days = pd.bdate_range("2015-01-01", periods=700, name="date")
    closes = pd.DataFrame(100.0 * np.exp(rng.normal(0.0, 0.015, (700, 2)).cumsum(axis=0)), days, ["AA", "BB"])
    closes.to_csv(tmp_path / "closes.csv")
    out = tmp_path / "out"
    done = run("volatility-alpha-windows", "--closes", tmp_path / "closes.csv", "--years", "1", "--n", "8", "--n", "16",
               "--profit-sharing", "0.5", "--borrowing", "0.05", "--output", out)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "898 windows of 252 bars, 2 tickers; they overlap" in done.stdout
    assert "known at the end of a window only" in done.stdout
    written = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    assert written == {
        "windows.png", "distribution.csv", "by-ticker.csv", "by-displacement.csv", "by-buy_and_hold.csv",
        "by-volatility.csv", "by-max_drawdown.csv",
    }  # fmt: skip
    table = pd.read_csv(out / "distribution.csv")
    assert table["windows"].tolist() == [898, 898]
    assert table["n"].tolist() == [8, 16]
    short = run("volatility-alpha-windows", "--closes", tmp_path / "closes.csv", "--output", tmp_path / "none")
    assert short.exit_code == 2
    assert "no history is as long as the window" in short.stderr


def test_help_names_every_option() -> None:
    page = run("volatility-alpha", "--help").output
    for word in ("--prices", "--profit-sharing", "--name", "--lots", "--cash", "--lending", "--capital", "--allow"):
        assert word in page, word
