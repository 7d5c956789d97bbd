"""An audit of a run's report: everything is recomputed by another path, compared cell by cell, and checked.

Re-running the same code and finding the same number is no audit. These modules use the standard library only, one row
at a time, and nothing of the code that made the report.
"""

from allocopt.backtests.audit.findings import AuditReport, Check, Finding
from allocopt.backtests.audit.run import audit_run

__all__ = ["AuditReport", "Check", "Finding", "audit_run"]
