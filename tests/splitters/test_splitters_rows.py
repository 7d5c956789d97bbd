"""Rolling and expanding windows: by hand, against sets of rows, and as properties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocopt.backtests.splitters import Expanding, Rolling, Splitter
from allocopt.backtests.splitters.splitter import Incomplete
from allocopt.errors import LabelError, ShapeError, SpecificationError


def as_lists(splitter: Splitter, X: Any) -> list[tuple[list[int], list[int]]]:
    return [(train.tolist(), test.tolist()) for train, test in splitter.split(X)]


def slow(splitter: Rolling | Expanding, rows: int) -> list[tuple[list[int], list[int]]]:
    """Take the definition literally, with sets of rows."""
    gap = splitter.lag + splitter.horizon if splitter.gap is None else splitter.gap
    step = splitter.step or splitter.test
    found, tested = [], set[int]()
    for fold in range(rows):
        begin = splitter.warm_up + fold * step
        stop = begin + splitter.train
        train = {r for r in range(rows) if splitter.warm_up <= r < stop and (r >= begin or type(splitter) is Expanding)}
        wanted = set(range(stop + gap, stop + gap + splitter.test))
        test = wanted & set(range(rows))
        if not test or rows - 1 in tested or (test != wanted and splitter.incomplete == "drop"):
            break
        found.append((sorted(train), sorted(test)))
        tested |= test
    return found


def test_rolling_by_hand() -> None:
    assert as_lists(Rolling(train=3, test=2), range(8)) == [([0, 1, 2], [4, 5]), ([2, 3, 4], [6, 7])]
    assert as_lists(Rolling(train=3, test=2, gap=0), range(7)) == [([0, 1, 2], [3, 4]), ([2, 3, 4], [5, 6])]
    assert as_lists(Rolling(train=2, test=1, step=3, lag=2, horizon=1), range(9)) == [([0, 1], [5]), ([3, 4], [8])]
    assert as_lists(Rolling(train=2, test=3, step=1, gap=0), range(6)) == [
        ([0, 1], [2, 3, 4]),
        ([1, 2], [3, 4, 5]),
    ]
    assert as_lists(Rolling(train=2, test=2, warm_up=3), range(8)) == [([3, 4], [6, 7])]


def test_expanding_by_hand() -> None:
    assert as_lists(Expanding(train=3, test=2), range(8)) == [([0, 1, 2], [4, 5]), ([0, 1, 2, 3, 4], [6, 7])]
    assert as_lists(Expanding(train=2, test=2, warm_up=1, gap=0), range(7)) == [
        ([1, 2], [3, 4]),
        ([1, 2, 3, 4], [5, 6]),
    ]


@pytest.mark.parametrize("kind", [Rolling, Expanding])
def test_default_gap_is_all_that_a_label_reaches_over(kind: type[Rolling] | type[Expanding]) -> None:
    for lag, horizon in ((1, 0), (1, 20), (3, 5)):
        train, test = next(iter(kind(train=10, test=5, lag=lag, horizon=horizon).split(range(15 + lag + horizon))))
        assert test[0] - train[-1] - 1 == lag + horizon


@pytest.mark.parametrize("kind", [Rolling, Expanding])
def test_last_window_is_never_cut_in_silence(kind: type[Rolling] | type[Expanding]) -> None:
    with pytest.raises(ShapeError, match="the last test window has 1 of 2 rows at fold 1, rows 6 to 6 of 7"):
        list(kind(train=3, test=2).split(range(7)))
    assert [test for _, test in as_lists(kind(train=3, test=2, incomplete="keep"), range(7))] == [[4, 5], [6]]
    assert [test for _, test in as_lists(kind(train=3, test=2, incomplete="drop"), range(7))] == [[4, 5]]
    # No test row after the gap: nothing is left over.
    assert kind(train=3, test=2).get_n_splits(range(6)) == 1


@given(
    rows=st.integers(1, 60),
    train=st.integers(1, 15),
    test=st.integers(1, 10),
    step=st.none() | st.integers(1, 12),
    lag=st.integers(1, 3),
    horizon=st.integers(0, 4),
    gap=st.none() | st.integers(0, 5),
    warm_up=st.integers(0, 5),
    incomplete=st.sampled_from(["keep", "drop"]),
    expanding=st.booleans(),
)
def test_folds_are_those_of_the_definition_and_in_order(
    rows: int, train: int, test: int, step: int | None, lag: int, horizon: int, gap: int | None, warm_up: int,
    incomplete: Incomplete, expanding: bool,
) -> None:  # fmt: skip
    kind = Expanding if expanding else Rolling
    splitter = kind(train, test, step, lag, horizon, gap, incomplete, warm_up)
    expected = slow(splitter, rows)
    if not expected:
        with pytest.raises(ShapeError, match="too short for one fold"):
            list(splitter.split(range(rows)))
        return
    found = as_lists(splitter, range(rows))
    assert found == expected
    assert splitter.get_n_splits(range(rows)) == len(found)
    for train_rows, test_rows in found:
        assert test_rows[0] - train_rows[-1] - 1 == (lag + horizon if gap is None else gap)
        assert train_rows[0] >= warm_up
        assert len(train_rows) >= train
    if step is None:
        tested = [row for _, window in found for row in window]
        assert tested == list(range(tested[0], tested[-1] + 1))  # the windows adjoin


def test_anything_with_rows_is_split_alike() -> None:
    splitter, days = Rolling(train=3, test=2), pd.bdate_range("2024-01-01", periods=8)
    frame = pd.DataFrame({"A": range(8)}, index=days)
    for X in (days, frame, frame["A"], frame.reset_index(), frame.to_numpy(), list(range(8))):
        assert as_lists(splitter, X) == as_lists(splitter, range(8))


def test_what_has_no_rows_in_order_is_refused() -> None:
    splitter, days = Rolling(train=1, test=1), pd.bdate_range("2024-01-01", periods=8)
    with pytest.raises(LabelError, match="not sorted by date"):
        list(splitter.split(days[::-1]))
    with pytest.raises(LabelError, match="has a date twice"):
        list(splitter.split(days[[0, 1, 1, 2]]))
    with pytest.raises(LabelError, match="several levels"):
        list(splitter.split(pd.MultiIndex.from_product([days, ["A", "B"]], names=["date", "ticker"])))
    for nothing in (None, 3):
        with pytest.raises(ShapeError, match="has no rows"):
            splitter.get_n_splits(nothing)


def test_too_short_names_what_it_takes() -> None:
    with pytest.raises(ShapeError, match=r"10 rows to train, 21 between, 5 to test and 2 of warm-up: '30 rows'.*38"):
        list(Rolling(train=10, test=5, horizon=20, warm_up=2).split(range(30)))


@pytest.mark.parametrize(
    "settings",
    [
        {"train": 0},
        {"test": 0},
        {"train": 2.0},
        {"test": True},
        {"step": 0},
        {"lag": 0},
        {"horizon": -1},
        {"gap": -1},
        {"warm_up": -1},
        {"incomplete": "pad"},
    ],
)
@pytest.mark.parametrize("kind", [Rolling, Expanding])
def test_settings_outside_their_range(kind: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(SpecificationError):
        kind(**{"train": 3, "test": 2, **settings})


def test_positions_are_integers_that_index() -> None:
    train, test = next(Rolling(train=3, test=2).split(range(6)))
    assert train.dtype == test.dtype == np.intp
