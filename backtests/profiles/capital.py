"""The capital that one unit of a structure is funded with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from allocopt.backtests.profiles.specification import MULTIPLIER, Kind
from allocopt.errors import ShapeError

FloatArray = npt.NDArray[np.float64]

#: Margin of an uncovered short option: this much of the spot, less what the option is out of the money,
MARGIN_OF_SPOT: Final = 0.20
#: and at least this much of its strike.
MARGIN_OF_STRIKE: Final = 0.10


def unit_capital(
    quantities: Sequence[int],
    kinds: Sequence[Kind],
    strikes: Sequence[float],
    expiries: Sequence[int],
    prices: npt.ArrayLike,
    spot: npt.ArrayLike,
) -> FloatArray:
    """Find the capital that a structure ties up, so that its P&L has a return: premiums paid, and margins of shorts.

    One rule for all structures, from the prices of one moment:

    1. Long options are paid in full.
    2. A short option is covered by a long one of its kind that expires no earlier. It ties up the distance by which
       the long is struck worse (a put lower, a call higher), if any; the best cover is taken first.
    3. An uncovered short ties up its price and max(20 % of the spot less what it is out of the money, 10 % of the
       strike). Where calls and puts are both uncovered, only the larger side has a margin besides the prices, since
       not both can be exercised at a loss.

    Premiums received never reduce the capital. What it costs to trade the structure is not in here: `run_profile` adds
    what opening cost and what closing would cost, or a bought option that expires worthless would lose more than all.

    Parameters
    ----------
    quantities : sequence of int, length m
        Contracts, negative for short ones.
    kinds : sequence of {"call", "put"}, length m
        Kinds of option.
    strikes : sequence of float, length m
        Money per share.
    expiries : sequence of int, length m
        Any number that orders the expiries.
    prices : array_like, shape (m,) or (m, n)
        Values of the options at n moments, money per share.
    spot : array_like, shape () or (n,)
        Price of the underlying.

    Returns
    -------
    ndarray, shape (n,) or ()
        Money per unit, with 100 shares a contract.

    Raises
    ------
    ShapeError
        The lengths differ.

    References
    ----------
    Cboe, "Strategy-based margin": the rules for uncovered options, straddles and spreads, here without the credit of
    the premium received and with 20 % for an index too.

    Examples
    --------
    A straddle bought, and the same one sold:

    >>> from allocopt.backtests.profiles import unit_capital
    >>> legs = (["call", "put"], [100.0, 100.0], [0, 0], [2.5, 2.5], 100.0)
    >>> float(unit_capital([1, 1], *legs)), float(unit_capital([-1, -1], *legs))
    (500.0, 2500.0)
    """
    value, s = np.asarray(prices, dtype=np.float64), np.asarray(spot, dtype=np.float64)
    if not len(quantities) == len(kinds) == len(strikes) == len(expiries) == len(value):
        raise ShapeError(
            "quantities, kinds, strikes, expiries and prices differ in length",
            value=(len(quantities), len(kinds), len(strikes), len(expiries), len(value)),
            remedy="give one of each for every leg",
        )
    capital = np.zeros(np.broadcast_shapes(s.shape, value.shape[1:]))
    free = [max(quantity, 0) for quantity in quantities]
    for leg, quantity in enumerate(quantities):
        if quantity > 0:
            capital = capital + quantity * value[leg]
    side = {"call": np.zeros(capital.shape), "put": np.zeros(capital.shape)}
    for leg in (i for i, quantity in enumerate(quantities) if quantity < 0):
        open_ = -quantities[leg]
        sign = 1.0 if kinds[leg] == "call" else -1.0
        covers = [i for i in range(len(free)) if kinds[i] == kinds[leg] and expiries[i] >= expiries[leg]]
        for cover in sorted(covers, key=lambda i: sign * strikes[i]):
            taken = min(open_, free[cover])
            free[cover] -= taken
            open_ -= taken
            capital = capital + taken * max(sign * (strikes[cover] - strikes[leg]), 0.0)
        out = np.maximum(sign * (strikes[leg] - s), 0.0)
        margin = np.maximum(MARGIN_OF_SPOT * s - out, MARGIN_OF_STRIKE * strikes[leg])
        side[kinds[leg]] = side[kinds[leg]] + open_ * margin
        capital = capital + open_ * value[leg]
    found: FloatArray = MULTIPLIER * (capital + np.maximum(side["call"], side["put"]))
    return found
