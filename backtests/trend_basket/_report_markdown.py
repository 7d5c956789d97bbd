"""The page of a report that people read. Every number on it stands in a table, where the audit finds it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

_PERCENT = {
    "total_return", "annualized_return", "max_drawdown", "win_rate", "fees", "return", "best gain", "worst gain",
    "target_volatility", "book_volatility", "leveraged_volatility", "leveraged_while_held_volatility", "whole",
    *map(str, range(1, 13)),
}  # fmt: skip
_VOLATILITIES = ("target_volatility", "book_volatility", "leveraged_volatility", "leveraged_while_held_volatility")
_RESULT = (
    "name", "first_signal", "first_exposure", "rows", "years", "total_return", "annualized_return", "max_drawdown",
    "calmar", "turnover_per_year", "turnover", "turnover_entry", "turnover_inside", "turnover_close", "trades",
    "win_rate", "profit_factor", "fees",
)  # fmt: skip
_SWEPT = ("total_return", "annualized_return", "max_drawdown", "calmar", "turnover_per_year")


def report_markdown(run: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> str:
    """Write the page from what the files hold."""
    total = tables["rotation-risk-total.csv"].iloc[0]
    phases = tables["rotation-risk-phases.csv"]
    never = str(total["never_binding"]).split()
    return "\n".join(
        [
            "# Trend basket: rotation risk",
            "",
            "Decimals are fractions of the capital, unless marked %. Turnover counts both sides of the executed "
            "weights before leverage. Returns are after leverage and fees.",
            *_section("Result", "All bars, from the capital on the first.", ("figure", "value"),
                      [(name, _cell(name, total[name])) for name in _RESULT]),
            *_section("Delivered volatility",
                      "The target beside what was delivered. `book` is the executed weights before leverage, "
                      "`leveraged` all returns after leverage and fees, `leveraged_while_held` those of bars on which "
                      "a coin was held. A scale that is capped at 1, a leverage below 1 and flat spells keep it below "
                      "the target.",
                      ("figure", "per year", "of the target"), _volatility(total)),
            *_section("Phases of the schedule",
                      "The same basket at every offset of its schedule. The chosen one is one draw from this "
                      "distribution; how far it lies above the median is luck of the calendar until shown otherwise.",
                      ("figure", "min", "median", "max", "chosen"), _swept(phases, run)),
            *_table(("phases", "chosen offset", "rank by total_return"),
                    [(str(total["phases"]), str(run["parameters"]["offset"]), str(total["phase_rank"]))]),
            *_section("Horizons", "The compounded curve, sliced by date.",
                      *_frame(tables["rotation-risk-horizons.csv"])),
            *_section("Costs", "The same decisions at multiples of the fee.",
                      *_frame(tables["rotation-risk-costs.csv"])),
            *_section("Trades",
                      "A trade is a spell in which a coin is held. Gains are fractions of the whole capital, after "
                      "leverage and fees; one that is open on the last bar counts with what it is worth.",
                      ("sleeve", "trades", "open", "wins", "bars held", "best gain", "worst gain"),
                      _trades(tables["rotation-risk-trades.csv"], run["coins"])),
            *_section("Months", "Return of each calendar month; months chain.",
                      ("year", *map(str, range(1, 13)), "whole"), _months(tables["rotation-risk-monthly.csv"])),
            *_section("Parameters",
                      "A parameter that never binds could be relaxed altogether without changing a decided weight on "
                      "any bar: the run does not test it.",
                      ("parameter", "value", "binds"), _parameters(run, never)),
            *_section("Data", "Bars without a close carry the last one before them.",
                      ("coin", "first", "last", "bars", "filled bars"), _data(run, tables["rotation-risk-ledger.csv"])),
            *(_table(("file", "rows", "sha256"), [(s["file"], f"{s['rows']:,}", s["sha256"]) for s in run["sources"]])
              if run["sources"] else []),
            "",
            "## Not tested",
            "",
            "Everything above is in sample: the parameters were there before the run, and nothing here says how many "
            "others were tried on the same bars. No walk-forward, no deflated Sharpe ratio and no reality check has "
            "been made. Fills are at the close of the deciding bar, at one fee, without slippage"
            + (" (funding is included)." if run["funding"] else " or funding."),
            "",
        ]
    )  # fmt: skip


def _section(heading: str, text: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["", f"## {heading}", "", text, *_table(header, rows)]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["", _row(header), _row(["---"] * len(header)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _frame(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    names = list(map(str, table.columns))
    return names, [[_cell(name, value) for name, value in zip(names, row, strict=True)]
                   for row in table.itertuples(index=False)]  # fmt: skip


def _cell(name: str, value: object) -> str:
    """Cell of a figure, in percent where that is how it is read; dates without their T."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value.replace("T", " ") if name in ("start", "end", "first", "last", *_RESULT[1:3]) else value
    number = float(str(value))
    if math.isinf(number):
        return str(number)
    if name in _PERCENT:
        return f"{_unsigned_zero(f'{100.0 * number:.2f}')} %"
    if name == "multiplier":
        return f"{number:g}"
    return _unsigned_zero(f"{number:.4f}") if isinstance(value, float) else f"{int(number):,}"


