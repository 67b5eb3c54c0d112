"""BPE training, encoding, and the token-shard format."""
