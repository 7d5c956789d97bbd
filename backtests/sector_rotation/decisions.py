"""What the sector rotation decides on each row of its schedule, from closes up to and including that row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.allocation import allocate
from allocopt.backtests._checks import day
from allocopt.backtests.accounting import simple_returns
from allocopt.backtests.overlays import LeveragePolicy, VolatilityTarget
from allocopt.backtests.sector_rotation.data import (
    SectorData,
    given_data,
    require_begun,
    require_complete,
    require_sessions,
    require_tickers,
    rows_from,
)
from allocopt.backtests.sector_rotation.specification import SESSIONS
from allocopt.backtests.sector_rotation.weighting import weighting_from
from allocopt.errors import InputError, ShapeError, SpecificationError

if TYPE_CHECKING:
    from allocopt.backtests.sector_rotation.specification import Date, SectorRotation

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Sessions of the benchmark's realised volatility, for policies that look at it.
REALIZED = 20


@dataclass(frozen=True, eq=False)
class SectorDecisions:
    """Decisions on the rows of the schedule, and what they come from. Row t uses closes up to row t.

    Attributes
    ----------
    momentum : DataFrame, shape (D, n)
        Decimal return of each sector over its look-back; NaN without enough history.
    history : DataFrame of bool, shape (D, n)
        Whether a sector has enough closes for its momentum and its weighting; only then is it eligible.
    survivors : DataFrame of bool, shape (D, n)
        Among the best, and not below the minimum.
    trend : Series of bool, shape (D,), or None
        Whether the trend filter is passed; None without one.
    composition : DataFrame, shape (D, n + 1)
        Weights of sectors and defensive asset before leverage. Cap and floor hold here.
    exposure : Series, shape (D,)
        Leverage.
    """

    momentum: pd.DataFrame
    history: pd.DataFrame
    survivors: pd.DataFrame
    trend: pd.Series[bool] | None
    composition: pd.DataFrame
    exposure: pd.Series[float]

    @property
    def weights(self) -> pd.DataFrame:
        """Composition times exposure: what is bought at the close of the deciding row."""
        return self.composition.mul(self.exposure, axis=0)

    @property
    def without_history(self) -> pd.Series[int]:
        """Decisions on which a sector was not eligible for lack of history, by sector."""
        return (~self.history).sum().rename("decisions without history")

    def __len__(self) -> int:
        """Return the number of decisions."""
        return len(self.exposure)


@dataclass(frozen=True, eq=False)
class Study:
    """Checked closes of a run: all rows up to its end, and where the study begins."""

    data: SectorData
    closes: pd.DataFrame
    first: int
    begins: dict[str, int]

    @property
    def dates(self) -> pd.DatetimeIndex:
        """Rows of the study."""
        return pd.DatetimeIndex(self.closes.index)[self.first :]


def decide(
    rotation: SectorRotation,
    closes: pd.DataFrame | SectorData,
    volatility_index: pd.Series[float] | None = None,
    start: Date | None = None,
    end: Date | None = None,
) -> SectorDecisions:
    """Decide the rotation's weights on the rows of its schedule; no money moves.

    Parameters
    ----------
    rotation : SectorRotation
    closes, volatility_index, start, end
        As for `SectorRotation.run`.

    Returns
    -------
    SectorDecisions

    Raises
    ------
    InputError, LabelError, ShapeError, SpecificationError
        As `SectorRotation.run`.

    Examples
    --------
    >>> from allocopt.backtests.sector_rotation import SectorRotation
    >>> days = pd.bdate_range("2024-01-01", periods=30)
    >>> rising, falling = np.linspace(10.0, 12.0, 30), np.linspace(10.0, 9.0, 30)
    >>> closes = pd.DataFrame({"A": rising, "B": falling, "TLT": falling, "SPY": rising}, index=days)
    >>> rotation = SectorRotation(momentum=5, leverage=1.0, schedule="every 10", universe=["A", "B"])
    >>> decide(rotation, closes).composition.to_dict("list")
    {'A': [1.0, 1.0, 1.0], 'B': [0.0, 0.0, 0.0], 'TLT': [0.0, 0.0, 0.0]}
    """
    return decide_study(rotation, prepare(rotation, given_data(closes, volatility_index), start, end))


def prepare(rotation: SectorRotation, data: SectorData, start: Date | None, end: Date | None) -> Study:
    """Check the closes and find where the study begins."""
    known = data if end is None else data.until(end)
    roles = dict.fromkeys(rotation.universe, "sector")
    roles |= {rotation.defensive: "defensive", rotation.benchmark: "benchmark"}
    require_tickers(known.closes, roles)
    names = list(roles)
    closes = known.closes[names]
    begins = require_complete(closes, names)
    wanted = np.asarray(rows_from(closes.index, start)) if start is not None else np.ones(len(closes), dtype=np.bool_)
    first = int(wanted.argmax()) if wanted.any() else len(closes)
    if start is None:
        first = max(begins[rotation.defensive], begins[rotation.benchmark], _warm_up(rotation, begins))
        if first >= len(closes):
            raise ShapeError(
                "there are too few closes for the warm-up",
                value=len(closes),
                remedy=f"give at least {first + 2} sessions, or shorter look-backs",
            )
    require_sessions(len(closes) - first, 1)
    require_begun(closes, begins, {rotation.defensive: "defensive asset", rotation.benchmark: "benchmark"}, first)
    return Study(known, closes, first, begins)


def decide_study(rotation: SectorRotation, study: Study) -> SectorDecisions:
    """Select, allocate and size on the rows of the schedule."""
    scheduled = rotation.decision_schedule.rows(study.dates)
    rows = np.flatnonzero(scheduled) + study.first
    if not rows.size:
        raise SpecificationError(
            "the schedule decides on no row of the study",
            where=f"{day(study.dates[0])} to {day(study.dates[-1])}",
            value=rotation.decision_schedule.label,
            remedy="use a shorter interval, or a longer study",
        )
    dates = pd.DatetimeIndex(study.closes.index)[rows]
    sectors = list(rotation.universe)
    values = study.closes[sectors].to_numpy(dtype=np.float64)
    momentum, history = _momentum(rotation, study, values, rows)
    if not history.any(axis=1).all():
        row = int((~history.any(axis=1)).argmax())
        raise InputError(
            "no sector has enough history on a deciding row",
            where=day(dates[row]),
            value=f"{rows[row]} closes before it, at least {min(_history(rotation).values())} needed",
            remedy="give closes from before the start, or start later; without a start the warm-up comes first",
        )
    trend = _trend(rotation, study, rows)
    survivors = (
        _best(np.where(history, momentum, -np.inf), rotation.top_n) & history & (momentum >= rotation.min_momentum)
    )
    if trend is not None:
        survivors &= trend[:, None]
    weighting = weighting_from(rotation.weighting)
    wanted = np.zeros((len(rows), len(sectors) + 1))
    for number, row in enumerate(rows.tolist()):
        window = values[row - weighting.history : row + 1]
        wanted[number, :-1] = weighting.desirability(survivors[number], momentum[number], window)
    wanted[:, -1] = ~(wanted[:, :-1] > 0.0).any(axis=1)  # no sector left: the defensive asset is what is desirable
    columns = pd.Index([*sectors, rotation.defensive])
    composition = allocate(
        pd.DataFrame(wanted, index=dates, columns=columns), rotation.limits, solver=rotation.solver
    ).weights
    exposure = _exposure(rotation, study, dates, composition)
    _require_financing(rotation, composition, exposure)
    return SectorDecisions(
        pd.DataFrame(momentum, dates, sectors),
        pd.DataFrame(history, dates, sectors),
        pd.DataFrame(survivors & (composition[sectors].to_numpy() > 0.0), dates, sectors),
        None if trend is None else pd.Series(trend, dates, name="trend"),
        composition,
        exposure,
    )


def _history(rotation: SectorRotation) -> dict[str, int]:
    """Count the closes before a deciding row that each sector needs."""
    window = weighting_from(rotation.weighting).history
    return {name: max(sessions, window) for name, sessions in rotation.look_backs.items()}


def _warm_up(rotation: SectorRotation, begins: dict[str, int]) -> int:
    """First row on which at least one sector, the filter and a realised volatility are known."""
    first = min(begins[name] + needed for name, needed in _history(rotation).items())
    benchmark = begins[rotation.benchmark]
    if rotation.trend_filter is not None:
        first = max(first, benchmark + rotation.trend_filter)
    return max(first, benchmark + REALIZED) if isinstance(rotation.leverage, LeveragePolicy) else first


def _momentum(
    rotation: SectorRotation, study: Study, values: FloatArray, rows: npt.NDArray[np.intp]
) -> tuple[FloatArray, BoolArray]:
    needed = _history(rotation)
    momentum = np.full((len(rows), values.shape[1]), np.nan)
    history = np.zeros(momentum.shape, dtype=np.bool_)
    for column, (name, sessions) in enumerate(rotation.look_backs.items()):
        history[:, column] = rows - needed[name] >= study.begins[name]
        known = rows[history[:, column]]
        momentum[history[:, column], column] = values[known, column] / values[known - sessions, column] - 1.0
    return momentum, history


def _trend(rotation: SectorRotation, study: Study, rows: npt.NDArray[np.intp]) -> BoolArray | None:
    """Whether the benchmark closes above the mean of the closes before it."""
    sessions = rotation.trend_filter
    if sessions is None:
        return None
    closes = study.closes[rotation.benchmark].to_numpy(dtype=np.float64)
    begins = study.begins[rotation.benchmark]
    short = rows - sessions < begins
    if short.any():
        row = int(rows[short.argmax()])
        raise InputError(
            "the trend filter has too little history on a deciding row",
            where=f"{day(study.closes.index[row])}, ticker {rotation.benchmark!r}",
            value=f"{row - begins} closes before it, {sessions} needed",
            remedy="give closes from before the start, or start later",
        )
    windows = np.lib.stride_tricks.sliding_window_view(closes, sessions)
    found: BoolArray = closes[rows] > windows[rows - sessions].mean(axis=1)
    return found


def _exposure(
    rotation: SectorRotation, study: Study, dates: pd.DatetimeIndex, composition: pd.DataFrame
) -> pd.Series[float]:
    """Leverage on each deciding row."""
    policy = rotation.leverage
    if isinstance(policy, VolatilityTarget):
        held = composition.reindex(study.dates, method="ffill").fillna(0.0)
        closes = study.closes[list(composition.columns)].iloc[study.first :]
        # A sector without a close yet has no weight, nor on the row of its first one: any finite return will do there.
        returns = simple_returns(closes.fillna(1.0))
        return policy.scale(held, returns).scale.loc[dates].rename("exposure")
    if not isinstance(policy, LeveragePolicy):
        return pd.Series(float(policy), dates, name="exposure")
    realized = _realized(study.closes[rotation.benchmark])
    level = study.data.volatility_index
    return policy.exposure(dates, volatility_index=level, realized_volatility=realized).decided


def _realized(closes: pd.Series[float]) -> pd.Series[float]:
    """Annualise the standard deviation of 20 log returns, as the rotation engine does."""
    logarithms = pd.Series(np.log(closes.to_numpy(dtype=np.float64)), index=closes.index)
    return logarithms.diff().rolling(REALIZED).std() * float(np.sqrt(SESSIONS))


def _require_financing(rotation: SectorRotation, composition: pd.DataFrame, exposure: pd.Series[float]) -> None:
    held = composition.to_numpy().sum(axis=1) * exposure.to_numpy()
    over = held > 1.0
    if rotation.financing_rate is None and over.any():
        row = int(over.argmax())
        raise SpecificationError(
            "more than the capital is held and borrowing has no financing rate",
            where=day(composition.index[row]),
            value=float(held[row]),
            remedy="give financing_rate as a decimal per year, 0.0 where borrowing is meant to be free",
        )


def _best(score: FloatArray, top: int) -> BoolArray:
    """Mark the ``top`` highest scores of each row; of equal ones the lower column."""
    order = np.argsort(-score, axis=1, kind="stable")
    found = np.zeros(score.shape, dtype=np.bool_)
    np.put_along_axis(found, order[:, :top], True, axis=1)
    return found
