"""Capital weights that meet a cap and a floor exactly."""
