"""The published experiment as a configuration, with the figures that were published."""

from __future__ import annotations

from typing import Final

#: The published experiment, in TOML: a copy of it to edit is examples/sector-rotation.toml.
DEFAULT_EXPERIMENT: Final = """\
# The published experiment of the sector rotation, phase by phase. Copy this file, change it, and run it with
#   allocopt sector-rotation study FILE.toml --prices CLOSES --volatility-index VIX
title = "Sector rotation, the published experiment"
start = 2020-01-01
end = 2024-12-30          # the original's end left out 2024-12-31
clock = "new-york"        # each session at its midnight in New York, in UTC, as the original's bars; or "sessions"

[shared]                  # of all profiles, unless they say otherwise
top_n = 3
min_momentum = 0.0        # a sector below it is dropped, one at exactly 0 is kept
weighting = "equal"       # or "momentum", "inverse_volatility", "inverse_correlation", {inverse_volatility = 63}
limits = {cap = 1.0, floor = 0.0}
costs = {slippage = 0.0005, commission = 0.001}    # a side
financing_rate = 0.0      # the original borrowed for nothing; decimal per year
trend_filter = false      # or a number of sessions
defensive = "TLT"
benchmark = "SPY"

[profiles.base]
momentum = 126
schedule = "month-start"
leverage = 1.25
published = {cagr = 0.1301, sharpe = 1.712, max_drawdown = 0.0702, win_rate = 0.694, bps = 0.784}

[profiles.enhanced]
momentum = 134
schedule = "7D"           # at least seven days by the clock since the last decision
leverage = 1.25
published = {cagr = 0.1243, sharpe = 1.682}

[[phases]]
name = "published"
profiles = ["base", "enhanced"]

[[phases]]
name = "momentum"
profiles = ["enhanced"]
grid = {momentum = [118, 120, 122, 124, 126, 128, 130, 132, 134]}

[[phases]]
name = "leverage"
profiles = ["enhanced"]
grid = {leverage = [1.0, 1.25, 1.5, 1.75, 2.0]}

[[phases]]
name = "filter"           # with the history that the original never loaded
profiles = ["enhanced"]
grid = {trend_filter = [150, 200, 250]}

[[phases]]
name = "combined"         # leverage 1.5 is what was published as "VIX 1.5x": no VIX was ever loaded
profiles = ["enhanced"]
grid = {leverage = [1.25, 1.5], trend_filter = [false, 200]}

[[phases]]
name = "vix"              # the three rules with a real VIX, which takes --volatility-index
profiles = ["enhanced"]

[phases.grid]
leverage = [
    {policy = "vix-steps", base = 1.25},
    {policy = "vix-inverse", base = 1.25},
    {policy = "vix-fine-steps", base = 1.25},
    {policy = "vix-steps", base = 1.5},
    {policy = "vix-inverse", base = 1.5},
    {policy = "vix-fine-steps", base = 1.5},
]
"""
