"""The compiled ladder against the one in plain Python, over all options."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocopt.backtests.accounting import Financing
from allocopt.backtests.volatility_alpha import VolatilityAlpha, _kernels, _python
from allocopt.backtests.volatility_alpha._raw import Inputs, run_compiled
from allocopt.backtests.volatility_alpha._run import inputs_of
from allocopt.backtests.volatility_alpha.bars import read_bars

ENDS = {_kernels.DONE: "done", _kernels.RUINED: "ruined", _kernels.NO_SHARE: "no share"}


def same(inputs: Inputs) -> str:
    compiled, account = run_compiled(inputs), _python.run_rows(inputs)
    figures, rows = compiled.figures, compiled.by_row
    assert ENDS[int(figures[_kernels.STATUS])] == account.ended
    assert rows.shape[1] == len(account.banks)
    scale = float(np.abs(account.values).max())
    np.testing.assert_allclose(rows[_kernels.BANK], account.banks, rtol=1e-12, atol=1e-12 * scale)
    np.testing.assert_allclose(rows[_kernels.HELD], account.holdings, rtol=1e-12)
    orders = np.array([(b.limit, b.shares, s.limit, s.shares) for b, s in account.orders])
    orders[orders[:, 1] == 0.0, 0] = np.nan
    kept = [_kernels.BUY_LIMIT, _kernels.BUY_ORDER, _kernels.SELL_LIMIT, _kernels.SELL_ORDER]
    np.testing.assert_allclose(rows[kept].T, orders, rtol=1e-12, atol=1e-9)
    filled = []
    for t in range(rows.shape[1]):
        for kind, price, shares in (
            ("buy", rows[_kernels.BUY_PRICE, t], rows[_kernels.BUY_SHARES, t]),
            ("sell", rows[_kernels.SELL_PRICE, t], rows[_kernels.SELL_SHARES, t]),
        ):
            if shares > 0.0:
                filled.append((t, kind, price, shares))
    assert [fill[:2] for fill in filled] == [fill[:2] for fill in account.fills]
    ours = np.array([fill[2:] for fill in filled], dtype=float)
    np.testing.assert_allclose(ours, np.array([fill[2:] for fill in account.fills], dtype=float), rtol=1e-12)
    assert compiled.lots.shape[1] == len(account.lots)
    for k, lot in enumerate(account.lots):
        expected = (lot.row, lot.price, lot.bought, lot.left, lot.expected)
        np.testing.assert_allclose(compiled.lots[:, k], expected, rtol=1e-9, atol=1e-12)
    assert [(int(t), int(k)) for t, k in compiled.unwinds[:2].T] == [unwind[:2] for unwind in account.unwinds]
    np.testing.assert_allclose(compiled.unwinds[2], [unwind[2] for unwind in account.unwinds], rtol=1e-9)
    for number, value in (
        (_kernels.LOWEST_BANK, account.lowest), (_kernels.PROFIT, account.profit), (_kernels.FEE_SUM, account.fees),
        (_kernels.PROFIT_INITIAL, account.profit_initial), (_kernels.INTEREST_SUM, account.interest),
        (_kernels.EQUITY, account.values[-1]),
    ):  # fmt: skip
        assert figures[number] == pytest.approx(value, rel=1e-9, abs=1e-9 * scale)
    values = np.array(account.values)
    deepest = float((1.0 - values / np.maximum.accumulate(values)).max())
    assert figures[_kernels.DRAWDOWN] == pytest.approx(deepest, rel=1e-9, abs=1e-12)
    assert figures[_kernels.BUYS] == 1 + len(account.lots)
    assert figures[_kernels.STACK] == pytest.approx(sum(lot.left for lot in account.stack), rel=1e-9, abs=1e-9)
    # The quick way between fills, which the grid takes, gives the same.
    quick = np.zeros((1, 1, 1, _kernels.FIGURES))
    bars = inputs.bars
    _kernels.ladder_grid(
        bars.opens, bars.highs, bars.lows, bars.closes, np.array([inputs.first]), np.array([inputs.last]),
        np.array([inputs.trigger]), np.array([inputs.sharing]), ("full", "ath_only", "ath_sell").index(inputs.variant),
        inputs.lifo, inputs.exact, inputs.whole, inputs.margin, inputs.fee, inputs.lending, inputs.borrowing,
        np.array([inputs.shares]), np.array([inputs.cash]), quick,
    )  # fmt: skip
    noted = [number for number in range(_kernels.FIGURES) if number != _kernels.UNWIND_COUNT]
    np.testing.assert_array_equal(quick[0, 0, 0, noted], figures[noted])
    return account.ended


bar = st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4), st.floats(0.0, 0.15), st.floats(0.0, 0.15))


def table_of(moves: list[tuple[float, float, float, float]]) -> pd.DataFrame:
    rows = []
    close = 100.0
    for night, day, up, down in moves:
        opened = close * np.exp(night * abs(night))
        close = opened * np.exp(day * abs(day))
        rows.append((opened, max(opened, close) * (1.0 + up), min(opened, close) / (1.0 + down), close))
    index = pd.date_range("2001-01-01", periods=len(rows))
    return pd.DataFrame(rows, columns=["open", "high", "low", "close"], index=index)


@settings(max_examples=100)
@given(
    moves=st.lists(bar, min_size=2, max_size=60),
    n=st.sampled_from([2, 6, 8, 16, 40]),
    sharing=st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5]),
    words=st.tuples(
        st.sampled_from(["full", "ath_only", "ath_sell"]), st.sampled_from(["fifo", "lifo"]),
        st.sampled_from(["note", "exact"]), st.sampled_from(["integer", "fractional"]), st.booleans(),
    ),
    rates=st.sampled_from([(0.0, 0.0), (0.03, 0.06), (-0.02, 0.5)]),
    fee=st.sampled_from([0.0, 0.002]),
    shares=st.sampled_from([7, 100, 1000]),
)  # fmt: skip
def test_compiled_and_plain_agree(
    moves: list[tuple[float, float, float, float]],
    n: int,
    sharing: float,
    words: tuple[str, str, str, str, bool],
    rates: tuple[float, float],
    fee: float,
    shares: int,
) -> None:
    financing = Financing(lending=rates[0], borrowing=rates[1], periods_per_year=12)
    ladder = VolatilityAlpha(n, sharing, *words, financing=financing, fee=fee)  # type: ignore[arg-type]
    same(inputs_of(ladder, read_bars(table_of(moves), allow=("split",)), shares, None))


def test_every_end_is_met() -> None:
    falling = table_of([(0.0, -0.3, 0.01, 0.01)] * 40)
    flat = table_of([(0.0, 0.01, 0.0, 0.0)] * 5)
    done = read_bars(flat)
    assert same(inputs_of(VolatilityAlpha(8), done, 100, None)) == "done"
    assert same(inputs_of(VolatilityAlpha(8), done, 3, None)) == "no share"
    ladder = VolatilityAlpha(8, shares="fractional")
    assert same(inputs_of(ladder, read_bars(falling), 100, None)) == "ruined"
    assert same(inputs_of(VolatilityAlpha(8, margin=False), read_bars(falling), 100, None)) == "done"
