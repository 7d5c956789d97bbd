"""The volatility that an option price implies: a bracketed Newton search on the price in its own scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx, ndtr

from allocopt.backtests._checks import require_option
from allocopt.backtests.options._arguments import FloatArray, Kind, numbers, place, signs, together, unwrap
from allocopt.errors import InputError

_Curve: TypeAlias = "Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]"

_HIGHEST_DEVIATION = 70.0  # beyond it the price equals its upper bound to the last digit
_ROUNDING = 8 * float(np.finfo(np.float64).eps)
_MOST_STEPS = 100  # bisection alone would need about 60; Newton takes 4 to 8
_LAST_STEP = 1e-13  # relative
_ROOT_TWO_PI = float(np.sqrt(2 * np.pi))


def implied_volatility(
    price: npt.ArrayLike,
    kind: Kind,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    rate: npt.ArrayLike = 0.0,
    dividend: npt.ArrayLike = 0.0,
    *,
    outside: str = "raise",
) -> FloatArray:
    """Find the volatility at which `price` returns a given option price.

    The price is turned into that of the out-of-the-money option by put-call parity, in units of the forward. The search
    starts at the inflexion of that price as a function of ``volatility * sqrt(years)`` and is a Newton iteration on a
    transform that is close to a line on either side, inside a bracket that each step narrows, so that it cannot leave.

    Parameters
    ----------
    price : float or array
        Option prices in money.
    kind, spot, strike, years, rate, dividend
        As in `allocopt.backtests.options.price`; `years` above 0.
    outside : {"raise", "nan"}
        What becomes of a price from which no volatility can be read: at or below its lower bound (the discounted
        intrinsic value, within rounding), or at or above its upper bound (discounted underlying for calls, discounted
        strike for puts). ``"nan"`` marks it with NaN.

    Returns
    -------
    array
        Decimals per year, above 0; in the shape that the arguments broadcast to, a float for scalars.

    Raises
    ------
    InputError
        A value is NaN, infinite or out of its range, or (``outside="raise"``) a price is outside its bounds; the first
        position is named.
    SpecificationError, ShapeError
        As in `allocopt.backtests.options.price`; `outside` is another word.

    Notes
    -----
    A price known to `e` gives a volatility known to `e` over vega: deep in the money the rounding of the price itself
    limits what can be read, however exact the search.

    References
    ----------
    Jaeckel (2015), "Let's be rational", Wilmott 75, sections 2 and 3, for the normalised price and its transforms.

    Examples
    --------
    >>> from allocopt.backtests.options import implied_volatility, price
    >>> implied_volatility(price("put", 100.0, [80.0, 100.0, 130.0], 0.25, 0.3), "put", 100.0, [80.0, 100.0, 130.0],
    ...                    0.25).round(12).tolist()
    [0.3, 0.3, 0.3]
    >>> implied_volatility([31.0, 29.0], "put", 100.0, 130.0, 0.25, outside="nan").round(4).tolist()
    [0.3991, nan]
    """
    require_option(outside, ("raise", "nan"), "outside")
    value, sign, s, k, t, r, q = together(
        price=numbers(price, "price"),
        kind=signs(kind),
        spot=numbers(spot, "spot", above=0.0),
        strike=numbers(strike, "strike", above=0.0),
        years=numbers(years, "years", above=0.0),
        rate=numbers(rate, "rate"),
        dividend=numbers(dividend, "dividend"),
    )
    asset, bond = s * np.exp(-q * t), k * np.exp(-r * t)
    lower = np.maximum(sign * (asset - bond), 0.0)
    upper = np.where(sign > 0, asset, bond)
    time_value = value - lower
    # In the money, the difference of two large numbers carries their rounding; out of it, it is exact.
    noise = np.where(lower > 0, _ROUNDING * np.maximum(asset, bond), 0.0)
    good = (time_value > noise) & (value < upper)
    if outside == "raise" and not good.all():
        at, where = place(~good)
        raise InputError(
            f"no volatility can be read from the price, which must lie between {lower[at]:.10g} and {upper[at]:.10g}",
            where=where,
            value=float(value[at]),
            remedy='drop the quote, or mark such prices with outside="nan"',
        )
    result = np.full(value.shape, np.nan)
    # The time value is the price of the out-of-the-money option; in units of sqrt(asset * bond) it depends on two
    # numbers only: how far out of the money (x <= 0), and the standard deviation to expiry.
    scaled = (time_value / np.sqrt(asset * bond))[good]
    x = -np.abs(np.log(asset / bond))[good]
    ceiling = np.exp(x / 2)
    readable = scaled < ceiling
    deviation = np.full(scaled.shape, np.nan)
    deviation[readable] = _deviation(scaled[readable], x[readable])
    result[good] = deviation / np.sqrt(t[good])
    if outside == "raise" and np.isnan(result).any():
        at, where = place(np.isnan(result))
        raise InputError(
            "the price equals its upper bound within rounding", where=where, value=float(value[at]), remedy="drop it"
        )
    return unwrap(result)  # type: ignore[no-any-return]


def _deviation(scaled: FloatArray, x: FloatArray) -> FloatArray:
    """Solve for the standard deviation to expiry, each scaled price on one of three curves."""
    turn = np.sqrt(2 * np.abs(x))  # the inflexion: d1 = 0
    at_turn = _direct(turn, x)
    middle = (at_turn + np.exp(x / 2)) / 2
    result = np.empty_like(scaled)
    low, high = scaled < at_turn, scaled >= middle
    between = ~low & ~high
    nothing, most = np.zeros_like(turn), np.full_like(turn, _HIGHEST_DEVIATION)
    result[low] = np.sqrt(
        _solve(_reciprocal_log, 1 / np.log(scaled[low]), x[low], turn[low] ** 2, nothing[low], turn[low] ** 2)
    )
    result[between] = _solve(_direct_falling, -scaled[between], x[between], turn[between], turn[between], most[between])
    gap = np.log(np.exp(x[high] / 2) - scaled[high])
    result[high] = _solve(_log_gap, gap, x[high], turn[high] + 1, turn[high], most[high])
    return result


def _d(s: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    ratio = np.divide(x, s, out=np.zeros_like(x), where=s > 0)
    return ratio + s / 2, ratio - s / 2


def _direct(s: FloatArray, x: FloatArray) -> FloatArray:
    d1, d2 = _d(s, x)
    return np.asarray(np.exp(x / 2) * ndtr(d1) - np.exp(-x / 2) * ndtr(d2))


def _direct_falling(s: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Minus the price, by standard deviation: falling as the other two curves are."""
    return -_direct(s, x), -_slope(s, x)


