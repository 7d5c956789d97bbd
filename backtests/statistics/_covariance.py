"""Standard error of a difference of Sharpe ratios: kernel estimate with Andrews' bandwidth, and the normal formula."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from allocopt.backtests.statistics._pair import FloatArray, Pair
from allocopt.backtests.statistics.methods import HAC, Kernel

#: Andrews and Monahan (1992), page 957: singular values of the autoregression are cut here, first-order
#: autocorrelations too, so that neither is taken for a unit root.
_LARGEST: Final = 0.97
#: Andrews (1991), equation (6.2): constants of the optimal bandwidth of kernels of order 2.
_BANDWIDTH: Final[dict[Kernel, float]] = {"qs": 1.3221, "parzen": 2.6614}


def influence(standardised: FloatArray, ratios: FloatArray) -> FloatArray:
    """Give what each row adds to the difference, to first order: the gradient times the moments, multiplied out."""
    parts = standardised - 0.5 * ratios * (standardised * standardised - 1.0)
    difference: FloatArray = parts[:, 0] - parts[:, 1]
    return difference


def moments_of(pair: Pair, kind: str) -> tuple[FloatArray, FloatArray]:
    """Centred moments of each row, shape (n, 4), and the gradient of the difference with respect to them."""
    if kind == "standardised":
        z, s = pair.standardised, pair.ratios
        return np.column_stack((z, z * z - 1.0)), np.array([1.0, -1.0, -0.5 * s[0], 0.5 * s[1]])
    x = 100.0 * pair.returns
    mean, second = x.mean(axis=0), (x * x).mean(axis=0)
    cubed = (100.0 * (pair.returns - pair.returns.mean(axis=0)).std(axis=0)) ** 3
    signs = np.array([1.0, -1.0])
    return np.column_stack((x - mean, x * x - second)), np.concatenate(
        (signs * second / cubed, -0.5 * signs * mean / cubed)
    )


def standard_error(pair: Pair, method: HAC) -> tuple[float, float]:
    """Estimate the standard error of the difference per row, and give the bandwidth in rows."""
    moments, gradient = moments_of(pair, method.moments)
    if method.prewhiten:
        before, after = moments[:-1], moments[1:]
        coefficients = np.linalg.lstsq(before, after, rcond=None)[0].T
        left, values, right = np.linalg.svd(coefficients)
        coefficients = left @ np.diag(np.minimum(values, _LARGEST)) @ right
        moments = after - before @ coefficients.T
        gradient = np.linalg.solve((np.eye(4) - coefficients).T, gradient)
    bandwidth = andrews_bandwidth(moments, method.kernel)
    # The quadratic form of the gradient and the kernel estimate is the kernel estimate of one series.
    series = moments @ gradient
    size = len(series)
    variance = kernel_variance(series, method.kernel, bandwidth) * size / (size - moments.shape[1])
    return math.sqrt(max(variance, 0.0) / pair.rows), bandwidth


def andrews_bandwidth(moments: FloatArray, kernel: Kernel) -> float:
    """Optimal bandwidth in rows for columns that follow first-order autoregressions, equally weighted."""
    before = moments[:-1] - moments[:-1].mean(axis=0)
    after = moments[1:] - moments[1:].mean(axis=0)
    square = (before * before).sum(axis=0)
    rho = np.divide((before * after).sum(axis=0), square, out=np.zeros_like(square), where=square > 0.0)
    rho = np.clip(rho, -_LARGEST, _LARGEST)
    weight = ((after - rho * before) ** 2).mean(axis=0) ** 2
    below = float((weight / (1.0 - rho) ** 4).sum())
    alpha = float((4.0 * rho**2 * weight / (1.0 - rho) ** 8).sum()) / below if below > 0.0 else 0.0
    return _BANDWIDTH[kernel] * math.pow(alpha * len(moments), 0.2)


def kernel_variance(series: FloatArray, kernel: Kernel, bandwidth: float) -> float:
    """Long-run variance of a series whose mean is known to be zero."""
    # All lags are needed, as the quadratic spectral kernel never ends: by Fourier transform, padded against wrapping.
    size = len(series)
    transformed = np.fft.rfft(series, 2 * size)
    autocovariance = np.fft.irfft((transformed * transformed.conj()).real, 2 * size)[:size] / size
    if bandwidth <= 0.0:
        return float(autocovariance[0])
    weights = kernel_weights(np.arange(1, size) / bandwidth, kernel)
    return float(autocovariance[0] + 2.0 * weights @ autocovariance[1:])


def kernel_weights(x: FloatArray, kernel: Kernel) -> FloatArray:
    """Values of the kernel at x > 0: Andrews (1991), equation (2.7)."""
    if kernel == "parzen":
        outer = 2.0 * np.maximum(1.0 - x, 0.0) ** 3
        return np.where(x <= 0.5, 1.0 - 6.0 * x**2 + 6.0 * x**3, outer)
    angle = 1.2 * math.pi * x
    # Near zero the difference of two near-equal terms is taken from its series.
    small = angle < 0.05
    safe = np.where(small, 1.0, angle)
    far = 3.0 / safe**2 * (np.sin(safe) / safe - np.cos(safe))
    return np.where(small, 1.0 - angle**2 / 10.0 + angle**4 / 280.0, far)


def normal_error(pair: Pair) -> float:
    """Estimate the standard error per row for independent normal returns: Memmel (2003)."""
    first, second = (float(s) for s in pair.sharpe)
    correlation = float((pair.standardised[:, 0] * pair.standardised[:, 1]).mean())
    # 2 - 2 rho, without its rounding where the two streams are nearly the same.
    apart = float(((pair.standardised[:, 0] - pair.standardised[:, 1]) ** 2).mean())
    cross = (first - second) ** 2 + 2.0 * first * second * (1.0 - correlation) * (1.0 + correlation)
    return math.sqrt((apart + 0.5 * cross) / pair.rows)
