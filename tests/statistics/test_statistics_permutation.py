"""Permutation of regime labels: exact under shifts, of the right size when labels persist, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocopt.backtests.metrics import by_regime, equity_curve
from allocopt.backtests.statistics import (
    BlockShuffle,
    CircularShift,
    PlainShuffle,
    regime_permutation,
    regime_separation,
)
from allocopt.backtests.statistics.label_permutations import Permutation, orders
from allocopt.errors import AllocoptError, InputError, LabelError, ShapeError, SpecificationError


def spells(rng: np.random.Generator, rows: int, stay: float = 0.97, kinds: int = 2) -> pd.Series[Any]:
    """Labels of a chain that keeps its state with the given probability."""
    state, found = 0, []
    for change in rng.random(rows):
        if change > stay:
            state = int((state + 1 + rng.integers(kinds - 1)) % kinds) if kinds > 2 else 1 - state
        found.append("abc"[state])
    return pd.Series(found, pd.bdate_range("2015-01-01", periods=rows), name="regime")


def drifting(rng: np.random.Generator, rows: int, slope: float = 0.9) -> pd.Series[float]:
    """Returns whose mean wanders slowly: dependent over time as the labels are."""
    drift, found = 0.0, []
    for one, other in rng.standard_normal((rows, 2)):
        drift = slope * drift + 0.004 * one
        found.append(drift + 0.005 * other)
    return pd.Series(found, pd.bdate_range("2015-01-01", periods=rows))


def test_p_values_over_all_shifts_are_exactly_uniform(rng: np.random.Generator) -> None:
    """Whatever the data: with every shift tried, each start of the labels gets a p-value of its own."""
    rows = 36
    returns = rng.normal(size=rows)
    labels = spells(rng, rows, stay=0.8)
    found = []
    for start in range(rows):
        shifted = pd.Series(np.roll(labels.to_numpy(), start), labels.index)
        test = regime_permutation(
            lambda given: float(returns[(given == "a").to_numpy()].sum()), shifted, CircularShift(0, rows - 1)
        )
        found.append(test.p_value)
    assert sorted(found) == pytest.approx([(k + 1) / rows for k in range(rows)])


def test_permutation_is_the_plain_count(rng: np.random.Generator) -> None:
    labels = spells(rng, 60, stay=0.8)
    returns = rng.normal(size=60)

    def figure(given: pd.Series[Any]) -> float:
        assert given.index.equals(labels.index)
        assert given.name == "regime"
        return float(returns[(given == "a").to_numpy()].sum())

    for permutation in (CircularShift(3, 40), BlockShuffle(3, 5, 40), PlainShuffle(3, 40)):
        found = regime_permutation(figure, labels, permutation)
        values = [
            figure(pd.Series(labels.to_numpy()[order], labels.index, name="regime"))
            for order in orders(permutation, 60)
        ]
        assert found.permuted.tolist() == values
        assert found.observed == figure(labels)
        assert found.p_value == (1 + sum(value >= found.observed - 1e-12 for value in values)) / 41
        lower = regime_permutation(figure, labels, permutation, lower_is_better=True)
        assert lower.p_value == (1 + sum(value <= found.observed + 1e-12 for value in values)) / 41


@settings(max_examples=25)
@given(st.integers(30, 90), st.integers(1, 3), st.integers(0, 5))
def test_every_order_has_every_row_once(rows: int, block: int, seed: int) -> None:
    for permutation in (CircularShift(seed, 25), BlockShuffle(seed, block, 25), PlainShuffle(seed, 25)):
        for order in orders(permutation, rows):
            assert np.array_equal(np.sort(order), np.arange(rows))
    shifts = [tuple(order) for order in orders(CircularShift(seed, rows - 1), rows)]
    assert len(set(shifts)) == rows - 1
    assert all((np.diff(shift) % rows == 1).all() and shift[0] != 0 for shift in shifts)


def test_blocks_keep_their_inside(rng: np.random.Generator) -> None:
    for order in orders(BlockShuffle(1, 20, 50), 210):
        joints = np.count_nonzero(np.diff(order) % 210 != 1)
        assert joints <= 10
    plain = [np.count_nonzero(np.diff(order) % 210 != 1) for order in orders(PlainShuffle(1, 50), 210)]
    assert min(plain) > 195


def test_labels_keep_their_dtype(rng: np.random.Generator) -> None:
    labels = spells(rng, 60, stay=0.8).astype("category")
    seen = []
    regime_permutation(lambda given: float(seen.append(given.dtype) or 0.0), labels, CircularShift(3, 19))  # type: ignore[func-returns-value]
    assert set(seen) == {labels.dtype}


def test_information_is_found_and_a_good_market_is_not() -> None:
    rng = np.random.default_rng(2)
    labels = spells(rng, 1500, stay=0.98)
    calm = (labels == "a").to_numpy()
    informed = rng.normal(0.0, 0.01, 1500) + np.where(calm, 0.0012, -0.0012)
    rising = rng.normal(0.002, 0.01, 1500)

    def sharpe_held(returns: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
        return lambda given: float((held := returns * (given == "a").to_numpy()).mean() / held.std())

    assert regime_permutation(sharpe_held(informed), labels, CircularShift(1, 499)).p_value < 0.02
    assert regime_permutation(sharpe_held(rising), labels, CircularShift(1, 499)).p_value > 0.1


def test_separation_measures_as_the_metrics_do(rng: np.random.Generator) -> None:
    returns = drifting(rng, 400)
    labels = spells(rng, 400, kinds=3)
    curve = equity_curve(returns, start="2014-12-31")
    aligned = labels.reindex(curve.index)
    table = by_regime(curve, aligned, periods_per_year=1.0, standard_error=False)
    for metric, name in (("mean", "mean_annual_return"), ("volatility", "volatility"), ("sharpe", "sharpe")):
        found = regime_separation(returns, labels, CircularShift(1, 50), metric=metric)  # type: ignore[arg-type]
        assert found.table.index.tolist() == table.index.tolist() == ["a", "b", "c"]
        assert found.table["bars"].tolist() == table["bars"].tolist()
        assert found.table[metric].tolist() == pytest.approx(table[name].tolist(), rel=1e-9)


@pytest.mark.parametrize("metric", ["mean", "volatility", "sharpe"])
def test_separation_is_the_plain_loop(rng: np.random.Generator, metric: Any) -> None:
    returns, labels = drifting(rng, 120), spells(rng, 120, stay=0.9, kinds=3)
    permutation = CircularShift(4, 60)
    found = regime_separation(returns, labels, permutation, metric=metric)
    values = []
    for order in [np.arange(120), *orders(permutation, 120)]:
        groups = returns.groupby(labels.to_numpy()[order])
        figure = {"mean": groups.mean(), "volatility": groups.std(), "sharpe": groups.mean() / groups.std()}[metric]
        share = groups.size() / 120
        middle = float((share * figure).sum())
        values.append((math.sqrt(float((share * (figure - middle) ** 2).sum())), figure))
    spreads = [spread for spread, _ in values]
    assert [found.test.observed, *found.test.permuted] == pytest.approx(spreads, rel=1e-9)
    assert found.p_value == (1 + sum(spread >= spreads[0] for spread in spreads[1:])) / 61
    figures = pd.DataFrame([figure for _, figure in values])
    distance = (figures - figures.mean()).abs()
    for name in "abc":
        count = int((distance[name].iloc[1:] >= distance[name].iloc[0] - 1e-15).sum())
        assert found.table["p_value"][name] == (1 + count) / 61
        assert found.table["expected"][name] == pytest.approx(figures[name].mean())
        assert found.table["standard_error"][name] == pytest.approx(figures[name].iloc[1:].std())


def test_size_when_labels_and_returns_persist() -> None:
    """Shifts and long blocks keep the size; shuffling row by row rejects far too often."""
    runs = 200
    p: dict[str, list[float]] = {"shift": [], "blocks": [], "plain": []}
    for run in range(runs):
        rng = np.random.default_rng(run)
        returns, labels = drifting(rng, 400), spells(rng, 400)
        if labels.value_counts().min() < 2 or labels.nunique() < 2:
            continue
        ways: dict[str, Permutation] = {
            "shift": CircularShift(run, 39),
            "blocks": BlockShuffle(run, 40, 39),
            "plain": PlainShuffle(run, 39),
        }
        for name, permutation in ways.items():
            p[name].append(regime_separation(returns, labels, permutation).p_value)
    assert len(p["shift"]) >= 196
    share = {name: np.mean(np.array(values) <= 0.05) for name, values in p.items()}
    # One deviation of a share of 5 percent in 200 runs is 1.5 percent.
    assert 0.01 <= share["shift"] <= 0.1, share
    assert share["blocks"] <= 0.12, share
    assert share["plain"] > 0.25, share
    deciles = np.histogram(p["shift"], bins=np.linspace(0.0, 1.0, 11) + 0.0125)[0]
    assert deciles.min() >= 6, deciles  # 20 expected in each, deviation 4.2
    assert abs(float(np.mean(p["shift"])) - 0.5125) < 0.06  # uniform on 1/40, ..., 40/40: deviation 0.02 of the mean


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: CircularShift(seed=-1), SpecificationError),
        (lambda: CircularShift(seed=1, permutations=18), SpecificationError),
        (lambda: BlockShuffle(seed=1, block=0), SpecificationError),
        (lambda: BlockShuffle(seed=1, block=2, permutations=5), SpecificationError),
        (lambda: PlainShuffle(seed=1.5), SpecificationError),  # type: ignore[arg-type]
    ],
)
def test_settings(make: Any, kind: type[AllocoptError]) -> None:
    with pytest.raises(kind):
        make()


def test_what_is_refused(rng: np.random.Generator) -> None:
    labels, returns = spells(rng, 100, stay=0.8), drifting(rng, 100)
    shift = CircularShift(1, 50)
    gap = labels.copy()
    gap.iloc[3] = None
    cases: list[tuple[Any, Any, Any, type[AllocoptError], str]] = [
        (returns, gap, shift, InputError, "2015-01-06"),
        (returns, labels.iloc[:29], shift, ShapeError, "too few labels"),
        (returns, pd.Series("a", labels.index), shift, InputError, "all labels are the same"),
        (returns, labels.iloc[::-1], shift, LabelError, "not sorted"),
        (returns, labels, CircularShift(1), SpecificationError, "at most 99 permutations"),
        (returns, labels, BlockShuffle(1, 11), SpecificationError, "blocks"),
        (returns, labels, 7, ShapeError, "permutation"),
        (returns.iloc[1:], labels, shift, LabelError, "other dates"),
        (returns.where(returns.index != returns.index[5]), labels, shift, InputError, "missing or infinite"),
        (returns * 0.0, labels, shift, InputError, "do not vary"),
        (returns, labels.where(labels.index != labels.index[9], "z"), shift, InputError, "regime 'z'"),
    ]
    for stream, regimes, permutation, kind, what in cases:
        with pytest.raises(kind, match=what):
            regime_separation(stream, regimes, permutation)
    with pytest.raises(SpecificationError, match="metric"):
        regime_separation(returns, labels, shift, metric="sortino")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="finite") as caught:
        regime_permutation(lambda given: math.nan, labels, shift)
    assert caught.value.where == "the labels as they are"
    held = returns.where((labels == "a").to_numpy(), 0.0)
    with pytest.raises(InputError, match="do not vary within a regime"):
        regime_separation(held, labels, shift, metric="sharpe")
