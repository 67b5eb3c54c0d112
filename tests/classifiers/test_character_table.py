from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece

from classifiers.character_table import CharacterTable
from classifiers.lm_text import normalize
from classifiers.unigram_model import read_unigram_model


class CountingProcessor:
    """SentencePiece's normaliser without a table of characters, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def normalize(self, text: str) -> str:
        self.asked.append(text)
        return "▁" + "▁".join(text.split(" ")) if text.strip(" ") else ""


def table(processor: object, charsmap: bytes = b"") -> CharacterTable:
    return CharacterTable(processor, charsmap)  # type: ignore[arg-type]


def test_each_character_is_asked_for_once() -> None:
    processor = CountingProcessor()
    ours = table(processor)
    assert ours.normalize("Abba  ABBA—\n").tobytes() == b" abba abba -"
    assert sorted(processor.asked) == sorted(f"|{normalize(f'|{c}|')[1:-1]}|" for c in "Ab Ba—")
    before = len(processor.asked)
    assert ours.normalize(" Baa b").tobytes() == b" baa b"
    assert len(processor.asked) == before


def test_a_text_whose_neighbours_count_goes_the_plain_way() -> None:
    processor = CountingProcessor()
    ours = table(processor)
    assert ours.normalize("a \u302e\u302d b").tobytes().decode() == " " + normalize("a \u302e\u302d b")
    assert processor.asked[-1] == normalize("a \u302e\u302d b")


@pytest.mark.parametrize(
    "charsmap", [b"\0", b"\x05\0\0\0abcde", b"\xff\xff\xff\x7f", b"\x08\0\0\0" + b"\0\1\0\0" * 2]
)
def test_a_damaged_table_is_refused_or_harmless(charsmap: bytes) -> None:
    try:
        table(CountingProcessor(), charsmap)
    except ValueError as error:
        assert "damaged" in str(error)


def test_a_table_that_leads_back_to_itself_is_refused() -> None:
    units = [100 << 10, 0, 0, 0, 0, 97 << 10 | 97]  # by "a" from the root to unit 5, and from there to itself
    charsmap = (4 * len(units)).to_bytes(4, "little") + b"".join(unit.to_bytes(4, "little") for unit in units)
    with pytest.raises(ValueError, match="damaged"):
        table(CountingProcessor(), charsmap)


def test_equals_sentencepiece_on_the_ccnet_golden(shared_data: Path) -> None:
    file = shared_data / "goldens" / "ccnet" / "models" / "en.sp.model"
    processor = sentencepiece.SentencePieceProcessor(model_file=str(file))
    model = read_unigram_model(file.read_bytes())
    assert model is not None
    ours = CharacterTable(processor, model.charsmap)
    for text in ("Hello,  World—", "한국어", "ｶﾞ か\u3099 ΟΔΟΣ", "１２３ ﬁ ﷺ", "a\u00a0 b\u200b c"):
        plain = processor.normalize(normalize(text))
        assert ours.normalize(text).tobytes().decode().replace(" ", "▁") == plain
