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
    frame = read_table(path)
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
    frame = read_table(path)
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


def read_closes(path: Path, coin: str | None = None) -> pd.DataFrame:
    """Read closes from CSV or Parquet: one coin's, or a table with a column for each coin.

    Parameters
    ----------
    path : Path
        Dates, and the closes of one coin in a column ``close`` (or the only column there is); or, without ``coin``,
        one column a coin. Cells may be empty where there is no close.
    coin : str, optional
        Name of the one coin. None: the columns are coins, by the names they have in the file.

    Returns
    -------
    DataFrame, shape (R, n)
        Closes by date and coin, ascending; NaN where a cell is empty. Dates with a time zone are in UTC.

    Raises
    ------
    DataFileError
        If the file cannot be read, a cell is no positive number or no date, a date comes twice or before the one above
        it: its row and column.

    Examples
    --------
    >>> path = Path("closes.csv")
    >>> _ = path.write_text(f"date,BTC,ETH{chr(10)}2024-01-01 00:00,42000,2300{chr(10)}2024-01-01 01:00,42100,")
    >>> read_closes(path)["ETH"].tolist()
    [2300.0, nan]
    """
    frame = read_table(path, keep_case=True)
    lower = {str(name).lower(): name for name in frame.columns}
    if coin is not None:
        if "close" not in lower and frame.shape[1] != 1:
            raise DataFileError(
                f"{path.name}: which column is the close is not clear",
                value=list(frame.columns),
                remedy="name it close",
            )
        frame = frame[[lower.get("close", frame.columns[0])]].set_axis([coin], axis=1)
    elif "close" in lower:
        raise DataFileError(
            f"{path.name} has a column 'close' and no name of a coin", remedy=f"say whose it is: BTC={path.name}"
        )
    dates = pd.DatetimeIndex(frame.index)
    steps = dates.asi8[1:] <= dates.asi8[:-1]
    if steps.any():
        row = int(np.argmax(steps)) + 1
        twice = dates[row] == dates[row - 1]
        raise DataFileError(
            f"{path.name} has a date twice" if twice else f"{path.name} is not sorted by date",
            where=_row(row, path),
            value=str(dates[row]),
            remedy="keep one row a date" if twice else "sort its rows, the oldest first",
        )
    if dates.tz is not None:
        dates = dates.tz_convert("UTC")
    return pd.DataFrame({str(name): positive_closes(frame[name], path) for name in frame.columns}).set_axis(
        dates.rename("date"), axis=0
    )


def positive_closes(column: pd.Series, path: Path) -> pd.Series[float]:
    """Read a column of closes: positive numbers, NaN for empty cells.

    Raises
    ------
    DataFileError
        For any other cell: its row and column.

    Examples
    --------
    >>> positive_closes(pd.Series(["42000", ""], name="BTC"), Path("closes.csv")).tolist()
    [42000.0, nan]
    """
    empty = column.isna() | (column.astype(str).str.strip() == "")
    values = pd.to_numeric(column, errors="coerce").astype(np.float64)
    bad = ~(np.isfinite(values.to_numpy()) & (values.to_numpy() > 0.0)) & ~empty.to_numpy()
    if bad.any():
        row = int(np.argmax(bad))
        raise DataFileError(
            f"{path.name} has a close that is no positive number",
            where=f"{_row(row, path)} ({column.index[row]}), column {column.name!r}",
            value=str(column.iloc[row]),
            remedy="correct the row, or leave the cell empty where there was no trade",
        )
    return values


def read_table(path: Path, *, keep_case: bool = False) -> pd.DataFrame:
    """Load a file as text cells (CSV) or typed cells (Parquet), with its dates as index and headers in lower case.

    Parameters
    ----------
    path : Path
        A ``.csv`` (also ``.csv.gz``, ``.txt``) or ``.parquet`` file.
    keep_case : bool, default False
        Keep headers as they stand in the file.

    Raises
    ------
    DataFileError
        If the file cannot be read, has a column twice, or a date that cannot be read: its row.

    Examples
    --------
    >>> path = Path("closes.csv")
    >>> _ = path.write_text(f"date,BTC{chr(10)}2024-01-01,42000")
    >>> read_table(path)["btc"].tolist()
    ['42000']
    """
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
        frame.columns = _headers(frame.columns, path, keep_case)
        return frame
    frame.columns = _headers(frame.columns, path, keep_case)
    if frame.shape[1] < 2 or frame.empty:
        raise DataFileError(f"{path.name} holds no table of dates and values", remedy="give a header and data rows")
    lower = {str(name).lower(): str(name) for name in frame.columns}
    header = next((lower[name] for name in DATE_HEADERS if name in lower), str(frame.columns[0]))
    dates = frame.pop(header)
    try:
        parsed = pd.to_datetime(dates, errors="coerce", format=None if dates.dtype.kind == "M" else "ISO8601")
    except ValueError as error:  # dates of more than one time zone
        raise DataFileError(
            f"{path.name} mixes time zones", where=f"column {header!r}", remedy="write all dates in UTC"
        ) from error
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


def _headers(columns: pd.Index, path: Path, keep_case: bool) -> pd.Index:
    names = pd.Index([str(name).strip() for name in columns])
    lower = names.str.lower()
    if not lower.is_unique:
        raise DataFileError(
            f"{path.name} has a column twice", value=lower[lower.duplicated()][0], remedy="keep one of them"
        )
    return names if keep_case else lower


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
