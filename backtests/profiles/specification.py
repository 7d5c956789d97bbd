"""An option profile as data: its legs, when it is entered, left and rolled, and whether it is hedged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from allocopt.backtests._checks import plain, require_option
from allocopt.backtests.profiles._settings import is_number, is_whole, positive_or_none
from allocopt.backtests.profiles.strikes import StrikeRule
from allocopt.errors import SpecificationError
from allocopt.regimes import Regime

Kind = Literal["call", "put"]
Hedge = Literal["daily"]
Action = Literal["exit", "roll"]

#: Shares of the underlying that one option contract is on.
MULTIPLIER: Final = 100.0


@dataclass(frozen=True)
class Leg:
    """One option of a structure.

    Parameters
    ----------
    quantity : int
        Contracts per unit: above 0 bought, below 0 sold, when the profile is entered long.
    kind : {"call", "put"}
        Right to buy or to sell.
    strike : FractionOfSpot or TargetDelta
        Where it is struck.
    days : int
        Calendar days to expiry at the fill, at least 1. The expiry is moved to the session before where the day is
        none; see `run_profile`.
    rolled_alone : bool, default False
        Whether this leg is replaced by itself when it reaches the roll, while the others stay. That needs another leg
        that lasts at least as long as the new one; otherwise the whole position is rolled.

    Raises
    ------
    SpecificationError
        For a setting outside its range.

    Examples
    --------
    >>> from allocopt.backtests.profiles import FractionOfSpot, Leg
    >>> Leg(-1, "call", FractionOfSpot(1.05), 7, rolled_alone=True).label
    '-1 call at 1.05 spot 7 DTE (rolled by itself)'
    """

    quantity: int
    kind: Kind
    strike: StrikeRule
    days: int
    rolled_alone: bool = False

    def __post_init__(self) -> None:
        require_option(self.kind, get_args(Kind), "kind of option")
        if not is_whole(self.quantity) or self.quantity == 0:
            raise SpecificationError(
                "quantity of a leg is no number of contracts",
                value=plain(self.quantity),
                remedy="give a whole number, negative for a short leg",
            )
        if not is_whole(self.days) or self.days < 1:
            raise SpecificationError(
                "days of a leg are not a whole number of at least 1",
                value=plain(self.days),
                remedy="give calendar days",
            )
        if not isinstance(self.strike, StrikeRule):
            raise SpecificationError(
                "strike of a leg is no rule",
                value=plain(self.strike),
                remedy="give AT_THE_MONEY, FractionOfSpot(...) or TargetDelta(...)",
            )

    @property
    def label(self) -> str:
        """Words for tables."""
        alone = " (rolled by itself)" if self.rolled_alone else ""
        return f"{self.quantity:+d} {self.kind} {self.strike.label} {self.days} DTE{alone}"


@dataclass(frozen=True)
class GreekLimits:
    """Absolute greeks of one unit's options above which the position is rolled; None for no limit.

    Parameters
    ----------
    delta : float, optional
        Money per 1.00 of the underlying, which is shares. Of the options, before the hedge.
    gamma : float, optional
        Change of that delta per 1.00 of the underlying.
    vega : float, optional
        Money per volatility point.
    theta : float, optional
        Money per calendar day.

    Raises
    ------
    SpecificationError
        A limit is not positive.

    Examples
    --------
    >>> from allocopt.backtests.profiles import GreekLimits
    >>> GreekLimits(delta=30.0).any
    True
    """

    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None

    def __post_init__(self) -> None:
        for name in ("delta", "gamma", "vega", "theta"):
            positive_or_none(getattr(self, name), f"greek limit on {name}")

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return any(value is not None for value in (self.delta, self.gamma, self.vega, self.theta))


#: No limits.
NO_GREEK_LIMITS = GreekLimits()


@dataclass(frozen=True)
class ProfileSpecification:
    """Everything that defines one option profile. The six published ones are `published_profiles`.

    Parameters
    ----------
    name : str
        Label, such as "P1".
    threshold : float
        The profile is entered when its score is at or above this.
    regimes : tuple of int
        Numbers of `allocopt.regimes.Regime` in which it may be held.
    legs : tuple of Leg
        The structure, as entered long.
    short_in : tuple of int, default ()
        Those of `regimes` in which it is entered with all quantities negated. A position is held only in regimes of
        its own direction.
    delta_hedge : {"daily"} or None, default None
        Whether the net delta of the options is offset in the underlying at every close.
    roll_at_days : int, optional
        Days to the nearest expiry at or below which the position is closed and entered anew. None: never; it then
        ends at expiry.
    max_days : int, optional
        Calendar days after which it is left, counted from its entry over all rolls. None: no limit.
    stop : float or None, default 0.5
        Loss over which it is left, as a decimal fraction of the entry cost: the net premium, paid or received, of the
        trade's own fill. The loss includes hedge and costs so far.
    stop_action : {"exit", "roll"}, default "exit"
        What the stop does.
    take_profit : float, optional
        Gain, as a fraction of the entry cost, at or above which `take_profit_action` is taken.
    take_profit_action : {"exit", "roll"}, default "roll"
        What the take-profit does.
    greek_limits : GreekLimits
        Limits beyond which it is rolled.

    Raises
    ------
    SpecificationError
        For a setting outside its range, or a hedge, roll or direction that contradicts another setting.

    Examples
    --------
    >>> from allocopt.backtests.profiles import AT_THE_MONEY, Leg, ProfileSpecification
    >>> legs = (Leg(1, "call", AT_THE_MONEY, 45), Leg(1, "put", AT_THE_MONEY, 45))
    >>> straddle = ProfileSpecification("straddle", 0.6, (4,), legs, roll_at_days=20, max_days=90)
    >>> straddle.direction_in(4), straddle.direction_in(1)
    (1, 0)
    """

    name: str
    threshold: float
    regimes: tuple[int, ...]
    legs: tuple[Leg, ...]
    short_in: tuple[int, ...] = ()
    delta_hedge: Hedge | None = None
    roll_at_days: int | None = None
    max_days: int | None = None
    stop: float | None = 0.5
    stop_action: Action = "exit"
    take_profit: float | None = None
    take_profit_action: Action = "roll"
    greek_limits: GreekLimits = NO_GREEK_LIMITS

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise SpecificationError("name of a profile is no text", value=plain(self.name), remedy="give it a label")
        if not is_number(self.threshold) or not 0.0 <= self.threshold <= 1.0:
            raise SpecificationError(
                "threshold is not between 0 and 1", value=plain(self.threshold), remedy="scores lie in [0, 1]"
            )
        self._require_structure()
        self._require_rules()

    def direction_in(self, regime: int) -> int:
        """+1 where the structure is held as written, -1 where it is sold, 0 where it is not held."""
        if regime not in self.regimes:
            return 0
        return -1 if regime in self.short_in else 1

    def _require_structure(self) -> None:
        known = {int(regime) for regime in Regime}
        if not isinstance(self.regimes, tuple) or not self.regimes or not set(self.regimes) <= known:
            raise SpecificationError(
                "regimes are not a tuple of regime numbers",
                value=self.regimes,
                remedy="give numbers from 1 to 6: (1, 3)",
            )
        if not isinstance(self.short_in, tuple) or not set(self.short_in) <= set(self.regimes):
            raise SpecificationError(
                "short_in is not among the regimes", value=self.short_in, remedy="list its regimes in both"
            )
        if not isinstance(self.legs, tuple) or not self.legs or not all(isinstance(leg, Leg) for leg in self.legs):
            raise SpecificationError(
                "legs are not a tuple of Leg", value=plain(self.legs), remedy="give (Leg(...), ...)"
            )
        if all(leg.rolled_alone for leg in self.legs):
            raise SpecificationError(
                "every leg is rolled by itself", remedy="leave rolled_alone off for those that the position lasts with"
            )

    def _require_rules(self) -> None:
        if self.delta_hedge is not None:
            require_option(self.delta_hedge, get_args(Hedge), "delta_hedge")
        require_option(self.stop_action, get_args(Action), "stop_action")
        require_option(self.take_profit_action, get_args(Action), "take_profit_action")
        positive_or_none(self.stop, "stop")
        positive_or_none(self.take_profit, "take_profit")
        if self.max_days is not None and (not is_whole(self.max_days) or self.max_days < 1):
            raise SpecificationError(
                "max_days is not a whole number of at least 1", value=plain(self.max_days), remedy="give calendar days"
            )
        if not isinstance(self.greek_limits, GreekLimits):
            raise SpecificationError(
                "greek_limits are no GreekLimits", value=plain(self.greek_limits), remedy="give GreekLimits(...)"
            )
        nearest = min(leg.days for leg in self.legs)
        if self.roll_at_days is not None and (not is_whole(self.roll_at_days) or not 0 <= self.roll_at_days < nearest):
            raise SpecificationError(
                "roll_at_days is not below the days of the nearest leg",
                value=plain(self.roll_at_days),
                remedy=f"give a whole number from 0 to {nearest - 1}, or None",
            )
        if self.roll_at_days is None and any(leg.rolled_alone for leg in self.legs):
            raise SpecificationError("a leg is rolled by itself, but nothing says when", remedy="give roll_at_days")
