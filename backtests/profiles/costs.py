"""What trading options and their hedge costs, by cause."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from allocopt.backtests._checks import plain
from allocopt.backtests.profiles._settings import is_number, require_tiers
from allocopt.backtests.profiles.specification import MULTIPLIER
from allocopt.errors import SpecificationError

#: Calendar days of the at-the-money volatility that widens the spread, where the source has the VIX.
SPREAD_TENOR: Final = 30.0

FloatArray = npt.NDArray[np.float64]

#: Causes of cost, in the order of the tables.
CAUSES: Final = ("spread", "slippage", "commission", "fees", "hedge")


@dataclass(frozen=True, eq=False)
class ContractCosts:
    """What it costs to trade one contract, by cause. Made by `ExecutionCosts.per_contract`.

    Attributes
    ----------
    spread, slippage, commission, fees : ndarray
        Money per contract, at least 0.

    Examples
    --------
    >>> from allocopt.backtests.profiles import ExecutionCosts
    >>> made = ExecutionCosts().per_contract(-1, 4.0, 400.0, 400.0, 45.0, 15.0)
    >>> [round(float(part), 4) for part in (made.spread, made.slippage, made.commission, made.fees)]
    [1.5, 0.15, 0.705, 0.0028]
    """

    spread: FloatArray
    slippage: FloatArray
    commission: FloatArray
    fees: FloatArray

    @property
    def total(self) -> FloatArray:
        """Sum of the causes, money per contract."""
        return self.spread + self.slippage + self.commission + self.fees


@dataclass(frozen=True)
class ExecutionCosts:
    """Costs of a fill: spread, slippage, commission and fees per option contract, and of the hedge in futures.

    The full bid-ask spread of an option, money per share, is::

        min(base (1 + moneyness_slope |K/S - 1|) x short-dated factor x volatility factor, most) x S / reference_spot

    Half of it is paid on every trade. The defaults are the original engine's later numbers, for an ETF (SPY in 2020
    to 2024): `ETF_COSTS`. They are small against an index that stands at ten times the ETF's price: see `INDEX_COSTS`,
    which is what runs use unless they are given others.

    Parameters
    ----------
    spread_atm, spread_otm : float
        Base of the full spread, money per share, for strikes nearer to the spot than `otm_from`, and others.
    most_atm, most_otm : float
        What the spread grows to at most, money per share.
    otm_from : float
        Distance ``|K/S - 1|``, decimal, from which a strike is not at the money.
    moneyness_slope : float
        Widening of the spread per unit of ``|K/S - 1|``.
    short_dated : tuple of (int, float)
        Factors for options with fewer calendar days than the first number, nearest first.
    calm_points, points_per_factor, most_volatile : float
        Volatility factor: ``1 + max(0, V - calm_points) / points_per_factor``, at most `most_volatile`, where V is
        the surface's at-the-money volatility of 30 days in points, which stands for the VIX.
    slippage_tiers : tuple of (float, float)
        Slippage as a fraction of the half-spread, for orders up to the first number of contracts; the last one
        reaches to infinity.
    units : float
        Units traded at once. It decides the tier of the slippage only: all money stays that of one unit.
    order_capital : float, optional
        Money that stands behind an order, in place of `units`: each trade is then sized at ``order_capital`` over the
        premiums and margins of one unit at its fill, and its orders are in the tier of that size. A book of a million
        with weights of 0.4 has 400,000.
    commission, exchange_fee : float
        Money per contract, both ways.
    sec_rate : float
        Fee on sales, decimal fraction of the proceeds.
    finra_fee : float
        Fee on sales, money per contract.
    hedge_commission, hedge_slippage : float
        Money per futures contract traded as a hedge, a side.
    hedge_size : float
        Units of the underlying in one futures contract: 500 shares of SPY, or 50 times the index, to one ES. Fractions
        of a contract are traded.
    reference_spot : float, optional
        Price of the underlying at which spreads are as given; elsewhere they are in proportion. None: they are money
        whatever the price.
    cost_factor, slippage_factor : float
        Multiply all costs, and the slippage once more: for stress.

    Raises
    ------
    SpecificationError
        A number is negative or not finite, or tiers are not in order.

    Notes
    -----
    The source gives the base spreads, what they grow to, the moneyness slope, the volatility factor, the tiers and
    the fees. The factors for short-dated options and `otm_from` are ours, and so is reading "growing to" as a limit.

    An option cannot be sold below zero: on a sale, slippage and then the half-spread are cut to what it is worth.

    Examples
    --------
    >>> from allocopt.backtests.profiles import ExecutionCosts
    >>> calm, wild = ExecutionCosts(), ExecutionCosts().scaled(costs=2.0)
    >>> float(calm.full_spread(400.0, 400.0, 45.0, 15.0)), float(calm.full_spread(400.0, 400.0, 45.0, 35.0))
    (0.03, 0.06)
    >>> round(wild.hedge_per_unit / calm.hedge_per_unit, 6)
    2.0
    """

    spread_atm: float = 0.03
    spread_otm: float = 0.05
    most_atm: float = 0.20
    most_otm: float = 0.30
    otm_from: float = 0.01
    moneyness_slope: float = 5.0
    short_dated: tuple[tuple[float, float], ...] = ((7.0, 1.3), (14.0, 1.15))
    calm_points: float = 15.0
    points_per_factor: float = 20.0
    most_volatile: float = 3.0
    slippage_tiers: tuple[tuple[float, float], ...] = ((10.0, 0.10), (50.0, 0.25), (math.inf, 0.50))
    units: float = 1.0
    order_capital: float | None = None
    commission: float = 0.65
    exchange_fee: float = 0.055
    sec_rate: float = 0.00182 / 1000
    finra_fee: float = 0.00205
    hedge_commission: float = 2.50
    hedge_slippage: float = 6.25
    hedge_size: float = 500.0
    reference_spot: float | None = None
    cost_factor: float = 1.0
    slippage_factor: float = 1.0

    def __post_init__(self) -> None:
        above_zero, optional = {"points_per_factor", "units", "hedge_size"}, {"reference_spot", "order_capital"}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in ("short_dated", "slippage_tiers"):
                require_tiers(value, item.name)
            elif item.name in optional and value is None:
                continue
            elif not is_number(value) or value < 0.0 or (value == 0.0 and item.name in above_zero | optional):
                raise SpecificationError(
                    f"{item.name} is no number of at least 0, or 0 where it divides",
                    value=plain(value),
                    remedy="see the units in ExecutionCosts",
                )
        if self.most_volatile < 1.0 or self.slippage_tiers[-1][0] != math.inf:
            raise SpecificationError(
                "the volatility factor is limited below 1, or the last slippage tier ends",
                value=(self.most_volatile, self.slippage_tiers[-1][0]),
                remedy="let most_volatile be at least 1, and the last tier reach to math.inf",
            )

        if self.order_capital is not None and self.units != 1.0:
            raise SpecificationError(
                "units and order_capital both say how large an order is",
                value=(self.units, self.order_capital),
                remedy="give one of them",
            )

    def scaled(self, *, costs: float = 1.0, slippage: float = 1.0) -> ExecutionCosts:
        """Multiply all costs, and the slippage on top of that: the stressed costs of a study."""
        return replace(self, cost_factor=self.cost_factor * costs, slippage_factor=self.slippage_factor * slippage)

    @property
    def hedge_per_unit(self) -> float:
        """Cost of trading one unit of the underlying as a hedge, money, a side."""
        return self.cost_factor * (self.hedge_commission + self.hedge_slippage) / self.hedge_size

    def units_of(self, unit_capital: float) -> float:
        """Units that are traded at once, where one unit needs so much in premiums and margins."""
        return self.units if self.order_capital is None else self.order_capital / unit_capital

    def tier_of(self, contracts: float, units: float | None = None) -> int:
        """Place in `slippage_tiers` of an order of so many contracts a unit; `units` in place of its own."""
        size = abs(contracts) * (self.units if units is None else units)
        return next(place for place, (most, _) in enumerate(self.slippage_tiers) if size <= most)

    def slippage_of(self, contracts: float, units: float | None = None) -> float:
        """Slippage of an order of so many contracts a unit, as a fraction of the half-spread."""
        return self.slippage_tiers[self.tier_of(contracts, units)][1]

    def full_spread(
        self, spot: npt.ArrayLike, strike: npt.ArrayLike, days: npt.ArrayLike, points: npt.ArrayLike
    ) -> FloatArray:
        """Bid-ask spread of an option, before `cost_factor`.

        Parameters
        ----------
        spot, strike : array_like
            Money per share.
        days : array_like
            Calendar days to expiry.
        points : array_like
            At-the-money volatility of 30 days, in points as the VIX is quoted.

        Returns
        -------
        ndarray
            Money per share; the arguments are broadcast.
        """
        s, k = np.asarray(spot, dtype=np.float64), np.asarray(strike, dtype=np.float64)
        left, level = np.asarray(days, dtype=np.float64), np.asarray(points, dtype=np.float64)
        distance = np.abs(k / s - 1.0)
        near = distance < self.otm_from
        short = np.ones(left.shape)
        for most, factor in reversed(self.short_dated):
            short = np.where(left < most, factor, short)
        volatile = 1.0 + np.maximum(level - self.calm_points, 0.0) / self.points_per_factor
        wide = (1.0 + self.moneyness_slope * distance) * short * np.minimum(volatile, self.most_volatile)
        spread = np.minimum(
            np.where(near, self.spread_atm, self.spread_otm) * wide, np.where(near, self.most_atm, self.most_otm)
        )
        found: FloatArray = spread if self.reference_spot is None else spread * s / self.reference_spot
        return found

    def per_contract(
        self,
        contracts: float,
        mid: npt.ArrayLike,
        spot: npt.ArrayLike,
        strike: npt.ArrayLike,
        days: npt.ArrayLike,
        points: npt.ArrayLike,
        tier: int | None = None,
    ) -> ContractCosts:
        """Cost of trading one contract, by cause.

        Parameters
        ----------
        contracts : float
            Contracts a unit, above 0 bought and below 0 sold.
        mid : array_like
            Value of the option, money per share.
        spot, strike, days, points : array_like
            As in `full_spread`.
        tier : int, optional
            Place in `slippage_tiers`. Default: that of `contracts` times `units`.

        Returns
        -------
        ContractCosts
            Money per contract, in the broadcast shape.
        """
        value = np.asarray(mid, dtype=np.float64) * MULTIPLIER
        half = 0.5 * MULTIPLIER * self.full_spread(spot, strike, days, points) * self.cost_factor
        share = self.slippage_tiers[self.tier_of(contracts) if tier is None else tier][1]
        slippage = half * (share * self.slippage_factor)
        half, slippage, value = np.broadcast_arrays(half, slippage, value)
        fees = np.zeros(value.shape)
        if contracts < 0:
            half = np.minimum(half, value)
            slippage = np.minimum(slippage, value - half)
            fees = self.cost_factor * (self.sec_rate * value + self.finra_fee)
        commission = np.full(value.shape, self.cost_factor * (self.commission + self.exchange_fee))
        return ContractCosts(half, slippage, commission, fees)


#: For an ETF near 425, with spreads in money whatever the price, and the hedge in ES at 500 shares.
ETF_COSTS = ExecutionCosts()

#: For an index at ten times the ETF's price: spreads in proportion to the spot, 425 being SPY's mean close of 2020 to
#: 2024, and the hedge in ES of 50 times the index.
INDEX_COSTS = ExecutionCosts(reference_spot=425.0, hedge_size=50.0)

#: Free trading, to see what the options alone do.
NO_COSTS = ExecutionCosts(cost_factor=0.0)
