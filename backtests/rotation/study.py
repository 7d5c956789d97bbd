"""Rows that a study of the rotation engine's allocator runs on: signals that were computed once, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from allocopt.backtests._checks import require_kind
from allocopt.backtests.rotation.signals import Date, Progress, RotationData, RotationSignals
from allocopt.errors import SpecificationError

if TYPE_CHECKING:
    from allocopt.backtests.rotation.engine import RotationEngine


@dataclass(frozen=True, eq=False)
class RotationRows:
    """Signals with the volatility index: all that an engine needs whose allocator, sizing or lag is studied.

    `RotationEngine.run_rows` runs on it without the market data and the surface behind the signals. What it decides and
    earns on a row depends on that row and earlier ones, so a run on ``until(date)`` is the beginning of the run on all
    rows, bit for bit: what a walk-forward study asks of its data.

    Parameters
    ----------
    signals : RotationSignals
    volatility_index : Series, optional
        Points, for a leverage policy that asks for it.

    Raises
    ------
    ShapeError
        For signals or an index of another type.

    Examples
    --------
    >>> from allocopt.backtests import RotationEngine
    >>> from allocopt.backtests.rotation.study import RotationRows
    >>> from allocopt.rotation_data import rotation_data
    >>> engine = RotationEngine()
    >>> rows = RotationRows(engine.signals(rotation_data().data, start_date="2018-07-02"))
    >>> whole, part = engine.run_rows(rows).ledger, engine.run_rows(rows.until("2018-09-28")).ledger
    >>> len(part.dates), bool((part.returns == whole.returns.loc[part.dates]).all())
    (63, True)
    """

    signals: RotationSignals
    volatility_index: pd.Series[float] | None = None

    def __post_init__(self) -> None:
        require_kind(self.signals, RotationSignals, "the signals")
        if self.volatility_index is not None:
            require_kind(self.volatility_index, pd.Series, "the volatility index")

    @property
    def dates(self) -> pd.DatetimeIndex:
        """The studied rows."""
        return self.signals.dates

    def until(self, date: Date) -> RotationRows:
        """Give what was known at the close of a date: rows up to and including it.

        Raises
        ------
        SpecificationError
            For what is no date, or fewer than two rows.
        """
        signals, index = self.signals.until(date), self.volatility_index
        return replace(
            self, signals=signals, volatility_index=None if index is None else index.loc[: signals.dates[-1]]
        )


def signals_for(
    engine: RotationEngine,
    data: RotationData,
    start: Date | None,
    end: Date | None,
    signals: RotationSignals | None,
    progress: Progress | None = None,
) -> RotationSignals:
    """Signals that were given, or those of a window; both at once would leave the window unread."""
    if signals is None:
        return engine.signals(data, start_date=start, end_date=end, progress=progress)
    if start is not None or end is not None:
        raise SpecificationError(
            "signals are given together with a window",
            value=(str(start), str(end)),
            remedy="give the window to RotationEngine.signals, and leave it out here",
        )
    require_settings(engine, require_kind(signals, RotationSignals, "the signals"))
    return signals


def require_settings(engine: RotationEngine, signals: RotationSignals) -> None:
    """Raise a `SpecificationError` for signals of an engine with other settings."""
    if signals.settings != engine.settings:
        raise SpecificationError(
            "the signals were made with other profiles, costs, lags or compatibility than the engine has",
            remedy="call signals() of this engine",
        )
