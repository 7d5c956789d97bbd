"""The six option profiles of the rotation engine, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from allocopt.backtests.profiles.specification import Leg, ProfileSpecification
from allocopt.backtests.profiles.strikes import AT_THE_MONEY, FractionOfSpot, TargetDelta
from allocopt.regimes import Regime

_UP, _DOWN, _NARROW, _BREAKING, _CHOPPY = (int(regime) for regime in list(Regime)[:5])


def _straddle(days: int) -> tuple[Leg, ...]:
    return (Leg(1, "call", AT_THE_MONEY, days), Leg(1, "put", AT_THE_MONEY, days))


_STRANGLE_BY_DELTA = (Leg(-1, "call", TargetDelta(0.25), 10), Leg(-1, "put", TargetDelta(0.25), 10))
_STRANGLE_BY_DISTANCE = (Leg(-1, "call", FractionOfSpot(1.07), 10), Leg(-1, "put", FractionOfSpot(0.93), 10))
_VANNA = (
    Leg(1, "call", AT_THE_MONEY, 60),
    Leg(-1, "call", FractionOfSpot(1.05), 7, rolled_alone=True),
)
_SKEW = (Leg(-1, "put", AT_THE_MONEY, 30), Leg(2, "put", FractionOfSpot(0.93), 30))

_P3 = ProfileSpecification("P3", 0.50, (_NARROW,), _STRANGLE_BY_DELTA, delta_hedge="daily", roll_at_days=5, max_days=30)

#: The six profiles by name, in the published order.
PROFILE_SPECIFICATIONS: Final[Mapping[str, ProfileSpecification]] = MappingProxyType(
    {
        "P1": ProfileSpecification(
            "P1", 0.60, (_UP, _NARROW), _straddle(75), delta_hedge="daily", roll_at_days=30, max_days=120
        ),
        "P2": ProfileSpecification(
            "P2",
            0.50,
            (_DOWN, _CHOPPY),
            _straddle(2),
            short_in=(_CHOPPY,),
            delta_hedge="daily",
            roll_at_days=0,
            max_days=7,
        ),
        "P3": _P3,
        "P4": ProfileSpecification("P4", 0.50, (_UP,), _VANNA, roll_at_days=3, max_days=90),
        "P5": ProfileSpecification("P5", 0.40, (_DOWN,), _SKEW, roll_at_days=7, max_days=60),
        "P6": ProfileSpecification("P6", 0.60, (_BREAKING,), _straddle(45), roll_at_days=20, max_days=90),
    }
)

#: P3 as the original engine had it: struck 7 % out of the money on both sides instead of at 25 delta.
P3_AS_BUILT: Final = replace(_P3, legs=_STRANGLE_BY_DISTANCE)


def published_profiles(*, strangle: ProfileSpecification = _P3) -> dict[str, ProfileSpecification]:
    """Give the six published profiles, in their order, for one study.

    Parameters
    ----------
    strangle : ProfileSpecification, default the 25-delta strangle
        What stands as P3. `P3_AS_BUILT` is the original's strangle 7 % out of the money, whose options ten days
        before expiry are worth next to nothing.

    Returns
    -------
    dict of str to ProfileSpecification
        "P1" to "P6".

    Examples
    --------
    >>> from allocopt.backtests.profiles import P3_AS_BUILT, published_profiles
    >>> [leg.label for leg in published_profiles()["P4"].legs]
    ['+1 call at the money 60 DTE', '-1 call at 1.05 spot 7 DTE (rolled by itself)']
    >>> published_profiles(strangle=P3_AS_BUILT)["P3"].legs[0].label
    '-1 call at 1.07 spot 10 DTE'
    """
    return {name: strangle if name == "P3" else found for name, found in PROFILE_SPECIFICATIONS.items()}
