"""What others have published about their corpora of the seven sources: epochs, sizes and tokens, with where it stands.

The shares themselves are mixtures that ship as YAML beside this file; here are the figures that a plan is compared
with, and the unique tokens for the question "what if I had all of it".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

LLAMA1 = "llama1"
LLAMA1_BUDGET = 1_400_000_000_000  # tokens, of the 33B and 65B models: arXiv:2302.13971, Table 2
LLAMA1_SMALLEST_BUDGET = 1_000_000_000_000  # of the 7B and 13B models: the same table
REFERENCES = (LLAMA1, "redpajama", "slimpajama")
# Whose tokens the figures count.
TOKENIZERS = {
    LLAMA1: "LLaMA's of 32,000 pieces",  # arXiv:2302.13971, section 2.1
    "redpajama": "GPT-NeoX's",  # its README
    "slimpajama": "GPT-NeoX's",  # as RedPajama
}
SLIMPAJAMA_TOKENS = 627_000_000_000  # data set card of cerebras/SlimPajama-627B


@dataclass(frozen=True, slots=True)
class PublishedSource:
    """A source in LLaMA-1 and in RedPajama-1T.

    `share`, `epochs` (within 1.4T tokens) and `disk` (bytes of text) are Table 1 of arXiv:2302.13971;
    `redpajama_tokens` is the README of RedPajama-1T, `slimpajama_share` the card of SlimPajama-627B.
    """

    share: float
    epochs: float
    disk: int
    redpajama_tokens: int
    slimpajama_share: float

    @property
    def unique_tokens(self) -> int:
        """What LLaMA-1 had of the source, which follows from share and epochs: to about half a per cent."""
        return round(self.share * LLAMA1_BUDGET / self.epochs)


@cache
def llama1_table() -> Mapping[str, PublishedSource]:
    """The published figures by source: those that LLaMA-1 had, which a source of one's own is not among."""
    return {
        "commoncrawl": PublishedSource(0.670, 1.10, 3_300_000_000_000, 878_000_000_000, 0.522),
        "c4": PublishedSource(0.150, 1.06, 783_000_000_000, 175_000_000_000, 0.267),
        "github": PublishedSource(0.045, 0.64, 328_000_000_000, 59_000_000_000, 0.052),
        "wikipedia": PublishedSource(0.045, 2.45, 83_000_000_000, 24_000_000_000, 0.038),
        "books": PublishedSource(0.045, 2.23, 85_000_000_000, 26_000_000_000, 0.042),
        "arxiv": PublishedSource(0.025, 1.06, 92_000_000_000, 28_000_000_000, 0.046),
        "stackexchange": PublishedSource(0.020, 1.03, 78_000_000_000, 20_000_000_000, 0.033),
    }


def published_tokens(name: str) -> dict[str, int]:
    """Unique tokens by source of one of `REFERENCES`. LLaMA-1's and SlimPajama's follow from shares and a total."""
    assert name in REFERENCES
    return {
        source: row.unique_tokens
        if name == LLAMA1
        else row.redpajama_tokens
        if name == "redpajama"
        else round(row.slimpajama_share * SLIMPAJAMA_TOKENS)
        for source, row in llama1_table().items()
    }
