"""What speaks for a walk-forward result and what against it: every test of luck at once, each with its question."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from allocopt.backtests.statistics import (
    BacktestOverfitting,
    DeflatedSharpe,
    MinimumTrackRecord,
    PerformanceIntervals,
    RealityCheck,
    SharpeDifference,
    SharpeEstimate,
    StepwiseSuperiority,
    SuperiorAbility,
)

#: Figures whose bootstrap intervals are shown.
SHOWN = ("total_return", "cagr", "volatility", "sharpe", "sortino", "calmar", "max_drawdown")

#: Confidence at which a statistic counts as passed.
LEVEL = 0.95

#: What the tests that decide are called in a sentence.
WORDS = {
    "Sharpe ratio": "the test of its Sharpe ratio",
    "Deflated Sharpe ratio": "the deflated Sharpe ratio",
    "Backtest overfitting": "the test of backtest overfitting",
    "Superior ability": "the test of superior ability",
}


@dataclass(frozen=True, eq=False)
class Evidence:
    """Tests of luck on a walk-forward study. Made by `evidence`.

    Sharpe ratios are annualised; probabilities and p-values are decimals. None stands for a test that the study does
    not allow (no benchmark, or fewer than two configurations); `left_out` says why.

    Attributes
    ----------
    configurations : int
        Size of the grid: the number of trials.
    sharpe : SharpeEstimate
        Of the chained history, with an autocorrelation-robust error.
    track : MinimumTrackRecord
        How long the history must be for its Sharpe ratio to be above 0.
    deflated : DeflatedSharpe or None
        Of the chained history, against the best of as many trials as the grid has.
    overfitting : BacktestOverfitting or None
        Of the grid, on all rows from the first train row to the last test row that every configuration has.
    reality, superior, stepwise : RealityCheck, SuperiorAbility, StepwiseSuperiority or None
        All configurations on the test rows against the benchmark.
    against_benchmark, against_baseline : SharpeDifference or None
        Chained history against the benchmark, and against the baseline, on the test rows.
    intervals : PerformanceIntervals
        Stationary-bootstrap intervals of the chained history's figures.
    incomplete : tuple of str
        Configurations without a return on every test row: trials, but in none of the tests against the benchmark.
    left_out : dict of str to str
        Tests that could not be made, and why.
    """

    configurations: int
    sharpe: SharpeEstimate
    track: MinimumTrackRecord
    deflated: DeflatedSharpe | None
    overfitting: BacktestOverfitting | None
    reality: RealityCheck | None
    superior: SuperiorAbility | None
    stepwise: StepwiseSuperiority | None
    against_benchmark: SharpeDifference | None
    against_baseline: SharpeDifference | None
    intervals: PerformanceIntervals
    incomplete: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)

    def table(self) -> pd.DataFrame:
        """One row a test: its question, its value, what passes, whether it does.

        Returns
        -------
        DataFrame
            Indexed by ``test``; columns ``question``, ``value`` (text; why, where a test was not made),
            ``passes_if`` and ``passed`` ("yes", "no", or "not tested").
        """
        rows = [
            self._row(
                "Sharpe ratio",
                "Is the history's Sharpe ratio above 0?",
                f"{self.sharpe.ratio:.2f} ± {self.sharpe.standard_error:.2f}",
                f"p < {1 - LEVEL:.2f}, one-sided",
                self._positive,
            ),
            self._row(
                "Track record",
                "Is the history long enough to say so?",
                f"{self.track.years:.1f} years needed" if np.isfinite(self.track.rows) else "never",
                f"at most {self.track.record.rows / self.track.record.periods_per_year:.1f} years",
                self.track.long_enough,
            ),
            self._row(
                "Deflated Sharpe ratio",
                "Is it above what the best of so many trials without skill shows?",
                "" if self.deflated is None else f"{self.deflated.probability:.3f}",
                f"above {LEVEL:.2f}",
                None if self.deflated is None else self.deflated.probability > LEVEL,
            ),
            self._row(
                "Backtest overfitting",
                "How often is the best in one half no better than the median in the other?",
                "" if self.overfitting is None else f"{self.overfitting.probability:.3f}",
                "below 0.50",
                None if self.overfitting is None else self.overfitting.probability < 0.5,
            ),
            self._row(
                "Reality check",
                "Does any configuration beat the benchmark's mean return?",
                "" if self.reality is None else f"p = {self.reality.p_value:.3f}",
                f"p < {1 - LEVEL:.2f}",
                None if self.reality is None else self.reality.p_value < 1 - LEVEL,
            ),
            self._row(
                "Superior ability",
                "The same, not weakened by poor configurations.",
                "" if self.superior is None else f"p = {self.superior.consistent:.3f}",
                f"p < {1 - LEVEL:.2f}",
                None if self.superior is None else self.superior.consistent < 1 - LEVEL,
            ),
            self._row(
                "Stepwise",
                "How many configurations beat the benchmark?",
                "" if self.stepwise is None else f"{len(self.stepwise.superior)} of {len(self.stepwise.table)}",
                "at least 1",
                None if self.stepwise is None else len(self.stepwise.superior) > 0,
            ),
            self._difference("Against the benchmark", self.against_benchmark),
            self._difference("Against the baseline", self.against_baseline),
        ]
        return pd.DataFrame(rows).set_index("test")

    @property
    def _positive(self) -> bool:
        return self.sharpe.ratio > 0.0 and self.sharpe.p_value / 2.0 < 1 - LEVEL

    @property
    def survives(self) -> bool | None:
        """Whether the result stands: deflated Sharpe ratio, backtest overfitting and superior ability all pass.

        For a single configuration the test of the Sharpe ratio takes the place of the deflated one. False if any of the
        three fails; None if none fails and there is no benchmark, or the first could not be made: leaving a test out
        saves nothing. The test of backtest overfitting may be missing.
        """
        found = self._decisive()
        if "no" in found.values():
            return False
        return None if "not tested" in (found["Superior ability"], next(iter(found.values()))) else True

    def _decisive(self) -> dict[str, str]:
        """Give the tests that decide, and whether they passed."""
        first = "Deflated Sharpe ratio" if self.configurations > 1 else "Sharpe ratio"
        passed = self.table()["passed"]
        return {test: str(passed[test]) for test in (first, "Backtest overfitting", "Superior ability")}

    def figures(self) -> pd.DataFrame:
        """Figures of the chained history with their bootstrap intervals: estimate, lower, upper, standard error."""
        return self.intervals.table.loc[[name for name in SHOWN if name in self.intervals.table.index]]

    def sentences(self, title: str = "The strategy") -> list[str]:
        """Give the answer in plain words, the verdict first."""
        low, high = self.sharpe.interval
        said = [
            self._verdict(title),
            f"Out of sample its Sharpe ratio is {self.sharpe.ratio:.2f} a year ({self.sharpe.confidence:.0%} "
            f"interval {low:.2f} to {high:.2f}).",
        ]
        if self.deflated is not None:
            said.append(
                f"The best of {self.deflated.trials.number} trials without skill is expected to show "
                f"{self.deflated.hurdle:.2f}; the confidence that the true ratio is above that is "
                f"{self.deflated.probability:.2f}."
            )
        if self.overfitting is not None:
            said.append(
                f"In {self.overfitting.probability:.0%} of the ways to split the rows into halves, the configuration "
                "that was best in one half was no better than the median in the other."
            )
        if self.superior is not None:
            said.append(
                "If no configuration had a higher mean return than the benchmark, a lead like that of the best would "
                f"come by luck with p = {self.superior.consistent:.3f}."
            )
        if self.against_baseline is not None:
            said.append(
                f"Its Sharpe ratio less that of the baseline is {self.against_baseline.difference:+.3f} "
                f"(p = {self.against_baseline.p_value:.2f})."
            )
        if self.incomplete:
            said.append(
                f"{len(self.incomplete)} of {self.configurations} configurations have no return on some test row. They "
                "count as trials; the other tests of all configurations are without them."
            )
        return said

    def _verdict(self, title: str) -> str:
        found = self._decisive()
        by = {kind: [test for test, passed in found.items() if passed == kind] for kind in ("yes", "no", "not tested")}
        lacking = "".join(
            f" {WORDS[test][:1].upper()}{WORDS[test][1:]} could not be made: {self.left_out[test]}."
            for test in by["not tested"]
        )
        if by["no"]:
            return f"{title} does not survive: it fails {_joined(by['no'])}.{lacking}"
        if self.survives is None:
            return f"{title} cannot be judged.{lacking}"
        return f"{title} survives: it passes {_joined(by['yes'])}.{lacking}"

    def __repr__(self) -> str:
        return "\n".join(self.sentences())

    def _difference(self, test: str, found: SharpeDifference | None) -> dict[str, str]:
        return self._row(
            test,
            "Is the Sharpe ratio higher on the same rows?",
            "" if found is None else f"{found.difference:+.3f}, p = {found.p_value:.2f}",
            f"above 0, p < {1 - LEVEL:.2f}",
            None if found is None else found.difference > 0.0 and found.p_value < 1 - LEVEL,
        )

    def _row(self, test: str, question: str, value: str, passes: str, passed: bool | None) -> dict[str, str]:
        if passed is None:
            return {
                "test": test, "question": question, "value": self.left_out.get(test, ""), "passes_if": passes,
                "passed": "not tested",
            }  # fmt: skip
        return {
            "test": test, "question": question, "value": value, "passes_if": passes, "passed": "yes" if passed else "no"
        }  # fmt: skip


def _joined(tests: list[str]) -> str:
    words = [WORDS[test] for test in tests]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
