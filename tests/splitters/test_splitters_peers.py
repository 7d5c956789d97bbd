"""Beside scikit-learn and skfolio: the same folds where the definitions agree, and work inside their searches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.splitters import CalendarSplits, CombinatorialPurged, Expanding, Rolling, Splitter

DAYS = pd.bdate_range("2015-01-01", "2020-12-31")


@pytest.mark.parametrize(("train", "test", "gap", "folds"), [(20, 5, 0, 4), (7, 3, 2, 6), (30, 1, 1, 9)])
def test_scikit_learns_time_series_split(train: int, test: int, gap: int, folds: int) -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    rows = np.zeros((train + gap + test * folds, 1))
    theirs = list(selection.TimeSeriesSplit(folds, test_size=test, gap=gap).split(rows))
    ours = list(Expanding(train, test, gap=gap).split(rows))
    rolling = list(selection.TimeSeriesSplit(folds, test_size=test, gap=gap, max_train_size=train).split(rows))
    assert len(ours) == len(theirs) == folds
    for one, other in ((ours, theirs), (list(Rolling(train, test, gap=gap).split(rows)), rolling)):
        for (a, b), (c, d) in zip(one, other, strict=True):
            assert a.tolist() == c.tolist()
            assert b.tolist() == d.tolist()


@pytest.mark.parametrize(("train", "test", "gap"), [(20, 5, 0), (7, 3, 2), (12, 4, 21)])
def test_skfolios_walk_forward(train: int, test: int, gap: int) -> None:
    selection = pytest.importorskip("skfolio.model_selection")
    rows = np.zeros((100, 1))
    theirs = list(selection.WalkForward(test_size=test, train_size=train, purged_size=gap).split(rows))
    ours = list(Rolling(train, test, gap=gap, incomplete="drop").split(rows))
    assert len(ours) == len(theirs) > 3
    for (a, b), (c, d) in zip(ours, theirs, strict=True):
        assert a.tolist() == c.tolist()
        assert b.tolist() == d.tolist()


@pytest.mark.parametrize(("groups", "tested", "purge", "embargo"), [(6, 2, 0, 0), (8, 3, 2, 0), (10, 2, 1, 3)])
def test_skfolios_combinatorial_purged(groups: int, tested: int, purge: int, embargo: int) -> None:
    selection = pytest.importorskip("skfolio.model_selection")
    rows = np.zeros((120, 1))
    peer = selection.CombinatorialPurgedCV(groups, tested, purged_size=purge, embargo_size=embargo)
    ours = CombinatorialPurged(groups, tested, purge=purge, embargo=embargo)
    theirs = list(peer.split(rows))
    assert ours.n_paths == peer.n_test_paths
    assert len(theirs) == ours.get_n_splits()
    for (train, test), (other, blocks) in zip(ours.split(rows), theirs, strict=True):
        assert test.tolist() == np.concatenate(blocks).tolist()
        assert train.tolist() == other.tolist()
    ids = peer.get_path_ids()  # (splits, test groups): the path of each
    paths, size = ours.paths(rows), 120 // groups
    for number, tested_groups in enumerate(ours.test_sets):
        for group, path in zip(tested_groups, ids[number], strict=True):
            assert (paths[path, group * size : (group + 1) * size] == number).all()


@pytest.mark.parametrize(
    "splitter",
    [
        Rolling(train=500, test=100, incomplete="keep"),
        Expanding(train=500, test=100, horizon=5, incomplete="drop"),
        CalendarSplits(train="2YS", test="YS"),
        CombinatorialPurged(groups=5, test_groups=2, horizon=5),
    ],
)
def test_inside_scikit_learns_searches(splitter: Splitter) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    selection = pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(4)
    X = pd.DataFrame(rng.normal(size=(len(DAYS), 3)), index=DAYS, columns=["a", "b", "c"])
    y = X @ np.array([1.0, -2.0, 0.5]) + rng.normal(size=len(DAYS))
    scores = selection.cross_val_score(linear.Ridge(), X, y, cv=splitter)
    assert len(scores) == splitter.get_n_splits(X)
    for (train, test), score in zip(splitter.split(X), scores, strict=True):
        assert linear.Ridge().fit(X.iloc[train], y.iloc[train]).score(X.iloc[test], y.iloc[test]) == score
    search = selection.GridSearchCV(linear.Ridge(), {"alpha": [0.1, 1e4]}, cv=splitter).fit(X, y)
    assert search.best_params_ == {"alpha": 0.1}
    assert search.n_splits_ == len(scores)
