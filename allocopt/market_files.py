"""Prices and volatility indices from files, and the S&P 500 and VIX that the arch package ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from allocopt.errors import DataFileError

PRICE_COLUMNS = ("open", "high", "low", "close")

#: Headers under which the dates of a file are looked for; else they are the first column, or a Parquet file's index.
DATE_HEADERS = ("date", "datetime", "time", "timestamp")


def embedded_prices() -> pd.DataFrame:
    """S&P 500 open, high, low, close and volume, daily, 1999-01-04 to 2018-12-31 (5,031 rows), index points.

    From the arch package, which is installed with allocopt: nothing is downloaded.
    """
    import arch.data.sp500

    frame: pd.DataFrame = arch.data.sp500.load()
    return frame.rename(columns=str.lower).drop(columns="adj close")  # equal to the close: an index pays no dividend


def embedded_volatility_index() -> pd.Series[float]:
    """VIX daily closes in points, 2014-01-03 to 2019-01-03, without the 46 dates on which the source has no value."""
    import arch.data.vix

    frame: pd.DataFrame = arch.data.vix.load()
    return frame["vix"].dropna().astype(np.float64).rename("vix")


def read_prices(path: Path) -> pd.DataFrame:
    """Read a table of daily bars from CSV or Parquet.

    Parameters
    ----------
    path : Path
        A ``.csv`` (also ``.csv.gz``) or ``.parquet`` file with dates and columns open, high, low, close in any
        capitalisation; volume and adjusted close are kept where they are.

    Returns
    -------
    DataFrame
        Columns in lower case, index of dates as they stand in the file.

    Raises
    ------
    DataFileError
        If the file cannot be read, a column is missing, or a cell is no number or no date: its row and column.
    """
    frame = _read(path)
    missing = [name for name in PRICE_COLUMNS if name not in frame.columns]
    if missing:
        raise DataFileError(
            f"{path.name} has no column {missing[0]!r}",
            value=list(frame.columns),
            remedy="name the columns Open, High, Low and Close",
        )
    wanted = [name for name in (*PRICE_COLUMNS, "adj close", "volume") if name in frame.columns]
    return pd.DataFrame({name: _numbers(frame[name], path) for name in wanted}, index=frame.index)


def read_volatility_index(path: Path) -> pd.Series[float]:
    """Read a volatility index in points: its ``close`` column, or the only column of numbers there is.

    Raises
    ------
    DataFileError
        As `read_prices`; also if it is not clear which column is meant.
    """
    frame = _read(path)
    if "close" in frame.columns:
        name = "close"
    elif frame.shape[1] == 1:
        name = str(frame.columns[0])
    else:
        raise DataFileError(
            f"{path.name}: which column is the index level is not clear",
            value=list(frame.columns),
            remedy="name it Close, or leave only dates and levels in the file",
        )
    return _numbers(frame[name], path).rename(path.name.split(".")[0])


def _read(path: Path) -> pd.DataFrame:
    """Load the file as text cells (CSV) or typed cells (Parquet), lower-case headers, dates as index."""
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            frame = pd.read_parquet(path)
        elif path.suffix.lower() in (".csv", ".gz", ".txt"):
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False)
        else:
            raise DataFileError(f"{path.name} is neither CSV nor Parquet", remedy="give a .csv or .parquet file")
    except FileNotFoundError as error:
        raise DataFileError(f"there is no file {path}", remedy="check the path") from error
    except DataFileError:
        raise
    except (OSError, ValueError) as error:  # pandas' and pyarrow's parser errors are ValueErrors
        reason = str(error).strip().splitlines()[0]
        raise DataFileError(f"{path.name} cannot be read ({reason})", remedy="check that the file is whole") from error
    if isinstance(frame.index, pd.DatetimeIndex):
        frame.columns = _headers(frame.columns, path)
        return frame
    frame.columns = _headers(frame.columns, path)
    if frame.shape[1] < 2 or frame.empty:
        raise DataFileError(f"{path.name} holds no table of dates and values", remedy="give a header and data rows")
    header = next((name for name in DATE_HEADERS if name in frame.columns), str(frame.columns[0]))
    dates = frame.pop(header)
    parsed = pd.to_datetime(dates, errors="coerce", format=None if dates.dtype.kind == "M" else "ISO8601")
    if parsed.isna().any():
        row = int(np.argmax(parsed.isna().to_numpy()))
        raise DataFileError(
            f"{path.name} has a date that cannot be read",
            where=f"{_row(row, path)}, column {header!r}",
            value=str(dates.iloc[row]),
            remedy="write dates as 2020-03-16",
        )
    frame.index = pd.DatetimeIndex(parsed, name="date")
    return frame


def _headers(columns: pd.Index, path: Path) -> pd.Index:
    names = pd.Index([str(name).strip().lower() for name in columns])
    if not names.is_unique:
        raise DataFileError(
            f"{path.name} has a column twice", value=names[names.duplicated()][0], remedy="keep one of them"
        )
    return names


def _numbers(column: pd.Series, path: Path) -> pd.Series[float]:
    values = pd.to_numeric(column, errors="coerce").astype(np.float64)
    bad = ~np.isfinite(values.to_numpy())
    if bad.any():
        row = int(np.argmax(bad))
        day = f" ({column.index[row].date()})" if isinstance(column.index, pd.DatetimeIndex) else ""
        raise DataFileError(
            f"{path.name} has a value that is no number",
            where=f"{_row(row, path)}{day}, column {column.name!r}",
            value=str(column.iloc[row]),
            remedy="correct or remove the row",
        )
    return values


def _row(row: int, path: Path) -> str:
    """Row as an editor counts the lines of a CSV file (the header is line 1), or as a table's row from 1."""
    return f"row {row + 1}" if path.suffix.lower() in (".parquet", ".pq") else f"line {row + 2}"
