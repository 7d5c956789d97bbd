"""How decided weights become trades: the clock, the costs, the cash."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from allocopt.backtests._checks import plain, require_option
from allocopt.backtests.accounting._raw import Gaps, Mode
from allocopt.backtests.accounting.execution import require_lag
from allocopt.backtests.accounting.financing import Financing
from allocopt.backtests.schedules import Schedule, schedule_from
from allocopt.costs import Cost
from allocopt.errors import SpecificationError


@dataclass(frozen=True, eq=False)
class Execution:
    """How decided weights are carried out.

    Parameters
    ----------
    mode : {"holdings", "constant-mix"}
        ``"holdings"``: shares are bought at a decision and then held, so weights drift until the next one.
        ``"constant-mix"``: weights are re-set to the decided ones on every row. Turnover and costs are then those of
        *changes of the decided weights*; the trading that undoes each row's drift is not charged, which is the
        convention of studies that multiply weights by returns.
    lag : int, default 1
        Rows from a decision to the period it earns, at least 1. With 1 what is decided at the close of a row is
        filled at that close.
    schedule : str or Schedule, optional
        Rows on which decisions are taken; the weights of other rows are not used. None: every row that has weights.
        A calendar schedule knows a new period by the row before it, so it does not decide on row 0: give
        ``Calendar("MS", first_row=True)`` for that.
    costs : Cost or sequence of Cost
        What trading costs, by cause. Each is charged on the trade of each sleeve, from cash.
    financing : Financing, optional
        Interest on idle and borrowed cash; what short sales bring in is cash. Without it cash earns nothing, and
        cash that is owed beyond what trading has cost is an error: borrowing has a price, even if that is 0.0.
    gaps : {"raise", "hold", "fill"}
        What a missing price means while it is needed. ``"raise"``: an error that names it. ``"hold"``: the sleeve is
        valued at its last price and its trade waits until a price is back, while the other sleeves trade. ``"fill"``:
        it is valued and traded at its last price. Missing prices are counted by sleeve in `Ledger.gaps` in any case.
    lot : float, default 0.0
        Shares are traded in whole multiples of this (1.0 for whole shares), cut towards zero; 0.0 for fractions.

    Raises
    ------
    SpecificationError
        For a setting outside its range.

    Examples
    --------
    >>> import allocopt
    >>> Execution(costs=allocopt.ProportionalCost(0.0005), schedule="month-start").lag
    1
    """

    mode: Mode = "holdings"
    lag: int = 1
    schedule: str | Schedule | None = None
    costs: Cost | Sequence[Cost] = ()
    financing: Financing | None = None
    gaps: Gaps = "raise"
    lot: float = 0.0

    def __post_init__(self) -> None:
        require_option(self.mode, get_args(Mode), "mode")
        require_option(self.gaps, get_args(Gaps), "gaps")
        require_lag(self.lag)
        if self.schedule is not None:
            object.__setattr__(self, "schedule", schedule_from(self.schedule))
        several = isinstance(self.costs, Iterable) and not isinstance(self.costs, Cost)
        causes: tuple[object, ...] = tuple(self.costs) if several else (self.costs,)  # type: ignore[arg-type]
        for cost in causes:
            if isinstance(cost, type) or not isinstance(cost, Cost):
                raise SpecificationError("not a cost", value=cost, remedy="give a ProportionalCost, for instance")
        object.__setattr__(self, "costs", causes)
        if self.financing is not None and not isinstance(self.financing, Financing):
            raise SpecificationError(
                "not a financing", value=self.financing, remedy="give Financing(lending=..., borrowing=...)"
            )
        if isinstance(self.lot, bool) or not isinstance(self.lot, (int, float)) or not 0.0 <= self.lot < math.inf:
            raise SpecificationError(
                "lot is no number of shares",
                value=plain(self.lot),
                remedy="give 1.0 for whole shares, 0.0 for any",
            )
        if self.lot > 0.0 and self.mode != "holdings":
            raise SpecificationError(
                "lots need holdings", value=self.mode, remedy='use mode="holdings", or lot=0.0 for a constant mix'
            )

    @property
    def causes(self) -> tuple[Cost, ...]:
        """The costs as a tuple."""
        assert isinstance(self.costs, tuple)
        return self.costs
