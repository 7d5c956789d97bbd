"""The market regimes and option profiles of the rotation engine, by their published numbers."""

from __future__ import annotations

from enum import IntEnum


class Regime(IntEnum):
    """Market regime of one date. The number is the published id, not a rank."""

    TREND_UP = 1
    TREND_DOWN = 2
    COMPRESSION = 3
    BREAKING_VOL = 4
    CHOPPY = 5
    EVENT = 6

    @property
    def label(self) -> str:
        """The regime's name as printed in tables: ``Regime.TREND_UP.label == "Trend Up"``."""
        return self.name.replace("_", " ").title()


#: Column labels of the six option profiles, in the published order, and what each of them trades.
PROFILES: dict[str, str] = {
    "P1": "long-dated gamma",
    "P2": "short-dated gamma",
    "P3": "charm",
    "P4": "vanna",
    "P5": "skew",
    "P6": "vol-of-vol",
}
