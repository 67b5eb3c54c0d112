"""Trains the tokenizer: SentencePiece BPE with the settings that LLaMA's released tokenizer.model carries.

In: texts. Out: a `tokenizer.model`, and a report of what it was trained on, with a digest of it. Digits are split,
unknown characters fall back to bytes, nothing is normalised. The unit of training is a line. SentencePiece silently
skips lines that are longer than its limit or hold its own mark for unknown pieces; here such lines are cut
instead, so that no text is left out.

The same texts in the same order give the same bytes: SentencePiece gives the same pieces for any number of
threads, but writes the number into the model, so it is fixed here.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sentencepiece

MAX_LINE_BYTES = 4192  # max_sentence_length of LLaMA's tokenizer.model
UNKNOWN_MARK = "\u2585"  # SentencePiece's own mark in training text: it skips lines that hold it
THREADS = 80  # num_threads of LLaMA's tokenizer.model; part of the bytes of ours
MAX_LINES = (
    200_000_000  # input_sentence_size of LLaMA's tokenizer.model: of more lines SentencePiece draws so many
)
MEMORY_PER_BYTE = 9.2  # resident bytes a byte of training text: 1.88 GB for 205 MB (SentencePiece 0.2.3)
SMALLEST_VOCABULARY = 260  # 3 control pieces, 256 bytes and one piece of text

# The training settings in LLaMA's released tokenizer.model, apart from the vocabulary and the names of the input, and
# from train_extremely_large_corpus (false), which SentencePiece 0.2.3 ignores with a warning.
LLAMA_SETTINGS: Mapping[str, Any] = {
    "model_type": "bpe",
    "input_format": "text",
    "num_threads": THREADS,
    "character_coverage": 0.99995,
    "input_sentence_size": MAX_LINES,
    "shuffle_input_sentence": True,
    "max_sentence_length": MAX_LINE_BYTES,
    "seed_sentencepiece_size": 1_000_000,
    "shrinking_factor": 0.75,
    "num_sub_iterations": 2,
    "max_sentencepiece_length": 16,
    "split_by_unicode_script": True,
    "split_by_whitespace": True,
    "split_by_number": True,
    "split_digits": True,
    "allow_whitespace_only_pieces": True,
    "byte_fallback": True,
    "treat_whitespace_as_suffix": False,
    "hard_vocab_limit": True,
    "unk_id": 0,
    "bos_id": 1,
    "eos_id": 2,
    "pad_id": -1,
    "unk_surface": " \u2047 ",
    "normalization_rule_name": "identity",
    "add_dummy_prefix": True,
    "remove_extra_whitespaces": False,
}


@dataclass
class _Lines:
    """Turns texts into training lines and counts them."""

    texts: Iterable[str]
    documents: int = 0
    lines: int = 0
    bytes: int = 0
    lines_cut: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def __iter__(self) -> Iterator[str]:
        for text in self.texts:
            self.documents += 1
            for line in text.split("\n"):
                pieces = list(cut_line(line))
                self.lines_cut += len(pieces) > 1
                for piece in pieces:
                    self.lines += 1
                    encoded = piece.encode("utf-8")
                    self.bytes += len(encoded)
                    self.digest.update(encoded + b"\n")
                    yield piece


def cut_line(line: str) -> Iterator[str]:
    """A line as non-empty pieces of at most `MAX_LINE_BYTES` UTF-8 bytes, without `UNKNOWN_MARK`.

    It is cut at the last space that fits, which is dropped because training puts one before every piece, or
    between two characters where there is no space.
    """
    for part in line.split(UNKNOWN_MARK):
        rest = part.encode("utf-8")
        start = 0
        while len(rest) - start > MAX_LINE_BYTES:
            end = rest.rfind(b" ", start + 1, start + MAX_LINE_BYTES + 1)
            if end < 0:
                end = start + MAX_LINE_BYTES
                while rest[end] & 0xC0 == 0x80:  # a byte within a character
                    end -= 1
            yield rest[start:end].decode("utf-8")
            start = end + (rest[end] == 0x20)
        if start < len(rest):
            yield rest[start:].decode("utf-8")


def train_tokenizer(
    texts: Iterable[str], path: str | os.PathLike[str], vocabulary: int = 32_000
) -> dict[str, Any]:
    """Trains a tokenizer of exactly `vocabulary` pieces and writes it to `path`.

    `vocabulary` is 32,000 in LLaMA (section 2.1 and the released model). The report holds `vocabulary`, `sha256` of
    the model, the `settings` of the training, and of its `sample`: `documents`, `lines`, `bytes` (UTF-8, of the
    lines), `lines_cut` (lines that were too long or held SentencePiece's own mark), `lines_skipped` (not trained on)
    and `sha256` (of the lines in order, each with a line end). Texts are read once and held by SentencePiece, at
    `MEMORY_PER_BYTE`.

    ValueError when there is no text, or when it is too little or too varied for the vocabulary: it names the
    largest or smallest size that this text allows. What iterating `texts` raises is raised as it is.
    """
    if vocabulary < SMALLEST_VOCABULARY:
        raise ValueError(f"vocabulary {vocabulary}: set it to at least {SMALLEST_VOCABULARY} (256 are bytes)")
    lines = _Lines(texts)
    feed = _Feed(lines)
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=feed,
            model_writer=model,
            vocab_size=vocabulary,
            minloglevel=2,
            **LLAMA_SETTINGS,
        )
    except RuntimeError as error:
        if feed.error is not None:
            raise feed.error from None
        raise ValueError(_explained(str(error), vocabulary, lines)) from error
    target = Path(path)
    partial = target.with_name(f"{target.name}.partial")
    partial.write_bytes(model.getvalue())
    os.replace(partial, target)
    return {
        "vocabulary": vocabulary,
        "sha256": hashlib.sha256(model.getvalue()).hexdigest(),
        "settings": dict(LLAMA_SETTINGS),
        "sample": {
            "documents": lines.documents,
            "lines": lines.lines,
            "bytes": lines.bytes,
            "lines_cut": lines.lines_cut,
            "lines_skipped": max(0, lines.lines - MAX_LINES),
            "sha256": lines.digest.hexdigest(),
        },
    }


class _Feed:
    """An iterator for SentencePiece that keeps the error of the texts, which SentencePiece turns into a message."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            return next(self._lines)
        except StopIteration:
            raise
        except Exception as error:
            self.error = error
            raise


def _explained(message: str, vocabulary: int, lines: _Lines) -> str:
    """SentencePiece's message as one line that says what to do."""
    have = f"vocabulary {vocabulary}: the {lines.lines} lines ({lines.bytes} bytes) of training text"
    if lines.lines == 0:
        return f"{have} are empty: give the tokenizer some text"
    if largest := re.search(r"Vocabulary size too high .* value <= (\d+)", message):
        return f"{have} are too few: set vocabulary to {largest[1]} or less, or give it more text"
    if smallest := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        return f"{have} hold more characters than that: set vocabulary to {smallest[1]} or more"
    return f"{have} could not be used: {' '.join(message.split())}"
