"""Encoding: the ids of SentencePiece, by gigatoken and by the table of words."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece

from tests.tokenizer.fuzzed_texts import fuzzed_texts
from tokenizer import encoding, gigatoken_encoding, word_table
from tokenizer.encoding import Encoder, TextEncoder
from tokenizer.gigatoken_encoding import GigatokenEncoder, pieces_of
from tokenizer.sentencepiece_model import Model, load_model
from tokenizer.training import train_tokenizer
from tokenizer.word_table import WordTable

TEXT = "The cat sat on the mat.\n\n  if x:\n    return the cat <s> ababab\n"
BY_WORD_TABLE = 5_000  # texts
WAYS: list[Callable[[Model], TextEncoder]] = [GigatokenEncoder, WordTable]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tokenizer.model"
    train_tokenizer([TEXT + "wwwww  wwww   w\n"] * 50, path, vocabulary=336)
    return path


@pytest.fixture(scope="module")
def model(path: Path) -> Model:
    return load_model(path)


def mistral(shared_data: Path) -> Model:
    return load_model(shared_data / "models" / "mistral-v1.tokenizer.model")


def assert_ids_are_equal(model: Model, texts: list[str]) -> None:
    """gigatoken gives the ids of SentencePiece for every text that is not empty, the slower table for the first."""
    texts = [text for text in texts if text]
    rows = model.processor.encode(texts, num_threads=1)
    for way, count in ((GigatokenEncoder, len(texts)), (WordTable, BY_WORD_TABLE)):
        encoder: TextEncoder = way(model)
        for text, expected in zip(texts[:count], rows, strict=False):
            assert encoder.ids(text).tolist() == expected, f"{way.__name__}: {text!r}"


def test_both_ways_give_the_ids_of_sentencepiece(model: Model) -> None:
    assert_ids_are_equal(model, [TEXT, " ", "\n", "\u2581", *fuzzed_texts(40_000)])


def test_both_ways_give_the_ids_of_a_model_of_32000_pieces_on_60000_fuzzed_texts(shared_data: Path) -> None:
    assert_ids_are_equal(mistral(shared_data), fuzzed_texts(60_000, seed=2))


def test_both_ways_give_the_ids_of_sentencepiece_on_real_texts(shared_data: Path) -> None:
    texts = [(shared_data / "benchmarks" / "human_eval.jsonl").read_text(encoding="utf-8")]
    for folder in ("books/gutenberg", "stackexchange"):
        for file in sorted((shared_data / folder).rglob("*"))[:3]:
            if file.is_file():
                texts.append(file.read_bytes()[:100_000].decode("utf-8", "replace"))
    assert_ids_are_equal(mistral(shared_data), texts)


def test_long_texts_are_cut_where_no_merge_crosses(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gigatoken_encoding, "PIECE_CHARACTERS", 7)
    encoder = GigatokenEncoder(model)
    for text in [TEXT, "the cat ", "the cat\n", "a b" * 9, " " * 50, "x" * 50, *fuzzed_texts(3000, seed=3)]:
        if text:
            assert encoder.ids(text).tolist() == model.processor.encode(text), repr(text)
    assert list(pieces_of("the cat  sat\n\non it ")) == [("the cat", 0), (" sat\n\non", 0), ("it ", 0)]
    assert list(pieces_of("the cats\nsat")) == [("the cats", 0), ("\nsat", 1)]
    assert list(pieces_of("the cats   ")) == [("the cats", 0), ("  ", 0)]
    assert list(pieces_of("the cats ")) == [("the cats ", 0)]


def test_one_endless_word_is_left_to_sentencepiece(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gigatoken_encoding, "PIECE_CHARACTERS", 7)
    monkeypatch.setattr(gigatoken_encoding, "LONGEST_WORD", 14)
    encoder, passed = GigatokenEncoder(model), []
    with monkeypatch.context() as patched:
        patched.setattr(encoder, "_encode", lambda text: passed.append(text) or np.zeros(0, np.uint32))
        encoder.ids("the cats " + "w" * 30 + "\nsat on the")
    assert passed == ["the cats", "\nsat on", "the"]
    for text in ("w" * 50, "the cats " + "ab" * 30 + "\nsat on the mat", *fuzzed_texts(300, seed=5)):
        if text:
            assert encoder.ids(text).tolist() == model.processor.encode(text)


def test_gigatoken_begins_a_new_table_before_it_has_grown_large(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gigatoken_encoding, "TABLE_CHARACTERS", 100)
    encoder = GigatokenEncoder(model)
    tables = []
    for text in fuzzed_texts(300):
        if text:
            assert encoder.ids(text).tolist() == model.processor.encode(text)
            tables.append(encoder._tokenizer)
    assert len(set(map(id, tables))) > 10


def test_the_word_table_starts_anew_and_remembers_no_long_words(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = WordTable(model)
    table.ids("cat " + "w" * 100)
    assert list(table._table) == [" cat"]
    monkeypatch.setattr(word_table, "MAX_TABLE_BYTES", 1000)
    for text in fuzzed_texts(300):
        if text:
            assert table.ids(text).tolist() == model.processor.encode(text)
            assert len(table._table) < 40


def test_refuses_gigatoken_when_its_ids_are_not_sentencepieces(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gigatoken_encoding.tokenizer_json

    def without_prefix(model: Model, *, control_pieces: bool) -> str:
        return whole(model, control_pieces=control_pieces).replace('"prepend": "\u2581"', '"prepend": "x"')

    monkeypatch.setattr(gigatoken_encoding, "tokenizer_json", without_prefix)
    with pytest.raises(ValueError, match="gigatoken does not give SentencePiece's ids"):
        GigatokenEncoder(model)


def test_puts_bos_before_and_eos_after(path: Path) -> None:
    encoder = Encoder(path)
    for text in ("", " ", TEXT):
        assert encoder.encode(text).tolist() == [1, *encoder.model.processor.encode(text), 2]


def test_reads_control_pieces_in_text_as_text(path: Path) -> None:
    encoded = Encoder(path).encode("<s> </s>").tolist()
    assert (encoded.count(1), encoded.count(2)) == (1, 1)


def test_refuses_lone_surrogates_and_goes_on(model: Model, path: Path) -> None:
    for way in WAYS:
        encoder = way(model)
        with pytest.raises(TypeError):
            encoder.ids("the a\ud800b")
        assert encoder.ids("the cat").tolist() == model.processor.encode("the cat")
    with pytest.raises(UnicodeEncodeError):
        Encoder(path).encode("\udfff")


def test_takes_gigatoken_where_it_is_installed_and_the_word_table_elsewhere(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(encoding.text_encoder(model), GigatokenEncoder)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert isinstance(encoding.text_encoder(model), WordTable)


def test_encoders_of_one_model_share_what_finds_the_ids(path: Path) -> None:
    first, second = Encoder(path), Encoder(path)
    first.encode(TEXT)
    second.encode(TEXT)
    assert first._found_by is second._found_by


def test_threads_may_share_an_encoder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The word table, which drops its words again and again, is where two threads would meet."""
    monkeypatch.setattr(word_table, "MAX_TABLE_BYTES", 1000)
    monkeypatch.setattr(encoding, "text_encoder", WordTable)
    encoding._text_encoder.cache_clear()
    encoder, texts = Encoder(path), fuzzed_texts(500, seed=4)
    encoder.encode(TEXT)
    encoding._text_encoder.cache_clear()
    expected = [[1, *ids, 2] for ids in encoder.model.processor.encode(texts, num_threads=1)]
    interval = sys.getswitchinterval()
    wrong: list[str] = []

    def work() -> None:
        wrong.extend(t for t, ids in zip(texts, expected, strict=True) if encoder.encode(t).tolist() != ids)

    def work_to_the_end() -> None:
        try:
            work()
        except KeyError as error:
            wrong.append(f"a word is gone: {error}")

    threads = [threading.Thread(target=work_to_the_end) for _ in range(4)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


def test_gives_uint16_that_cannot_be_changed(path: Path) -> None:
    encoded = Encoder(path).encode(TEXT)
    assert encoded.dtype == np.uint16
    assert not encoded.flags.writeable


def test_decodes_to_the_same_text(path: Path) -> None:
    encoder = Encoder(path)
    for text in [TEXT, "", "  x ", "\n中文\0 1234", "<s>"]:
        assert encoder.decode(encoder.encode(text)) == text
        assert encoder.decode(encoder.encode(text).tolist()) == text


def test_knows_its_model(path: Path) -> None:
    encoder = Encoder(str(path))
    assert (encoder.vocabulary_size, encoder.bos_id, encoder.eos_id) == (336, 1, 2)
    assert encoder.sha256 == encoder.identity.sha256
    assert len(encoder.sha256) == 64


@pytest.mark.parametrize("unit", ["w", " ", "the cat\n", "the cat ", "catmat"])
def test_time_grows_with_the_length_of_a_document_and_not_faster(model: Model, unit: str) -> None:
    """A text eight times as long takes about eight times as long, a quadratic way 64 times; caches and heaps give some
    leeway."""
    for way in WAYS:
        encoder, seconds = way(model), []
        for size in (50_000, 400_000):
            text = unit * (size // len(unit))
            runs = []
            for _ in range(3):
                begun = time.process_time()
                encoder.ids(text)
                runs.append(time.process_time() - begun)
            seconds.append(min(runs))
        assert seconds[1] < 24 * max(seconds[0], 0.002), (way.__name__, seconds)


def test_refuses_models_unlike_llamas(tmp_path: Path) -> None:
    plain: dict[str, Any] = {"vocab_size": 300, "byte_fallback": True, "normalization_rule_name": "identity"}
    like_llama = {**plain, "remove_extra_whitespaces": False}

    def trained(settings: Mapping[str, Any]) -> Path:
        path = tmp_path / "other.model"
        with path.open("wb") as stream:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(TEXT.split("\n") * 5),
                model_writer=stream,
                minloglevel=2,
                hard_vocab_limit=False,
                **{"model_type": "bpe", **plain, **settings},
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
        ({**like_llama, "model_type": "unigram"}, "is not of the type BPE"),
        ({**like_llama, "user_defined_symbols": ["cat"]}, "the piece 'cat' is user-defined"),
    ]
    for settings, message in refused:
        with pytest.raises(ValueError, match=message):
            Encoder(trained(settings))
    broken = tmp_path / "broken.model"
    broken.write_bytes(b"no model")
    with pytest.raises(ValueError, match="not a SentencePiece model"):
        Encoder(broken)
