"""The smile of one expiry: SSVI at the level of its own variance swap."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from allocopt.backtests.options._arguments import FloatArray
from allocopt.errors import SpecificationError

if TYPE_CHECKING:
    from scipy.interpolate import RectBivariateSpline

#: Levels at which the curvature of a smile equals `IndexSmile.curvature`: VVIX and VIX in points.
VVIX_NORMAL: Final = 95.0
VIX_NORMAL: Final = 18.0

#: The highest standard deviation to expiry that `at_the_money_variance` covers: 100 % for a year.
HIGHEST_DEVIATION: Final = 1.0

_HALF_WIDTH = 6.0  # of the quadrature, in the argument of a hyperbolic sine: 200 standard deviations
_NODES = 241
_GRID = 25
_STEPS = 12


@dataclass(frozen=True)
class IndexSmile:
    """Five constants that turn index levels into the smile of every expiry.

    The smile is SSVI in total variance ``w`` by log-moneyness ``k``,

        w(k) = theta / 2 * (1 + rho x + sqrt((x + rho)^2 + 1 - rho^2)),    x = eta k / sqrt(theta),

    with ``eta = curvature * (VVIX / 95)^vvix_power * (VIX / 18)^vix_power`` and `theta`, the at-the-money variance,
    such that the smile's own variance swap is worth ``level^2`` times the variance of the indices.

    Parameters
    ----------
    level : float
        Volatility of the smile's variance swap over that of the index, above 0. Less than 1 as far as the index counts
        far puts that are dearer than the smile has them.
    curvature : float
        Curvature on a day with VVIX 95 and VIX 18, above 0.
    vvix_power, vix_power : float
        Exponents. With a `vvix_power` of 0, VVIX is not needed.
    correlation : float
        ``rho`` in (-1, 1): below 0, puts are dearer than calls.

    Raises
    ------
    SpecificationError
        A constant is outside its range.

    Examples
    --------
    >>> from allocopt.backtests.options import IndexSmile
    >>> smile = IndexSmile(level=0.94, curvature=1.0, vvix_power=1.0, vix_power=-0.5, correlation=-0.5)
    >>> round(smile.highest_curvature, 3)  # free of butterfly arbitrage up to here
    1.633
    """

    level: float
    curvature: float
    vvix_power: float
    vix_power: float
    correlation: float

    def __post_init__(self) -> None:
        for name in ("level", "curvature"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise SpecificationError(
                    f"{name} is not positive and finite", value=value, remedy="pass a number above 0"
                )
        for name in ("vvix_power", "vix_power"):
            if not np.isfinite(getattr(self, name)):
                raise SpecificationError(f"{name} is not finite", value=getattr(self, name), remedy="pass an exponent")
        if not -1 < self.correlation < 1:
            raise SpecificationError(
                "correlation is outside (-1, 1)", value=self.correlation, remedy="pass a number such as -0.5"
            )

    @property
    def needs_vvix(self) -> bool:
        """Whether the curvature depends on VVIX."""
        return self.vvix_power != 0

    @property
    def highest_curvature(self) -> float:
        """``2 / sqrt(1 + |rho|)``: up to this eta SSVI is free of butterfly arbitrage."""
        return 2 / float(np.sqrt(1 + abs(self.correlation)))


#: Constants of the smile with VVIX, and with VIX alone: a robust fit to real chains of the S&P 500 from 2018 to 2023
#: (7 to 90 days, strikes within 10 % of the forward, each chain date weighing the same) by ``benchmarks/surface.py``.
#: The errors in the documentation are those of constants fitted without the date judged.
VVIX_SMILE: Final = IndexSmile(level=0.937, curvature=0.977, vvix_power=0.970, vix_power=-0.551, correlation=-0.502)
#: The same where VVIX is missing.
VIX_SMILE: Final = IndexSmile(level=0.962, curvature=0.980, vvix_power=0.0, vix_power=-0.316, correlation=-0.498)


def ssvi(theta: FloatArray, eta: FloatArray, rho: float, k: FloatArray) -> FloatArray:
    """Total variance at log-moneyness `k` (Gatheral and Jacquier 2014, section 4, with phi = eta / sqrt(theta))."""
    x = eta * k / np.sqrt(theta)
    return np.asarray(theta / 2 * (1 + rho * x + np.sqrt((x + rho) ** 2 + 1 - rho**2)))


def swap_ratio(theta: FloatArray, eta: FloatArray, rho: float) -> FloatArray:
    """Variance swap of a smile over its at-the-money variance.

    The swap is the mean of w(k) where d2(k) is a standard normal variable (Gatheral 2006, *The Volatility Surface*,
    chapter 11): the integral of w(k) n(d2) |d d2 / dk| over k, by the trapezoidal rule in asinh(k / sqrt(theta)).
    """
    u, step = np.linspace(-_HALF_WIDTH, _HALF_WIDTH, _NODES, retstep=True)
    z, weight = np.sinh(u), np.cosh(u) * float(step)
    eta, s = eta[..., None], np.sqrt(theta)[..., None]
    root = np.sqrt((eta * z + rho) ** 2 + 1 - rho**2)
    shape = (1 + rho * eta * z + root) / 2  # w / theta
    slope = eta * (rho + (eta * z + rho) / root) / 2
    width = np.sqrt(shape)
    d2 = -z / width - s * width / 2
    rate = np.abs(-1 / width + z * slope / (2 * shape * width) - s * slope / (4 * width))
    return np.asarray((shape * np.exp(-(d2**2) / 2) * rate * weight).sum(-1) / np.sqrt(2 * np.pi))


@lru_cache(maxsize=32)
def _table(rho: float, highest: float) -> RectBivariateSpline:
    """Square root of theta over swap variance, by eta and the swap's standard deviation to expiry."""
    from scipy.interpolate import RectBivariateSpline  # here: it takes longer to import than to use

    eta, deviation = np.linspace(0.0, highest, _GRID), np.linspace(0.0, HIGHEST_DEVIATION, _GRID)
    etas, deviations = np.meshgrid(eta, deviation, indexing="ij")
    swap = deviations**2
    theta = swap.copy()
    for _ in range(_STEPS):  # a contraction: the ratio hardly depends on theta
        theta = swap / swap_ratio(theta, etas, rho)
    flat = swap_ratio(np.zeros_like(eta), eta, rho)
    ratio = np.sqrt(np.divide(theta, swap, out=np.broadcast_to(1 / flat[:, None], theta.shape).copy(), where=swap > 0))
    return RectBivariateSpline(eta, deviation, ratio)


def at_the_money_variance(swap: FloatArray, eta: FloatArray, smile: IndexSmile) -> FloatArray:
    """Find the theta of a smile from the total variance of its variance swap."""
    table = _table(smile.correlation, smile.highest_curvature)
    return np.asarray(swap * table.ev(eta, np.sqrt(swap)) ** 2)
