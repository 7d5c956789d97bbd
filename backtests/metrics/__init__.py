"""Figures of a return stream: every annualised one takes `periods_per_year`."""
