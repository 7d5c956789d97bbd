"""Parts of the audit: what it may import, its own weights and sums, its reading of printed numbers."""

from __future__ import annotations

import ast
import math
import random
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from allocopt import Limits, allocate
from allocopt.allocation import SolverName
from allocopt.backtests import audit
from allocopt.backtests.audit.cells import distance
from allocopt.backtests.audit.figures import figures_of, months_before
from allocopt.backtests.audit.markdown import printed, sections
from allocopt.backtests.audit.parameters import bar_seconds, parse_name
from allocopt.backtests.audit.stream import WindowedDeviation
from allocopt.backtests.audit.tables import name_at, ranks_of
from allocopt.backtests.audit.weights import allocate as plain_allocate
from allocopt.backtests.trend_basket import PUBLISHED, TrendBasket

FOLDER = Path(audit.__file__).parent


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_the_audit_is_another_path() -> None:
    files = sorted(FOLDER.glob("*.py"))
    assert len(files) >= 10
    for path in files:
        for name in imported(path):
            own = name.startswith("allocopt.backtests.audit.") or name == "allocopt.errors.DataFileError"
            process_pool = name.startswith("joblib.")
            assert own or process_pool or name.split(".")[0] in sys.stdlib_module_names, f"{path.name}: {name}"


@pytest.mark.parametrize("solver", ["euclidean", "kl", "heuristic"])
@pytest.mark.parametrize("limits", [Limits(1.0, 0.0), Limits(0.4, 0.05), Limits(0.5, 0.3), Limits(0.35, 0.2, 0.8)])
def test_weights_are_the_librarys(solver: SolverName, limits: Limits) -> None:
    rng = random.Random(5)
    for _ in range(60):
        n = rng.randint(1, 6)
        desirability = tuple(rng.choice([0.0, 1.0, rng.random(), 10.0 * rng.random()]) for _ in range(n))
        own = plain_allocate(desirability, limits.cap, limits.floor, limits.budget, solver)
        found = allocate(desirability, limits, solver=solver).weights
        np.testing.assert_allclose(own, found, rtol=0, atol=1e-12, err_msg=f"{desirability}")


def test_equal_coins_hold_the_cap_or_a_share_and_fewer_where_the_floor_asks_for_it() -> None:
    assert plain_allocate((1.0, 1.0, 1.0), 0.4, 0.0, 1.0) == pytest.approx((1 / 3,) * 3, abs=1e-15)
    assert plain_allocate((1.0, 0.0, 0.0), 0.4, 0.0, 1.0) == (0.4, 0.0, 0.0)
    assert plain_allocate((1.0, 1.0, 1.0), 0.9, 0.4, 1.0) == pytest.approx((0.5, 0.5, 0.0), abs=1e-15)
    assert plain_allocate((0.0, 0.0), 0.9, 0.4, 1.0) == (0.0, 0.0)


def test_the_deviation_of_a_window_is_exact_after_a_spike() -> None:
    deviation = WindowedDeviation(4)
    values = [0.1, -0.3, 1e3, 0.2, *[1e-9] * 4, 1e-9, 3e-9]
    found = [deviation.push(value) for value in values]
    assert all(math.isnan(value) for value in found[:3])
    assert found[7] == found[8] == 0.0
    assert found[9] == pytest.approx(1e-9, rel=1e-12)
    assert found[3] == pytest.approx(float(np.std(values[:4], ddof=1)), rel=1e-14)


def test_months_back_end_on_a_day_that_exists() -> None:
    assert months_before(datetime(2024, 2, 29, 5), 12) == datetime(2023, 2, 28, 5)
    assert months_before(datetime(2024, 1, 31), 3) == datetime(2023, 10, 31)
    assert months_before(datetime(2024, 8, 31), 6) == datetime(2024, 2, 29)
    assert months_before(datetime(2024, 12, 1), 36) == datetime(2021, 12, 1)


