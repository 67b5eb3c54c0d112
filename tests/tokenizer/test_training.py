"""Training the tokenizer: LLaMA's settings, no text left out, the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sentencepiece

from tokenizer import training
from tokenizer.training import cut_line, sample_fraction_keeps, train_tokenizer

TEXTS = ["The cat sat on the mat in 2023.\n\nThe dog  sat there too.", "Der Hund saß auf dem Weg 45.\n"] * 20


def pieces_of(path: Path) -> list[str]:
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [model.id_to_piece(id) for id in range(model.vocab_size())]


def test_trains_a_model_laid_out_as_llamas(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    report = train_tokenizer(TEXTS, path, vocabulary=320)
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    pieces = pieces_of(path)
    assert pieces[:4] == ["<unk>", "<s>", "</s>", "<0x00>"]
    assert pieces[258] == "<0xFF>"
    assert (len(pieces), model.pad_id()) == (320, -1)
    assert not any(len(piece) > 1 and any(c.isdigit() for c in piece) for piece in pieces[259:])
    assert model.decode(model.encode("  two  spaces ☃ ")) == "  two  spaces ☃ "
    assert {**report, "sha256": ""} == {
        "vocabulary": 320,
        "documents": 40,
        "lines": 60,
        "bytes": 20 * (31 + 23 + 29),
        "lines_cut": 0,
        "sha256": "",
    }
    assert len(str(report["sha256"])) == 64
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.model"]


def test_gives_the_same_bytes_each_time_and_the_same_pieces_for_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train_tokenizer(TEXTS, tmp_path / "a.model", vocabulary=320)
    assert train_tokenizer(iter(TEXTS), tmp_path / "b.model", vocabulary=320) == first
    for threads in (1, 3):
        monkeypatch.setattr(training, "THREADS", threads)
        train_tokenizer(TEXTS, tmp_path / "c.model", vocabulary=320)
        assert pieces_of(tmp_path / "c.model") == pieces_of(tmp_path / "a.model")


def test_leaves_out_no_long_line(tmp_path: Path) -> None:
    texts = ["zebra quagga " * 1000 + "\n" + "ok" * 5, "wombat\u2585numbat"]
    report = train_tokenizer(texts, tmp_path / "m", vocabulary=290)
    assert report["lines_cut"] == 2
    assert report["lines"] == 4 + 1 + 2
    assert any("zebra" in piece for piece in pieces_of(tmp_path / "m"))


def test_cuts_lines_at_the_last_space_that_fits() -> None:
    limit = training.MAX_LINE_BYTES
    assert list(cut_line("a" * limit)) == ["a" * limit]
    assert list(cut_line("")) == []
    assert list(cut_line("a" * 4000 + " " + "b" * 4000)) == ["a" * 4000, "b" * 4000]
    assert list(cut_line("a" * limit + " b")) == ["a" * limit, "b"]
    assert list(cut_line("a" * (limit + 1))) == ["a" * limit, "a"]
    assert list(cut_line("x" + "é" * 2096)) == ["x" + "é" * 2095, "é"]
    assert list(cut_line("x\u2585\u2585y")) == ["x", "y"]
    spaces = list(cut_line(" " * (2 * limit + 5)))
    assert max(map(len, spaces)) <= limit


def test_says_which_vocabulary_the_text_allows(tmp_path: Path) -> None:
    def error_of(texts: list[str], vocabulary: int) -> str:
        with pytest.raises(ValueError) as error:
            train_tokenizer(texts, tmp_path / "m", vocabulary)
        return str(error.value)

    assert error_of(["abc def"] * 5, 4096) == (
        "vocabulary 4096: the 5 lines (35 bytes) of training text are too few: "
        "set vocabulary to 278 or less, or give it more text"
    )
    train_tokenizer(["abc def"] * 5, tmp_path / "m", 278)
    assert error_of(["", "\n"], 300) == (
        "vocabulary 300: the 0 lines (0 bytes) of training text are empty: give the tokenizer some text"
    )
    assert error_of(["abcdefghijklmnopqrstuvwxyz"], 270) == (
        "vocabulary 270: the 1 lines (26 bytes) of training text hold more characters than that: "
        "set vocabulary to 286 or more"
    )
    assert error_of(TEXTS, 259) == "vocabulary 259: set it to at least 260 (256 are bytes)"


def test_raises_what_reading_the_texts_raises(tmp_path: Path) -> None:
    def texts() -> Iterator[str]:
        yield "some text"
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        train_tokenizer(texts(), tmp_path / "m", 300)
    assert list(tmp_path.iterdir()) == []


def test_samples_by_name_and_only_adds_when_the_fraction_grows() -> None:
    ids = [str(number) for number in range(4000)]
    small, large = ({id for id in ids if sample_fraction_keeps(1, "books", id, f)} for f in (0.1, 0.3))
    assert small < large
    assert 340 <= len(small) <= 460
    assert all(sample_fraction_keeps(1, "books", id, 1.0) for id in ids)
    assert not any(sample_fraction_keeps(1, "books", id, 0.0) for id in ids)
    assert small != {id for id in ids if sample_fraction_keeps(2, "books", id, 0.1)}
