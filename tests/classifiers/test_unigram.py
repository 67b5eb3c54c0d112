"""Our segmentation against SentencePiece's own, on a model of many scripts."""

from __future__ import annotations

import io
import random
import struct

import pytest
import sentencepiece

from classifiers.lm_text import normalize
from classifiers.unigram import UnigramSegmenter

_WORDS = """
the The of 1984 0000 00 0 123,456.78 -- — ... …… “quoted” l’été naïve Ωμέγα ΟΔΟΣ σοφός Москва ёлка 中文字 ﷺ ¨ ①② ½
한국어 각 ㅎㅏㄴ ｶﾞｷﾞ が カ゚ தமிழ் கொ ো বাংলা नमस्ते İstanbul ǅ ﬁn ² ․․ ５６ ▁ a▁b ㈱ 🙂 𝔘𝔫 <s> <unk> | a|b ׁשׂ
e\u0301\u0323 q\u0323\u0307 \u0301a x\u20dd
"""
WORDS = _WORDS.split()
ODD = [
    "\n",
    "\t",
    "\x00",
    "\x85",
    "\u00a0",
    "\u3000",
    "\u200b",
    "\ufeff",
    "\u2028",
    "\u00ad",
    "\u1b44",
    "\u302e",
]


def train(lines: list[str], **options: object) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        **{
            "model_type": "unigram",
            "vocab_size": 300,
            "hard_vocab_limit": False,
            "character_coverage": 0.98,
            "num_threads": 1,
            "minloglevel": 2,
            **options,
        },
    )
    return model.getvalue()


def text(choose: random.Random, length: int) -> str:
    parts = []
    words = choose.sample(WORDS, 8)  # few, so that not every text has a word whose neighbours count
    odd = choose.choice([0.0, 0.0, 0.25])
    for _ in range(length):
        kind = choose.random()
        if kind < 1 - odd:
            parts.append(choose.choice(words))
        elif kind < 1 - odd / 2:
            parts.append(chr(choose.choice([choose.randrange(0xD800), choose.randrange(0xE000, 0x30000)])))
        else:
            parts.append(choose.choice(ODD))
        parts.append(choose.choice([" ", " ", " ", "", "  ", "\n"]))
    return "".join(parts)


@pytest.fixture(scope="module")
def model() -> bytes:
    choose = random.Random(1)
    return train([normalize(" ".join(choose.choices(WORDS, k=12))) for _ in range(400)])


@pytest.fixture(scope="module")
def processor(model: bytes) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_proto=model)


@pytest.fixture(scope="module")
def segmenter(processor: sentencepiece.SentencePieceProcessor) -> UnigramSegmenter:
    found = UnigramSegmenter.of(processor)
    assert found is not None
    return found


def plain(processor: sentencepiece.SentencePieceProcessor, text: str) -> tuple[bytes, int]:
    pieces = processor.encode(normalize(text), out_type=str)
    return " ".join(pieces).encode(), len(pieces)


def test_equals_sentencepiece_on_odd_texts(
    processor: sentencepiece.SentencePieceProcessor, segmenter: UnigramSegmenter
) -> None:
    choose = random.Random(2)
    for _ in range(1500):
        made = text(choose, choose.randint(0, 30))
        assert segmenter.segment(made) == plain(processor, made), repr(made)


def test_equals_sentencepiece_on_every_character(
    processor: sentencepiece.SentencePieceProcessor, segmenter: UnigramSegmenter
) -> None:
    codes = [code for code in range(0x20000) if not 0xD800 <= code < 0xE000]
    for begin in range(0, len(codes), 64):
        some = [chr(code) for code in codes[begin : begin + 64]]
        for made in ("a".join(some), " ".join(some)):
            assert segmenter.segment(made) == plain(processor, made), hex(codes[begin])


def piece(text: str, score: float, kind: int) -> bytes:
    """One entry of a model file."""
    name = text.encode()
    entry = bytes([0x0A, len(name)]) + name + b"\x15" + struct.pack("<f", score) + bytes([0x18, kind])
    return bytes([0x0A, len(entry)]) + entry


def test_equals_sentencepiece_where_equal_paths_are_told_apart_by_rounding() -> None:
    scores = {"▁": -2.1, "▁x": -4.3, "0": -5.7, "00": -3.1, "000": -3.3, "a": -3.9, "b": -4.1, "ab": -8.0}
    proto = piece("<unk>", 0.0, 2) + b"".join(piece(text, score, 1) for text, score in scores.items())
    processor = sentencepiece.SentencePieceProcessor(model_proto=proto)
    segmenter = UnigramSegmenter.of(processor)
    assert segmenter is not None
    made = " ".join("x" + "0" * (1 + i % 11) + "ab" * (i % 3) for i in range(20_000))
    pieces, count = segmenter.segment(made)
    assert (pieces, count) == plain(processor, made)
    segmentations = set(pieces.split(" ▁".encode()))
    assert len(segmentations) > len({pieces.replace(b" ", b"") for pieces in segmentations})


@pytest.mark.parametrize(
    "made", ["\u1112\n\u1161\u11ab", "\u304b\u0301\uff9e", "\uff76\t\uff9e", "\u0b92\x00\u0bd7"]
)
def test_characters_that_meet_when_one_between_is_deleted_are_joined(
    processor: sentencepiece.SentencePieceProcessor, segmenter: UnigramSegmenter, made: str
) -> None:
    segmenter.segment("".join(sorted(set(made))))  # now all characters are known
    assert segmenter.segment(made) == plain(processor, made)


@pytest.mark.parametrize("made", ["", " ", "\n", "\u0301", "\u200b", "\u00a0 \u3000", "\x00\x01"])
def test_nothing_is_left_of_blanks_marks_and_controls(segmenter: UnigramSegmenter, made: str) -> None:
    assert segmenter.segment(made) == (b"", 0)


def test_unknown_characters_in_a_row_are_one_piece(segmenter: UnigramSegmenter) -> None:
    pieces, count = segmenter.segment("\u4e8c\u4e8d\u4e8e")
    assert pieces.split(b" ")[-1].decode() == "\u4e8c\u4e8d\u4e8e"
    assert count == len(pieces.split(b" "))


@pytest.mark.parametrize(
    "options",
    [
        {"model_type": "bpe"},
        {"byte_fallback": True, "vocab_size": 600},
        {"user_defined_symbols": ["<x>"]},
        {"treat_whitespace_as_suffix": True},
        {"remove_extra_whitespaces": False},
        {"add_dummy_prefix": False},
    ],
)
def test_another_kind_of_model_is_left_to_sentencepiece(options: dict[str, object]) -> None:
    choose = random.Random(3)
    lines = [" ".join(choose.choices(WORDS[:12], k=12)) for _ in range(200)]
    proto = train(lines, **{"vocab_size": 60, **options})
    assert UnigramSegmenter.of(sentencepiece.SentencePieceProcessor(model_proto=proto)) is None


@pytest.mark.parametrize("rule", ["identity", "nfkc", "nmt_nfkc_cf"])
def test_equals_sentencepiece_with_other_tables_of_characters(rule: str) -> None:
    choose = random.Random(4)
    proto = train(
        [" ".join(choose.choices(WORDS, k=12)) for _ in range(200)],
        normalization_rule_name=rule,
        vocab_size=400,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=proto)
    segmenter = UnigramSegmenter.of(processor)
    assert segmenter is not None
    for _ in range(300):
        made = text(choose, choose.randint(0, 30))
        assert segmenter.segment(made) == plain(processor, made), repr(made)
