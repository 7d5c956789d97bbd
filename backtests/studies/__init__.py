"""General tools for studies: causality, sweeps over the phase of a schedule and over costs."""
