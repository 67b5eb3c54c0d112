"""Sampling blocks of documents: by name alone, every character once, the budget met."""

from __future__ import annotations

from tokenizer import sampling
from tokenizer.sampling import BLOCK_CHARACTERS, sampled_blocks


def blocks_of(text: str, fraction: float = 1.0, id: str = "a", seed: int = 1) -> list[str]:
    return list(sampled_blocks("test", seed, "books", id, text, fraction))


def test_the_blocks_of_a_text_are_the_text() -> None:
    for text in (
        "",
        "short",
        "line\n" * 5000,
        "word " * 5000,
        "x" * 9000,
        "\n" * 9000,
        " " * 9000,
        "é" * 4097,
    ):
        blocks = blocks_of(text)
        assert "".join(blocks) == text
        assert all(0 < len(block) <= BLOCK_CHARACTERS for block in blocks)


def test_blocks_end_with_a_line_or_before_a_word() -> None:
    assert blocks_of("a" * 4000 + "\n" + "b" * 4000) == ["a" * 4000 + "\n", "b" * 4000]
    assert blocks_of("a" * 4000 + " " + "b" * 4000) == ["a" * 4000, " " + "b" * 4000]
    assert blocks_of("a" * 5000) == ["a" * 4096, "a" * 904]


def test_depends_on_the_name_alone_and_only_adds_when_the_fraction_grows() -> None:
    ids = [str(number) for number in range(4000)]
    small, large = ({id for id in ids if blocks_of("text", f, id)} for f in (0.1, 0.3))
    assert small < large
    assert 340 <= len(small) <= 460
    assert all(blocks_of("text", 1.0, id) for id in ids)
    assert not any(blocks_of("text", 0.0, id) for id in ids)
    assert small != {id for id in ids if blocks_of("text", 0.1, id, seed=2)}
    other = {id for id in ids if list(sampled_blocks("other", 1, "books", id, "text", 0.1))}
    assert small != other


def test_meets_the_budget_though_documents_are_large() -> None:
    book = "Call me Ishmael. Some years ago, never mind how long precisely.\n" * 8000  # 0.5 MB
    wanted = 0.05 * 20 * len(book)
    found = sum(len(block) for id in range(20) for block in blocks_of(book, 0.05, str(id)))
    assert abs(found / wanted - 1) < 0.2
    assert sampling.BLOCK_CHARACTERS == 4096
