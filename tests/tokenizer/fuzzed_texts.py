"""Seeded random texts for tests that hold one way of encoding against another."""

from __future__ import annotations

import random
import unicodedata
from collections import defaultdict

PARTS = [
    "a",
    "the",
    " cat",
    " ",
    " ",
    "  ",
    "    ",
    " " * 9,
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    "\t",
    "\0",
    "\u2581",
    "\u2581\u2581",
]
PARTS += [
    "\u00a0",
    "\u2028",
    "\u0085",
    "\ufeff",
    "\u2585",
    "\ufffd",
    "é",
    "e\u0301",
    "a\u0308\u0323",
    "中文",
    "語",
    "😀",
    "👩‍👩‍👧",
    "🇩🇪",
    "ा",
    "ﬁ",
]
PARTS += [
    "1",
    "23",
    "٣",
    "<s>",
    "</s>",
    "<unk>",
    "<0x0A>",
    "<0xFF>",
    "<pad>",
    "<",
    "s>",
    ".",
    "ing",
    "ing ",
    "the ",
    "_" * 20,
]
PARTS += [
    "w" * 60,
    "ab" * 40,
    "ha" * 200,
    "import numpy as np",
    "    return ",
    "Grüße ",
    "слово ",
    "ไทย",
    "ab",
    "aba",
    "bab",
]


def _by_category() -> list[list[str]]:
    """Some characters of each Unicode category that text can hold (no surrogates)."""
    found: dict[str, list[str]] = defaultdict(list)
    for code in (*range(0x3000), *range(0x4E00, 0x4F00), *range(0xA000, 0xA100), *range(0xE000, 0xE010),
                 *range(0xFB00, 0x10000), *range(0x1F300, 0x1F700), *range(0xE0000, 0xE0080), 0x10FFFF):  # fmt: skip
        found[unicodedata.category(chr(code))].append(chr(code))
    found.pop("Cs", None)
    return [found[category] for category in sorted(found)]


def fuzzed_texts(count: int, seed: int = 1) -> list[str]:
    """Texts of up to 12 parts, each a known hard case or a few characters of one category; one in 500 is long."""
    source, categories = random.Random(seed), _by_category()

    def part() -> str:
        if source.random() < 0.7:
            return source.choice(PARTS)
        return "".join(source.choices(source.choice(categories), k=source.randint(1, 4)))

    def length() -> int:
        return source.randint(500, 1500) if source.random() < 0.002 else source.randint(0, 12)

    return ["".join(part() for _ in range(length())) for _ in range(count)]