def test_figures_of_a_small_curve() -> None:
    found = figures_of([1.0, 0.9, 1.21], [5.0, 1.0, 0.5], 1.0)
    assert found["total_return"] == pytest.approx(0.21)
    assert found["annualized_return"] == pytest.approx(0.1)
    assert found["max_drawdown"] == pytest.approx(0.1)
    assert found["calmar"] == pytest.approx(1.0)
    assert found["turnover"] == 1.5
    assert found["turnover_per_year"] == 0.75
    assert math.isnan(figures_of([1.0, 1.0], [0.0, 0.0], 1.0)["calmar"])


def test_names_are_read_as_the_library_writes_them() -> None:
    basket = TrendBasket(
        offset=5, limits=Limits(0.4, 0.05, 0.9), weighting="momentum", volatility_target=0.00002,
        volatility_cap=math.inf, min_momentum=-0.01,
    )  # fmt: skip
    found = parse_name(basket.name)
    assert found is not None
    for name, value in found.items():
        stated = getattr(basket.limits if name in ("cap", "floor", "budget") else basket, name)
        assert value == stated, name
    assert parse_name("trend_basket-1h-lb720") is None
    for offset in (0, 3):
        for one in (basket, TrendBasket.from_name(PUBLISHED)):
            expected = TrendBasket.from_name(one.name)
            assert parse_name(name_at(one.name, offset)) == {**(parse_name(expected.name) or {}), "offset": offset}
    assert [bar_seconds(bar) for bar in ("1h", "15min", "h", "1D", "1fortnight")] == [3600, 900, 3600, 86400, None]


def test_ranks_share_the_best_of_equals() -> None:
    assert ranks_of([0.1, 0.3, 0.3, -0.2]) == [3, 1, 1, 4]
    assert ranks_of([0.3, 0.3 + 1e-13]) == [1, 1]


@pytest.mark.parametrize(
    ("text", "value", "agrees"),
    [
        ("12.35 %", 0.12347, True), ("12.36 %", 0.12347, False), ("12 %", 0.12347, True), ("12.35", 0.12347, False),
        ("55,720", 55720, True), ("55,721", 55720, False), ("45", 45, True), ("45 %", 45, False), ("", math.nan, True),
        ("0", math.nan, False), ("", None, True), ("inf", math.inf, True), ("-0.0020", -0.00196, True),
        ("0.0020", -0.00196, False), ("2e-05", 2e-05, True), ("3e-05", 2e-05, False), ("BTC", "BTC", True),
        ("ETH", "BTC", False), ("2024-01-01 05:00:00", datetime(2024, 1, 1, 5), True),
        ("2024-01-01 06:00:00", datetime(2024, 1, 1, 5), False), ("soon", datetime(2024, 1, 1), False),
    ],
)  # fmt: skip
def test_printed_numbers_are_read_at_their_precision(text: str, value: float | str | None, agrees: bool) -> None:
    assert printed(text, value) is agrees


def test_what_differs_is_seen() -> None:
    assert distance("number", 1.0, 1.0 + 1e-10) <= 1.0 < distance("number", 1.0, 1.0 + 1e-8)
    assert distance("number", math.nan, math.nan) == 0.0
    assert distance("number", math.nan, 0.0) == math.inf
    assert distance("number", math.inf, math.inf) == 0.0
    assert distance("number", math.inf, 1.0) == math.inf
    assert distance("volatility", 1.8e-8, 0.0) <= 1.0 < distance("volatility", 0.2, 0.2 * (1 + 1e-8))
    assert distance("date", datetime(2024, 1, 1), datetime(2024, 1, 2)) == math.inf
    assert distance("count", "many", 3) == math.inf


def test_tables_of_a_page_are_found_with_their_headings() -> None:
    page = "# A\n\ntext | no table\n\n| x | y |\n| --- | --- |\n| 1 |  |\n\n## B\n\n| z |\n| --- |"
    found = sections(page)
    assert [(one.heading, one.header, list(one.rows)) for one in found] == [
        ("A", ("x", "y"), [["1", ""]]),
        ("B", ("z",), []),
    ]
