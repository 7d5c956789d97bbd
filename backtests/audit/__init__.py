"""Recompute every reported figure of a run from its raw ledger by an independent plain-Python path."""
