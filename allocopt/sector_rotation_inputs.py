"""Files and settings that ``allocopt sector-rotation`` is given."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allocopt.errors import DataFileError, SpecificationError

if TYPE_CHECKING:
    import pandas as pd

    from allocopt.backtests.sector_rotation import SectorData


def read_data(prices: Path | None, volatility_index: Path | None) -> SectorData:
    """Read closes and, where it is given, a volatility index.

    Parameters
    ----------
    prices : Path or None
        A wide table of closes, or a long one with columns ticker, date and close.
    volatility_index : Path or None
        Levels in points.

    Raises
    ------
    DataFileError
        Without a file of prices, or where one cannot be read.
    """
    from allocopt.backtests.sector_rotation import SectorData
    from allocopt.market_files import read_volatility_index

    if prices is None:
        raise DataFileError(
            "there are no sector prices in the program",
            remedy="pass --prices FILE with dividend-adjusted closes of the eleven sectors, TLT and SPY",
        )
    level = None if volatility_index is None else read_volatility_index(volatility_index)
    return SectorData(read_sector_closes(prices), level)


def read_sector_closes(path: Path) -> pd.DataFrame:
    """Read closes by date and ticker from a wide file, or from a long one with columns ticker, date and close.

    Raises
    ------
    DataFileError
        As `allocopt.market_files.read_closes`; also for a column ticker without a column close, or the reverse.

    Examples
    --------
    >>> path = Path("closes.csv")
    >>> _ = path.write_text(f"ticker,date,close{chr(10)}XLK,2024-01-02,10{chr(10)}TLT,2024-01-02,20")
    >>> read_sector_closes(path).to_dict("records")
    [{'XLK': 10.0, 'TLT': 20.0}]
    """
    import pandas as pd

    from allocopt.backtests.sector_rotation import wide_closes
    from allocopt.market_files import positive_closes, read_closes, read_table

    frame = read_table(path)
    long = {"ticker", "close"}
    found = long & set(frame.columns)
    if not found:
        return read_closes(path)
    if found != long:
        raise DataFileError(
            f"{path.name} has a column {min(found)!r} and none named {min(long - found)!r}",
            value=list(frame.columns),
            remedy="give one column a ticker, or one row a ticker and date with columns ticker, date, close",
        )
    dates = pd.DatetimeIndex(frame.index)
    closes = positive_closes(frame["close"], path).to_numpy()
    return wide_closes(pd.DataFrame({"ticker": frame["ticker"].to_numpy(), "date": dates, "close": closes}))


def parsed_settings(given: list[str]) -> dict[str, Any]:
    """Read settings from KEY=VALUE; a value that is no TOML is a word.

    Raises
    ------
    SpecificationError
        For a text without a key or a value, a key that comes twice, or a table or list that is no TOML.

    Examples
    --------
    >>> parsed_settings(["momentum=134", "schedule=7D", "limits={cap = 0.4}"])
    {'momentum': 134, 'schedule': '7D', 'limits': {'cap': 0.4}}
    """
    found: dict[str, Any] = {}
    for text in given:
        key, sign, value = text.partition("=")
        key = key.strip()
        if not sign or not key:
            raise SpecificationError("--set has no KEY=VALUE", value=text, remedy="write --set momentum=134")
        if key in found:
            raise SpecificationError("a setting is given twice", value=key, remedy="give each once")
        try:
            found[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            if any(mark in value for mark in "{}[]"):
                raise SpecificationError(
                    f"the value of {key} is no TOML", value=value, remedy="write it as in a configuration"
                ) from None
            found[key] = value.strip()
    return found
