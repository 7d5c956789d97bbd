"""From price files to the rotation engine's desirability, with everything the reader must know about the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from allocopt.backtests.rotation import (
    OHLCV,
    ImpliedVolatility,
    classify_regimes,
    compute_features,
    profile_scores,
)
from allocopt.compatibility import desirability
from allocopt.errors import InputError, SpecificationError
from allocopt.market_files import embedded_prices, embedded_volatility_index, read_prices, read_volatility_index
from allocopt.regimes import Regime


@dataclass(frozen=True, eq=False)
class RotationInputs:
    """Desirability of the six option profiles on every date after the warm-up.

    Attributes
    ----------
    desirability : DataFrame (dates x P1..P6)
        Score times regime compatibility.
    regimes : Series
        Regime id of each of those dates.
    notes : list of str
        The data's source and span, the source of implied volatility by number of dates, the warm-up left out.
    """

    desirability: pd.DataFrame
    regimes: pd.Series[Any]
    notes: list[str]


def rotation_desirability(
    prices: Path | None = None, volatility_index: Path | None = None, implied: str | None = None
) -> RotationInputs:
    """Score the six option profiles on the embedded S&P 500, or on a file of daily bars.

    Parameters
    ----------
    prices : Path, optional
        See `allocopt.market_files.read_prices`. Default: the embedded S&P 500, 1999 to 2018.
    volatility_index : Path, optional
        See `allocopt.market_files.read_volatility_index`. Default with the embedded prices: the VIX from 2014.
    implied : {"index", "realized-proxy", "index-then-proxy"}, optional
        Source of implied volatility. Default: "index-then-proxy" for the embedded data, "index" for a file.

    Raises
    ------
    SpecificationError
        If an index is needed and none is given.
    DataFileError, InputError, LabelError
        If a file or its values cannot be used; the row and column, or date and column, are named.
    """
    notes: list[str] = []
    index: pd.Series[float] | None
    if prices is None:
        market, index = OHLCV(embedded_prices()), embedded_volatility_index()
        name, source = "S&P 500 (embedded)", implied or "index-then-proxy"
    else:
        frame = read_prices(prices)
        name, source = prices.name, implied or "index"
        index = read_volatility_index(volatility_index) if volatility_index is not None else None
        if "adj close" in frame.columns:
            market = OHLCV.adjusted(frame)
            notes.append("Bars: scaled by Adj Close / Close (total return)")
        else:
            market = OHLCV(frame)
    notes.insert(0, f"Prices: {name}, {len(market):,} rows, {market.index[0]:%Y-%m-%d} to {market.index[-1]:%Y-%m-%d}")
    features = compute_features(market)
    volatility = _implied(source, index, features, market.index)
    counts = ", ".join(f"{count:,} dates from {source}" for source, count in volatility.source_counts().items())
    notes.append(f"Implied volatility: {counts}")
    regimes = classify_regimes(features)
    scores = profile_scores(market, features, volatility)
    defined = scores.notna().all(axis=1) & regimes.notna()
    first = int(defined.to_numpy().argmax())
    if not defined.iloc[first:].all() or not defined.any():
        raise SpecificationError(
            "the prices are too short, or a score is undefined after its warm-up",
            value=f"{int(defined.sum())} of {len(defined)} dates defined",
            remedy="give at least 120 consecutive daily bars",
        )
    notes.append(f"Warm-up: the first {first} dates have no regime or score and are left out")
    scores, regimes = scores.iloc[first:], regimes.iloc[first:].astype("int64")
    found = regimes.value_counts()
    spread = ", ".join(f"{regime.label} {found.get(int(regime), 0)}" for regime in Regime if regime != Regime.EVENT)
    notes.append(f"Regimes: {spread}")
    return RotationInputs(desirability(scores, regimes), regimes, notes)


def _implied(
    source: str, index: pd.Series[float] | None, features: pd.DataFrame, dates: pd.DatetimeIndex
) -> ImpliedVolatility:
    if source == "realized-proxy":
        return ImpliedVolatility.realized_proxy(features)
    if index is None:
        raise SpecificationError(
            "no volatility index for these prices",
            remedy="give --volatility-index FILE, or ask for the proxy by name with --implied realized-proxy",
        )
    level = ImpliedVolatility.flat(index)
    if source == "index-then-proxy":
        return level.where_available(dates, ImpliedVolatility.realized_proxy(features))
    try:
        return level.on(dates)
    except InputError as error:
        raise InputError(
            error.what,
            where=error.where,
            value=error.value,
            remedy="shorten the prices, or ask for the proxy on those dates with --implied index-then-proxy",
        ) from error
