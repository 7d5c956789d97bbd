"""A walk-forward study as one HTML page that needs nothing else: answer, tables, figures, configuration."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from allocopt.backtests.walk_forward import Evidence, WalkForward

#: Figures that are decimals to be shown in percent.
PERCENT = (
    "total_return", "annual_return", "mean_annual_return", "cagr", "volatility", "max_drawdown", "win_rate_active",
    "win_rate_all", "mean_drawdown", "share",
)  # fmt: skip

#: Figures of the page's first table; comparison.csv has all.
COLUMNS = (
    "cagr", "volatility", "sharpe", "sortino", "calmar", "max_drawdown", "total_return", "turnover_per_year",
    "configuration",
)  # fmt: skip

#: Columns of prose, which may be wide and are broken into lines.
PROSE = ("question", "value", "configuration", "why", "from", "to")

#: Rows of a table on the page; the files have all.
LONGEST = 60

#: Columns of the page's table of folds; folds.csv has all.
FOLD_COLUMNS = (
    "train_start", "train_end", "test_start", "test_end", "configuration", "in_sample", "out_of_sample", "rank", "of"
)  # fmt: skip


@dataclass(frozen=True)
class PageTable:
    """A table as text, its first column a label."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    prose: Sequence[int] = ()  # columns of prose


@dataclass(frozen=True)
class PageSection:
    """Part of the page."""

    title: str
    paragraphs: Sequence[str] = ()
    image: str | None = None
    narrow: bool = False  # the image
    caption: str | None = None
    table: PageTable | None = None
    text: str | None = None


def study_page(
    title: str,
    found: WalkForward,
    proof: Evidence | None,
    *,
    answer: Sequence[str],
    subtitle: str,
    notes: Sequence[str],
    configuration: str,
    figures: Mapping[str, bytes],
) -> str:
    """Write the page of a study.

    Parameters
    ----------
    title, subtitle : str
    found : WalkForward
    proof : Evidence or None
        None where the tests of luck cannot be made.
    answer : sequence of str
        Sentences that open the page.
    notes : sequence of str
        What the reader must know of the data.
    configuration : str
        The study file as it stands.
    figures : mapping of str to bytes
        As `study_figures` draws them.

    Returns
    -------
    str
        HTML with all figures in it.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    page = Environment(
        loader=PackageLoader("allocopt", "templates"), autoescape=True, undefined=StrictUndefined
    ).get_template("walk-forward.html")
    images = {name: base64.b64encode(content).decode("ascii") for name, content in figures.items()}
    sections = _sections(found, proof, images)
    sections += [PageSection("Data", notes), PageSection("Configuration", text=configuration)]
    return page.render(title=title, subtitle=subtitle, answer=answer, sections=sections)


def study_figures(found: WalkForward, proof: Evidence | None) -> dict[str, bytes]:
    """Draw the figures that a study has, each as a PNG by its name."""
    drawn = {"history": found.figure_history()}
    if len(found.configurations) > 1:
        drawn["scores"] = found.figure_scores()
    if len(found.chosen.columns):
        drawn["chosen"] = found.figure_chosen()
    if proof is not None and proof.overfitting is not None:
        drawn["overfitting"] = proof.overfitting.figure()
    return {name: _png(figure) for name, figure in drawn.items()}


def _sections(found: WalkForward, proof: Evidence | None, images: Mapping[str, str]) -> list[PageSection]:
    paths = found.paths is not None
    history = (
        "One line a path: every test group in turn, each with the configuration that its split chose."
        if paths
        else "Every test window in turn, each with the configuration that was best on its train window."
    )
    sections = [
        PageSection(
            "Out of sample, beside each other",
            ["Figures on all test rows. Returns, volatility and drawdown in percent; those of a year where they are "
             "annual. The best in hindsight and the median are of the grid, by the figure that was selected by."],
            table=page_table(found.comparison[[name for name in COLUMNS if name in found.comparison]]),
        ),
        PageSection("The history", [found.stitching_note], image=images["history"], caption=history),
    ]  # fmt: skip
    if proof is not None:
        sections += _luck(proof, images)
    sections.append(
        PageSection(
            "In sample and out of sample", [degradation_sentence(found)], image=images.get("scores"), narrow=True,
            caption="One point a fold and configuration; the chosen ones are filled.",
        )
    )  # fmt: skip
    if "chosen" in images:
        sections.append(PageSection("What was chosen", image=images["chosen"], table=page_table(found.stability)))
    if len(found.switches):
        sections.append(
            PageSection(
                "What the changes cost", ["Turnover and cost of the border's row, as fractions of the value."],
                table=page_table(found.switches.set_index("fold")),
            )
        )  # fmt: skip
    sections.append(PageSection("Fold by fold", table=page_table(found.folds[list(FOLD_COLUMNS)])))
    if len(found.failures):
        sections.append(
            PageSection("Not scored", _cut("failures", found.failures), table=page_table(found.failures[:LONGEST]))
        )
    return sections


def _luck(proof: Evidence, images: Mapping[str, str]) -> list[PageSection]:
    sections = [
        PageSection(
            "Could it be luck?",
            ["Each test asks one question. The result survives if the deflated Sharpe ratio, backtest overfitting "
             "and superior ability all pass."],
            table=page_table(proof.table()),
        ),
        PageSection(
            "How sure are the figures?",
            [f"Stationary-bootstrap intervals of the history, {proof.intervals.confidence:.0%}."],
            table=page_table(_intervals(proof)),
        ),
    ]  # fmt: skip
    if "overfitting" in images:
        sections.append(
            PageSection(
                "Overfitting of the grid", image=images["overfitting"],
                caption="The configuration that is best on half of the blocks of rows, judged on the other half, for "
                "every way to halve them.",
            )
        )  # fmt: skip
    return sections


def _intervals(proof: Evidence) -> pd.DataFrame:
    """Intervals with rates in percent, which the row's name says."""
    table = proof.figures()[["estimate", "lower", "upper"]].copy()
    table.loc[[name for name in table.index if name in PERCENT]] *= 100.0
    return table.set_axis([_heading(str(name)) for name in table.index], axis=0)


