"""The ladder's parameters, the name that holds them, and the number of rungs that a volatility suggests."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
import pandas as pd

from allocopt.backtests._checks import plain, require_option
from allocopt.backtests.accounting import Financing
from allocopt.backtests.volatility_alpha.bars import Date
from allocopt.errors import SpecificationError

if TYPE_CHECKING:
    from allocopt.backtests.volatility_alpha.comparison import VolatilityAlphaComparison
    from allocopt.backtests.volatility_alpha.result import VolatilityAlphaResult

#: Which orders there are: both; sells on the rising ladder only; all buys, and sells above the highest price so far.
Variant = Literal["full", "ath_only", "ath_sell"]
#: Which buyback lot a sale unwinds: the oldest, or the newest.
Lots = Literal["fifo", "lifo"]
#: Shares of a sale: the note's, or those that undo the buy one rung below.
SellQuantity = Literal["note", "exact"]
#: Whole shares, or any number.
Shares = Literal["integer", "fractional"]

#: The bank earns nothing and owes nothing for what it lends: the published system's assumption, 252 rows a year.
NO_INTEREST = Financing(lending=0.0, borrowing=0.0, periods_per_year=252)

#: Most decimals of a trigger in percent that a name is written with.
_DECIMALS = 6
_NUMBER = r"\d+(?:\.\d+)?"
_PATTERN = re.compile(
    rf"(?:sd(?P<n>{_NUMBER})(?:,(?P<share>{_NUMBER}))?(?:-(?P<after>ath-only|ath-sell))?"
    rf"|sd-(?:(?P<before>ath-only|ath-sell)-)?(?P<trigger>{_NUMBER}),(?P<sharing>{_NUMBER}))"
    r"(?P<lots>-lifo)?(?P<sell_quantity>-exact)?(?P<shares>-fractional)?(?P<margin>-cash)?"
)


@dataclass(frozen=True)
class VolatilityAlpha:
    """Sell a little at each rung up, buy it back at each rung down, and keep count of what that earned.

    The ladder has ``n`` equal rungs to a doubling: ``r = 2^(1/n) - 1``. With P the price of the last fill (at first,
    of the purchase) and H the shares held, two limit orders stand: buy ``r s H`` at ``P / (1 + r)``, and sell
    ``r s H / (1 + r)`` at ``P (1 + r)``. Orders set at the close of a date are live from the next one; a date fills at
    most one buy and one sell, at the limit, or at the open where the whole bar is beyond it.

    Parameters
    ----------
    n : float, default 8
        Rungs to a doubling, above 0; usually a whole number. `from_trigger` takes the step in its place.
    profit_sharing : float, default 0.5
        s, the part of a rung's gain that is sold: 0 (no orders: buy-and-hold) or more, with ``r s`` below 1.
    variant : {"full", "ath_only", "ath_sell"}
        ``"full"``: both orders. ``"ath_only"``: no buys, so the anchor P only moves up. ``"ath_sell"``: all buys, but
        the sell limit is never below the highest price since the purchase.
    lots : {"fifo", "lifo"}
        Which buyback a sale unwinds. It changes what counts as realised, not one trade.
    sell_quantity : {"note", "exact"}
        ``"note"``: ``r s H / (1 + r)``. ``"exact"``: ``r s H / (1 + r s)``, which undoes the buy one rung below.
    shares : {"integer", "fractional"}
        Orders rounded to whole shares (half to even), or not rounded.
    margin : bool, default True
        Whether the bank, which starts at 0, may go negative. If not, a buy order is cut to what the bank pays for at
        the limit on the evening it is set; where that is nothing, there is no order, and the anchor stays.
    financing : Financing, default NO_INTEREST
        What the bank earns and what it owes. The default is free money, as published: give rates to do better.
    fee : float, default 0.0
        Decimal of the traded amount, on each fill of the ladder; the first purchase is not charged, nor is it for
        buy-and-hold.

    Raises
    ------
    SpecificationError
        For a parameter outside its range, or a name that cannot be read.

    Notes
    -----
    Names: ``sdN`` or ``sdN,S`` with S the profit sharing in percent (50 if left out), then ``-ath-only`` or
    ``-ath-sell``; or ``sd-R,S``, ``sd-ath-only-R,S``, ``sd-ath-sell-R,S`` with the trigger r in percent. After either
    come, in this order and only where they are not the default, ``-lifo``, ``-exact``, ``-fractional`` and ``-cash``
    (no margin). ``financing`` and ``fee`` are no part of it.

    Examples
    --------
    >>> ladder = VolatilityAlpha(n=8)
    >>> ladder.name, round(ladder.trigger, 5)
    ('sd8', 0.09051)
    >>> VolatilityAlpha.from_name("sd-ath-only-9.05,50").variant
    'ath_only'
    >>> VolatilityAlpha(n=16, profit_sharing=0.75, lots="lifo", sell_quantity="exact", margin=False).name
    'sd16,75-lifo-exact-cash'
    """

    n: float = 8
    profit_sharing: float = 0.5
    variant: Variant = "full"
    lots: Lots = "fifo"
    sell_quantity: SellQuantity = "note"
    shares: Shares = "integer"
    margin: bool = True
    financing: Financing = NO_INTEREST
    fee: float = 0.0

    def __post_init__(self) -> None:
        _require_number(self.n, "n", 0.0, "give the rungs to a doubling, 8", above=True)
        _require_number(self.profit_sharing, "profit_sharing", 0.0, "give a decimal, 0.5")
        _require_number(self.fee, "fee", 0.0, "give a decimal of the traded amount, 0.001")
        if self.fee >= 1.0:
            raise SpecificationError("fee is not below 1", value=self.fee, remedy="give a decimal, 0.001")
        if self.profit_sharing > 5.0:
            raise SpecificationError(
                "profit_sharing looks like percent", value=self.profit_sharing, remedy="give a decimal, 0.5"
            )
        if not self.trigger * self.profit_sharing < 1.0:
            raise SpecificationError(
                "an order would trade all shares (r s is not below 1)",
                value=(self.n, self.profit_sharing),
                remedy="give more rungs, or a smaller profit_sharing",
            )
        for name, words in (("variant", Variant), ("lots", Lots), ("sell_quantity", SellQuantity), ("shares", Shares)):
            require_option(getattr(self, name), get_args(words), name)
        if not isinstance(self.margin, bool):
            raise SpecificationError("margin is neither True nor False", value=plain(self.margin), remedy="say which")
        if not isinstance(self.financing, Financing):
            raise SpecificationError(
                "financing is no Financing",
                value=plain(self.financing),
                remedy="give Financing(lending=..., borrowing=..., periods_per_year=...)",
            )

    @property
    def trigger(self) -> float:
        """Step from one rung to the next, ``r = 2^(1/n) - 1``, a decimal."""
        return math.expm1(math.log(2.0) / self.n)

    @property
    def name(self) -> str:
        """All parameters of the ladder in one word that `from_name` reads back."""
        share = _in_percent(self.profit_sharing)
        variant = "" if self.variant == "full" else self.variant.replace("_", "-")
        rungs = repr(float(self.n)).removesuffix(".0")
        percent = _trigger_in_percent(self.n, self.trigger) if len(rungs) > 5 else None
        if percent is not None:
            head = "-".join(part for part in ("sd", variant, f"{percent},{share}") if part)
        else:
            head = f"sd{_plain_decimal(float(self.n))}" + ("" if self.profit_sharing == 0.5 else f",{share}")
            head += f"-{variant}" if variant else ""
        tail = [
            word
            for word, said in (
                ("lifo", self.lots == "lifo"),
                ("exact", self.sell_quantity == "exact"),
                ("fractional", self.shares == "fractional"),
                ("cash", not self.margin),
            )
            if said
        ]
        return "-".join((head, *tail))

    def __str__(self) -> str:
        """Write the name."""
        return self.name

    @classmethod
    def from_name(cls, name: str) -> VolatilityAlpha:
        """Read the parameters from a name, such as "sd8", "sd16,75-lifo" or "sd-ath-only-9.05,50".

        Raises
        ------
        SpecificationError
            For a name of another form, or parameters outside their range.
        """
        found = _PATTERN.fullmatch(name) if isinstance(name, str) else None
        if found is None:
            raise SpecificationError(
                "not the name of a ladder",
                value=name,
                remedy='write it like "sd8", "sd8,75-ath-sell", "sd-ath-only-9.05,50" or "sd16-lifo-exact-fractional"',
            )
        variant = (found["after"] or found["before"] or "full").replace("-", "_")
        percent = found["share"] or found["sharing"] or "50"
        given: dict[str, Any] = {
            "profit_sharing": _from_percent(percent),
            "variant": cast("Variant", variant),
            "lots": "lifo" if found["lots"] else "fifo",
            "sell_quantity": "exact" if found["sell_quantity"] else "note",
            "shares": "fractional" if found["shares"] else "integer",
            "margin": not found["margin"],
        }
        if found["n"] is not None:
            return cls(n=_whole(float(found["n"])), **given)
        return cls.from_trigger(_from_percent(found["trigger"]), **given)

    @classmethod
    def from_trigger(
        cls,
        trigger: float,
        *,
        profit_sharing: float = 0.5,
        variant: Variant = "full",
        lots: Lots = "fifo",
        sell_quantity: SellQuantity = "note",
        shares: Shares = "integer",
        margin: bool = True,
        financing: Financing = NO_INTEREST,
        fee: float = 0.0,
    ) -> VolatilityAlpha:
        """Ladder with steps of ``trigger``, a decimal: ``n = log 2 / log(1 + r)``; the rest as in the class.

        Raises
        ------
        SpecificationError
            For a trigger that is not a positive number, or parameters outside their range.

        Examples
        --------
        >>> VolatilityAlpha.from_trigger(0.05).name
        'sd-5,50'
        """
        _require_number(trigger, "trigger", 0.0, "give a decimal, 0.0905", above=True)
        return cls(_rungs(trigger), profit_sharing, variant, lots, sell_quantity, shares, margin, financing, fee)

    def with_variant(self, variant: Variant) -> VolatilityAlpha:
        """Give the same ladder with other orders."""
        return replace(self, variant=variant)

    def run(
        self,
        ohlc: pd.DataFrame,
        *,
        start: Date | None = None,
        end: Date | None = None,
        shares: float | None = None,
        capital: float | None = None,
        allow: Collection[str] = (),
    ) -> VolatilityAlphaResult:
        """Buy at the close of the first date, and run the ladder to the last.

        Parameters
        ----------
        ohlc : DataFrame, shape (T, 4)
            Columns open, high, low, close in any capitalisation (others are left alone), by ascending date, in money,
            adjusted for splits. `bars_from_closes` makes bars of closes.
        start, end : date, optional
            First and last date, both included. None: all bars.
        shares : float, optional
            Shares of the first purchase, 100 if there is no capital either. Whole where orders are.
        capital : float, optional
            Money in place of shares: buys what it pays for at the first close, and the bank starts with the rest.
        allow : collection of {"gap", "split"}
            Checks to leave out: more than ten days without a bar, and a jump overnight that looks like a split.

        Returns
        -------
        VolatilityAlphaResult

        Raises
        ------
        InputError
            Naming the date: for a price that is missing, not positive or outside high and low; for a gap or a
            suspected split; for an order that rounds to no share.
        LabelError, ShapeError
            For columns that are missing, dates that are unsorted or double, or fewer than two bars.
        SpecificationError
            For both shares and capital, or a number that is not positive.
        """
        from allocopt.backtests.volatility_alpha._run import run_ladder
        from allocopt.backtests.volatility_alpha.bars import read_bars

        return run_ladder(self, read_bars(ohlc, start=start, end=end, allow=allow), shares, capital)

    def compare(
        self,
        ohlc: pd.DataFrame,
        *,
        start: Date | None = None,
        end: Date | None = None,
        shares: float | None = None,
        capital: float | None = None,
        allow: Collection[str] = (),
    ) -> VolatilityAlphaComparison:
        """Run the three variants and buy-and-hold on the same bars; the parameters are those of `run`.

        Returns
        -------
        VolatilityAlphaComparison
            ``.table``, ``.results`` by name, ``.figure()``.

        Raises
        ------
        InputError, LabelError, ShapeError, SpecificationError
            As `run`.
        """
        from allocopt.backtests.volatility_alpha.bars import read_bars
        from allocopt.backtests.volatility_alpha.comparison import compare_variants

        return compare_variants(self, read_bars(ohlc, start=start, end=end, allow=allow), shares, capital)


def suggested_n(volatility: float) -> int:
    """Rungs to a doubling that the published system suggests for an annual volatility.

    Parameters
    ----------
    volatility : float
        Standard deviation of returns, decimal a year.

    Returns
    -------
    int
        6 from 50 percent on, 8 from 30, 10 from 20, 16 from 10, else 20: wider rungs for what moves more.

    Raises
    ------
    SpecificationError
        For a volatility that is no number of at least 0, or looks like percent.

    Examples
    --------
    >>> [suggested_n(v) for v in (0.55, 0.30, 0.18, 0.05)]
    [6, 8, 16, 20]
    """
    _require_number(volatility, "volatility", 0.0, "give a decimal a year, 0.25")
    if volatility > 5.0:
        raise SpecificationError("volatility looks like percent", value=plain(volatility), remedy="give a decimal")
    for least, n in ((0.50, 6), (0.30, 8), (0.20, 10), (0.10, 16)):
        if volatility >= least:
            return n
    return 20


def _rungs(trigger: float) -> float:
    return math.log(2.0) / math.log1p(trigger)


def _whole(number: float) -> float:
    """Give 8 for 8.0, so that a name reads back to the same parameters as they were written."""
    return int(number) if number.is_integer() else number


def _plain_decimal(number: float) -> str:
    """Write a number without an exponent, with the digits that it needs to be read back."""
    return np.format_float_positional(number, trim="-")


def _in_percent(decimal: float) -> str:
    """Write a decimal in percent, with the digits that it needs to be read back."""
    return format(Decimal(repr(float(decimal))).scaleb(2).normalize(), "f")


def _from_percent(text: str) -> float:
    """Read percent as a decimal, rounded once: 9.05 is 0.0905 to the last bit."""
    return float(Decimal(text).scaleb(-2))


def _trigger_in_percent(n: float, trigger: float) -> str | None:
    """Write the trigger in percent with at most six decimals, if that reads back to the same n."""
    for decimals in range(_DECIMALS + 1):
        text = f"{100.0 * trigger:.{decimals}f}"
        if float(text) > 0.0 and _rungs(_from_percent(text)) == n:
            return text
    return None


def _require_number(value: object, name: str, low: float, remedy: str, *, above: bool = False) -> None:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not (low < value if above else low <= value) or not value < math.inf:  # type: ignore[operator]
        least = f"above {low:g}" if above else f"of at least {low:g}"
        raise SpecificationError(f"{name} is not a number {least}", value=plain(value), remedy=remedy)