def _unsigned_zero(text: str) -> str:
    return text if any(digit in text for digit in "123456789") else text.removeprefix("-")


def _volatility(total: pd.Series[Any]) -> list[tuple[str, str, str]]:
    target = float(total["target_volatility"])
    rows = []
    for name in _VOLATILITIES:
        share = float(total[name]) / target if target else math.nan
        rows.append((name, _cell(name, float(total[name])), _cell("share", share)))
    return rows


def _swept(phases: pd.DataFrame, run: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for name in _SWEPT:
        values = phases[name]
        chosen = values.iloc[run["parameters"]["offset"]]
        found = (values.min(), values.median(), values.max(), chosen)
        rows.append([name, *(_cell(name, float(value)) for value in found)])
    return rows


def _trades(trades: pd.DataFrame, coins: Sequence[str]) -> list[list[str]]:
    rows = []
    for coin in coins:
        own = trades[trades["sleeve"] == coin]
        counts = (len(own), own["close"].isna().sum(), (own["gain"] > 0.0).sum(), own["bars"].sum())
        best, worst = (float(own["gain"].max()), float(own["gain"].min())) if len(own) else (math.nan, math.nan)
        rows.append([coin, *(f"{int(c):,}" for c in counts), _cell("best gain", best), _cell("worst gain", worst)])
    return rows


def _months(monthly: pd.DataFrame) -> list[list[str]]:
    returns = monthly.set_index("month")["return"]
    rows = []
    for year in sorted({month[:4] for month in returns.index}):
        months = [returns.get(f"{year}-{month:02d}", math.nan) for month in range(1, 13)]
        whole = math.prod(1.0 + value for value in months if not math.isnan(value)) - 1.0
        rows.append([year, *(_cell("whole", float(value)) for value in (*months, whole))])
    return rows


def _parameters(run: Mapping[str, Any], never: Sequence[str]) -> list[tuple[str, str, str]]:
    rows = [("bar", str(run["bar"]), "")]
    for name, value in run["parameters"].items():
        if name not in ("solver", "max_passes"):
            idle = name in never or (name in ("cap", "floor", "budget") and "limits" in never)
            rows.append((name, str(value), "never" if idle else ""))
    return [*rows, ("solver", str(run["parameters"]["solver"]), ""), ("fee", str(run["fee"]), "")]


def _data(run: Mapping[str, Any], ledger: pd.DataFrame) -> list[list[str]]:
    first, last = (_cell("first", ledger["date"].iloc[row]) for row in (0, -1))
    return [[coin, first, last, f"{len(ledger):,}", f"{run['filled'][coin]:,}"] for coin in run["coins"]]
