"""Where the P&L came from: by sleeve, by regime and by both, in parts that sum to the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, require_dates, require_kind, require_numbers
from allocopt.backtests.accounting.execution import finite_table
from allocopt.errors import InputError, LabelError

#: Parts may miss the whole by this part of the gross P&L: the sum of the absolute P&L over rows and sleeves.
TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class Attribution:
    """Parts of a P&L, in its unit.

    Every part is the exactly rounded sum of its rows, so the parts of each split sum to the whole within rounding.

    Parameters
    ----------
    by_sleeve : Series, shape (n,)
        P&L of each sleeve over all rows.
    by_regime : Series, shape (R,), or None
        P&L of each regime over all sleeves, sorted by regime; None without regimes.
    by_sleeve_and_regime : DataFrame, shape (n, R), or None
        P&L of each sleeve in each regime.
    total : float
        The whole.
    residual : float
        Largest gap, without its sign, between the whole and the sum of any of these splits, or the row totals where
        they were given. At most 1e-12 of the gross P&L, or `attribution` raises.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.portfolio import attribution
    >>> days = pd.bdate_range("2024-01-01", periods=3)
    >>> pnl = pd.DataFrame({"P1": [0.0, 4.0, 1.0], "P2": [0.0, -8.0, 12.0]}, index=days)
    >>> parts = attribution(pnl)
    >>> parts.by_sleeve.to_dict(), parts.total, parts.residual
    ({'P1': 5.0, 'P2': 4.0}, 9.0, 0.0)
    """

    by_sleeve: pd.Series[float]
    by_regime: pd.Series[float] | None
    by_sleeve_and_regime: pd.DataFrame | None
    total: float
    residual: float


def attribution(
    pnl_by_sleeve: pd.DataFrame, regimes: pd.Series[Any] | None = None, total: pd.Series[float] | None = None
) -> Attribution:
    """Split a P&L by sleeve, by regime, and by sleeve and regime.

    Parameters
    ----------
    pnl_by_sleeve : DataFrame, shape (T, n)
        P&L of each row and sleeve, such as ``PortfolioPnl.by_sleeve``. Costs and interest may be columns of their own.
    regimes : Series, shape (T,), optional
        Regime in force on each row: the one that was known when the row's weights were decided. `in_force` brings
        regimes from the row they are known on. It may be missing on rows without any P&L, such as the first.
    total : Series, shape (T,), optional
        P&L of each row that was found in another way, such as the change of the ledger's equity. The parts must sum to
        it.

    Returns
    -------
    Attribution
        The parts, the whole, and the largest gap between them.

    Raises
    ------
    InputError
        A P&L is missing or infinite (its date and sleeve); a row with P&L has no regime (the first is named; to keep
        such rows as a part of their own, fill the regime with a name for them); or `total` differs from the parts by
        more than 1e-12 of the gross P&L (the row with the largest gap is named).
    LabelError, ShapeError
        The dates differ, do not increase, or there are none, or a sleeve is named twice.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.accounting import in_force
    >>> from allocopt.backtests.portfolio import attribution
    >>> days = pd.bdate_range("2024-01-01", periods=4)
    >>> pnl = pd.DataFrame({"P1": [0.0, 4.0, 1.0, 2.0], "P2": [0.0, -8.0, 12.0, 0.5]}, index=days)
    >>> known = pd.Series(["calm", "storm", "calm", "calm"], index=days)
    >>> parts = attribution(pnl, in_force(known))
    >>> print(parts.by_sleeve_and_regime)
    regime  calm  storm
    P1       6.0    1.0
    P2      -7.5   12.0
    >>> parts.by_regime.to_dict()
    {'calm': -1.5, 'storm': 13.0}
    """
    require_kind(pnl_by_sleeve, pd.DataFrame, "the table of P&L by sleeve")
    dates = require_dates(pnl_by_sleeve.index, "the table of P&L by sleeve")
    sleeves = pnl_by_sleeve.columns
    if not sleeves.is_unique:
        raise LabelError(
            "a sleeve is named twice", value=str(sleeves[sleeves.duplicated()][0]), remedy="give one column a sleeve"
        )
    values = finite_table(pnl_by_sleeve, "P&L")
    whole = math.fsum(values.ravel())
    gross = math.fsum(np.abs(values).ravel())
    by_sleeve = [math.fsum(column) for column in values.T]
    gaps = [whole - math.fsum(by_sleeve)]
    by_regime: pd.Series[float] | None = None
    both: pd.DataFrame | None = None
    if regimes is not None:
        codes, names = _regime_of_each_row(regimes, dates, values)
        rows = [values[codes == code] for code in range(len(names))]
        cells = np.array([[math.fsum(column) for column in part.T] for part in rows]).reshape(len(names), len(sleeves))
        by_regime = pd.Series([math.fsum(part.ravel()) for part in rows], index=names, name="pnl", dtype=np.float64)
        both = pd.DataFrame(cells.T, index=sleeves, columns=names)
        gaps += [whole - math.fsum(by_regime), whole - math.fsum(cells.ravel())]
        gaps += [part - math.fsum(across) for part, across in zip(by_sleeve, cells.T, strict=True)]
        gaps += [part - math.fsum(along) for part, along in zip(by_regime, cells, strict=True)]
    if total is not None:
        gaps.append(_gap_to(total, dates, values, whole, gross))
    return Attribution(
        by_sleeve=pd.Series(by_sleeve, index=sleeves, name="pnl"),
        by_regime=by_regime,
        by_sleeve_and_regime=both,
        total=whole,
        residual=max(map(abs, gaps)),
    )


def _regime_of_each_row(
    regimes: pd.Series[Any], dates: pd.DatetimeIndex, values: np.ndarray[Any, np.dtype[np.float64]]
) -> tuple[np.ndarray[Any, np.dtype[np.intp]], pd.Index[Any]]:
    """Give each row the position of its regime, -1 where it has none and no P&L, and the regimes in order."""
    require_kind(regimes, pd.Series, "the regimes")
    if not regimes.index.equals(dates):
        raise LabelError(
            "the regimes are not on the dates of the P&L",
            value=(len(regimes), len(dates)),
            remedy="give one regime a row, brought to the rows it governs with in_force",
        )
    codes, names = pd.factorize(regimes, sort=True)
    lost = np.flatnonzero((codes < 0) & (values != 0.0).any(axis=1))
    if lost.size:
        raise InputError(
            f"the regime is missing on {lost.size} rows with P&L, the first",
            where=day(dates[lost[0]]),
            value=values[lost[0]].tolist(),
            remedy="classify those rows, or fill the regime with a name of their own",
        )
    return codes, pd.Index(names, name="regime")


def _gap_to(
    total: pd.Series[float],
    dates: pd.DatetimeIndex,
    values: np.ndarray[Any, np.dtype[np.float64]],
    whole: float,
    gross: float,
) -> float:
    """Gap between the whole of the parts and of the row totals; an `InputError` if it is more than rounding."""
    require_kind(total, pd.Series, "the total P&L")
    if not total.index.equals(dates):
        raise LabelError(
            "the total P&L is not on the dates of the P&L by sleeve",
            value=(len(total), len(dates)),
            remedy="give one total a row",
        )
    given = require_numbers(total, "total P&L")
    bad = np.flatnonzero(~np.isfinite(given))
    if bad.size:
        raise InputError(
            "the total P&L is missing or infinite",
            where=day(dates[bad[0]]),
            value=float(given[bad[0]]),
            remedy="mend it; an equity has no change on its first row: fill that one with 0.0",
        )
    gap = whole - math.fsum(given)
    if abs(gap) > TOLERANCE * gross:
        apart = np.abs(given - values.sum(axis=1))
        raise InputError(
            f"the parts miss the total P&L by {-gap:g}; the largest gap on one row",
            where=day(dates[int(apart.argmax())]),
            value=float(apart.max()),
            remedy="add what is missing as a column of its own: costs, interest, funding",
        )
    return gap
