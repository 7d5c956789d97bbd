"""Questions that the published report left open, each answered by runs beside each other on the same closes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Final

import numpy as np
import pandas as pd

from allocopt.backtests.overlays import (
    Fixed,
    RealizedVolHalving,
    VixFineSteps,
    VixInverse,
    VixSteps,
    VolatilityTarget,
)
from allocopt.backtests.sector_rotation.comparison import ResearchTable, comparison, last_before, two_windows
from allocopt.backtests.sector_rotation.data import SectorData
from allocopt.backtests.sector_rotation.specification import SESSIONS, Date, SectorRotation
from allocopt.backtests.sector_rotation.weighting import InverseCorrelation, InverseVolatility
from allocopt.errors import SpecificationError
from allocopt.limits import Limits

#: Look-backs that are tried for each sector by itself, sessions.
LOOK_BACKS: Final = (63, 126, 189, 252)

#: Levels that are tried for the three thresholds of the VIX steps, points.
VIX_LEVELS: Final = ((12.0, 15.0, 18.0), (18.0, 20.0, 25.0), (25.0, 30.0, 40.0))

#: First date that choices have not seen.
SPLIT: Final = "2015-01-01"

#: The bear market that the report asks about, from the top of the market to the end of the recovery's first year.
BEAR: Final = ("2007-10-01", "2009-12-31")


def leverage_rules(
    data: SectorData,
    rotation: SectorRotation,
    *,
    start: Date | None = None,
    end: Date | None = None,
    n_jobs: int = 1,
    progress: bool = False,
) -> ResearchTable:
    """Compare the three VIX rules, halving by realised volatility, a volatility target, and fixed leverage.

    Each has base 1.25 on the same composition; the target is 20 % a year over 20 sessions, between 0 and 1.5 times, at
    full size until it has an estimate. Average leverage and time invested are measured on the ledger.

    Parameters
    ----------
    data : SectorData
        With a volatility index.
    rotation : SectorRotation
        Everything but the leverage; needs a financing rate.
    start, end, n_jobs, progress
        As for `comparison`.

    Returns
    -------
    ResearchTable

    Examples
    --------
    >>> LEVERAGE_RULES["steps"].base
    1.25
    """
    variants = {name: replace(rotation, leverage=policy) for name, policy in LEVERAGE_RULES.items()}
    found = comparison(variants, data, start=start, end=end, n_jobs=n_jobs, progress=progress)
    return ResearchTable(
        "leverage",
        "What do the leverage rules do on a real volatility index?",
        found.tested,
        found,
        ("Rules decide on rebalancing rows only, and positions drift between them: the leverage is measured.",),
    )


def limits_compared(
    data: SectorData,
    rotation: SectorRotation,
    *,
    start: Date | None = None,
    end: Date | None = None,
    n_jobs: int = 1,
    progress: bool = False,
) -> ResearchTable:
    """Compare the original's composition with one under a 40 % cap and a 5 % floor.

    Two survivors of the original hold half each; under the cap 40 % each, and the rest is cash. The defensive asset is
    capped too.

    Parameters
    ----------
    data, rotation, start, end, n_jobs, progress
        As for `leverage_rules`; no volatility index is needed unless the rotation's leverage does.

    Examples
    --------
    >>> days = pd.bdate_range("2024-01-01", periods=60)
    >>> rising, falling = np.linspace(10.0, 12.0, 60), np.linspace(10.0, 9.0, 60)
    >>> closes = pd.DataFrame({"A": rising, "TLT": falling, "SPY": rising}, index=days)
    >>> one = SectorRotation(momentum=5, leverage=1.0, universe=["A"])
    >>> limits_compared(SectorData(closes), one).table["average_leverage"].round(2).tolist()
    [1.0, 0.41, 0.41, 1.0, 1.0]
    """
    variants = {
        "no limits": replace(rotation, limits=Limits(cap=1.0, floor=0.0)),
        "cap 40 %, floor 5 %": replace(rotation, limits=Limits(cap=0.40, floor=0.05)),
        "cap 40 %, floor 5 %, by momentum": replace(rotation, limits=Limits(0.40, 0.05), weighting="momentum"),
        "the same, clip-and-renormalise": replace(
            rotation, limits=Limits(0.40, 0.05), weighting="momentum", solver="heuristic"
        ),
    }
    found = comparison(variants, data, start=start, end=end, n_jobs=n_jobs, progress=progress)
    return ResearchTable(
        "limits", "What do a cap of 40 % and a floor of 5 % change?", found.tested, found,
        ("With three equal survivors no limit binds: what changes are the rows with one, two or none.",),
    )  # fmt: skip


def bear_market(
    data: SectorData,
    rotation: SectorRotation,
    *,
    start: Date | None = BEAR[0],
    end: Date | None = BEAR[1],
    n_jobs: int = 1,
    progress: bool = False,
) -> ResearchTable:
    """Run the rotation, its leverage rules and its trend filter through the bear market of 2008 and 2009.

    Parameters
    ----------
    data : SectorData
        From 2006 at the latest, with a volatility index.
    rotation, start, end, n_jobs, progress
        As for `leverage_rules`; without dates, from October 2007 to December 2009.

    Examples
    --------
    >>> BEAR
    ('2007-10-01', '2009-12-31')
    """
    variants = {name: replace(rotation, leverage=policy) for name, policy in LEVERAGE_RULES.items()}
    fixed = replace(rotation, leverage=1.25)
    variants |= {f"1.25, filter {n}": replace(fixed, trend_filter=n) for n in (150, 200, 250)}
    first, last = start or BEAR[0], end or BEAR[1]
    found = comparison(variants, data, start=first, end=last, n_jobs=n_jobs, progress=progress)
    return ResearchTable(
        "bear-market", "Does it hold in a bear market that it was not made for?", found.tested, found,
        ("One bear market is one observation.",),
    )  # fmt: skip


def weightings(
    data: SectorData,
    rotation: SectorRotation,
    *,
    start: Date | None = None,
    end: Date | None = None,
    n_jobs: int = 1,
    progress: bool = False,
    split: Date = SPLIT,
) -> ResearchTable:
    """Compare equal weights with weights by momentum, inverse volatility and inverse correlation, in two windows.

    Parameters
    ----------
    data, rotation, start, end, n_jobs, progress
        As for `leverage_rules`.
    split : str or timestamp, default "2015-01-01"
        Where the second window begins.

    Examples
    --------
    >>> from allocopt.backtests.sector_rotation import weighting_from
    >>> weighting_from("inverse_correlation").label
    'inverse correlation of 63 sessions'
    """
    kinds: dict[str, Any] = {"equal": "equal", "momentum": "momentum"}
    for window in (21, 63, 126):
        kinds[f"inverse volatility {window}"] = InverseVolatility(window)
        kinds[f"inverse correlation {window}"] = InverseCorrelation(window)
    variants = {name: replace(rotation, weighting=kind) for name, kind in kinds.items()}
    table, trials = two_windows(variants, data, start, end, split, n_jobs, progress)
    return ResearchTable("weightings", "Is equal weighting of the survivors worth improving on?", table, trials)


def vix_thresholds(
    data: SectorData,
    rotation: SectorRotation,
    *,
    start: Date | None = None,
    end: Date | None = None,
    n_jobs: int = 1,
    progress: bool = False,
    split: Date = SPLIT,
    levels: Sequence[Sequence[float]] = VIX_LEVELS,
) -> ResearchTable:
    """Move the three thresholds of the VIX steps: choose by Sharpe ratio before a date, and look at what came after.

    Parameters
    ----------
    data, rotation, start, end, n_jobs, progress, split
        As for `weightings`; the multipliers stay 1.2, 1.0, 0.8 and 0.6 on a base of 1.25.
    levels : three sequences of float
        Values of the first, second and third threshold, points; triples that do not increase are left out.

    Returns
    -------
    ResearchTable
        Ordered by the Sharpe ratio of the first window; fixed leverage and the benchmark last.

    Examples
    --------
    >>> [len(values) for values in VIX_LEVELS]
    [3, 3, 3]
    """
    triples = [found for found in product(*levels) if found[0] < found[1] < found[2]]
    variants: dict[str, SectorRotation] = {
        "/".join(f"{level:g}" for level in found): replace(rotation, leverage=VixSteps(base=1.25, levels=tuple(found)))
        for found in triples
    }
    variants["fixed 1.25"] = replace(rotation, leverage=1.25)
    table, trials = two_windows(variants, data, start, end, split, n_jobs, progress)
    steps = table.iloc[: len(triples)].sort_values(("before", "sharpe"), ascending=False)
    ranks = steps[[("before", "sharpe"), ("after", "sharpe")]].rank()
    correlation = float(ranks.iloc[:, 0].corr(ranks.iloc[:, 1]))
    return ResearchTable(
        "vix-thresholds", "Do thresholds of the VIX that were good stay good?",
        pd.concat([steps, table.iloc[len(triples) :]]), trials,
        (f"Rank correlation of the Sharpe ratios before and after: {correlation:.2f}.",),
    )  # fmt: skip


def look_backs(
    data: SectorData,
    rotation: SectorRotation,
    *,
    start: Date | None = None,
    end: Date | None = None,
    n_jobs: int = 1,
    progress: bool = False,
    split: Date = SPLIT,
    candidates: Sequence[int] = LOOK_BACKS,
) -> ResearchTable:
    """Give each sector a look-back of its own, chosen before a date, and look at what came after.

    For each sector, the rotation is run with each candidate for this sector and the common look-back for the others, up
    to the split; the candidate with the highest Sharpe ratio is the sector's. Then all choices together are compared
    with one look-back for all. A sector that has not begun before the split keeps the common one.

    Parameters
    ----------
    data, rotation, start, end, n_jobs, progress, split
        As for `weightings`; ``rotation.momentum`` is one number.
    candidates : sequence of int
        Look-backs, sessions.

    Raises
    ------
    SpecificationError
        For a rotation that has look-backs by sector already.

    Examples
    --------
    >>> LOOK_BACKS
    (63, 126, 189, 252)
    """
    if not isinstance(rotation.momentum, int):
        raise SpecificationError(
            "the rotation has look-backs by sector already", value=dict(rotation.momentum), remedy="give one number"
        )
    common = rotation.look_backs
    before = last_before(data, split)
    known = data.until(before)
    begun = [name for name in rotation.universe if known.closes[name].notna().sum() > max(candidates) + 1]
    trials = {
        f"{name} {sessions}": replace(rotation, momentum={**common, name: sessions})
        for name in begun
        for sessions in candidates
    }
    tried = comparison(trials, data, start=start, end=before, n_jobs=n_jobs, progress=progress)
    sharpe = tried.table["sharpe"]
    chosen = dict(common)
    for name in begun:
        own = [float(sharpe[f"{name} {sessions}"]) for sessions in candidates]
        chosen[name] = int(candidates[int(np.argmax(own))])
    variants = {f"{sessions} for all": replace(rotation, momentum=int(sessions)) for sessions in candidates}
    variants["chosen by sector"] = replace(rotation, momentum=chosen)
    table, _ = two_windows(variants, data, start, end, split, n_jobs, progress)
    told = ", ".join(f"{name} {sessions}" for name, sessions in chosen.items())
    return ResearchTable(
        "look-backs", "Does a look-back of its own for each sector last?", table, tried,
        (f"Chosen before {split}: {told}.",),
    )  # fmt: skip


#: The leverage rules that are compared, by name.
LEVERAGE_RULES: Final[dict[str, Any]] = {
    "fixed 1": Fixed(1.0),
    "fixed 1.25": Fixed(1.25),
    "steps": VixSteps(base=1.25),
    "inverse": VixInverse(base=1.25),
    "fine steps": VixFineSteps(base=1.25),
    "realised-vol halving": RealizedVolHalving(base=1.25),
    "volatility target": VolatilityTarget(0.20, 20, periods_per_year=SESSIONS, cap=1.5, undefined="full"),
}

#: Studies by the name that the command line has for them.
RESEARCH: Final[dict[str, Callable[..., ResearchTable]]] = {
    "leverage": leverage_rules,
    "limits": limits_compared,
    "weightings": weightings,
    "look-backs": look_backs,
    "vix-thresholds": vix_thresholds,
    "bear-market": bear_market,
}
