"""Files of a run and of a study of research: figures and tables, all or none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from allocopt.backtests.sector_rotation.comparison import ResearchTable
from allocopt.backtests.sector_rotation.data import SectorData
from allocopt.backtests.sector_rotation.research import LEVERAGE_RULES
from allocopt.backtests.sector_rotation.result import SectorRotationResult
from allocopt.backtests.sector_rotation.specification import SectorRotation
from allocopt.backtests.studies import Sweep
from allocopt.output import result_folder

#: Dots per inch of the figures.
DPI = 150


def write_run(
    result: SectorRotationResult, sweep: Sweep, published: Mapping[str, float], output: Path, overwrite: bool
) -> None:
    """Figures and tables of a run, all or none of them."""
    from allocopt.backtests.sector_rotation.figures import equity_figure, holdings_figure, offsets_figure

    with result_folder(output, overwrite=overwrite) as folder:
        equity_figure(result).savefig(folder / "sector-rotation.png", dpi=DPI)
        holdings_figure(result).savefig(folder / "sector-holdings.png", dpi=DPI)
        offsets_figure(sweep, benchmark=float(result.benchmark["cagr"]), published=published.get("cagr")).savefig(
            folder / "sector-offsets.png", dpi=DPI
        )
        pd.DataFrame({"rotation": result.metrics, "benchmark": result.benchmark}).to_csv(
            folder / "metrics.csv", index_label="figure"
        )
        sweep.table.to_csv(folder / "offsets.csv")
        _flat(result.ledger.to_frame()).to_csv(folder / "ledger.csv", index_label="date")
        result.trades.to_csv(folder / "trades.csv", index=False)
        decisions = result.decisions
        composition = decisions.composition.assign(exposure=decisions.exposure)
        composition.to_csv(folder / "decisions.csv", index_label="date")
        decisions.momentum.to_csv(folder / "momentum.csv", index_label="date")
        if result.rotation.execution.causes:
            result.cost_sweep().table.to_csv(folder / "costs.csv")


def write_research(
    found: ResearchTable,
    data: SectorData,
    rotation: SectorRotation,
    dates: Mapping[str, str],
    output: Path,
    overwrite: bool,
) -> None:
    """Table of a study of research, and for the leverage rules a figure."""
    with result_folder(output, overwrite=overwrite) as folder:
        _flat(found.table).to_csv(folder / f"{found.name}.csv", index_label="variant")
        if found.name == "leverage":
            from allocopt.backtests.sector_rotation.figures import leverage_figure

            span = (dates.get("start"), dates.get("end"))
            rules = {name: rule for name, rule in LEVERAGE_RULES.items() if name != "fixed 1"}
            runs = {name: replace(rotation, leverage=rule).run(data, None, *span) for name, rule in rules.items()}
            leverage_figure(runs).savefig(folder / "sector-leverage.png", dpi=DPI)


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    """Columns of two levels in one word each."""
    if not isinstance(table.columns, pd.MultiIndex):
        return table
    flat = table.copy()
    flat.columns = pd.Index([" ".join(map(str, column)) for column in table.columns])
    return flat