def _cut(name: str, table: pd.DataFrame) -> list[str]:
    return [f"The first {LONGEST} of {len(table):,}; {name}.csv has all."] if len(table) > LONGEST else []


def page_table(frame: pd.DataFrame) -> PageTable:
    """Write a table for the page: numbers short, dates as dates, decimals of `PERCENT` in percent."""
    labels = ["" if name is None else str(name).replace("_", " ") for name in frame.index.names]
    columns = [str(column) for column in frame.columns]
    rows = []
    for label, row in zip(frame.index, frame.itertuples(index=False), strict=True):
        own = list(label) if isinstance(label, tuple) else [label]
        cells = [_cell(value, column in PERCENT) for value, column in zip(row, columns, strict=True)]
        rows.append([*(_cell(part, in_percent=False) for part in own), *cells])
    prose = [len(labels) + place for place, column in enumerate(columns) if column in PROSE]
    return PageTable([*labels, *map(_heading, columns)], rows, prose)


def degradation_sentence(found: WalkForward) -> str:
    """Say how much of the score in sample is left out of sample."""
    d = found.degradation
    words = (
        f"Mean {d.score.replace('_', ' ')} of the chosen configurations: {d.in_sample:.3g} in sample, "
        f"{d.out_of_sample:.3g} out of sample. Out of sample they were worse than in sample in {d.worse:.0%} of the "
        "folds"
    )
    if len(found.configurations) > 1:
        words += f", and below the median configuration in {d.below_median:.0%} (half, if the choice means nothing)"
    words += "."
    if d.folds:
        words += (
            f" The ranks of the configurations in and out of sample correlate by {d.rank_correlation:.2f}"
            + (f" ± {d.rank_correlation_error:.2f}" if d.folds > 1 else "")
            + "."
        )
    return words


def study_answer(found: WalkForward, proof: Evidence | None, why: str | None = None) -> list[str]:
    """Give the answer in sentences: the tests of luck, or why there are none.

    Parameters
    ----------
    found : WalkForward
    proof : Evidence or None
    why : str, optional
        Why the tests could not be made.
    """
    if proof is not None:
        return proof.sentences("The study")
    if found.paths is not None:
        return [
            f"Combinatorial splits make {found.paths.shape[1]} histories of the same rows. Choices in them know "
            "returns that come after, so they show how the result varies and not what would have been earned. The "
            "tests of luck need one history: use a splitter that goes forward."
        ]
    said = [f"The tests of luck could not be made: {why}."]
    if found.bankrupt is not None:
        said.insert(0, f"The account was lost on {found.bankrupt:%Y-%m-%d}: the study does not survive.")
    return said


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=130, format="png")
    return buffer.getvalue()


def _heading(name: str) -> str:
    words = name.replace("_", " ")
    return f"{words}, %" if name in PERCENT else words


def _cell(value: Any, in_percent: bool) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if value is None or value is pd.NaT or (isinstance(value, (float, np.floating)) and np.isnan(value)):
        return "-"
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}" if value == value.normalize() else f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if isinstance(value, (float, np.floating)):
        return f"{100.0 * value:,.2f}" if in_percent else f"{value:.4g}"
    return str(value)
