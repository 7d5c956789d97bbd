"""Desirability of the sectors that survive the selection: equal, by momentum, by volatility, by correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from allocopt.backtests._checks import plain
from allocopt.errors import InputError, SpecificationError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Sessions of the window that volatilities and correlations are measured over, unless another is given: a quarter.
WINDOW: Final = 63


@runtime_checkable
class Weighting(Protocol):
    """How desirable each surviving sector is. A row without a survivor is all zeros.

    Examples
    --------
    >>> isinstance(EqualWeighting(), Weighting)
    True
    """

    @property
    def label(self) -> str:
        """The weighting in words."""
        ...

    @property
    def history(self) -> int:
        """Closes before the deciding row that are needed."""
        ...

    def desirability(self, survivors: BoolArray, momentum: FloatArray, closes: FloatArray) -> FloatArray:
        """Desirability of each sector on one row, at least 0."""
        ...


@dataclass(frozen=True)
class EqualWeighting:
    """Desirability 1 for each survivor, as the original.

    Examples
    --------
    >>> EqualWeighting().desirability(np.array([True, False]), np.array([0.1, 0.0]), np.ones((1, 2))).tolist()
    [1.0, 0.0]
    """

    @property
    def label(self) -> str:
        """``"equal"``."""
        return "equal"

    @property
    def history(self) -> int:
        """None."""
        return 0

    def desirability(self, survivors: BoolArray, momentum: FloatArray, closes: FloatArray) -> FloatArray:
        """1 for each survivor."""
        return survivors.astype(np.float64)


@dataclass(frozen=True)
class MomentumWeighting:
    """Desirability is the momentum itself; a momentum of exactly 0 is no desirability, and its sector is not held.

    Examples
    --------
    >>> MomentumWeighting().desirability(np.array([True, False]), np.array([0.1, 0.3]), np.ones((1, 2))).tolist()
    [0.1, 0.0]
    """

    @property
    def label(self) -> str:
        """``"momentum"``."""
        return "momentum"

    @property
    def history(self) -> int:
        """None beyond the momentum's own."""
        return 0

    def desirability(self, survivors: BoolArray, momentum: FloatArray, closes: FloatArray) -> FloatArray:
        """Momentum of each survivor."""
        return np.where(survivors, momentum, 0.0)


@dataclass(frozen=True)
class InverseVolatility:
    """Desirability is 1 over the standard deviation of the daily returns, ddof 1.

    Parameters
    ----------
    window : int, default 63
        Daily returns up to and including the deciding row, at least 2.

    Raises
    ------
    SpecificationError
        For a window below 2.

    Examples
    --------
    >>> closes = np.array([[100.0, 100.0], [101.0, 102.0], [100.0, 100.0]])
    >>> found = InverseVolatility(2).desirability(np.array([True, True]), np.zeros(2), closes)
    >>> round(float(found[0] / found[1]), 2)
    1.99
    """

    window: int = WINDOW

    def __post_init__(self) -> None:
        require_window(self.window)

    @property
    def label(self) -> str:
        """Such as ``"inverse volatility of 63 sessions"``."""
        return f"inverse volatility of {self.window} sessions"

    @property
    def history(self) -> int:
        """The window."""
        return self.window

    def desirability(self, survivors: BoolArray, momentum: FloatArray, closes: FloatArray) -> FloatArray:
        """1 over the volatility of each survivor."""
        found = np.zeros(len(survivors))
        deviation = _returns(closes[:, survivors]).std(axis=0, ddof=1)
        _require_movement(deviation)
        found[survivors] = 1.0 / deviation
        return found


@dataclass(frozen=True)
class InverseCorrelation:
    """Desirability is ``1 / (1 + c)``, ``c`` the mean correlation of a survivor's daily returns with the others'.

    A lone survivor has no other: 1. The weight goes to what moves least with the rest; the 1 keeps the desirability
    positive and finite where correlations are around or below 0.

    Parameters
    ----------
    window : int, default 63
        Daily returns up to and including the deciding row, at least 3.

    Raises
    ------
    SpecificationError
        For a window below 3.

    Examples
    --------
    >>> steps = np.array([[0.01, 0.02, 0.01], [-0.01, -0.02, 0.01], [0.01, 0.02, -0.01], [-0.01, -0.02, -0.01]])
    >>> closes = 100.0 * np.vstack([np.ones(3), np.cumprod(1.0 + steps, axis=0)])
    >>> InverseCorrelation(4).desirability(np.ones(3, dtype=bool), np.zeros(3), closes).round(3).tolist()
    [0.667, 0.667, 1.0]
    """

    window: int = WINDOW

    def __post_init__(self) -> None:
        require_window(self.window, 3)

    @property
    def label(self) -> str:
        """Such as ``"inverse correlation of 63 sessions"``."""
        return f"inverse correlation of {self.window} sessions"

    @property
    def history(self) -> int:
        """The window."""
        return self.window

    def desirability(self, survivors: BoolArray, momentum: FloatArray, closes: FloatArray) -> FloatArray:
        """One over one plus the mean correlation of each survivor with the others."""
        found = survivors.astype(np.float64)
        count = int(survivors.sum())
        if count < 2:
            return found
        returns = _returns(closes[:, survivors])
        centred = returns - returns.mean(axis=0)
        deviation = np.sqrt((centred**2).sum(axis=0))
        _require_movement(deviation)
        centred /= deviation
        mean = ((centred.T @ centred).sum(axis=0) - 1.0) / (count - 1)
        if not (mean > -1.0 + 1e-9).all():
            raise InputError(
                "a sector is perfectly anticorrelated with the others",
                value=float(mean.min()),
                remedy="look for a constant or mirrored series of closes, or use a longer window",
            )
        found[survivors] = 1.0 / (1.0 + mean)
        return found


def require_window(window: object, least: int = 2) -> None:
    """Raise unless the window is a whole number of returns of at least ``least``."""
    if isinstance(window, bool) or not isinstance(window, (int, np.integer)) or window < least:
        raise SpecificationError(
            f"window is not a whole number of returns of at least {least}",
            value=plain(window),
            remedy="give such as 63",
        )


#: Weightings by name, with their default window.
WEIGHTINGS: Final[dict[str, Weighting]] = {
    "equal": EqualWeighting(),
    "momentum": MomentumWeighting(),
    "inverse_volatility": InverseVolatility(),
    "inverse_correlation": InverseCorrelation(),
}


def weighting_from(value: object) -> Weighting:
    """Read a weighting from its name, or return the object.

    Parameters
    ----------
    value : str or Weighting
        ``"equal"``, ``"momentum"``, ``"inverse_volatility"``, ``"inverse_correlation"``, or an object.

    Raises
    ------
    SpecificationError
        For anything else.

    Examples
    --------
    >>> weighting_from("inverse_volatility")
    InverseVolatility(window=63)
    """
    if isinstance(value, str) and value in WEIGHTINGS:
        return WEIGHTINGS[value]
    if isinstance(value, type) or not isinstance(value, Weighting):
        raise SpecificationError(
            "not a weighting",
            value=plain(value),
            remedy=f"use one of {', '.join(WEIGHTINGS)}, or InverseVolatility(21)",
        )
    return value


def _returns(closes: FloatArray) -> FloatArray:
    found: FloatArray = closes[1:] / closes[:-1] - 1.0
    return found


def _require_movement(deviation: FloatArray) -> None:
    if not (deviation > 0.0).all():
        raise InputError(
            "the closes of a selected sector do not move over the window of its weighting",
            value=float(deviation.min()),
            remedy="look for closes that were filled, or use a longer window",
        )
