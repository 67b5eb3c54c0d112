"""Training the tokenizer: LLaMA's settings, no text left out, the same bytes every time."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sentencepiece

from tokenizer import training
from tokenizer.sentencepiece_model import TRAINER_FIELD, _fields
from tokenizer.training import LLAMA_SETTINGS, cut_line, train_tokenizer

ROOT = Path(__file__).resolve().parents[2]
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
    fed = b"".join(line.encode() + b"\n" for text in TEXTS for line in text.split("\n") if line)
    assert report == {
        "vocabulary": 320,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "settings": LLAMA_SETTINGS,
        "sample": {
            "documents": 40,
            "lines": 60,
            "bytes": 20 * (31 + 23 + 29),
            "lines_cut": 0,
            "lines_skipped": 0,
            "sha256": hashlib.sha256(fed).hexdigest(),
        },
    }
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.model"]


def test_gives_the_same_bytes_each_time_and_the_same_pieces_for_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train_tokenizer(TEXTS, tmp_path / "a.model", vocabulary=320)
    assert train_tokenizer(iter(TEXTS), tmp_path / "b.model", vocabulary=320) == first
    for threads in (1, 3):
        monkeypatch.setattr(training, "LLAMA_SETTINGS", {**LLAMA_SETTINGS, "num_threads": threads})
        train_tokenizer(TEXTS, tmp_path / "c.model", vocabulary=320)
        assert pieces_of(tmp_path / "c.model") == pieces_of(tmp_path / "a.model")


def test_leaves_out_no_long_line(tmp_path: Path) -> None:
    texts = ["zebra quagga " * 1000 + "\n" + "ok" * 5, "wombat\u2585numbat"]
    report = train_tokenizer(texts, tmp_path / "m", vocabulary=290)
    assert report["sample"]["lines_cut"] == 2
    assert report["sample"]["lines"] == 4 + 1 + 2
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


# The trainer spec of LLaMA's released tokenizer.model by the field numbers of sentencepiece_model.proto, as far as it
# is not empty or SentencePiece's default; without the names of the input files. Floats as their bytes.
LLAMA_SPEC = {
    3: 2,  # BPE
    4: 32_000,
    7: b"text",
    10: struct.pack("<f", 0.99995),
    11: 200_000_000,
    14: 1_000_000,
    15: struct.pack("<f", 0.75),
    16: 80,
    17: 2,
    18: 4192,
    19: 1,  # shuffle_input_sentence
    20: 16,  # max_sentencepiece_length
    21: 1,  # split_by_unicode_script
    22: 1,  # split_by_whitespace
    23: 1,  # split_by_number
    24: 0,  # treat_whitespace_as_suffix
    25: 1,  # split_digits
    26: 1,  # allow_whitespace_only_pieces
    33: 1,  # hard_vocab_limit
    35: 1,  # byte_fallback
    40: 0,
    41: 1,
    42: 2,
    43: (1 << 64) - 1,
    44: " \u2047 ".encode(),
}


def test_the_model_carries_the_settings_of_llamas(tmp_path: Path) -> None:
    train_tokenizer(TEXTS, tmp_path / "m", vocabulary=320)
    fields = dict(_fields((tmp_path / "m").read_bytes()))
    trainer, normalizer = fields[TRAINER_FIELD], fields[3]
    assert isinstance(trainer, bytes) and isinstance(normalizer, bytes)
    assert dict(_fields(trainer)) == {**LLAMA_SPEC, 4: 320}
    assert dict(_fields(normalizer)) == {1: b"identity", 2: b"", 3: 1, 4: 0}


def test_sentencepiece_skips_none_of_the_lines(tmp_path: Path) -> None:
    """SentencePiece says on stderr how many sentences it loaded and skipped, when it is allowed to."""
    code = f"""
from tokenizer import training
import sentencepiece
train = sentencepiece.SentencePieceTrainer.train
sentencepiece.SentencePieceTrainer.train = lambda **given: train(**(given | {{"minloglevel": 0}}))
texts = ["zebra quagga " * 1000 + "\\n" + "ok" * 5, "wombat\\u2585numbat", "x\\0y", "\\t", " "]
print(training.train_tokenizer(texts, {str(tmp_path / "m")!r}, 290)["sample"]["lines"])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert f"Loaded all {int(ended.stdout)} sentences" in ended.stderr
    assert "Skipped 0 too long sentences" in ended.stderr or "Skipped" not in ended.stderr
    assert "Reserved chars are found" not in ended.stderr
