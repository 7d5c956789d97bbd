"""The hourly BTC/ETH trend basket with a volatility target."""
