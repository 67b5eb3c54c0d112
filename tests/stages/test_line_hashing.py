"""Line hashing: both hashes against their references, every character of Unicode against str, and random lines."""

from __future__ import annotations

import hashlib
import random
import re
import sys

import numpy as np
import pytest
import xxhash

from stages.line_hashing import Algorithm, hash_lines, hash_normalised
from stages.line_normalising import TABLE_SIZE, character_table

SIGNS = "„…－\t\x00\x1c\x7f\x85\x9f"  # deleted; some are white space as well, one is wide
Table = np.ndarray[tuple[int], np.dtype[np.uint32]]
ALGORITHMS: tuple[Algorithm, ...] = ("sha1", "xxh64")


@pytest.fixture(scope="module")
def table() -> Table:
    return character_table(SIGNS)


def plain_hash(key: bytes, algorithm: Algorithm) -> int:
    if algorithm == "sha1":
        return int.from_bytes(hashlib.sha1(key).digest()[:8], "little")
    return int(xxhash.xxh64_intdigest(key, seed=0))


def plain_key(line: str) -> bytes:
    key = re.sub(r"\d", "0", line.strip().lower())
    return "".join(c for c in key if c not in SIGNS).encode()


def assert_hashes(lines: list[str], table: Table) -> list[int]:
    """Compares all lines but the unsure ones, whose numbers are returned."""
    for algorithm in ALGORITHMS:
        hashes, unsure = hash_lines("\n".join(lines).encode(), table, algorithm)
        assert hashes.size == len(lines)
        skip = set(unsure.tolist())
        assert unsure.tolist() == sorted(skip)
        for number, (line, found) in enumerate(zip(lines, hashes.tolist(), strict=True)):
            assert number in skip or found == plain_hash(plain_key(line), algorithm), (algorithm, line)
    return sorted(skip)


def test_known_hashes(table: Table) -> None:
    sha1 = hash_lines(b"abc\n", table, "sha1")[0]
    assert [h.to_bytes(8, "little").hex() for h in sha1.tolist()] == ["a9993e364706816a", "da39a3ee5e6b4b0d"]
    xxh64 = hash_lines(b"abc\n", table, "xxh64")[0]
    assert xxh64.tolist() == [0x44BC2CF5AD770999, 0xEF46DB3751D8E999]
    for algorithm in ALGORITHMS:
        assert hash_normalised(b"abc", algorithm) == plain_hash(b"abc", algorithm)


def test_every_length_around_the_blocks(table: Table) -> None:
    letters = "".join(random.Random(1).choices("abcdefgh -.", k=700))
    lines = ["x" + letters[:n] + "x" for n in range(400)] + ["x" * n for n in range(300)]
    assert assert_hashes(lines, table) == []
    assert assert_hashes(lines[::-1], table) == []


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 33])
def test_any_number_of_lines_of_unequal_lengths(count: int, table: Table) -> None:
    rng = random.Random(count)
    lines = ["ab " * rng.choice([0, 1, 20, 500]) for _ in range(count)]
    assert assert_hashes(lines, table) == []


def test_a_long_line_among_many_short_ones(table: Table) -> None:
    lines = ["short"] * 50 + ["long Ä " * 100_000] + [""] * 50
    assert assert_hashes(lines, table) == []


def test_every_character_of_the_table(table: Table) -> None:
    characters = [chr(c) for c in range(TABLE_SIZE) if chr(c) != "\n" and not 0xD800 <= c < 0xE000]
    unsure = assert_hashes([f"A{c}{c} 1" for c in characters], table)
    assert "".join(characters[n] for n in unsure) == "İȺȾΣ"
    assert (
        assert_hashes([c for c in characters if c not in "İΣȺȾ"], table) == []
    )  # alone: stripped at both ends


def test_characters_beyond_the_table_stay_as_they_are(
    table: Table,
) -> None:
    beyond = "".join(map(chr, range(TABLE_SIZE, sys.maxunicode + 1)))
    assert beyond.lower() == beyond
    assert not re.search(r"[\d\s]", beyond)
    assert assert_hashes([f"A{c}" for c in beyond[::997]] + [beyond[-1]], table) == []


def test_lines_that_a_table_cannot_do_are_unsure(
    table: Table,
) -> None:
    text = "sure\nΟΔΥΣΣΕΥΣ\n\nİstanbul\nσ"
    assert hash_lines(text.encode(), table, "sha1")[1].tolist() == [1, 3]


def test_stripping_and_deleting_at_the_ends(table: Table) -> None:
    lines = [
        "", " ", "\u3000", "\x85", " \t\x1c", "…", " … ", "… a", "a …", "a \t", "a\t…\t", "a \u2028…", "\x00 a \x00",
        "\u3000\u00a0É\u2003\u00a0", "a\x85\u3000", "é", "éé \x1c ", "\u200bzero\u200b", "a\x0b\x0cb", "a\rb\r",
    ]  # fmt: skip
    assert assert_hashes(lines, table) == []


def test_random_lines_have_the_hash_of_the_plain_statement(
    table: Table,
) -> None:
    rng = random.Random(20)
    alphabets = [
        "abcXYZ 019", "aB1 \t\x7f\x1f…„", "Ää ßẞÉ\u00a0\x85", "ЖжЙ 1٣३𝟗", "漢字\u3000。１9", "🎉a𐐀𞤀🏽 ",
        "\u2028\u2029\x0b\x0c\r \ta",
    ]  # fmt: skip
    lines = []
    for _ in range(6000):
        characters = "".join(rng.sample(alphabets, rng.choice([1, 1, 2, 3])))
        lines.append(
            "".join(rng.choices(characters, k=rng.choice([0, 1, 2, 3, 7, 8, 9, 30, 55, 56, 64, 120])))
        )
    for _ in range(1000):
        codes = [rng.randrange(0x110000) for _ in range(rng.randrange(40))]
        lines.append("".join(chr(c) for c in codes if c != 10 and not 0xD800 <= c < 0xE000))
    assert len(assert_hashes(lines, table)) < 10


def test_printable_ascii_cannot_be_deleted() -> None:
    with pytest.raises(AssertionError, match="printable ASCII"):
        character_table("…-")
