"""From files of prices and volatility indices to what the rotation engine is run on, and what the reader must know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from allocopt.backtests.options import FlatSurface, IndexSurface, VolatilitySurface
from allocopt.backtests.rotation import OHLCV, ImpliedVolatility, compute_features
from allocopt.backtests.rotation._rows import stamp
from allocopt.backtests.rotation.engine import RotationData
from allocopt.errors import DataFileError, SpecificationError
from allocopt.market_files import embedded_prices, embedded_volatility_index, read_prices, read_volatility_index

#: Volatility indices that a folder may hold: VIX, those of 9 days, 3 and 6 months, and the volatility of VIX.
INDICES = ("vix", "vix9d", "vix3m", "vix6m", "vvix")

_SUFFIXES = (".csv", ".parquet", ".pq", ".txt", ".gz")

#: What may follow the index in a file's name: vix_futures.csv is no VIX.
_ENDINGS = ("", "daily", "history", "close", "closes", "index", "eod", "1d", "d")


@dataclass(frozen=True, eq=False)
class RotationFiles:
    """Data of the engine, and notes for the reader.

    Attributes
    ----------
    data : RotationData
    notes : list of str
        Where prices and volatilities come from, and what was left out.
    """

    data: RotationData
    notes: list[str]

    def sources(self, dates: pd.DatetimeIndex) -> list[str]:
        """Say where implied volatilities came from on the dates that were studied: for the scores, for the options.

        Parameters
        ----------
        dates : DatetimeIndex
            Such as the ``dates`` of `RotationSignals`.
        """
        scores = self.data.implied.source.loc[dates]
        lines = [f"Scores: {_counts({str(name): int((scores == name).sum()) for name in scores.unique()})}"]
        if isinstance(self.data.surface, IndexSurface):
            lines.append(f"Options: {_counts(self.data.surface.source_counts(dates))}")
        return lines


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{count:,} dates from {source}" for source, count in found.items())


def rotation_data(
    prices: Path | None = None,
    indices: dict[str, Path] | None = None,
    *,
    proxy: bool = False,
    start: str | None = None,
    end: str | None = None,
    rate: float = 0.0,
    dividend: float = 0.0,
) -> RotationFiles:
    """Read what the engine needs.

    Parameters
    ----------
    prices : Path, optional
        Daily bars, see `allocopt.market_files.read_prices`. Default: the embedded S&P 500 with its VIX from 2014.
    indices : dict of str to Path, optional
        Files of volatility indices by name: "vix", "vix9d", "vix3m", "vix6m", "vvix". At least "vix".
    proxy : bool, default False
        Use 1.2 times realised volatility in place of every index.
    start : str, optional
        First date that is to be studied. Earlier bars up to one without a VIX are then left out, and the notes say so.
    end : str, optional
        Last date that is to be studied. Nothing after it is looked at.
    rate, dividend : float, default 0.0
        Of the option prices, decimal per year.

    Raises
    ------
    SpecificationError
        If there are prices and neither a VIX nor the proxy, or both; if no bar is left.
    DataFileError
        For a file that cannot be used: its line and column.
    """
    if prices is None:
        market, name, scaled = OHLCV(embedded_prices()), "S&P 500 (embedded)", False
        found = {} if proxy else {"vix": embedded_volatility_index()}
    else:
        frame = read_prices(prices)
        name = prices.name
        market = OHLCV.adjusted(frame) if "adj close" in frame.columns else OHLCV(frame)
        scaled = "adj close" in frame.columns and bool((frame["adj close"] != frame["close"]).any())
        found = {key: read_volatility_index(path) for key, path in (indices or {}).items()}
    notes = [f"Prices: {name}, {len(market):,} rows, {market.index[0]:%Y-%m-%d} to {market.index[-1]:%Y-%m-%d}"]
    if scaled:
        notes.append(
            "Bars: scaled by Adj Close / Close (total return); options are struck and their spreads taken on these "
            "prices, which lie under the quoted ones the further back they are"
            + ("" if dividend == 0.0 else "; the dividend yield given is counted on top of that")
        )
    if end is not None:
        market = _until(market, end)
    if proxy:
        if indices:
            raise SpecificationError("volatility indices and the proxy are both asked for", remedy="name one of them")
        realized = compute_features(market)
        notes.append("Options: marked at 1.2 x realised volatility of 20 rows, flat in strike and tenor (proxy)")
        surface: VolatilitySurface = FlatSurface.realized_proxy(realized["rv20"].dropna())
        return RotationFiles(
            RotationData(market, ImpliedVolatility.realized_proxy(realized), surface, None, rate, dividend), notes
        )
    if "vix" not in found:
        raise SpecificationError(
            "no volatility index for these prices",
            remedy="give one (--indices, or --volatility-index of compare), or ask for the proxy by name "
            "(--realized-proxy, or --implied realized-proxy of compare)",
        )
    traded = {key: series[series.index.isin(market.index)] for key, series in found.items()}
    vix = traded.pop("vix")
    if vix.empty:
        raise SpecificationError(
            "the VIX has no value on a date with a bar", remedy="give files of the same dates, or a later end"
        )
    market = _without_holes(market, vix.index, start, notes)
    last = min(vix.index[-1], market.index[-1])
    if last < market.index[-1]:
        market = OHLCV(market.frame.loc[:last])
        notes.append(f"Bars after the last value of the volatility index, {last:%Y-%m-%d}, are left out")
    implied = ImpliedVolatility.flat(vix)
    if {"vix9d", "vix3m"} <= set(traded):
        term = ImpliedVolatility.from_term_structure(
            vix, vix9d=traded["vix9d"], vix3m=traded["vix3m"], vix6m=traded.get("vix6m")
        )
        implied = term.where_available(pd.DatetimeIndex(vix.index), implied)
    if traded:
        index_surface = IndexSurface(
            vix,
            vix9d=traded.get("vix9d"),
            vix3m=traded.get("vix3m"),
            vix6m=traded.get("vix6m"),
            vvix=traded.get("vvix"),
            where_missing="degrade",
        )
    else:
        index_surface = IndexSurface.from_vix_only(vix)
    return RotationFiles(RotationData(market, implied, index_surface, vix, rate, dividend), notes)


def _until(market: OHLCV, end: str) -> OHLCV:
    """Bars up to and including a date."""
    rows = int(market.index.searchsorted(stamp(end, market.index), side="right"))
    if not rows:
        raise SpecificationError("no bar is left", value=end, remedy=f"end on or after {market.index[0]:%Y-%m-%d}")
    return OHLCV(market.frame.iloc[:rows])


def _without_holes(market: OHLCV, quoted: pd.Index, start: str | None, notes: list[str]) -> OHLCV:
    """Bars after the last one before ``start`` that has no VIX though the VIX was quoted before; an error without."""
    index = market.index
    holes = index[(index > quoted[0]) & (index <= quoted[-1]) & ~index.isin(quoted)]
    if start is not None:
        first = stamp(start, index)
        before = holes[holes < first]
        if len(before):
            market = OHLCV(market.frame.loc[index > before[-1]])
            notes.append(f"Bars up to {before[-1]:%Y-%m-%d} are left out: the VIX has no value on that date")
        holes = holes[holes >= first]
    if len(holes):
        raise DataFileError(
            f"the VIX has no value on {len(holes)} dates with a bar, the first {holes[0]:%Y-%m-%d}",
            remedy=f"mend the file, or start after {holes[-1]:%Y-%m-%d} with at least 120 bars between",
        )
    return market


def indices_in(folder: Path) -> dict[str, Path]:
    """Files of volatility indices in a folder, by the index that they are named after.

    The name is the index, alone or with a word for what all such files are: vix.csv, VIX_History.csv, ^vix9d.parquet,
    vix3m_daily.csv. A file named otherwise (vix_futures.csv, skew.csv) is not read: see `unused_in`.

    Raises
    ------
    DataFileError
        For a folder that cannot be read or holds no VIX, and where two files are of one index.
    """
    if not folder.is_dir():
        raise DataFileError(f"there is no folder {folder}", remedy="give a folder with files of volatility indices")
    found: dict[str, Path] = {}
    for path in _tables(folder):
        key = _index_of(path)
        if key is None:
            continue
        if key in found:
            raise DataFileError(
                f"two files of {key.upper()}", value=[found[key].name, path.name], remedy="keep one of them"
            )
        found[key] = path
    if "vix" not in found:
        raise DataFileError(
            f"{folder} holds no file of the VIX", remedy="name it vix.csv, vix_daily.parquet or the like"
        )
    return found


def unused_in(folder: Path) -> list[str]:
    """Names of the data files in a folder that `indices_in` does not read."""
    return [path.name for path in _tables(folder) if _index_of(path) is None]


def _tables(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES and path.is_file()]


def _index_of(path: Path) -> str | None:
    """Index that a file is named after."""
    words = path.name.lower().split(".")[0].replace("-", "_").replace(" ", "_").split("_")
    key = words[0].strip("^")
    return key if key in INDICES and "_".join(words[1:]) in _ENDINGS else None
