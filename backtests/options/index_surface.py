"""A surface from the volatility indices: term structure from their levels, smile from the volatility of volatility."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import day, require_option, require_same_clock
from allocopt.backtests._quotes import points
from allocopt.backtests.options._arguments import FloatArray
from allocopt.backtests.options._term_structure import MATURITIES, VIX_COLUMN, TermStructure, term_structure
from allocopt.backtests.options.arbitrage import ArbitrageCheck, check_arbitrage
from allocopt.backtests.options.black_scholes import DAYS_PER_YEAR
from allocopt.backtests.options.clock import BusinessClock
from allocopt.backtests.options.smile import (
    VIX_NORMAL,
    VIX_SMILE,
    VVIX_NORMAL,
    VVIX_SMILE,
    IndexSmile,
    at_the_money_variance,
    ssvi,
)
from allocopt.backtests.options.surface import requests, rows_of
from allocopt.errors import InputError, LabelError, SpecificationError

#: The history of VVIX before this date has holes, and levels of 16 to 60 that no later day comes near.
VVIX_FROM: Final = pd.Timestamp("2007-01-01")

#: Longest expiry that is marked, in calendar days: twice the longest index.
LONGEST_DAYS: Final = 368.0


@dataclass(frozen=True, eq=False, repr=False)
class IndexSurface:
    """Implied volatilities of S&P 500 options by tenor and strike, from the levels of the volatility indices alone.

    Total variance at 9, 30, 93 and 184 days is that of VIX9D, VIX, VIX3M and VIX6M, and linear between them on a clock
    of trading days; before 9 days it grows in proportion. Each expiry has an SSVI smile whose own variance swap is
    worth that variance times a constant, and whose curvature follows VVIX and VIX (`IndexSmile`). Everything on a date
    comes from that date's closes.

    Parameters
    ----------
    vix : Series
        The 30-day index in points as quoted (17.3, not 0.173), by date. The dates of the surface are its dates.
    vix9d, vix3m, vix6m : Series, optional
        The indices of 9 days, 3 and 6 months, in points. One of `vix3m` and `vix6m` is needed, or the term structure
        would end at 30 days; beyond the longest index its level is held flat.
    vvix : Series, optional
        The volatility of VIX, in points, for the smile. Values before 2007 count as missing: see `VVIX_FROM`.
    where_missing : {"raise", "degrade"}
        What happens on a date on which an index has no value. ``"raise"``: asking for it is an error that names date
        and index. ``"degrade"``: the date is marked without that index, which `sources` shows. VIX must always be
        there.
    smile, smile_without_vvix : IndexSmile
        Constants of the smile, and those for dates without VVIX.
    clock : BusinessClock
        How time to expiry is counted between the indices.

    Raises
    ------
    SpecificationError
        Under ``"raise"``: `vvix` is not given, or neither of `vix3m` and `vix6m`. `smile_without_vvix` needs VVIX.
        `where_missing` is another word.
    ShapeError, LabelError, InputError
        A series is not a Series, has no values, is not indexed by increasing dates, holds a value that is infinite or
        not positive, or has a median below 1.5 (decimals by mistake); time zones are mixed.
    InputError
        VIX or another index is above what the smile covers (a standard deviation of 100 % to its maturity).

    Notes
    -----
    SKEW is not used: on the chains it improved the median error by less than it worsened the large ones.

    Examples
    --------
    The spike of 2018-02-05 and the day before it:

    >>> import numpy as np
    >>> import pandas as pd
    >>> from allocopt.backtests.options import IndexSurface
    >>> dates = pd.to_datetime(["2018-02-02", "2018-02-05"])
    >>> surface = IndexSurface(
    ...     vix=pd.Series([17.31, 37.32], index=dates),
    ...     vix9d=pd.Series([18.86, 59.34], index=dates),
    ...     vix3m=pd.Series([17.03, 28.13], index=dates),
    ...     vvix=pd.Series([125.51, 177.34], index=dates),
    ... )
    >>> at, days = dates[[0, 0, 0]], np.array([30.0, 30.0, 30.0])
    >>> surface.implied_volatility(at, days, np.log([0.95, 1.0, 1.05])).round(3).tolist()
    [0.192, 0.13, 0.117]
    >>> surface.source_counts(dates)
    {'VIX9D+VIX+VIX3M, smile of VVIX': 2}
    """

    vix: InitVar[pd.Series[float]]
    vix9d: InitVar[pd.Series[float] | None] = None
    vix3m: InitVar[pd.Series[float] | None] = None
    vix6m: InitVar[pd.Series[float] | None] = None
    vvix: InitVar[pd.Series[float] | None] = None
    where_missing: str = field(default="raise", kw_only=True)
    smile: IndexSmile = field(default=VVIX_SMILE, kw_only=True)
    smile_without_vvix: IndexSmile = field(default=VIX_SMILE, kw_only=True)
    clock: BusinessClock = field(default_factory=BusinessClock, kw_only=True)
    _index: pd.DatetimeIndex = field(init=False)
    _levels: FloatArray = field(init=False)  # (dates, 4) in points, NaN where there is none
    _vvix: FloatArray = field(init=False)
    _given: tuple[str, ...] = field(init=False)
    _term_structure: TermStructure = field(init=False)
    _curvature: FloatArray = field(init=False)
    _capped: npt.NDArray[np.bool_] = field(init=False)

    def __post_init__(
        self,
        vix: pd.Series[float],
        vix9d: pd.Series[float] | None,
        vix3m: pd.Series[float] | None,
        vix6m: pd.Series[float] | None,
        vvix: pd.Series[float] | None,
    ) -> None:
        require_option(self.where_missing, ("raise", "degrade"), "where_missing")
        if self.smile_without_vvix.needs_vvix:
            raise SpecificationError(
                "the smile without VVIX needs VVIX",
                value=self.smile_without_vvix.vvix_power,
                remedy="set its vvix_power to 0",
            )
        if self.where_missing == "raise":
            _require_enough(vvix is not None or not self.smile.needs_vvix, vix3m is not None or vix6m is not None)
        given = {"VIX9D": vix9d, "VIX": vix, "VIX3M": vix3m, "VIX6M": vix6m, "VVIX": vvix}
        series = {name: points(level, name) for name, level in given.items() if level is not None}
        index = pd.DatetimeIndex(series["VIX"].index)
        for level in series.values():
            require_same_clock(index, pd.DatetimeIndex(level.index), "the indices")
        levels = np.column_stack([_on(index, series.get(name)) for name in MATURITIES])
        volatility_of_vix = _on(index, series.get("VVIX"))
        volatility_of_vix[index.tz_localize(None) < VVIX_FROM] = np.nan
        put = object.__setattr__
        put(self, "_index", index)
        put(self, "_levels", levels)
        put(self, "_vvix", volatility_of_vix)
        put(self, "_given", tuple(name for name in (*MATURITIES, "VVIX") if name in series))
        put(self, "_term_structure", term_structure(index, levels, self.clock))
        self._build_curvature()

    @classmethod
    def from_vix_only(
        cls, vix: pd.Series[float], *, smile: IndexSmile = VIX_SMILE, clock: BusinessClock | None = None
    ) -> IndexSurface:
        """Make do with VIX: a flat term structure, and a smile whose curvature follows VIX.

        Parameters
        ----------
        vix : Series
            In points as quoted.
        smile : IndexSmile
            Its `vvix_power` is 0.
        clock : BusinessClock, optional
            As in the constructor.

        Returns
        -------
        IndexSurface
            Source ``"VIX, smile of VIX"`` on every date.

        Raises
        ------
        SpecificationError, ShapeError, LabelError, InputError
            As in the constructor.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from allocopt.backtests.options import IndexSurface
        >>> dates = pd.to_datetime(["1998-08-31"])
        >>> surface = IndexSurface.from_vix_only(pd.Series([44.28], index=dates))
        >>> surface.implied_volatility(dates, np.array([30.0]), np.array([0.0])).round(2).tolist()
        [0.39]
        """
        return cls(vix, where_missing="degrade", smile=smile, smile_without_vvix=smile, clock=clock or BusinessClock())

    @property
    def index(self) -> pd.DatetimeIndex:
        """Dates with a value of VIX; under ``where_missing="raise"`` some may lack another index."""
        return self._index

    def implied_volatility(
        self, dates: pd.DatetimeIndex, days: npt.ArrayLike, log_moneyness: npt.ArrayLike
    ) -> FloatArray:
        """Mark m options; see `VolatilitySurface`.

        Parameters
        ----------
        dates : DatetimeIndex, shape (m,)
            In any order, repeated at will.
        days : array, shape (m,)
            Calendar days to expiry, above 0 and up to 368.
        log_moneyness : array, shape (m,)
            ln(strike / forward). Measured within 10 % of the forward; beyond, the wings of SSVI.

        Returns
        -------
        array, shape (m,)
            Decimals per year.

        Raises
        ------
        LabelError
            A date has no value of VIX, or under ``where_missing="raise"`` of an index that was given.
        InputError, ShapeError
            Days are not above 0 or beyond 368, a value is not finite, or the three have not one length.
        """
        ahead, k = requests(dates, days, log_moneyness)
        if (beyond := ahead > LONGEST_DAYS).any():
            raise InputError(
                f"days to expiry are beyond {LONGEST_DAYS:g}, twice the longest index",
                where=day(dates[int(beyond.argmax())]),
                value=float(ahead[beyond][0]),
                remedy="use a surface of your own for long expiries",
            )
        rows = self._rows(dates)
        eta = self._curvature[rows]
        swap = self._term_structure.total_variance(rows, self.clock.elapsed(dates, ahead))
        with_vvix = ~np.isnan(self._vvix[rows]) if self.smile.needs_vvix else np.ones(len(rows), bool)
        total = np.empty(len(rows))
        for smile, chosen in ((self.smile, with_vvix), (self.smile_without_vvix, ~with_vvix)):
            if chosen.any():
                theta = at_the_money_variance(smile.level**2 * swap[chosen], eta[chosen], smile)
                total[chosen] = ssvi(theta, eta[chosen], smile.correlation, k[chosen])
        return np.sqrt(total * DAYS_PER_YEAR / ahead)

    def sources(self, dates: pd.DatetimeIndex) -> pd.Series[str]:
        """Name the indices behind each date.

        Parameters
        ----------
        dates : DatetimeIndex, shape (T,)

        Returns
        -------
        Series of str
            Such as ``"VIX9D+VIX+VIX3M, smile of VVIX"``.

        Raises
        ------
        LabelError
            As in `implied_volatility`.
        """
        rows = self._rows(dates)
        present = ~np.isnan(self._levels[rows])
        smiles = ~np.isnan(self._vvix[rows]) & self.smile.needs_vvix
        codes = present @ np.array([1, 2, 4, 8]) + 16 * smiles
        names = {
            int(code): "+".join(name for bit, name in enumerate(MATURITIES) if int(code) >> bit & 1)
            + f", smile of {'VVIX' if code >= 16 else 'VIX'}"
            for code in np.unique(codes)
        }
        return pd.Series([names[int(code)] for code in codes], index=dates, dtype=object, name="source")

    def source_counts(self, dates: pd.DatetimeIndex) -> dict[str, int]:
        """Count the dates of each source, in order of first appearance; `LabelError` as in `sources`."""
        found = self.sources(dates)
        return {str(name): int((found == name).sum()) for name in found.unique()}

    def repairs(self, dates: pd.DatetimeIndex) -> pd.DataFrame:
        """Show the dates on which index levels would have made the surface arbitrageable, and what was changed.

        Parameters
        ----------
        dates : DatetimeIndex, shape (T,)

        Returns
        -------
        DataFrame, shape (T, 2)
            Booleans. ``variance_raised``: the total variance of a longer index was below that of a shorter one and was
            raised to it. ``curvature_capped``: eta was above `IndexSmile.highest_curvature` and was set to it.

        Raises
        ------
        LabelError
            As in `implied_volatility`.
        """
        rows = self._rows(dates)
        return pd.DataFrame(
            {"variance_raised": self._term_structure.raised[rows], "curvature_capped": self._capped[rows]}, index=dates
        )

    def arbitrage(self, dates: pd.DatetimeIndex) -> ArbitrageCheck:
        """Look for calendar and butterfly arbitrage from 2 to 120 days and within 20 % of the forward.

        See `check_arbitrage`, which takes other grids and other surfaces; it raises what this surface raises.
        """
        return check_arbitrage(self, dates)

    def _build_curvature(self) -> None:
        vix = self._levels[:, VIX_COLUMN] / VIX_NORMAL
        first, second = self.smile, self.smile_without_vvix
        vvix = self._vvix / VVIX_NORMAL if first.needs_vvix else np.ones(len(vix))
        missing = np.isnan(vvix)
        wanted = first.curvature * np.where(missing, 1.0, vvix) ** first.vvix_power * vix**first.vix_power
        wanted = np.where(missing, second.curvature * vix**second.vix_power, wanted)
        highest = np.where(missing, second.highest_curvature, first.highest_curvature)
        object.__setattr__(self, "_curvature", np.minimum(wanted, highest))
        object.__setattr__(self, "_capped", wanted > highest)

    def _rows(self, dates: pd.DatetimeIndex) -> npt.NDArray[np.intp]:
        rows = rows_of(dates, self._index, "VIX")
        if self.where_missing == "raise":
            for name in self._given:
                level = self._vvix if name == "VVIX" else self._levels[:, list(MATURITIES).index(name)]
                missing = np.isnan(level[rows])
                if missing.any():
                    count, wanted = int(dates[missing].nunique()), int(dates.nunique())
                    before = " (not usable before 2007)" if name == "VVIX" else ""
                    raise LabelError(
                        f"{name}{before} has no value on {count} of {wanted} dates, first",
                        where=day(dates[int(missing.argmax())]),
                        remedy='shorten the sample, leave the index out, or pass where_missing="degrade"',
                    )
        return rows

    def __repr__(self) -> str:
        return f"IndexSurface({len(self._index)} dates, {'+'.join(self._given)}, where_missing={self.where_missing!r})"


def _require_enough(has_smile: bool, has_long: bool) -> None:
    if not has_smile:
        raise SpecificationError(
            "the smile needs VVIX",
            remedy='pass vvix, or say where_missing="degrade" or IndexSurface.from_vix_only(vix)',
        )
    if not has_long:
        raise SpecificationError(
            "no index reaches beyond 30 days",
            remedy='pass vix3m or vix6m, or say where_missing="degrade" or IndexSurface.from_vix_only(vix)',
        )


def _on(index: pd.DatetimeIndex, level: pd.Series[float] | None) -> FloatArray:
    if level is None:
        return np.full(len(index), np.nan)
    return np.array(level.reindex(index), dtype=np.float64)
