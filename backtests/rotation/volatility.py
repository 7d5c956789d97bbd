"""Where the implied volatilities of 7, 20 and 60 days come from, row by row and by name."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, require_columns, require_dates, require_kind, require_same_clock
from allocopt.backtests._quotes import decimals, points, source_column, variance_at
from allocopt.errors import LabelError, ShapeError, SpecificationError

#: Tenors of the three columns, in calendar days. 7 calendar days hold the 5 trading days of the shortest realised
#: volatility; the indices below are quoted on the same calendar.
TENORS: Final[dict[str, int]] = {"iv7": 7, "iv20": 20, "iv60": 60}

#: Maturities of the Cboe indices in calendar days: VIX9D, VIX, VIX3M, VIX6M.
MATURITIES: Final[dict[str, int]] = {"vix9d": 9, "vix": 30, "vix3m": 93, "vix6m": 184}


@dataclass(frozen=True, eq=False, repr=False)
class ImpliedVolatility:
    """Implied volatilities of 7, 20 and 60 calendar days, each row with the name of its source.

    "Implied against realised" is the heart of the profile scores, so what stands in for the market's implied volatility
    is chosen by the name of a constructor and stays visible in every row: `from_term_structure`, `flat`,
    `realized_proxy`, and `where_available` to join two of them.

    Parameters
    ----------
    data : DataFrame, shape (T, 3)
        Columns ``iv7``, ``iv20``, ``iv60``; decimals per year (0.20, not 20), finite and >= 0. NaN is accepted at the
        start only (the warm-up of a proxy). Index: strictly increasing dates.
    sources : str or Series of str
        The source of all rows, or of each row.

    Raises
    ------
    ShapeError
        Not a DataFrame, or no rows.
    LabelError
        A column is missing, dates do not increase, or `sources` has another index.
    InputError
        A value is infinite, negative, not a number, or NaN after the first defined row; a column's median is above 5,
        so it must be in points; a source is not a non-empty string.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.rotation import ImpliedVolatility
    >>> days = pd.to_datetime(["2018-02-02", "2018-02-05"])
    >>> implied = ImpliedVolatility.from_term_structure(
    ...     pd.Series([17.31, 37.32], index=days),
    ...     vix9d=pd.Series([18.86, 59.34], index=days),
    ...     vix3m=pd.Series([17.03, 28.13], index=days),
    ... )
    >>> implied.frame.loc["2018-02-05"].round(3).tolist()
    [0.593, 0.43, 0.308]
    >>> implied.source_counts()
    {'term structure VIX9D+VIX+VIX3M': 2}
    """

    data: InitVar[pd.DataFrame]
    sources: InitVar[str | pd.Series[str]]
    _frame: pd.DataFrame = field(init=False)
    _source: pd.Series[str] = field(init=False)

    def __post_init__(self, data: pd.DataFrame, sources: str | pd.Series[str]) -> None:
        require_kind(data, pd.DataFrame, "the implied volatility")
        if not len(data):
            raise ShapeError("the implied volatility has no rows", value=data.shape, remedy="pass at least one date")
        require_dates(data.index, "the implied volatility")
        require_columns(data, TENORS, "the implied volatility", "name the columns iv7, iv20 and iv60")
        frame = pd.DataFrame({name: decimals(data[name]) for name in TENORS}, index=data.index)
        object.__setattr__(self, "_frame", frame)
        object.__setattr__(self, "_source", source_column(sources, frame.index))

    @classmethod
    def from_term_structure(
        cls,
        vix: pd.Series[float],
        *,
        vix9d: pd.Series[float] | None = None,
        vix3m: pd.Series[float] | None = None,
        vix6m: pd.Series[float] | None = None,
    ) -> ImpliedVolatility:
        """Interpolate the three tenors between volatility indices, linearly in total variance.

        Total variance is (index/100)^2 x days/365 at 9, 30, 93 and 184 calendar days (VIX9D, VIX, VIX3M, VIX6M), and
        linear in between; below the shortest index it is proportional to time, which holds that index's level flat.

        Parameters
        ----------
        vix, vix9d, vix3m, vix6m : Series, shape (any,)
            Index levels in points as quoted (17.3, not 0.173), dated as the market is. `vix` and one of `vix3m`,
            `vix6m` are needed, or the 60-day tenor would lie beyond the longest index. VIX6M enters only without VIX3M.
            Without VIX9D, 7 and 20 days stand at the VIX; the source names the indices used.

        Returns
        -------
        ImpliedVolatility
            On the dates on which every index used has a value. NaN counts as no value.

        Raises
        ------
        SpecificationError
            Neither `vix3m` nor `vix6m` is given.
        ShapeError, LabelError, InputError
            A series is not a Series, has no values, is not indexed by increasing dates, holds a value that is
            infinite or not positive, has a median below 1.5 (decimals by mistake); or no date is common to all.
        """
        if vix3m is None and vix6m is None:
            raise SpecificationError(
                "no index reaches the 60-day tenor", remedy="pass vix3m or vix6m, or use ImpliedVolatility.flat(vix)"
            )
        given = {"vix9d": vix9d, "vix": vix, "vix3m": vix3m, "vix6m": vix6m if vix3m is None else None}
        series = {name: points(level, name.upper()) for name, level in given.items() if level is not None}
        for level in series.values():
            require_same_clock(pd.DatetimeIndex(series["vix"].index), pd.DatetimeIndex(level.index), "the indices")
        levels = pd.concat(series, axis=1, join="inner")
        if levels.empty:
            raise LabelError("the indices have no date in common", value=list(series), remedy="date them alike")
        variance = {MATURITIES[name]: (levels[name] / 100) ** 2 * MATURITIES[name] for name in series}
        frame = pd.DataFrame({name: np.sqrt(variance_at(days, variance) / days) for name, days in TENORS.items()})
        return cls(frame, "term structure " + "+".join(name.upper() for name in series))

    @classmethod
    def flat(cls, vix: pd.Series[float]) -> ImpliedVolatility:
        """One volatility index as the level of all three tenors: a flat term structure.

        Parameters
        ----------
        vix : Series, shape (any,)
            The 30-day index in points as quoted. NaN counts as no value.

        Returns
        -------
        ImpliedVolatility
            On the dates on which the index has a value; source ``"flat VIX"``.

        Raises
        ------
        ShapeError, LabelError, InputError
            As in `from_term_structure`.

        Examples
        --------
        >>> import pandas as pd
        >>> from allocopt.backtests.rotation import ImpliedVolatility
        >>> vix = pd.Series([82.69], index=pd.to_datetime(["2020-03-16"]))
        >>> ImpliedVolatility.flat(vix).frame.iloc[0].round(4).tolist()
        [0.8269, 0.8269, 0.8269]
        """
        level = points(vix, "VIX") / 100
        return cls(pd.DataFrame(dict.fromkeys(TENORS, level)), "flat VIX")

    @classmethod
    def realized_proxy(cls, features: pd.DataFrame, multiplier: float = 1.2) -> ImpliedVolatility:
        """No implied volatility at all: a multiple of the realised ones, as the original engine had it.

        It takes the edge of implied against realised out of the scores: RV5/IV7 and IV20/RV10 become constants.

        Parameters
        ----------
        features : DataFrame
            From `compute_features`; ``rv5``, ``rv10`` and ``rv20`` stand for 7, 20 and 60 days.
        multiplier : float, default 1.2
            Factor on the realised volatility, above 0.

        Returns
        -------
        ImpliedVolatility
            On the dates of `features`, NaN in their warm-up; source ``"realised proxy x1.2"``.

        Raises
        ------
        ShapeError, LabelError
            `features` is not a DataFrame, or lacks a column.
        SpecificationError
            `multiplier` is not positive and finite.

        Examples
        --------
        >>> import pandas as pd
        >>> from allocopt.backtests.rotation import ImpliedVolatility
        >>> rv = pd.DataFrame({"rv5": [0.1], "rv10": [0.2], "rv20": [0.3]}, index=pd.to_datetime(["2024-01-02"]))
        >>> ImpliedVolatility.realized_proxy(rv).frame.iloc[0].round(2).tolist()
        [0.12, 0.24, 0.36]
        """
        if not (np.isfinite(multiplier) and multiplier > 0):
            raise SpecificationError("multiplier is not positive", value=multiplier, remedy="pass a factor such as 1.2")
        require_kind(features, pd.DataFrame, "features")
        require_columns(features, ["rv5", "rv10", "rv20"], "features", "pass the table that compute_features returns")
        frame = features[["rv5", "rv10", "rv20"]].set_axis(list(TENORS), axis=1) * multiplier
        return cls(frame, f"realised proxy x{multiplier:g}")

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the volatilities: columns iv7, iv20, iv60, decimals per year."""
        return self._frame.copy()

    @property
    def source(self) -> pd.Series[str]:
        """A copy of the source of each row."""
        return self._source.copy()

    @property
    def index(self) -> pd.DatetimeIndex:
        """The dates."""
        return pd.DatetimeIndex(self._frame.index)

    def source_counts(self) -> dict[str, int]:
        """Count the rows of each source, in order of first appearance."""
        return {str(name): int((self._source == name).sum()) for name in self._source.unique()}

    def on(self, index: pd.DatetimeIndex) -> ImpliedVolatility:
        """Select the dates of a market; every one of them must be there.

        Parameters
        ----------
        index : DatetimeIndex, shape (T,)
            Dates wanted. Dates that only this object has (holidays on which an index is quoted) are left out.

        Returns
        -------
        ImpliedVolatility
            The T rows.

        Raises
        ------
        LabelError
            A date is missing, or one side has a time zone and the other has none.
        """
        require_same_clock(index, self.index, "the implied volatility")
        missing = index[~index.isin(self.index)]
        if len(missing):
            raise LabelError(
                f"implied volatility is missing on {len(missing)} of {len(index)} dates, first",
                where=day(missing[0]),
                remedy="shorten the sample, or name a substitute: implied.where_available(index, fallback)",
            )
        # The rows take the index asked for, so that it may differ in resolution (nanoseconds or microseconds).
        rows = self.index.get_indexer(index)
        source = pd.Series(self._source.to_numpy()[rows], index=index, dtype=object)
        return ImpliedVolatility(self._frame.iloc[rows].set_axis(index, axis=0), source)

    def where_available(self, index: pd.DatetimeIndex, fallback: ImpliedVolatility) -> ImpliedVolatility:
        """Use this source on the dates it covers and a named other one elsewhere.

        Whole rows come from one source or the other, never single tenors; `source_counts` says how many.

        Parameters
        ----------
        index : DatetimeIndex, shape (T,)
            Dates wanted.
        fallback : ImpliedVolatility
            Source for the dates on which this one has no row, or a NaN.

        Returns
        -------
        ImpliedVolatility
            The T rows. NaN only where the fallback is in its warm-up.

        Raises
        ------
        LabelError
            A date is in neither, or time zones are mixed.
        InputError
            A NaN of the fallback would follow a defined row.

        Examples
        --------
        >>> import pandas as pd
        >>> from allocopt.backtests.rotation import ImpliedVolatility
        >>> days = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"])
        >>> quoted = ImpliedVolatility.flat(pd.Series([13.2, 14.0], index=days[:2]))
        >>> proxy = ImpliedVolatility(
        ...     pd.DataFrame({"iv7": [0.1] * 3, "iv20": [0.1] * 3, "iv60": [0.1] * 3}, index=days), "proxy"
        ... )
        >>> quoted.where_available(days, proxy).source_counts()
        {'flat VIX': 2, 'proxy': 1}
        """
        require_same_clock(index, self.index, "the implied volatility")
        own = index.isin(self.index[self._frame.notna().all(axis=1).to_numpy()])
        frame = pd.DataFrame(np.nan, index=index, columns=list(TENORS))
        source = pd.Series("", index=index, dtype=object)
        for chosen, rows in ((self, own), (fallback, ~own)):
            if rows.any():
                part = chosen.on(index[rows])
                frame.loc[rows] = part.frame.to_numpy()
                source.loc[rows] = part.source.to_numpy()
        return ImpliedVolatility(frame, source)

    def __len__(self) -> int:
        return len(self._frame)

    def __repr__(self) -> str:
        return f"ImpliedVolatility({len(self)} rows, {self.source_counts()})"
