"""The numbers on the page are those that the code gives."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from allocopt.backtests.profiles import ETF_COSTS
from allocopt.backtests.rotation.engine import RotationEngine
from allocopt.backtests.rotation.money import compare_money
from allocopt.backtests.rotation.stress import stress
from allocopt.rotation_data import indices_in, rotation_data

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "rotation.md").read_text(encoding="utf-8")
NAMES = {"heuristic": "heuristic", "Euclidean": "euclidean", "KL": "kl"}

Table = dict[str, list[str]]


def tables(after: str) -> Table:
    """First table after some words, by the first cell of each row; the header under ``""``."""
    lines = PAGE[PAGE.index(after) :].splitlines()
    first = next(k for k, line in enumerate(lines) if line.startswith("|"))
    found: Table = {}
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if set(name) != {"-"}:
            found["" if not found else name] = cells
    return found


def same(written: str, value: float) -> bool:
    """Whether a number was rounded to what is written."""
    plain = written.replace(",", "")
    decimals = len(plain.partition(".")[2])
    return abs(float(plain) - value) <= 0.5 * 10.0**-decimals * (1.0 + 1e-6)


def check_money(page: Table, table: pd.DataFrame) -> None:
    labels = [NAMES[name] for name in page.pop("")]
    for name, cells in page.items():
        figure = "P&L" if name.startswith("P&L") else name
        for label, cell in zip(labels, cells, strict=True):
            value = float(table.at[figure, label])  # type: ignore[arg-type]
            assert same(cell, value), (name, label, cell, value)


def test_the_embedded_window() -> None:
    page = tables("The embedded S&P 500 with its VIX")
    assert len(page) == 16
    check_money(page, compare_money(RotationEngine(), rotation_data().data).table())


def test_the_stress_of_the_embedded_window() -> None:
    page = tables("The embedded window, harder")
    page.pop("")
    found = stress(RotationEngine(), rotation_data().data).table()
    columns = [tuple(map(str, column)) for column in found.columns.to_flat_index()]
    values: list[list[float]] = found.to_numpy().tolist()
    rows: dict[str, dict[tuple[str, ...], float]] = {
        str(name): dict(zip(columns, row, strict=True)) for name, row in zip(found.index, values, strict=True)
    }
    assert list(rows) == list(page)
    for name, (money, ratio, other, other_ratio) in page.items():
        row = rows[name]
        for label, pnl, sharpe in (("heuristic", money, ratio), ("euclidean", other, other_ratio)):
            assert same(pnl, row["P&L", label]), (name, label)
            written, error = sharpe.strip(")").split(" (")
            assert same(written, row["Sharpe ratio", label]), (name, label)
            assert same(error, row["its standard error", label]), (name, label)


@pytest.mark.market_data
@pytest.mark.parametrize(
    ("words", "prices", "settings", "window"),
    [
        ("SPY, 2020-01-02 to 2024-12-30, on the surface", "spy_daily", {"profile_costs": ETF_COSTS},
         ("2020-01-02", "2024-12-30", 0.0)),
        ("S&P 500, 2007-01-03 to 2026-06-08", "sp500_daily", {}, ("2007-01-03", "2026-06-08", 0.019)),
    ],
)  # fmt: skip
def test_the_windows_on_files(
    words: str, prices: str, settings: dict[str, object], window: tuple[str, str, float], market_data: Path
) -> None:
    start, end, dividend = window
    folder = market_data / "index"
    files = rotation_data(folder / f"{prices}.parquet", indices_in(folder), start=start, end=end, dividend=dividend)
    engine = RotationEngine(**settings)  # type: ignore[arg-type]
    check_money(tables(words), compare_money(engine, files.data, start_date=start, end_date=end).table())