def _slope(s: FloatArray, x: FloatArray) -> FloatArray:
    d1, _ = _d(s, x)
    return np.asarray(np.exp(x / 2 - d1**2 / 2) / _ROOT_TWO_PI)


def _reciprocal_log(v: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Compute 1 / log(price) by variance: -2 v / x^2 for small v, and without cancellation however small the price."""
    s = np.sqrt(v)
    d1, d2 = _d(s, x)
    tails = erfcx(-d1 / np.sqrt(2)) - erfcx(-d2 / np.sqrt(2))
    log_price = np.log(tails / 2) - (d1**2 + d2**2) / 4
    slope = 2 / _ROOT_TWO_PI / tails / (2 * s)  # of the log price, by variance
    return 1 / log_price, -slope / log_price**2


def _log_gap(s: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log of the distance to the upper bound, by standard deviation."""
    d1, d2 = _d(s, x)
    gap = np.exp(x / 2) * ndtr(-d1) + np.exp(-x / 2) * ndtr(d2)
    return np.log(gap), -_slope(s, x) / gap


def _solve(
    curve: _Curve, target: FloatArray, x: FloatArray, start: FloatArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    """Newton steps on a falling curve inside a bracket that shrinks; its middle where a step would leave it."""
    result = start.copy()
    at, active = start, np.arange(len(start))
    for _ in range(_MOST_STEPS):
        if not active.size:
            break
        value, slope = curve(at, x)
        beyond = value < target
        high = np.where(beyond, np.minimum(high, at), high)
        low = np.where(beyond, low, np.maximum(low, at))
        with np.errstate(divide="ignore", invalid="ignore"):
            step = at - (value - target) / slope
        proposal = np.where((step > low) & (step < high), step, (low + high) / 2)
        result[active] = proposal
        moving = np.abs(proposal - at) > _LAST_STEP * at
        at, active = proposal[moving], active[moving]
        target, x, low, high = target[moving], x[moving], low[moving], high[moving]
    return result
