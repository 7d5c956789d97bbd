"""Combinatorial purged cross-validation: every choice of test groups, and the paths that they make up."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import day, plain, require_dates, require_kind, require_same_clock
from allocopt.backtests.splitters.splitter import Positions, dropped_rows, index_of, require_rows, rows_of
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError


@dataclass(frozen=True, eq=False)
class CombinatorialPurged:
    """Cut the rows into groups, test on every choice of some of them, train on the rest without what overlaps.

    With N groups of which k are tested there are C(N, k) splits, and every row is tested in C(N-1, k-1) of them:
    `paths` puts these together to as many whole histories, where walk-forward has one. With ``test_groups=1`` it is
    purged K-fold cross-validation. Train rows lie on both sides of test rows, so it tells how sure one can be of a
    fitted rule, and not what trading it would have been like.

    Parameters
    ----------
    groups : int
        N, at least 2. All have ``T // N`` adjoining rows, and the last has what is left over as well.
    test_groups : int
        k, from 1 to N - 1.
    lag, horizon : int
        As for `Rolling`: a row's label reaches over ``lag + horizon`` rows.
    purge : int, optional
        Train rows dropped on each side of every test group. Default: ``lag + horizon``, which are those whose labels
        overlap labels of test rows.
    embargo : int or float, default 0.01
        Train rows dropped after the purged ones that follow a test group, because what happened in the test lives on
        in their features. A share of all rows, rounded up, if it is a float below 1.
    label_ends : Series of dates, optional
        Date up to which the label of each row reaches, for labels of several lengths, on the very index that is
        split. Then exactly the train rows whose label overlaps one of a test row are purged, and ``purge``, ``lag``
        and ``horizon`` say nothing.

    Raises
    ------
    SpecificationError
        For a setting outside its range, or ``purge`` beside ``label_ends``.
    ShapeError
        When splitting: fewer rows than groups, or a split without a train row.
    LabelError, InputError
        When splitting: label ends on other dates, missing, or before their rows.

    References
    ----------
    M. Lopez de Prado, "Advances in Financial Machine Learning" (2018), sections 7.4.1 (purging), 7.4.2 (embargo) and
    12.4 (combinatorial purged cross-validation).

    Examples
    --------
    >>> splitter = CombinatorialPurged(groups=4, test_groups=2, embargo=0)
    >>> splitter.get_n_splits(), splitter.n_paths
    (6, 3)
    >>> train, test = next(splitter.split(range(12)))  # groups 0 and 1 are tested; row 6 is too near to row 5
    >>> print(train, test)
    [ 7  8  9 10 11] [0 1 2 3 4 5]
    >>> print(splitter.paths(range(12)))
    [[0 0 0 0 0 0 1 1 1 2 2 2]
     [1 1 1 3 3 3 3 3 3 4 4 4]
     [2 2 2 4 4 4 5 5 5 5 5 5]]
    """

    groups: int
    test_groups: int
    lag: int = 1
    horizon: int = 0
    purge: int | None = None
    embargo: int | float = 0.01
    label_ends: pd.Series | None = None

    def __post_init__(self) -> None:
        require_rows(self.groups, "groups", 2)
        if require_rows(self.test_groups, "test_groups", 1) >= self.groups:
            raise SpecificationError(
                "no group is left to train on", value=self.test_groups, remedy=f"test at most {self.groups - 1} groups"
            )
        dropped_rows(self.lag, self.horizon, self.purge, "purge")
        number = isinstance(self.embargo, (int, float, np.number)) and not isinstance(self.embargo, bool)
        whole = isinstance(self.embargo, (int, np.integer))
        if not number or not 0 <= self.embargo < (math.inf if whole else 1.0):
            raise SpecificationError(
                "embargo is neither a number of rows nor a share of them",
                value=plain(self.embargo),
                remedy="give an int from 0 up, or a float from 0.0 to below 1.0",
            )
        if self.label_ends is not None:
            require_kind(self.label_ends, pd.Series, "label_ends")
            if self.purge is not None:
                raise SpecificationError(
                    "purge and label_ends are both given", value=self.purge, remedy="give one of the two"
                )

    @property
    def n_paths(self) -> int:
        """Number of paths: the splits in which a row is tested, C(N-1, k-1)."""
        return math.comb(self.groups - 1, self.test_groups - 1)

    @property
    def test_sets(self) -> list[tuple[int, ...]]:
        """Groups that are tested, split by split, in the order of `split`."""
        return list(combinations(range(self.groups), self.test_groups))

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Count the splits: C(N, k), whatever the rows."""
        return math.comb(self.groups, self.test_groups)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Yield train and test positions, split by split; ``y`` and ``groups`` are not used."""
        edges = self._edges(X)
        rows = int(edges[-1])
        reach = None if self.label_ends is None else _last_rows(self.label_ends, X)
        embargo = self.embargo if isinstance(self.embargo, (int, np.integer)) else math.ceil(self.embargo * rows)
        for number, tested in enumerate(self.test_sets):
            train, test = np.ones(rows, dtype=np.bool_), np.zeros(rows, dtype=np.bool_)
            for group in tested:
                low, high = int(edges[group]), int(edges[group + 1])
                test[low:high] = True
                if reach is None:
                    near = dropped_rows(self.lag, self.horizon, self.purge, "purge")
                    train[max(0, low - near) : high + near + embargo] = False
                else:
                    train[:low] &= reach[:low] < low
                    train[low : max(high, int(reach[low:high].max()) + 1) + embargo] = False
            if not train.any():
                raise ShapeError(
                    "purge and embargo leave no train row",
                    where=f"split {number}, test groups {tested}",
                    value=f"{rows} rows",
                    remedy="give more rows, fewer groups, or a smaller embargo",
                )
            yield np.flatnonzero(train), np.flatnonzero(test)

    def paths(self, X: Any) -> npt.NDArray[np.intp]:
        """For each path and row, the number of the split whose test covers that row on that path.

        Parameters
        ----------
        X : index, table or array
            What is split.

        Returns
        -------
        ndarray of int, shape (n_paths, T)
            Every row once on each path, and every tested row of each split on one path. Path j takes each group from
            the j-th split that tests it.
        """
        edges = self._edges(X)
        found = np.empty((self.n_paths, int(edges[-1])), dtype=np.intp)
        sets = self.test_sets
        for group in range(self.groups):
            testing = [number for number, tested in enumerate(sets) if group in tested]
            found[:, edges[group] : edges[group + 1]] = np.array(testing)[:, None]
        return found

    def _edges(self, X: object) -> Positions:
        rows = rows_of(X)
        if rows < self.groups:
            raise ShapeError("fewer rows than groups", value=f"{rows} rows", remedy=f"give at least {self.groups}")
        return np.append(np.arange(self.groups) * (rows // self.groups), rows).astype(np.intp)


def _last_rows(ends: pd.Series[Any], X: object) -> Positions:
    """Last row that the label of each row reaches to."""
    index = index_of(X)
    if not isinstance(index, pd.DatetimeIndex) or not index.equals(ends.index):
        raise LabelError("label_ends are not on the dates of what is split", remedy="give one end for each of its rows")
    require_dates(index, "what is to be split")
    dates = pd.DatetimeIndex(ends.array)
    require_same_clock(index, dates, "label_ends, beside the rows,")
    wrong = np.asarray(dates.isna() | (dates < index))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            "a label ends before its row, or never",
            where=day(index[row]),
            value=str(dates[row]),
            remedy="give the date of the last row that the label uses",
        )
    found: Positions = index.searchsorted(dates, side="right") - 1
    return found
