"""Systems built on allocopt, each with the definitions and the published figures it lands on."""

if __name__ != "allocopt.backtests":
    raise ImportError(
        "import this package as allocopt.backtests, not as 'backtests': a second copy would not share its types"
    )
