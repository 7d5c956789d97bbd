"""``allocopt audit``: recompute a run's report by another path, and put its decisions to the test of another future."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocopt._terminal import sentences, steps
from allocopt.errors import AllocoptError

if TYPE_CHECKING:
    import pandas as pd

    from allocopt.backtests.audit import AuditReport, Check
    from allocopt.backtests.trend_basket import TrendBasket

_CAUSALITY = "look-ahead: another future changes no decision before it"


def audit(
    run: Annotated[Path, typer.Argument(help="Folder that `allocopt trend-basket` wrote.", show_default=False)],
    jobs: Annotated[int, typer.Option(help="Processes for the phases; 0 for one a core.", min=0)] = 0,
    cuts: Annotated[int, typer.Option(help="Rows after which another future is tried; 0 for none.", min=0)] = 6,
) -> None:
    """Recompute every figure that a run reports from its raw ledger, and compare.

    Prints each metric as reported and as recomputed with its status, long tables by column with their worst row; then
    the named checks with their evidence. Exit status 0 if all agrees, 1 on any mismatch, 2 for a folder that cannot be
    read.
    """
    with sentences():
        with steps(5) as tell:
            report = audit_folder(run, jobs or os.cpu_count() or 1, cuts, tell)
        typer.echo(report.to_text())
        if not report.passed:
            raise typer.Exit(1)


def audit_folder(run: Path, jobs: int, cuts: int, tell: Any = None) -> AuditReport:
    """Audit by the independent path, with the causality check of the library's own decisions."""
    from allocopt.backtests.audit import audit_run

    report = audit_run(run, n_jobs=jobs, progress=tell)
    if not cuts:
        return report
    if tell:
        tell("trying other futures")
    return report.with_check(causality(run, cuts))


def causality(run: Path, cuts: int) -> Check:
    """Run the basket on the ledger's closes with other futures: no decision at or before a cut may change.

    Cuts are rows on which a coin is held, half of them rows of the schedule, where there are any.
    """
    import numpy as np
    import pandas as pd

    from allocopt.backtests.audit import Check
    from allocopt.backtests.studies import check_causality
    from allocopt.backtests.trend_basket import decide

    try:
        basket, closes = _reread(run)

        def decisions(known: pd.DataFrame) -> pd.DataFrame:
            found = decide(basket, known)
            return pd.concat([found.composition, found.weights], axis=1, keys=["composition", "weight"])

        made = decide(basket, closes)
        held = (made.composition > 0.0).any(axis=1).to_numpy().copy()
        held[-1] = False
        turns = np.flatnonzero(held & made.scheduled.to_numpy())
        rows = {int(row) for row in _spread(turns, cuts // 2)}
        rows |= {int(row) for row in _spread(np.flatnonzero(held), cuts - cuts // 2)}
        report = check_causality(decisions, closes, cuts=sorted(rows) or cuts)
    except AllocoptError as error:
        return Check(_CAUSALITY, False, (str(error),))
    return Check(_CAUSALITY, report.passed, (report.message,))


def _spread(rows: Any, count: int) -> Any:
    """So many of the rows, evenly spread."""
    import numpy as np

    return rows[np.linspace(0, len(rows) - 1, count).round().astype(int)] if len(rows) and count else []


def _reread(run: Path) -> tuple[TrendBasket, pd.DataFrame]:
    """Basket and closes of a run, from run.json and the ledger."""
    import json

    import pandas as pd

    from allocopt.backtests.audit.files import read_folder
    from allocopt.backtests.audit.run import read_inputs
    from allocopt.backtests.trend_basket import TrendBasket
    from allocopt.limits import Limits
    from allocopt.solvers.heuristic import Heuristic

    stated: dict[str, Any] = json.loads((run / "run.json").read_text(encoding="utf-8"))
    parameters: dict[str, Any] = {
        name: float(value) if value in ("inf", "-inf") else value for name, value in stated["parameters"].items()
    }
    passes = parameters.pop("max_passes", None)
    limits = Limits(**{name: parameters.pop(name) for name in ("cap", "floor", "budget")})
    solver = parameters.pop("solver")
    basket = TrendBasket(
        bar=stated["bar"],
        limits=limits,
        solver=solver if passes is None else Heuristic(max_passes=passes),
        market=stated["market"],
        **parameters,
    )
    inputs, _ = read_inputs(read_folder(run))
    return basket, pd.DataFrame(inputs.closes, pd.DatetimeIndex(inputs.dates, name="date"), inputs.coins)
