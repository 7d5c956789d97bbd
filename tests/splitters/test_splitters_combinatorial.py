"""Combinatorial purged cross-validation: small cases, sets of labels, and the paths."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from allocopt.backtests.splitters import CombinatorialPurged
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError


def test_six_groups_and_two_make_the_published_paths() -> None:
    """Lopez de Prado (2018), figures 12.1 and 12.2: 15 splits and 5 paths, and which split each group comes from."""
    splitter = CombinatorialPurged(groups=6, test_groups=2, purge=0, embargo=0)
    assert splitter.get_n_splits() == 15
    assert splitter.n_paths == 5
    paths = splitter.paths(range(6)) + 1
    assert paths.tolist() == [
        [1, 1, 2, 3, 4, 5],
        [2, 6, 6, 7, 8, 9],
        [3, 7, 10, 10, 11, 12],
        [4, 8, 11, 13, 13, 14],
        [5, 9, 12, 14, 15, 15],
    ]


def test_purge_and_embargo_by_hand() -> None:
    splitter = CombinatorialPurged(groups=3, test_groups=1, lag=1, horizon=1, embargo=2)
    folds = [(train.tolist(), test.tolist()) for train, test in splitter.split(range(18))]
    assert folds == [
        ([10, 11, 12, 13, 14, 15, 16, 17], [0, 1, 2, 3, 4, 5]),
        ([0, 1, 2, 3, 16, 17], [6, 7, 8, 9, 10, 11]),
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [12, 13, 14, 15, 16, 17]),
    ]


def test_embargo_as_a_share_is_rounded_up() -> None:
    share = CombinatorialPurged(groups=5, test_groups=1, embargo=0.01)
    rows = CombinatorialPurged(groups=5, test_groups=1, embargo=2)
    for one, other in zip(share.split(range(101)), rows.split(range(101)), strict=True):
        assert one[0].tolist() == other[0].tolist()


def test_the_last_group_has_what_is_left_over() -> None:
    sizes = [len(test) for _, test in CombinatorialPurged(4, 1, embargo=0).split(range(23))]
    assert sizes == [5, 5, 5, 8]


@given(
    rows=st.integers(12, 90), groups=st.integers(2, 6), tested=st.integers(1, 4), lag=st.integers(1, 2),
    horizon=st.integers(0, 4), embargo=st.integers(0, 3),
)  # fmt: skip
def test_no_label_overlaps_and_paths_cover(
    rows: int, groups: int, tested: int, lag: int, horizon: int, embargo: int
) -> None:
    assume(tested < groups)
    splitter = CombinatorialPurged(groups, tested, lag=lag, horizon=horizon, embargo=embargo)
    try:
        folds = list(splitter.split(range(rows)))
    except ShapeError:
        return
    assert len(folds) == splitter.get_n_splits() == math.comb(groups, tested)
    reach = lag + horizon
    labels = [set(range(row, row + reach + 1)) for row in range(rows)]
    size = rows // groups
    group_of = [min(row // size, groups - 1) for row in range(rows)]
    for number, (train, test) in enumerate(folds):
        names = {group_of[row] for row in test.tolist()}
        assert tuple(sorted(names)) == splitter.test_sets[number]
        assert test.tolist() == [row for row in range(rows) if group_of[row] in names]
        seen = set().union(*(labels[row] for row in test.tolist()))
        kept = []
        for row in range(rows):
            # Row by row: purged if its label meets one of the test; embargoed if it soon follows the last of those.
            if row in test or labels[row] & seen:
                continue
            before = set(range(row - embargo, row))
            last = {max(labels[t]) for t in test.tolist() if t + 1 not in test}
            if not before & last:
                kept.append(row)
        assert train.tolist() == kept

    paths = splitter.paths(range(rows))
    assert paths.shape == (math.comb(groups - 1, tested - 1), rows)
    for number, (_, test) in enumerate(folds):
        assert np.flatnonzero((paths == number).any(axis=0)).tolist() == test.tolist()
        assert (paths == number).sum() == len(test)  # on one path each


@given(seed=st.integers(0, 500), groups=st.integers(2, 5), embargo=st.integers(0, 3))
def test_labels_of_several_lengths_are_purged_exactly(seed: int, groups: int, embargo: int) -> None:
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(10, 40))
    days = pd.bdate_range("2024-01-01", periods=rows)
    last = np.minimum(np.arange(rows) + rng.integers(0, 6, rows), rows - 1)
    splitter = CombinatorialPurged(groups, 1, embargo=embargo, label_ends=pd.Series(days[last], index=days))
    spans = [set(range(row, last[row] + 1)) for row in range(rows)]
    try:
        folds = list(splitter.split(days))
    except ShapeError:
        return
    for train, test in folds:
        seen = set().union(*(spans[row] for row in test.tolist()))
        beyond = set(range(max(seen) + 1, max(seen) + 1 + embargo))
        wanted = [r for r in range(rows) if r not in test and not spans[r] & seen and r not in beyond]
        # What lies between test rows and the end of their labels is never trained on.
        assert train.tolist() == wanted


def test_label_ends_of_one_length_are_the_purge_of_that_length() -> None:
    days = pd.bdate_range("2024-01-01", periods=60)
    ends = pd.Series(days[np.minimum(np.arange(60) + 4, 59)], index=days)
    by_date = CombinatorialPurged(5, 2, embargo=3, label_ends=ends).split(days)
    by_rows = CombinatorialPurged(5, 2, embargo=3, horizon=3).split(days)
    for (one, _), (other, _) in zip(by_date, by_rows, strict=True):
        assert one.tolist() == other.tolist()


def test_label_ends_that_do_not_belong() -> None:
    days = pd.bdate_range("2024-01-01", periods=20)
    ends = pd.Series(days, index=days)
    with pytest.raises(LabelError, match="not on the dates"):
        list(CombinatorialPurged(4, 1, label_ends=ends).split(days[1:]))
    with pytest.raises(InputError, match="ends before its row, or never at 2024-01-08"):
        list(CombinatorialPurged(4, 1, label_ends=ends.where(ends.index != days[5])).split(days))
    with pytest.raises(SpecificationError, match="both given"):
        CombinatorialPurged(4, 1, purge=3, label_ends=ends)


def test_nothing_left_to_train_on() -> None:
    with pytest.raises(ShapeError, match=r"no train row at split 1, test groups \(1,\)"):
        list(CombinatorialPurged(3, 1, horizon=4).split(range(15)))
    with pytest.raises(ShapeError, match="fewer rows than groups"):
        CombinatorialPurged(8, 2).paths(range(7))


@pytest.mark.parametrize(
    "settings",
    [{"groups": 1}, {"test_groups": 0}, {"test_groups": 6}, {"purge": -1}, {"embargo": -1}, {"embargo": 1.0},
     {"embargo": True}, {"lag": 0}, {"horizon": 1.5}],
)  # fmt: skip
def test_settings_outside_their_range(settings: dict[str, Any]) -> None:
    with pytest.raises(SpecificationError):
        CombinatorialPurged(**{"groups": 6, "test_groups": 2, **settings})
