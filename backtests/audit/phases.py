"""The basket at every offset of its schedule, from the signals that are the same for all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

from allocopt.backtests.audit.figures import Figures, figures_of
from allocopt.backtests.audit.parameters import Parameters
from allocopt.backtests.audit.stream import LARGEST_TARGET
from allocopt.backtests.audit.weights import Weights


@dataclass(frozen=True)
class Shared:
    """What all phases have in common: returns, funding and choice of each row."""

    parameters: Parameters
    returns: Sequence[Weights]
    choices: Sequence[Weights]
    funding: Sequence[Weights] | None = None


def phase(shared: Shared, offset: int) -> Figures:
    """Figures of the basket at one offset of its schedule.

    Flat spells are passed over in one step. Elsewhere each row does what `Stream` does, but sums over the volatility
    window are floats, taken anew at each decision.
    """
    p, returns, funding = shared.parameters, shared.returns, shared.funding
    rows, window, coins = len(returns), p.volatility_window, range(len(returns[0]))
    annual = math.sqrt(p.periods_per_year)
    target = min(p.volatility_target, LARGEST_TARGET)
    flat: Weights = (0.0,) * len(coins)
    book = [0.0] * rows
    equity = [p.capital] * rows
    turnover = [0.0] * rows
    value, composition, executed, pending = p.capital, flat, flat, flat
    decisions = range(p.warm_up + offset, rows, p.interval)
    for decision in decisions:
        choice = shared.choices[decision]
        end = min(decision + p.interval, rows)
        busy = any(choice) or any(composition) or any(executed) or any(pending)
        stop = (end if any(choice) else min(decision + 2, end)) if busy else decision
        recent = book[max(decision - window, 0) : decision]
        total, squares = math.fsum(recent), math.fsum(map(mul, recent, recent))
        for row in range(decision, stop):
            earned = returns[row]
            if pending != executed:
                traded = sum([abs(pending[i] - executed[i]) for i in coins])
                executed = pending
                turnover[row] = traded
            else:
                traded = 0.0
            gain = sum(map(mul, executed, earned))
            if funding is not None:
                gain -= sum(map(mul, executed, funding[row]))
            value *= 1.0 + p.leverage * (gain - p.fee * traded)
            equity[row] = value
            now = p.exposure * sum(map(mul, composition, earned))
            then = book[row - window]
            book[row] = now
            total += now - then
            squares += now * now - then * then
            composition = choice
            spread = squares - total * total / window
            scale = p.exposure
            if spread > 0.0:
                realized = math.sqrt(spread / (window - 1)) * annual
                if realized > target:
                    scale *= target / realized
            pending = tuple([weight * scale for weight in choice])
        equity[stop:end] = [value] * (end - stop)
        composition = choice
    if not p.leverage:
        turnover = [0.0] * rows
    return figures_of(equity, turnover, p.periods_per_year)
