"""How well a tokenizer fits texts: bytes per token, tokens per word, and how often it falls back to bytes.

In: texts and what encodes them. Out: counts that can be added up, and the ratios as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenizer.encoding import Encoder

# Bytes that LLaMA-like models have no piece for, because training reads lines and takes tabs for its own mark: they
# are no fallback. In UTF-8 none of them is part of another character.
LINE_BREAKING_BYTES = b"\t\n\r"


@dataclass
class Fertility:
    """Counts over texts. `words` are what white space separates, so they mean little in Chinese, Japanese or Thai.
    `tokens` are without BOS and EOS; `byte_tokens` are those for single bytes of characters without a piece."""

    bytes: int = 0
    words: int = 0
    tokens: int = 0
    byte_tokens: int = 0

    def __add__(self, other: Fertility) -> Fertility:
        return Fertility(
            self.bytes + other.bytes,
            self.words + other.words,
            self.tokens + other.tokens,
            self.byte_tokens + other.byte_tokens,
        )

    def as_json(self) -> dict[str, int | float | None]:
        """The counts and ratios; a ratio of nothing is None."""
        return {
            "bytes": self.bytes,
            "words": self.words,
            "tokens": self.tokens,
            "byte_tokens": self.byte_tokens,
            "bytes_per_token": _ratio(self.bytes, self.tokens),
            "tokens_per_word": _ratio(self.tokens, self.words),
            "byte_fallback_fraction": _ratio(self.byte_tokens, self.tokens),
        }


def _ratio(count: int, of: int) -> float | None:
    return count / of if of else None


class FertilityMeter:
    """Measures texts with one tokenizer."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._is_fallback = np.zeros(encoder.vocabulary_size, np.bool_)
        processor = encoder.model.processor
        for byte in range(256):
            if byte not in LINE_BREAKING_BYTES:
                self._is_fallback[processor.piece_to_id(f"<0x{byte:02X}>")] = True

    def measure(self, text: str) -> Fertility:
        ids = self._encoder.encode(text)[1:-1]
        return Fertility(
            bytes=len(text.encode("utf-8")),
            words=len(text.split()),
            tokens=len(ids),
            byte_tokens=int(np.count_nonzero(self._is_fallback[ids])),
        )
