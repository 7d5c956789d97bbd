"""The smile: SSVI, and its level from its own variance swap."""

from __future__ import annotations

import numpy as np
import pytest

from allocopt.backtests.options import VIX_SMILE, VVIX_SMILE, IndexSmile, price
from allocopt.backtests.options.smile import at_the_money_variance, ssvi, swap_ratio
from allocopt.errors import SpecificationError


def _swap_by_options(theta: float, eta: float, rho: float) -> float:
    """Twice the integral of out-of-the-money prices over the squared strike, as volatility indices have it."""
    k = np.linspace(-40, 40, 160_001) * max(np.sqrt(theta), 0.05) * (1 + eta)
    strike = np.exp(k)
    deviation = np.sqrt(ssvi(np.array(theta), np.array(eta), rho, k))
    value = price(np.where(k > 0, 1, -1), 1.0, strike, 1.0, deviation)
    return float(np.trapezoid(2 * value / strike, k))


def test_ssvi_by_hand() -> None:
    theta, eta, rho = np.array(0.04), np.array(1.0), -0.5
    assert float(ssvi(theta, eta, rho, np.array(0.0))) == pytest.approx(0.04)
    # x = 0.5: 0.02 (1 - 0.25 + sqrt(0 + 0.75)); x = -1: 0.02 (1 + 0.5 + sqrt(2.25 + 0.75))
    assert float(ssvi(theta, eta, rho, np.array(0.1))) == pytest.approx(0.02 * (0.75 + np.sqrt(0.75)))
    assert float(ssvi(theta, eta, rho, np.array(-0.2))) == pytest.approx(0.02 * (1.5 + np.sqrt(3.0)))


@pytest.mark.parametrize("deviation", [0.01, 0.05, 0.2, 0.4])
@pytest.mark.parametrize("eta", [0.2, 0.9, 1.4])
def test_swap_is_what_the_options_say(deviation: float, eta: float) -> None:
    theta = deviation**2
    found = theta * float(swap_ratio(np.array([theta]), np.array([eta]), -0.5)[0])
    assert found == pytest.approx(_swap_by_options(theta, eta, -0.5), rel=2e-5)


def test_no_smile_is_its_own_swap() -> None:
    theta = np.array([1e-6, 0.01, 0.5])
    np.testing.assert_allclose(swap_ratio(theta, np.zeros(3), -0.5), 1, rtol=1e-9)


def test_level_is_the_inverse_of_the_swap(rng: np.random.Generator) -> None:
    for smile in (VVIX_SMILE, VIX_SMILE, IndexSmile(1.0, 1.0, 0.0, 0.0, -0.85)):
        swap = rng.uniform(0.001, 0.6, 300) ** 2
        eta = rng.uniform(0, smile.highest_curvature, 300)
        theta = at_the_money_variance(swap, eta, smile)
        np.testing.assert_allclose(theta * swap_ratio(theta, eta, smile.correlation), swap, rtol=1e-4)
        assert (theta <= swap * (1 + 1e-9)).all()  # the swap is above the at-the-money variance


def test_level_rises_with_the_swap() -> None:
    swap = np.linspace(1e-4, 0.999, 2000) ** 2
    for eta in (0.0, 0.7, VVIX_SMILE.highest_curvature):
        assert (np.diff(at_the_money_variance(swap, np.full(2000, eta), VVIX_SMILE)) > 0).all()


def test_bounds_of_the_constants() -> None:
    assert IndexSmile(1, 1, 0, 0, 0).highest_curvature == 2
    assert IndexSmile(1, 1, 0, 0, -0.5).highest_curvature ** 2 * 1.5 == pytest.approx(4)
    assert VVIX_SMILE.needs_vvix
    assert not VIX_SMILE.needs_vvix
    for wrong in ({"level": 0.0}, {"curvature": -1.0}, {"vix_power": np.nan}, {"correlation": -1.0}, {"level": np.inf}):
        values = {"level": 1.0, "curvature": 1.0, "vvix_power": 1.0, "vix_power": 0.0, "correlation": -0.5, **wrong}
        with pytest.raises(SpecificationError, match=next(iter(wrong))):
            IndexSmile(**values)
