"""What a study file may ask for by name: the four systems, and a study of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from allocopt.errors import DataFileError, InputError, SpecificationError
from allocopt.study_objects import settings_from
from allocopt.study_own import own_study
from allocopt.toml_files import Section, located


@dataclass(frozen=True, eq=False)
class Prepared:
    """A study with its data, ready for `walk_forward`.

    Attributes
    ----------
    study : callable or frozen dataclass
    data : object
    periods_per_year : float
    benchmark : Series or None
        Closes, or decimal returns.
    notes : list of str
        What the reader must know of the data.
    dates : DatetimeIndex
        Rows that are split.
    """

    study: Any
    data: Any
    periods_per_year: float
    benchmark: pd.Series | None
    notes: list[str]
    dates: pd.DatetimeIndex


@dataclass(frozen=True)
class RotationStudy:
    """The rotation engine with other settings of its allocator, on signals that were computed once.

    Attributes
    ----------
    settings : mapping
        Of `RotationEngine`; the parameters of a cell are set over them.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, data: Any, parameters: Mapping[str, Any]) -> Any:
        """Ledger of the engine with these parameters."""
        from allocopt.backtests.rotation.engine import RotationEngine

        engine = settings_from(RotationEngine, {**self.settings, **parameters}, "[settings] and the grid")
        return engine.run_rows(data).ledger


