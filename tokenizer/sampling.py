"""Which text is looked at when not all can be: blocks of documents, chosen by a hash of their name.

In: the texts of a source and the fraction of it that is wanted. Out: blocks of at most `BLOCK_CHARACTERS`. Blocks in
place of whole documents, because books are so large that a small sample would hold a few of them, and its size would
be a matter of luck.

The choice depends on nothing but the seed, the document's name and the block's number: it is the same for any order
and number of workers, and a larger fraction only adds to it. To sample a source of n bytes for a budget of b bytes,
use fraction b / n: the bytes are met in expectation.
"""

from __future__ import annotations

from collections.abc import Iterator

from tokenizer.order import keyed_hash

BLOCK_CHARACTERS = 4_096  # our choice: a sample of 25 MB of a source is met to within some 2 %


def sampled_blocks(
    purpose: str, seed: int, source: str, id: str, text: str, fraction: float
) -> Iterator[str]:
    """The blocks of a document that belong to the sample of this purpose; `fraction` is 0 to 1."""
    limit = int(fraction * 2.0**64)
    for number, (start, end) in enumerate(_blocks(text)):
        if keyed_hash(purpose, seed, source, f"{id}\0{number}") < limit:
            yield text[start:end]


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each block. It ends with a line, before a word where no line ends, or where it must."""
    start = 0
    while len(text) - start > BLOCK_CHARACTERS:
        limit = start + BLOCK_CHARACTERS
        end = text.rfind("\n", start, limit) + 1
        if end <= start:
            end = text.rfind(" ", start + 1, limit)
        if end <= start:
            end = limit
        yield start, end
        start = end
    if start < len(text):
        yield start, len(text)
