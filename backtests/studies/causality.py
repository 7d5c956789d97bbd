"""Does a decision know the future? Change the future after a cut: no decision at or before the cut may change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocopt.backtests._checks import day, plain, require_same_clock
from allocopt.backtests.studies._comparison import Change, compare_until, differ_after, labelled
from allocopt.backtests.studies._perturbations import (
    NAMED,
    Future,
    Table,
    Tables,
    changed_after,
    repacked,
    tables_of,
    union_of,
)
from allocopt.errors import SpecificationError

#: What may be given for `cuts`: how many, row numbers, or dates.
Cuts = int | Sequence[int] | Sequence[str] | Sequence[dt.datetime] | pd.DatetimeIndex


@dataclass(frozen=True, eq=False, repr=False)
class CausalityReport:
    """What `check_causality` found.

    Attributes
    ----------
    checked : DataFrame
        One row for each cut and perturbation: ``cut`` (date), ``perturbation``, ``compared`` (decisions at or before
        the cut), ``changed`` (those of them that changed), ``responded`` (whether a decision after the cut changed;
        missing for "truncated", which has none).
    violations : DataFrame
        One row for each cut and perturbation with a changed decision: ``cut``, ``perturbation``, ``row`` (date of
        the first decision that changed), ``column`` (None for a Series), ``before`` (with the true future) and
        ``after`` (with the other one; "absent" where there is no such decision).
    """

    checked: pd.DataFrame
    violations: pd.DataFrame

    @property
    def passed(self) -> bool:
        """Whether no decision knew the future."""
        return self.violations.empty

    @property
    def vacuous(self) -> bool:
        """Whether no decision after any cut responded to its other future: then nothing was put to the test."""
        known = self.checked["responded"].dropna()
        return len(known) > 0 and not bool(known.any())

    @property
    def message(self) -> str:
        """The finding in a sentence or two."""
        runs, cuts = len(self.checked), self.checked["cut"].nunique()
        if not self.passed:
            first = self._first
            return (
                f"{len(self.violations)} of {runs} other futures changed a decision that was already taken: "
                f"{_place(first)} was {plain(first['before'])!r}, and {plain(first['after'])!r} when what comes after "
                f"{day(first['cut'])} is {_words(first['perturbation'])}"
            )
        done = f"no decision knew the future: {runs} other futures after {cuts} cuts changed none before"
        if self.vacuous:
            return f"{done}. But they changed none after a cut either: do the decisions depend on the data passed?"
        return done

    def require(self) -> CausalityReport:
        """Raise if a decision knew the future, or if the check could not have seen it; else return the report.

        Raises
        ------
        SpecificationError
            Naming the first decision that changed, its date and column, and what it was before. Or, for a `vacuous`
            report, that nothing responded to the data.
        """
        if self.passed and not self.vacuous:
            return self
        if self.passed:
            raise SpecificationError(
                "no decision responded to the data, so the check shows nothing",
                remedy="decide from the data that is passed, and cut where something is decided after",
            )
        first = self._first
        raise SpecificationError(
            f"a decision knew the future (it changes to {plain(first['after'])!r} when what comes after "
            f"{day(first['cut'])} is {_words(first['perturbation'])})",
            where=_place(first),
            value=first["before"],
            remedy="look for a shift(-1), a centred window, a statistic of the whole sample, or a backward fill",
        )

    @property
    def _first(self) -> pd.Series[Any]:
        return self.violations.sort_values("row", kind="stable").iloc[0]

    def __repr__(self) -> str:
        """Show the message."""
        return f"CausalityReport({'passed' if self.passed else 'failed'}: {self.message})"


def check_causality(
    decide: Callable[[Any], object],
    data: Table | Mapping[str, Table],
    cuts: Cuts = 8,
    *,
    seed: int = 0,
    rtol: float = 0.0,
    atol: float = 0.0,
    perturbations: Sequence[str | Future] = NAMED,
) -> CausalityReport:
    """Find decisions that know the future, in any strategy, without reading its code.

    The future after a cut is replaced by others. A decision at or before the cut that changes has used it. The check
    can only find what these futures bring out at these cuts; it cannot prove that nothing else is wrong.

    Parameters
    ----------
    decide : callable
        Takes data like ``data`` (copies, to be written to at will) and returns its decisions, signals or weights by
        date: a DataFrame or Series with ascending dates, or an array with one row for each row of the data. Missing
        values (a warm-up) are equal to missing values.
    data : DataFrame, Series, or mapping of str to those
        What is decided on, indexed by ascending dates. The tables of a mapping may have different dates.
    cuts : int, or sequence of row numbers or dates, default 8
        Rows up to and including which all is kept. A number: that many, evenly spread from the first decision that is
        neither missing nor 0 to the last row but two, and up to as many again on rows where a value is missing, since
        only there a backward fill shows. A look-ahead of one bar shows on the row of the cut alone, so more cuts find
        more.
    seed : int, default 0
        Of the random futures.
    rtol, atol : float, default 0.0
        Decisions a and b are equal if ``abs(a - b) <= atol + rtol * abs(a)``. The default is exact equality. Allow
        1e-12 for code whose sums depend on the length of the array.
    perturbations : sequence of str or callable
        ``"scaled"``: each value is multiplied by a random factor of its own, a quarter up or down. ``"jump"``: all
        later values of a column by one factor of 1.5 to 3, up or down. ``"reversed"``: later rows in reverse order.
        ``"truncated"``: no later rows. Or a function of the later rows of a table (DataFrame) and a random generator,
        which returns others. Default: the four.

        Positive columns stay positive. Columns that hold negative numbers change their signs as well. Columns named
        open, high, low and close get the same factors, so that bars stay bars. Rows of columns that hold no floats
        (labels, flags, counts) are drawn anew from those of the whole column.

    Returns
    -------
    CausalityReport
        ``.passed``, ``.message``, ``.violations``, ``.checked``, and ``.require()`` which raises.

    Raises
    ------
    SpecificationError
        For cuts with no row up to them or after them, settings outside their range, an unknown perturbation, or
        decisions that differ between two runs on the same data (seed what is random in ``decide``).
    ShapeError, LabelError
        For data or decisions that are not indexed by ascending dates.
    Exception
        Whatever ``decide`` raises, with a note that names the cut and the perturbation. Where a history up to an early
        cut is too short to decide on, give later cuts.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> days = pd.bdate_range("2024-01-01", periods=60, name="date")
    >>> closes = pd.DataFrame({"A": 100 + np.sin(np.arange(60.0)).cumsum()}, index=days)
    >>> check_causality(lambda prices: prices.rolling(5).mean() < prices, closes).passed
    True
    >>> report = check_causality(lambda prices: prices.rolling(5, center=True).mean() < prices, closes)
    >>> report.passed
    False
    >>> report.violations[["cut", "row"]].head(1)
             cut        row
    0 2024-01-03 2024-01-03
    """
    tables = tables_of(data)
    clock = union_of(tables)
    _require_settings(seed, rtol, atol, perturbations)
    decisions = _run(decide, tables, data, clock)
    again = _run(decide, tables, data, clock)
    if compare_until(decisions, again, clock[-1], 0.0, 0.0) or differ_after(decisions, again, clock[-1]):
        raise SpecificationError(
            "decisions differ between two runs on the same data",
            remedy="seed what is random in decide, and let it keep nothing from one call to the next",
        )
    rows, found = [], []
    for number, cut in enumerate(_dates(cuts, clock, tables, decisions)):
        for kind, way in enumerate(perturbations):
            name = way if isinstance(way, str) else getattr(way, "__name__", "own perturbation")
            other = changed_after(tables, cut, way, np.random.default_rng([seed, number, kind]))
            try:
                changed = _run(decide, other, data, clock if way != "truncated" else clock[clock <= cut])
            except Exception as error:
                error.add_note(f"check_causality: decide was given data {_words(name)} after {day(cut)}")
                raise
            changes = compare_until(decisions, changed, cut, rtol, atol)
            responded = None if way == "truncated" else differ_after(decisions, changed, cut)
            compared = int((decisions.index <= cut).sum()) * decisions.shape[1]
            rows.append((cut, name, compared, sum(change.count for change in changes), responded))
            if changes:
                first: Change = min(changes, key=lambda change: change.row)
                found.append((cut, name, first.row, first.column, first.before, first.after))
    checked = pd.DataFrame(rows, columns=["cut", "perturbation", "compared", "changed", "responded"])
    violations = pd.DataFrame(found, columns=["cut", "perturbation", "row", "column", "before", "after"], dtype=object)
    for name in ("cut", "row"):
        violations[name] = pd.DatetimeIndex(violations[name])
    return CausalityReport(checked.astype({"responded": "boolean"}), violations)


def _run(decide: Callable[[Any], object], tables: Tables, data: object, clock: pd.DatetimeIndex) -> pd.DataFrame:
    return labelled(decide(repacked(tables, data)), clock, alike=all(len(t) == len(clock) for t in tables.values()))


def _dates(cuts: object, clock: pd.DatetimeIndex, tables: Tables, decisions: pd.DataFrame) -> list[pd.Timestamp]:
    """Dates of the cuts, ascending, each with a row up to it and a row after it."""
    remedy = f"give a number of cuts, rows from 0 to {len(clock) - 2}, or dates from {day(clock[0])} on"
    if len(clock) < 2:
        raise SpecificationError("the data has no row that could be the future", value=len(clock), remedy="give more")
    if isinstance(cuts, (int, np.integer)) and not isinstance(cuts, bool):
        if cuts < 1:
            raise SpecificationError("fewer than one cut", value=int(cuts), remedy=remedy)
        return [clock[row] for row in _spread(int(cuts), clock, tables, decisions)]
    if isinstance(cuts, (str, bool)) or not isinstance(cuts, (Sequence, np.ndarray, pd.Index)) or not len(cuts):
        raise SpecificationError("cuts are neither a number nor a sequence", value=plain(cuts), remedy=remedy)
    dates: set[pd.Timestamp] = set()
    for cut in cuts:
        if isinstance(cut, (int, np.integer)) and not isinstance(cut, bool):
            if not 0 <= cut < len(clock) - 1:
                raise SpecificationError("a cut has no rows on both sides", value=int(cut), remedy=remedy)
            dates.add(clock[int(cut)])
            continue
        try:
            date = pd.Timestamp(cast("Any", cut))
        except (TypeError, ValueError) as error:
            raise SpecificationError("a cut is no date", value=plain(cut), remedy=remedy) from error
        if pd.isna(date):
            raise SpecificationError("a cut is no date", value=str(cut), remedy=remedy)
        require_same_clock(clock, pd.DatetimeIndex([date]), "cuts and data")
        if not clock[0] <= date < clock[-1]:
            raise SpecificationError("a cut has no rows on both sides", value=day(date), remedy=remedy)
        dates.add(date)
    return sorted(dates)


def _spread(count: int, clock: pd.DatetimeIndex, tables: Tables, decisions: pd.DataFrame) -> list[int]:
    """Rows from the first decision to one with two rows after it, and as many at most where a value is missing."""
    # The first decision is a cut: one that a backward fill put into the warm-up needs more than its own history.
    taken = (decisions.notna() & decisions.ne(0)).any(axis=1).to_numpy()
    known = decisions.index[taken.astype(np.bool_)]
    last = max(len(clock) - 3, 0)  # the order of one row cannot be reversed
    first = min(int(clock.searchsorted(known[0])) if len(known) else 0, last)
    rows = set(np.linspace(first, last, count).round().astype(int).tolist())
    gaps = np.flatnonzero(_gaps(clock, tables)[:-1])
    if gaps.size:
        rows |= set(gaps[np.linspace(0, gaps.size - 1, min(count, gaps.size)).round().astype(int)].tolist())
    return sorted(rows)


def _gaps(clock: pd.DatetimeIndex, tables: Tables) -> NDArray[np.bool_]:
    """Rows on which a column has no value although it has one before and one after."""
    found = np.zeros(len(clock), dtype=np.bool_)
    for table in tables.values():
        there = table.reindex(clock).notna().to_numpy().reshape(len(clock), -1)
        before = np.logical_or.accumulate(there, axis=0)
        after = np.logical_or.accumulate(there[::-1], axis=0)[::-1]
        found |= (~there & before & after).any(axis=1)
    return found


def _require_settings(seed: object, rtol: float, atol: float, perturbations: Sequence[str | Future]) -> None:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise SpecificationError("seed is not a whole number of at least 0", value=plain(seed), remedy="give an int")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value < np.inf:
            raise SpecificationError(f"{name} is not a number of at least 0", value=plain(value), remedy="give 1e-12")
    remedy = f"use {', '.join(map(repr, NAMED))}, or functions of your own"
    if isinstance(perturbations, str) or not len(perturbations):
        raise SpecificationError("perturbations are no sequence of them", value=perturbations, remedy=remedy)
    for way in perturbations:
        if way not in NAMED and not callable(way):
            raise SpecificationError("unknown perturbation", value=way, remedy=remedy)


def _place(violation: pd.Series[Any]) -> str:
    column = violation["column"]
    return day(violation["row"]) + ("" if column is None else f", column {plain(column)!r}")


def _words(name: str) -> str:
    return {"jump": "made to jump", "truncated": "cut off"}.get(name, name if name in NAMED else f"changed by {name}")
