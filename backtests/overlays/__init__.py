"""Sizing after the allocation: leverage policies and volatility targets scale the exposure, not the composition."""
