"""Prices and greeks of European options: Black, Scholes and Merton with a continuous dividend yield."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from allocopt.backtests.options._arguments import FloatArray, Kind, numbers, signs, together, unwrap

#: Calendar days in a year: ``years = days / 365`` wherever the library turns one into the other.
DAYS_PER_YEAR: Final = 365.0

_ROOT_TWO_PI = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True, eq=False)
class Greeks:
    """Sensitivities of option prices, each in one unit, with the other customary unit as a property.

    Attributes
    ----------
    delta : array
        Money per 1.00 of the underlying; calls in [0, 1], puts in [-1, 0].
    gamma : array
        Change of delta per 1.00 of the underlying.
    vega : array
        Money per 1.00 of volatility (from 0.20 to 1.20).
    theta : array
        Money per year that passes, the market unmoved; mostly negative for an option held.
    rho : array
        Money per 1.00 of the interest rate (from 0.02 to 1.02).

    Examples
    --------
    >>> from allocopt.backtests.options import greeks
    >>> call = greeks("call", 49.0, 50.0, 0.3846, 0.20, rate=0.05)  # Hull, chapter on the Greek letters
    >>> [round(float(value), 3) for value in (call.delta, call.gamma, call.vega, call.theta, call.rho)]
    [0.522, 0.066, 12.105, -4.305, 8.907]
    >>> round(float(call.vega_per_point), 3), round(float(call.theta_per_day), 4)
    (0.121, -0.0118)
    """

    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray
    theta: FloatArray
    rho: FloatArray

    @property
    def vega_per_point(self) -> FloatArray:
        """Money per volatility point (from 20 % to 21 %): `vega` / 100."""
        return self.vega / 100

    @property
    def theta_per_day(self) -> FloatArray:
        """Money per calendar day that passes: `theta` / 365."""
        return self.theta / DAYS_PER_YEAR

    @property
    def rho_per_point(self) -> FloatArray:
        """Money per percentage point of the interest rate: `rho` / 100."""
        return self.rho / 100


@dataclass(frozen=True, eq=False)
class _Terms:
    """What prices and greeks have in common, all of one shape."""

    sign: FloatArray
    spot: FloatArray
    years: FloatArray
    volatility: FloatArray
    rate: FloatArray
    dividend: FloatArray
    deviation: FloatArray  # volatility times the square root of time
    asset: FloatArray  # the underlying less its dividends to expiry
    bond: FloatArray  # present value of the strike
    d1: FloatArray
    d2: FloatArray


def _terms(
    kind: Kind,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    volatility: npt.ArrayLike,
    rate: npt.ArrayLike,
    dividend: npt.ArrayLike,
) -> _Terms:
    sign, s, k, t, sigma, r, q = together(
        kind=signs(kind),
        spot=numbers(spot, "spot", above=0.0),
        strike=numbers(strike, "strike", above=0.0),
        years=numbers(years, "years", at_least=0.0),
        volatility=numbers(volatility, "volatility", at_least=0.0),
        rate=numbers(rate, "rate"),
        dividend=numbers(dividend, "dividend"),
    )
    deviation = sigma * np.sqrt(t)
    distance = np.log(s / k) + (r - q) * t
    # Nothing left to happen: in the money for certain, out of it for certain, or at the strike, where d1 = d2 = 0
    # makes delta the mean of its two sides.
    certain = deviation == 0
    safe = np.where(certain, 1.0, deviation)
    limit = np.where(distance == 0, 0.0, np.copysign(np.inf, distance))
    return _Terms(
        sign=sign,
        spot=s,
        years=t,
        volatility=sigma,
        rate=r,
        dividend=q,
        deviation=deviation,
        asset=s * np.exp(-q * t),
        bond=k * np.exp(-r * t),
        d1=np.where(certain, limit, distance / safe + deviation / 2),
        d2=np.where(certain, limit, distance / safe - deviation / 2),
    )


def price(
    kind: Kind,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    volatility: npt.ArrayLike,
    rate: npt.ArrayLike = 0.0,
    dividend: npt.ArrayLike = 0.0,
) -> FloatArray:
    """Price European calls and puts on an underlying with a dividend yield.

    Parameters
    ----------
    kind : {+1, -1, "call", "put"} or array
        Call or put.
    spot, strike : float or array
        In money, above 0.
    years : float or array
        Time to expiry in years, at least 0; ``calendar days / 365`` with this library's surfaces. At 0 the price is the
        intrinsic value.
    volatility : float or array
        Decimal per year (0.20), at least 0. At 0 the price is the discounted intrinsic value of the forward.
    rate, dividend : float or array, default 0
        Interest rate and dividend yield: decimals per year, continuously compounded.

    Returns
    -------
    array
        Prices in money per unit of the underlying, in the shape that the arguments broadcast to; a float for scalars.

    Raises
    ------
    SpecificationError
        `kind` is something else.
    InputError
        A value is NaN, infinite or out of its range; the first position is named.
    ShapeError
        The shapes do not broadcast.

    References
    ----------
    Black and Scholes (1973), J. Political Economy 81(3); Merton (1973), Bell J. Economics 4(1), section 7 for the
    dividend yield; Hull, *Options, Futures, and Other Derivatives*, chapters 15 and 17.

    Examples
    --------
    Hull's example of chapter 15 (10th edition, 15.6), and an index option of chapter 17:

    >>> from allocopt.backtests.options import price
    >>> price(["call", "put"], 42.0, 40.0, 0.5, 0.20, rate=0.10).round(2).tolist()
    [4.76, 0.81]
    >>> round(float(price("call", 930.0, 900.0, 2 / 12, 0.20, rate=0.08, dividend=0.03)), 2)
    51.83
    """
    term = _terms(kind, spot, strike, years, volatility, rate, dividend)
    value = term.sign * (term.asset * ndtr(term.sign * term.d1) - term.bond * ndtr(term.sign * term.d2))
    return unwrap(np.maximum(value, 0.0))  # type: ignore[no-any-return]  # rounding may leave -1e-17 far from the money


def greeks(
    kind: Kind,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    volatility: npt.ArrayLike,
    rate: npt.ArrayLike = 0.0,
    dividend: npt.ArrayLike = 0.0,
) -> Greeks:
    """Differentiate the price of `price` by the underlying, volatility, time and the interest rate.

    Parameters
    ----------
    kind, spot, strike, years, volatility, rate, dividend
        As in `price`.

    Returns
    -------
    Greeks
        Units are in its attributes. At expiry delta is a step (0 or 1 for a call, 1/2 exactly at the strike) and the
        others are 0. With a volatility of 0 before expiry, gamma is 0 also where the forward is exactly at the strike.

    Raises
    ------
    SpecificationError, InputError, ShapeError
        As in `price`.

    References
    ----------
    Hull, *Options, Futures, and Other Derivatives*, chapter 19, table 19.6.

    Examples
    --------
    >>> from allocopt.backtests.options import greeks
    >>> straddle = greeks(["call", "put"], 4500.0, 4500.0, 30 / 365, 0.15, rate=0.05)
    >>> straddle.delta.round(3).tolist(), round(float(straddle.vega_per_point.sum()), 2)
    ([0.547, -0.453], 10.22)
    >>> greeks("call", [90.0, 100.0, 110.0], 100.0, 0.0, 0.2).delta.tolist()
    [0.0, 0.5, 1.0]
    """
    term = _terms(kind, spot, strike, years, volatility, rate, dividend)
    density = np.exp(-0.5 * term.d1**2) / _ROOT_TWO_PI
    asset_part = term.sign * term.asset * ndtr(term.sign * term.d1)
    bond_part = term.sign * term.bond * ndtr(term.sign * term.d2)
    uncertain, open_ = term.deviation > 0, term.years > 0
    root = np.sqrt(np.where(open_, term.years, 1.0))
    decay = -term.asset * density * term.volatility / (2 * root)
    carry = term.dividend * asset_part - term.rate * bond_part
    scale = term.spot**2 * np.where(uncertain, term.deviation, 1.0)
    return Greeks(
        delta=unwrap(asset_part / term.spot),
        gamma=unwrap(np.where(uncertain, term.asset * density / scale, 0.0)),
        vega=unwrap(np.where(open_, term.asset * density * root, 0.0)),
        theta=unwrap(np.where(open_, decay + carry, 0.0)),
        rho=unwrap(bond_part * term.years),
    )
