"""From files of prices and volatility indices to what the rotation engine is run on, and what the reader must know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from allocopt.backtests.options import FlatSurface, IndexSurface, VolatilitySurface
from allocopt.backtests.rotation import OHLCV, ImpliedVolatility, compute_features
from allocopt.backtests.rotation.engine import RotationData, stamp
from allocopt.errors import DataFileError, SpecificationError
from allocopt.market_files import embedded_prices, embedded_volatility_index, read_prices, read_volatility_index

#: Volatility indices that a folder may hold: VIX, those of 9 days, 3 and 6 months, and the volatility of VIX.
INDICES = ("vix", "vix9d", "vix3m", "vix6m", "vvix")

_SUFFIXES = (".csv", ".parquet", ".pq", ".txt", ".gz")


@dataclass(frozen=True, eq=False)
class RotationFiles:
    """Data of the engine, its first possible date, and notes for the reader.

    Attributes
    ----------
    data : RotationData
    notes : list of str
        Where prices and volatilities come from.
    """

    data: RotationData
    notes: list[str]


def rotation_data(
    prices: Path | None = None,
    indices: dict[str, Path] | None = None,
    *,
    proxy: bool = False,
    start: str | None = None,
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
    rate, dividend : float, default 0.0
        Of the option prices, decimal per year.

    Raises
    ------
    SpecificationError
        If there are prices and neither a VIX nor the proxy.
    DataFileError
        For a file that cannot be used: its line and column.
    """
    if prices is None:
        market, name = OHLCV(embedded_prices()), "S&P 500 (embedded)"
        found = {"vix": embedded_volatility_index()}
    else:
        frame = read_prices(prices)
        name = prices.name
        market = OHLCV.adjusted(frame) if "adj close" in frame.columns else OHLCV(frame)
        found = {key: read_volatility_index(path) for key, path in (indices or {}).items()}
    notes = [f"Prices: {name}, {len(market):,} rows, {market.index[0]:%Y-%m-%d} to {market.index[-1]:%Y-%m-%d}"]
    if proxy:
        realized = compute_features(market)
        notes.append("Options: marked at 1.2 x realised volatility of 20 rows, flat in strike and tenor (proxy)")
        surface: VolatilitySurface = FlatSurface.realized_proxy(realized["rv20"].dropna())
        return RotationFiles(
            RotationData(market, ImpliedVolatility.realized_proxy(realized), surface, None, rate, dividend), notes
        )
    if "vix" not in found:
        raise SpecificationError(
            "no volatility index for these prices",
            remedy="give one, or ask for the proxy by name with --implied realized-proxy",
        )
    traded = {key: series[series.index.isin(market.index)] for key, series in found.items()}
    vix = traded.pop("vix")
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
    notes.append(
        "Scores: " + ", ".join(f"{count:,} dates from {source}" for source, count in implied.source_counts().items())
    )
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
    sources = index_surface.source_counts(market.index[market.index >= max(vix.index[0], market.index[0])])
    notes.append("Options: " + ", ".join(f"{count:,} dates from {source}" for source, count in sources.items()))
    return RotationFiles(RotationData(market, implied, index_surface, vix, rate, dividend), notes)


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
    """Files of volatility indices in a folder, by the index that their name begins with (vix9d_daily.csv).

    Raises
    ------
    DataFileError
        For a folder that cannot be read or holds no VIX, and where two files are of one index.
    """
    if not folder.is_dir():
        raise DataFileError(f"there is no folder {folder}", remedy="give a folder with files of volatility indices")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        key = path.name.lower().split(".")[0].split("_")[0].split("-")[0].strip("^")
        if key in INDICES and path.suffix.lower() in _SUFFIXES:
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
