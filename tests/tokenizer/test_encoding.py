"""Encoding: the ids of SentencePiece, word by word."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece

from tokenizer import encoding
from tokenizer.encoding import Encoder
from tokenizer.training import train_tokenizer

TEXT = "The cat sat on the mat.\n\n  if x:\n    return the cat\n"
PARTS = [
    "a",
    "the",
    " cat",
    " ",
    " ",
    "  ",
    "    ",
    "\n",
    "\n\n",
    "\r\n",
    "\t",
    "\0",
    "\u2581",
    "\u00a0",
    "\u2028",
]
PARTS += ["é", "中文", "😀", "ा", "ﬁ", "1", "23", "<s>", "</s>", "<unk>", "<0x0A>", "\u2585", ".", "ing"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tokenizer.model"
    train_tokenizer([TEXT + "wwwww  wwww   w\n"] * 50, path, vocabulary=330)
    return path


def reference(path: Path, text: str) -> list[int]:
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [1, *model.encode(text), 2]


def random_texts(count: int) -> list[str]:
    source = random.Random(1)
    return ["".join(source.choice(PARTS) for _ in range(source.randint(0, 12))) for _ in range(count)]


def test_gives_the_ids_of_sentencepiece(model: Path) -> None:
    encoder = Encoder(model)
    whole = sentencepiece.SentencePieceProcessor(model_file=str(model))
    for text in [TEXT, "", " ", "\n", "\u2581", *random_texts(5000)]:
        assert encoder.encode(text).tolist() == [1, *whole.encode(text), 2], repr(text)


def test_gives_the_ids_of_sentencepiece_for_a_model_of_32000_pieces(shared_data: Path) -> None:
    path = shared_data / "models" / "mistral-v1.tokenizer.model"
    encoder = Encoder(path)
    assert (encoder.vocabulary_size, encoder.bos_id, encoder.eos_id) == (32_000, 1, 2)
    whole = sentencepiece.SentencePieceProcessor(model_file=str(path))
    book = (shared_data / "benchmarks" / "human_eval.jsonl").read_text(encoding="utf-8")
    for text in [book, *random_texts(3000)]:
        assert encoder.encode(text).tolist() == [1, *whole.encode(text), 2], repr(text[:80])


def test_gives_the_same_when_the_table_starts_anew(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "MAX_TABLE_BYTES", 1000)
    encoder = Encoder(model)
    for text in random_texts(300) * 2:
        assert encoder.encode(text).tolist() == Encoder(model).encode(text).tolist()
        assert len(encoder._table) < 40


def test_remembers_no_long_words(model: Path) -> None:
    encoder = Encoder(model)
    encoder.encode("cat " + "w" * 100)
    assert list(encoder._table) == [" cat"]


def test_gives_uint16_that_cannot_be_changed(model: Path) -> None:
    encoded = Encoder(model).encode(TEXT)
    assert encoded.dtype == np.uint16
    assert not encoded.flags.writeable


def test_reads_control_pieces_in_text_as_text(model: Path) -> None:
    encoded = Encoder(model).encode("<s> </s>").tolist()
    assert (encoded.count(1), encoded.count(2)) == (1, 1)


def test_decodes_to_the_same_text(model: Path) -> None:
    encoder = Encoder(model)
    for text in [TEXT, "", "  x ", "\n中文\0 1234", "<s>"]:
        assert encoder.decode(encoder.encode(text)) == text
        assert encoder.decode(encoder.encode(text).tolist()) == text


def test_knows_its_model(model: Path) -> None:
    encoder = Encoder(str(model))
    assert (encoder.vocabulary_size, encoder.bos_id, encoder.eos_id) == (330, 1, 2)
    assert encoder.sha256 == encoder.identity.sha256
    assert len(encoder.sha256) == 64


def test_takes_linear_time_for_one_long_word(model: Path) -> None:
    assert len(Encoder(model).encode("w" * 300_000)) > 1000
    assert len(Encoder(model).encode(" " * 300_000)) > 1000


def test_refuses_models_that_cannot_be_encoded_word_by_word(tmp_path: Path) -> None:
    plain: dict[str, Any] = {"vocab_size": 300, "byte_fallback": True, "normalization_rule_name": "identity"}

    def trained(settings: Mapping[str, Any]) -> Path:
        path = tmp_path / "other.model"
        with path.open("wb") as stream:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(TEXT.split("\n") * 5),
                model_writer=stream,
                model_type="bpe",
                minloglevel=2,
                hard_vocab_limit=False,
                **{**plain, **settings},
            )
        return path

    refused: list[tuple[Mapping[str, Any], str]] = [
        ({"split_by_whitespace": False}, "joins two words or lines"),
        ({"user_defined_symbols": ["\n\n"]}, "joins two words or lines"),
        ({"normalization_rule_name": "nmt_nfkc"}, "changes texts before it encodes them"),
        ({"remove_extra_whitespaces": True}, "changes texts before it encodes them"),
        (
            {"add_dummy_prefix": False, "remove_extra_whitespaces": False},
            "changes texts before it encodes them",
        ),
        ({"bos_id": -1}, "no BOS or no EOS"),
        ({"byte_fallback": False, "vocab_size": 60}, "no piece for a space or none for bytes"),
    ]
    for settings, message in refused:
        with pytest.raises(ValueError, match=message):
            Encoder(trained(settings))
    broken = tmp_path / "broken.model"
    broken.write_bytes(b"no model")
    with pytest.raises(ValueError, match="not a SentencePiece model"):
        Encoder(broken)
