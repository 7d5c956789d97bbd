"""A ladder as a sleeve: a stream of daily returns for allocate(), a portfolio, or a walk-forward study."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, plain
from allocopt.backtests.volatility_alpha._raw import Bars
from allocopt.backtests.volatility_alpha._run import equity_curve, is_positive
from allocopt.backtests.volatility_alpha.bars import read_bars, require_checks
from allocopt.backtests.volatility_alpha.specification import VolatilityAlpha
from allocopt.errors import InputError, LabelError, SpecificationError


@dataclass(frozen=True)
class LadderSleeve:
    """Return of each bar on the money in a ladder, net of what its bank owes.

    The base of a return is the value of shares and bank at the bar before. Where the bank is negative, the shares are
    worth more than the base, and the stream is that of a levered holding. A study: ``n`` and ``profit_sharing`` are
    fields of their own, so that a walk-forward can choose them.

    Parameters
    ----------
    n : float, default 8
        Rungs to a doubling.
    profit_sharing : float, default 0.5
        Decimal.
    ladder : VolatilityAlpha, default fractional shares
        All other parameters.
    renew : int, optional
        Bars after which the ladder is taken down and set up again at the close, with all of its value in shares and
        nothing in the bank, counted from the first bar. None: never; then what the stream is exposed to depends on
        how long ago it began. Renewing is not charged.
    capital : float, default 100,000
        Money in the sleeve at first; it matters where shares are whole.
    allow : sequence of {"gap", "split"}
        Checks of the bars to leave out.

    Raises
    ------
    SpecificationError
        For a setting outside its range.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.volatility_alpha import bars_from_closes
    >>> closes = pd.Series([100.0, 110.0, 99.0, 110.0], index=pd.bdate_range("2024-01-01", periods=4))
    >>> LadderSleeve(n=8).run(bars_from_closes(closes, path="joined")).round(5).tolist()
    [0.0, 0.09961, -0.09628, 0.1105]
    """

    n: float = 8
    profit_sharing: float = 0.5
    ladder: VolatilityAlpha = VolatilityAlpha(shares="fractional")  # noqa: RUF009 - frozen
    renew: int | None = None
    capital: float = 100_000.0
    allow: Collection[str] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.ladder, VolatilityAlpha):
            raise SpecificationError("ladder is no VolatilityAlpha", value=plain(self.ladder), remedy="give one")
        replace(self.ladder, n=self.n, profit_sharing=self.profit_sharing)
        whole = isinstance(self.renew, (int, np.integer)) and not isinstance(self.renew, bool)
        if self.renew is not None and not (whole and self.renew >= 1):
            raise SpecificationError(
                "renew is no number of bars", value=plain(self.renew), remedy="give 252, or None for never"
            )
        if not is_positive(self.capital):
            raise SpecificationError(
                "capital is not a positive number", value=plain(self.capital), remedy="give capital above 0"
            )
        require_checks(self.allow)

    def run(self, ohlc: pd.DataFrame) -> pd.Series[float]:
        """Run on the bars of one ticker.

        Parameters
        ----------
        ohlc : DataFrame, shape (T, 4)
            As `VolatilityAlpha.run` takes it.

        Returns
        -------
        Series, shape (T,)
            Decimal return over each row, 0.0 on the first. What is returned on row t is decided with what was known
            at row t-1.

        Raises
        ------
        InputError
            As `VolatilityAlpha.run`; and naming the date on which nothing is left of the account.
        LabelError, ShapeError
            As `VolatilityAlpha.run`.
        """
        ladder = replace(self.ladder, n=self.n, profit_sharing=self.profit_sharing)
        bars = read_bars(ohlc, allow=self.allow)
        rows = len(bars.closes)
        size = rows if self.renew is None else self.renew
        found = np.zeros(rows)
        capital = self.capital
        for first in range(0, rows - 1, size):
            last = min(first + size, rows - 1)
            equity = equity_curve(ladder, _rows(bars, first, last), capital)
            if not equity[-1] > 0.0:
                raise InputError(
                    f"nothing is left of the ladder {ladder.name}",
                    where=day(bars.dates[first + len(equity) - 1]),
                    value=float(equity[-1]),
                    remedy="use margin=False, less profit_sharing, or renew the ladder more often",
                )
            found[first + 1 : last + 1] = equity[1:] / equity[:-1] - 1.0
            capital = float(equity[-1])
        return pd.Series(found, index=bars.dates, name=ladder.name)

    def table(self, data: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        """Run on several tickers, and put the streams side by side for `allocopt.backtests.accounting.account`.

        Parameters
        ----------
        data : mapping of str to DataFrame
            Bars by ticker.

        Returns
        -------
        DataFrame, shape (T, tickers)
            Decimal returns between the dates that all tickers have; the first row is 0.0.

        Raises
        ------
        InputError, LabelError, ShapeError
            As `run`; or if no date is common to all.
        """
        if not isinstance(data, Mapping) or not data:
            raise SpecificationError("no bars by ticker", value=type(data).__name__, remedy="give {ticker: bars}")
        values = {str(ticker): (1.0 + self.run(table)).cumprod() for ticker, table in data.items()}
        joined = pd.concat(values, axis=1, join="inner").sort_index()
        if len(joined) < 2:
            raise LabelError(
                "the tickers have fewer than two dates in common", value=list(values), remedy="give the same span"
            )
        returns = joined.to_numpy()[1:] / joined.to_numpy()[:-1] - 1.0
        return pd.DataFrame(np.vstack((np.zeros((1, len(values))), returns)), index=joined.index, columns=list(values))


def _rows(bars: Bars, first: int, last: int) -> Bars:
    part = slice(first, last + 1)
    return Bars(bars.dates[part], bars.opens[part], bars.highs[part], bars.lows[part], bars.closes[part])
