"""A slow, obvious engine of one contract pair: one dictionary a position, one price at a time, no tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.profiles import ExecutionCosts, ProfileResult, ProfileSpecification, published_profiles

Run = Callable[..., ProfileResult]
SIX = published_profiles()


def normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def option(sign: int, s: float, k: float, days: int, sigma: float) -> tuple[float, float]:
    """Price and delta."""
    if days <= 0:
        return max(sign * (s - k), 0.0), 0.0
    width = sigma * math.sqrt(days / 365)
    d1 = math.log(s / k) / width + width / 2
    return sign * (s * normal(sign * d1) - k * normal(sign * (d1 - width))), sign * normal(sign * d1)


def expiry_of(filled: date, days: int) -> date:
    found = filled + timedelta(days)
    while found.weekday() > 4:
        found -= timedelta(1)
    if found <= filled:
        found = filled + timedelta(1)
        while found.weekday() > 4:
            found += timedelta(1)
    return found


def per_contract(bought: bool, price: float, s: float, k: float, days: int, points: float) -> float:
    """Spread, slippage of one contract, commission and fees."""
    away = abs(k / s - 1)
    spread = 0.03 if away < 0.01 else 0.05
    spread *= (1 + 5 * away) * (1.3 if days < 7 else 1.15 if days < 14 else 1.0)
    spread = min(spread * min(3.0, 1 + max(0.0, points - 15) / 20), 0.20 if away < 0.01 else 0.30)
    half = 50 * spread
    if bought:
        return half * 1.1 + 0.705
    half_paid = min(half, 100 * price)
    slippage = min(half * 0.1, 100 * price - half_paid)
    return half_paid + slippage + 0.705 + 100 * price * 0.00182 / 1000 + 0.00205


def twin(
    spec: ProfileSpecification,
    days: list[date],
    closes: list[float],
    levels: list[float],
    scores: list[float],
    regimes: list[int],
) -> tuple[list[float], list[tuple[Any, ...]]]:
    """P&L by row and the trades of a straddle, at a lag of one."""
    pnl = [0.0] * len(days)
    trades: list[tuple[Any, ...]] = []
    book: dict[str, Any] = {}
    shares = 0.0  # of the hedge, kept over a roll

    def value(t: int) -> float:
        left = (book["expiry"] - days[t]).days
        both = sum(option(sign, closes[t], book["k"], left, levels[t])[0] for sign in (1, -1))
        return float(book["q"]) * 100 * both

    def trade(t: int, quantity: int) -> float:
        left = (book["expiry"] - days[t]).days
        if left <= 0:
            return 0.0
        return sum(
            abs(quantity)
            * per_contract(
                quantity > 0,
                option(sign, closes[t], book["k"], left, levels[t])[0],
                closes[t],
                book["k"],
                left,
                100 * levels[t],
            )
            for sign in (1, -1)
        )

    def enter(t: int, direction: int, began: int) -> None:
        book.clear()
        book.update(
            q=direction * spec.legs[0].quantity,
            k=closes[t],
            expiry=expiry_of(days[t], spec.legs[0].days),
            opened=t,
            began=began,
            sofar=0.0,
            direction=direction,
        )
        book["premium"] = book["last"] = value(t)
        book["owed"] = trade(t, book["q"])

    def wish(t: int) -> str:
        allowed = spec.direction_in(regimes[t]) == book["direction"]
        if not allowed:
            return "regime"
        if spec.stop is not None and -book["sofar"] > spec.stop * abs(book["premium"]):
            return "stop"
        if spec.max_days is not None and (days[t] - days[book["began"]]).days >= spec.max_days:
            return "days"
        if spec.roll_at_days is not None and (book["expiry"] - days[t]).days <= spec.roll_at_days:
            return "roll"
        return ""

    for t in range(len(days)):
        closed = False
        if book:
            left = (book["expiry"] - days[t - 1]).days
            wanted = 0.0
            if spec.delta_hedge:
                delta = sum(option(sign, closes[t - 1], book["k"], left, levels[t - 1])[1] for sign in (1, -1))
                wanted = -book["q"] * 100 * delta
            now = value(t)
            row = now - book["last"] - book["owed"] - 0.0175 * abs(wanted - shares)
            row += wanted * (closes[t] - closes[t - 1])
            shares = wanted
            book.update(last=now, owed=0.0, sofar=book["sofar"] + row)
            pnl[t] += row
            reason = wish(t)
            if reason:
                paid = trade(t, -book["q"])
                if reason != "roll":
                    paid += 0.0175 * abs(shares)
                    shares = 0.0
                pnl[t] -= paid
                trades.append((book["opened"], t, reason, book["direction"], book["sofar"] - paid))
                began, direction = book["began"], book["direction"]
                book.clear()
                closed = True
                if reason == "roll" and t < len(days) - 1:
                    enter(t, direction, began)
        if not book and not closed and t < len(days) - 1:
            direction = spec.direction_in(regimes[t])
            if direction and scores[t] >= spec.threshold:
                enter(t, direction, t)
    if book:
        trades.append((book["opened"], -1, "", book["direction"], book["sofar"]))
    return pnl, trades


@pytest.mark.parametrize("name", ["P1", "P2", "P6"])
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_a_plain_loop(run: Run, name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = 260
    closes = (400.0 * np.exp(np.cumsum(rng.normal(0.0, 0.013, rows)))).tolist()
    levels = (0.2 * np.exp(0.12 * rng.normal(size=rows))).tolist()
    scores = rng.uniform(0.3, 0.9, rows).tolist()
    spec = SIX[name] if seed % 2 else replace(SIX[name], stop=None)
    listed = [*spec.regimes, 6]
    regimes = np.repeat(rng.choice(listed, rows), rng.integers(3, 40, rows))[:rows].tolist()
    made = run(spec, closes, volatility=levels, score=scores, regime=regimes, holidays=[], costs=ExecutionCosts())
    days = [stamp.date() for stamp in made.daily_pnl.index]
    pnl, trades = twin(spec, days, closes, levels, scores, regimes)
    np.testing.assert_allclose(made.daily_pnl, pnl, atol=1e-8)
    assert len(trades) == len(made.trades) > 3
    index = list(made.daily_pnl.index)
    for mine, row in zip(trades, made.trades.itertuples(), strict=True):
        exited = -1 if pd.isna(row.exit) else index.index(row.exit)  # type: ignore[arg-type]
        assert mine[:4] == (index.index(row.entry), exited, row.reason, 1 if row.direction == "long" else -1)
        assert row.pnl == pytest.approx(mine[4], abs=1e-7)
    reasons = set(made.trades["reason"])
    assert len(reasons) > 1
    if name == "P2":
        assert {"roll", "days"} <= reasons
