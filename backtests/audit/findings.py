"""What an audit found: a figure beside its recomputation, a check with its evidence, and both as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True)
class Finding:
    """One reported figure, or one column of a long table, beside what the audit makes it.

    Attributes
    ----------
    group : str
        File that reports it, and the section of the report.
    metric : str
        Name of the figure: column, or row and column.
    reported, recomputed : str
        As they are printed; of a column the cells of its worst row.
    passed : bool
        Whether they agree.
    detail : str
        Of a column: number of rows, how many differ, and which row is the worst.
    """

    group: str
    metric: str
    reported: str
    recomputed: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Check:
    """One named check with the evidence for its outcome."""

    name: str
    passed: bool
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class AuditReport:
    """Every reported figure beside its recomputation, and the named checks.

    Examples
    --------
    >>> figure = Finding("total.csv", "trades", "45", "44", False)
    >>> report = AuditReport((figure,), (Check("fee basis", True, ("fees are 1.2 % of the capital",)),))
    >>> report.passed, report.failures
    (False, ('total.csv: trades',))
    >>> print(report.to_text())
    total.csv
      metric  reported  recomputed  status
      trades  45        44          MISMATCH
    <BLANKLINE>
    ok        fee basis
              fees are 1.2 % of the capital
    <BLANKLINE>
    Audit failed, 1 mismatch: total.csv: trades
    """

    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every figure agrees and every check holds."""
        return not self.failures

    @property
    def failures(self) -> tuple[str, ...]:
        """Figures that differ, as ``file: metric``, and checks that fail, as ``check: name``."""
        figures = (f"{finding.group}: {finding.metric}" for finding in self.findings if not finding.passed)
        checks = (f"check: {check.name}" for check in self.checks if not check.passed)
        return (*figures, *checks)

    def with_check(self, check: Check) -> AuditReport:
        """Add a check that was made elsewhere."""
        return AuditReport(self.findings, (*self.checks, check))

    def to_text(self) -> str:
        """Tables of figures by file, the checks, and the verdict."""
        return "\n".join((*self._figures(), *self._checks(), self._verdict()))

    def _figures(self) -> Iterator[str]:
        for group, members in groupby(self.findings, key=lambda finding: finding.group):
            found = list(members)
            detailed = any(finding.detail for finding in found)
            rows = [["metric", "reported", "recomputed", "status", *(["rows"] if detailed else [])]]
            for one in found:
                status = "ok" if one.passed else "MISMATCH"
                rows.append([one.metric, one.reported, one.recomputed, status, *([one.detail] if detailed else [])])
            widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
            yield group
            for row in rows:
                yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            yield ""

    def _checks(self) -> Iterator[str]:
        for check in self.checks:
            yield f"{'ok' if check.passed else 'FAILED':<8}  {check.name}"
            for line in check.evidence:
                yield f"          {line}"
        yield ""

    def _verdict(self) -> str:
        failures = self.failures
        if not failures:
            return f"Audit passed: {len(self.findings)} figures and columns agree, {len(self.checks)} checks hold"
        more = f", and {len(failures) - 8} more" if len(failures) > 8 else ""
        count = f"{len(failures)} mismatch{'es' if len(failures) > 1 else ''}"
        return f"Audit failed, {count}: {', '.join(failures[:8])}{more}"
