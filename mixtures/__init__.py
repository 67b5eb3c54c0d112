"""The LLaMA-1 table and other mixtures, the sampling schedule, the mixture report."""
