"""What ``allocopt sector-rotation`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from allocopt.backtests.sector_rotation import ResearchTable, SectorRotationResult, StudyResult
    from allocopt.backtests.studies import Sweep


def study_lines(found: StudyResult) -> list[str]:
    """Write what the study prints: the table with the benchmark, and published figures beside ours."""
    from allocopt.rotation_command import plain_table

    lines = [
        f"{found.experiment.title}: {len(found.table)} runs, {found.start:%Y-%m-%d} to {found.end:%Y-%m-%d}",
        "",
        plain_table(found.with_benchmark),
    ]
    if len(found.published):
        lines += ["", "Published, ours by the original's definitions, and true:", plain_table(found.published)]
    best = found.table["sharpe"].idxmax()
    label = " ".join(best) if isinstance(best, tuple) else str(best)
    return [
        *lines,
        "",
        f"The best of {len(found.table)} runs by Sharpe ratio is {label} with {found.table['sharpe'].max():.2f}; the "
        f"benchmark has {found.benchmark['sharpe']:.2f}. All were run on the same closes: in sample.",
    ]


def run_lines(result: SectorRotationResult, sweep: Sweep, published: Mapping[str, float]) -> list[str]:
    """Write what a run prints."""
    import pandas as pd

    from allocopt.backtests.sector_rotation import original_figures
    from allocopt.rotation_command import plain_table

    dates, decisions = result.dates, result.decisions
    table = pd.DataFrame({"rotation": result.metrics, result.rotation.benchmark: result.benchmark})
    if published:
        table["published"] = pd.Series(dict(published))
        table["by its definitions"] = pd.Series(original_figures(result.metrics))
    late = decisions.without_history[decisions.without_history > 0]
    test = result.against_benchmark
    s = sweep.summary
    return [
        f"{len(dates):,} sessions, {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}, {len(decisions)} decisions "
        f"({result.rotation.decision_schedule.label})",
        "Decisions without enough history of a sector: "
        + (", ".join(f"{name} {count}" for name, count in late.items()) or "none"),
        "",
        plain_table(table),
        "",
        f"In {result.rotation.defensive} on {result.time_defensive:.1%} of days. Interest paid: "
        f"{abs(result.ledger.interest.sum()):,.0f}, costs: {result.ledger.cost.sum():,.0f}, of a capital of "
        f"{result.ledger.capital:,.0f}.",
        f"Sharpe ratio less the benchmark's: {test.difference:.2f}, standard error {test.standard_error:.2f}, "
        f"p = {test.p_value:.2f}.",
        f"All {s['values']} offsets of the schedule, CAGR: {s['min']:.2%} to {s['max']:.2%}, median {s['median']:.2%}; "
        f"this one {s['chosen']:.2%}, rank {sweep.rank}.",
        "Parameters that never bind: " + (", ".join(result.never_binding) or "none"),
        "In sample: nothing here was tested on closes that the parameters had not seen.",
    ]


def research_lines(found: ResearchTable) -> list[str]:
    """Write what a study of research prints."""
    from allocopt.rotation_command import plain_table

    index = found.trials.returns.index
    return [
        found.question,
        "",
        plain_table(found.table),
        "",
        *found.notes,
        f"From {index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}: {found.multiple_testing}",
    ]
