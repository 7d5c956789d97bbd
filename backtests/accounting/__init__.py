"""One accounting engine for every study: decided weights and prices in, a ledger that adds up out."""