@dataclass(frozen=True)
class SectorStudy:
    """The sector rotation with plain settings.

    Attributes
    ----------
    settings : mapping
        As `rotation_from_settings` reads them; the parameters of a cell are set over them.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, data: Any, parameters: Mapping[str, Any]) -> Any:
        """Ledger of the rotation with these parameters."""
        from allocopt.backtests.sector_rotation import rotation_from_settings

        return rotation_from_settings({**self.settings, **parameters}).run(data).ledger


def prepare(kind: str, settings: Section, data: Section, folder: Path, periods_per_year: float | None) -> Prepared:
    """Read the data of a study and make the study.

    Parameters
    ----------
    kind : str
        ``rotation``, ``sector-rotation``, ``trend-basket``, ``volatility-alpha``, or ``module:name`` or
        ``file.py:name`` of one's own.
    settings, data : Section
        As the file has them.
    folder : Path
        Where the file lies; paths in it are relative to that.
    periods_per_year : float or None
        As the file says; needed for a study of one's own.

    Raises
    ------
    SpecificationError, DataFileError
        For a kind that is unknown, settings that make no study, data that cannot be read.
    """
    require_kind(kind)
    make = KINDS.get(kind)
    found = make(settings, data, folder) if make else _own(kind, settings, data, folder, periods_per_year)
    data.done()
    return found


def require_kind(kind: str, place: str | None = None) -> None:
    """Raise a `SpecificationError` for a kind that is no system and names no code."""
    if kind not in KINDS and not all(kind.rpartition(":")):
        raise SpecificationError(
            "an unknown kind of study",
            where=place,
            value=kind,
            remedy=f"one of {sorted(KINDS)}, or file.py:name of your own",
        )


def _rotation(settings: Section, data: Section, folder: Path) -> Prepared:
    from allocopt.backtests.rotation.engine import RotationEngine
    from allocopt.backtests.rotation.study import RotationRows
    from allocopt.rotation_data import indices_in, rotation_data

    prices, indices = data.text("prices", None), data.text("indices", None)
    if prices is None and indices is not None:
        raise SpecificationError("indices go with prices", where=data.place, remedy="give both, or neither")
    found = rotation_data(
        None if prices is None else folder / prices,
        None if indices is None else indices_in(folder / indices),
        proxy=data.flag("realized_proxy", default=False),
        start=data.date("start"),
        end=data.date("end"),
        rate=data.number("rate", 0.0),
        dividend=data.number("dividend", 0.0),
    )
    engine = settings_from(RotationEngine, settings)
    signals = engine.signals(found.data, start_date=data.date("start"), end_date=data.date("end"))
    closes = found.data.market.frame["close"]
    notes = [*found.notes, *found.sources(signals.dates), "Benchmark: the index itself, without dividends"]
    rows = RotationRows(signals, found.data.volatility_index)
    return Prepared(RotationStudy(settings.content), rows, 252.0, closes.loc[rows.dates], notes, rows.dates)


def _sectors(settings: Section, data: Section, folder: Path) -> Prepared:
    from allocopt.backtests.sector_rotation import SectorData, rotation_from_settings
    from allocopt.sector_rotation_inputs import read_data

    index = data.text("volatility_index", None)
    found = read_data(folder / data.text("prices"), None if index is None else folder / index)
    with located(settings.place):
        rotation = rotation_from_settings(settings.content)
    closes, cash = found.closes, data.text("cash", None)
    if cash is not None:
        if cash in closes.columns:
            raise SpecificationError(
                "cash has the name of a ticker", where=data.place, value=cash, remedy='write cash = "CASH"'
            )
        closes = closes.assign(**{cash: 1.0})
    columns = [*rotation.universe, rotation.defensive, rotation.benchmark]
    lacking = [name for name in columns if name not in closes.columns or closes[name].isna().all()]
    if lacking:
        raise DataFileError(
            "a ticker has no closes", where=data.place, value=lacking[0], remedy="give its closes, or set universe"
        )
    closes = between(closes[columns], data)
    # Rows before all roles have a price are no rows of the study; a sector may come later.
    first = max(
        pd.Timestamp(str(closes[name].first_valid_index())) for name in (rotation.defensive, rotation.benchmark)
    )
    closes = closes.loc[first:]
    notes = [f"Closes: {len(columns)} tickers, {len(closes):,} sessions from {first:%Y-%m-%d}"]
    if cash is not None:
        notes.append(f"{cash} is cash that earns nothing: a column of ones")
    notes.append(f"Benchmark: {rotation.benchmark}")
    return Prepared(
        SectorStudy(settings.content), SectorData(closes, found.volatility_index), 252.0, closes[rotation.benchmark],
        notes, pd.DatetimeIndex(closes.index),
    )  # fmt: skip


def _basket(settings: Section, data: Section, folder: Path) -> Prepared:
    from allocopt.backtests.trend_basket import TrendBasket
    from allocopt.trend_basket_command import Gaps, complete, read_tables

    basket = settings_from(TrendBasket, settings)
    files = data.section("closes")
    if not files.content:
        raise SpecificationError("closes names no file", where=data.place, remedy='give closes = {BTC = "btc.csv"}')
    table, sources = read_tables([f"{coin}={folder / files.text(coin)}" for coin in files])
    gaps = Gaps(data.choice("gaps", [kind.value for kind in Gaps], Gaps.RAISE.value))
    try:
        regular = complete(between(table, data), basket, gaps)
    except InputError as error:
        raise InputError(
            error.what,
            where=f"{data.place}: {error.where}" if error.where else data.place,
            value=error.value,
            remedy='set start and end to where every coin has closes, and write gaps = "fill" to carry the last close '
            "over bars without one",
        ) from error
    closes = regular.closes
    market = basket.market or next((str(c) for c in closes if str(c).upper().startswith("BTC")), str(closes.columns[0]))
    if market not in closes.columns:
        raise SpecificationError(
            "market is no coin", where=settings.place, value=market, remedy=f"one of {[str(c) for c in closes]}"
        )
    notes = [f"Closes: {source.file}, {source.rows:,} rows" for source in sources]
    notes += [f"{coin}: {n:,} missing bars hold the last close" for coin, n in regular.counts.items() if n]
    return Prepared(
        basket, closes, basket.periods_per_year, closes[market], [*notes, f"Benchmark: {market}"],
        pd.DatetimeIndex(closes.index),
    )  # fmt: skip


def _ladder(settings: Section, data: Section, folder: Path) -> Prepared:
    from allocopt.backtests.volatility_alpha import LadderSleeve
    from allocopt.market_files import embedded_prices, read_prices

    path = data.text("prices", None)
    bars = between(embedded_prices() if path is None else read_prices(folder / path), data)
    sleeve = settings_from(LadderSleeve, settings)
    notes = [f"Prices: {'S&P 500 (embedded)' if path is None else path}, {len(bars):,} rows", "Benchmark: the closes"]
    return Prepared(sleeve, bars, 252.0, bars["close"], notes, pd.DatetimeIndex(bars.index))


def _own(kind: str, settings: Section, data: Section, folder: Path, periods_per_year: float | None) -> Prepared:
    from allocopt.market_files import read_closes

    if periods_per_year is None:
        raise SpecificationError(
            "a study of one's own needs its periods per year",
            where="[selection]",
            remedy="write periods_per_year = 252 for daily rows",
        )
    study = own_study(kind, settings, folder)
    path, name = data.text("prices"), data.text("benchmark", None)
    closes = between(read_closes(folder / path), data)
    if name is not None and name not in closes.columns:
        raise SpecificationError(
            "the benchmark is no column of the prices",
            where=data.place,
            value=name,
            remedy=f"one of {[str(column) for column in closes]}",
        )
    notes = [f"Closes: {path}, {closes.shape[1]} columns, {len(closes):,} rows"]
    notes.append("No benchmark" if name is None else f"Benchmark: {name}")
    dates = pd.DatetimeIndex(closes.index)
    return Prepared(study, closes, periods_per_year, None if name is None else closes[name], notes, dates)


def between(table: pd.DataFrame, data: Section) -> pd.DataFrame:
    """Rows from ``start`` to ``end`` of the table [data], both included; a day stands for all of its rows.

    Raises
    ------
    SpecificationError
        For what is no date, or if no row is left.
    """
    index = pd.DatetimeIndex(table.index)
    start, end = data.date("start"), data.date("end")
    wanted = pd.Series(True, index=index)
    if start is not None:
        wanted &= index >= _on(start, index)
    if end is not None:
        last = _on(end, index)
        whole = last == last.normalize() and ":" not in end
        wanted &= index < last + pd.Timedelta(days=1) if whole else index <= last
    if not wanted.any():
        reach = f"the file reaches from {index[0]} to {index[-1]}" if len(index) else "the file has no row"
        raise SpecificationError(
            "no row lies between start and end", where=data.place, value=(start, end), remedy=reach
        )
    return table[wanted.to_numpy()]


def _on(date: str, index: pd.DatetimeIndex) -> pd.Timestamp:
    """Put a date on the clock of the rows; one without a zone is on it already."""
    found = pd.Timestamp(date)
    if found.tzinfo is None:
        return found if index.tz is None else found.tz_localize(index.tz)
    return found.tz_convert("UTC").tz_localize(None) if index.tz is None else found.tz_convert(index.tz)


#: Systems by the name that a study file gives them.
KINDS: dict[str, Callable[[Section, Section, Path], Prepared]] = {
    "rotation": _rotation,
    "sector-rotation": _sectors,
    "trend-basket": _basket,
    "volatility-alpha": _ladder,
}

__all__ = ["KINDS", "Prepared", "RotationStudy", "SectorStudy", "between", "prepare"]
