"""Perplexity of a text under a language model of Wikipedia, as CCNet measures quality; training such a model.

In: a folder that holds, for each language, `<lang>.sp.model` (SentencePiece unigram) and `<lang>.arpa.bin` or
`<lang>.arpa` (KenLM reads both; the binary is memory-mapped). CCNet's published models have these names. Out: the
perplexity of a document. Follows CCNet (Wenzek et al. 2020, and its code): the text is normalised, becomes one line
with newlines deleted, and is scored as one sentence of pieces.

Training takes the pieces of each line of a text as a sentence, where CCNet took the opening text of an article as one;
scoring is CCNet's to the letter. The NumPy trainer writes ARPA text, because KenLM's Python package cannot write its
binary form; lmplz with build_binary gives the binary. `<lang>.json` holds the cut-offs between head, middle and tail:
percentiles 30 and 60.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TypedDict

import kenlm
import numpy as np
import sentencepiece

from classifiers import kneser_ney, lmplz
from classifiers.lm_text import normalize
from classifiers.unigram import UnigramSegmenter

Trainer = Literal["numpy", "lmplz", "auto"]

# CCNet, cutoff.csv: head is below the first, middle below the second.
HEAD_PERCENTILE = 30
MIDDLE_PERCENTILE = 60

# CCNet, cutoff.csv, rows 30 and 60: all 48 languages that it published models for, and those models alone. Of the 20
# languages of LLaMA's Wikipedia sl, sr and sv are not among them.
CCNET_CUTOFFS: dict[str, tuple[float, float]] = {
    "af": (540, 770), "ar": (490, 790), "az": (600, 950), "be": (670, 910), "bg": (450, 680), "bn": (190, 300),
    "ca": (210, 330), "cs": (820, 1140), "da": (380, 600), "de": (370, 590), "el": (450, 670), "en": (340, 520),
    "es": (180, 290), "et": (1270, 1620), "fa": (370, 700), "fi": (1110, 1500), "fr": (180, 330), "gu": (1110, 1570),
    "he": (1280, 1710), "hi": (480, 790), "hr": (720, 910), "hu": (80, 140), "hy": (750, 1080), "id": (600, 970),
    "is": (850, 1190), "it": (220, 360), "ja": (1110, 1450), "ka": (910, 1310), "kk": (610, 930), "km": (1040, 2180),
    "kn": (2210, 2800), "ko": (920, 2130), "lt": (190, 270), "lv": (1130, 1480), "mk": (530, 740), "ml": (2430, 3220),
    "mn": (680, 1010), "mr": (1380, 1870), "my": (2530, 3040), "ne": (860, 1130), "nl": (430, 650), "no": (430, 680),
    "pl": (160, 260), "pt": (170, 270), "ro": (180, 270), "ru": (210, 310), "uk": (140, 220), "zh": (1460, 1950),
}  # fmt: skip

_LANGUAGE = re.compile(r"[A-Za-z0-9_-]{1,32}")

_CHARACTER_COVERAGE = 0.9995  # CCNet, Makefile
_BYTES_PER_PIECE = (
    100  # own: one piece for 100 bytes of text; CCNet's fixed 65,536 would memorise a small corpus
)
_LEAST_VOCABULARY = 256


def model_files(folder: str | os.PathLike[str], language: str) -> tuple[Path, Path] | None:
    """(KenLM file, SentencePiece file) of a language, the binary before the ARPA text; None when it has no model.

    Raises ValueError when there is one file and not the other.
    """
    if not _LANGUAGE.fullmatch(language):
        raise ValueError(f"language {language!r} is not a language code; use letters, digits, - and _")
    pieces = Path(folder) / f"{language}.sp.model"
    for name in (f"{language}.arpa.bin", f"{language}.arpa"):
        if (Path(folder) / name).is_file():
            if not pieces.is_file():
                raise ValueError(
                    f"{Path(folder) / name} has no {pieces.name} beside it; put it there or train anew"
                )
            return Path(folder) / name, pieces
    if pieces.is_file():
        raise ValueError(
            f"{pieces} has no {language}.arpa.bin or {language}.arpa beside it; put it there or train anew"
        )
    return None


def languages_with_model(folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """The languages that have a model in a folder, sorted. Raises ValueError when the folder holds none."""
    found = {
        m[1] for path in Path(folder).glob("*.arpa*") if (m := re.fullmatch(r"(.+)\.arpa(\.bin)?", path.name))
    }
    if not found:
        raise ValueError(
            f"no language model (<lang>.arpa.bin or <lang>.arpa) in {folder}; set `models: lm` to its folder"
        )
    return tuple(sorted(found))


class PerplexityModel:
    """The language model of one language. Raises ValueError when it is missing or damaged."""

    def __init__(self, folder: str | os.PathLike[str], language: str) -> None:
        files = model_files(folder, language)
        if files is None:
            raise ValueError(
                f"no language model for {language} in {folder}; train one or take the language out"
            )
        model, pieces = files
        config = kenlm.Config()
        config.load_method = kenlm.LoadMethod.LAZY
        config.arpa_complain = kenlm.ARPALoadComplain.NONE
        config.show_progress = False
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_file=str(pieces))
            self._segmenter = UnigramSegmenter.of(self._processor)
            self._model = kenlm.Model(str(model), config)
        except (OSError, RuntimeError, ValueError) as error:
            message = " ".join(str(error).split())
            raise ValueError(
                f"cannot load the {language} model in {folder} ({message}); get it again"
            ) from error

    def pieces(self, text: str) -> tuple[bytes, int]:
        """The SentencePiece pieces of the normalised text, UTF-8 and joined by blanks, and how many they are."""
        if self._segmenter is not None:
            return self._segmenter.segment(text)
        pieces: list[str] = self._processor.encode(normalize(text), out_type=str)
        return " ".join(pieces).encode(), len(pieces)

    def perplexity(self, text: str) -> float | None:
        """10 ^ (-log10 probability / (pieces + 1)) of the whole text as one sentence; the 1 is its end.

        None when no piece is left of the text.
        """
        pieces, count = self.pieces(text)
        if not count:
            return None
        score: float = self._model.score(pieces)
        return float(10.0 ** (-score / (count + 1)))


def cutoffs(perplexities: Iterable[float]) -> tuple[float, float]:
    """Percentiles 30 and 60 (linear interpolation, 1 decimal as perplexities). ValueError when there is none."""
    values = np.fromiter(perplexities, dtype=np.float64)
    if not len(values):
        raise ValueError("no perplexity to take cut-offs from; give at least one text in this language")
    p30, p60 = np.percentile(values, (HEAD_PERCENTILE, MIDDLE_PERCENTILE))
    return round(float(p30), 1), round(float(p60), 1)


def write_cutoffs(
    folder: str | os.PathLike[str], language: str, perplexities: Iterable[float]
) -> tuple[float, float]:
    """Take the cut-offs of these perplexities, write them to `<lang>.json`, and return them."""
    values = list(perplexities)
    p30, p60 = cutoffs(values)
    content = {"language": language, "p30": p30, "p60": p60, "documents": len(values)}
    Path(folder, f"{language}.json").write_text(json.dumps(content, sort_keys=True) + "\n", encoding="utf-8")
    return p30, p60


def read_cutoffs(folder: str | os.PathLike[str], language: str) -> tuple[float, float]:
    """(p30, p60) from `<lang>.json`. Raises ValueError when it is missing or does not hold two ordered numbers."""
    path = Path(folder) / f"{language}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        p30, p60 = float(content["p30"]), float(content["p60"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'no cut-offs in {path}; write {{"p30": ..., "p60": ...}} there or train with texts to score'
        ) from error
    if not (math.isfinite(p60) and 0 < p30 <= p60):
        raise ValueError(
            f"cut-offs in {path} are {p30} and {p60}; they must be positive and in ascending order"
        )
    return p30, p60


class TrainingReport(TypedDict):
    """What `train_language_model` did. `cut_short` says that `max_bytes` ended the text."""

    language: str
    trainer: Literal["numpy", "lmplz"]
    order: int
    lines: int
    bytes: int
    cut_short: bool
    vocabulary: int
    discounts: list[list[float]]
    cutoffs: list[float] | None


def _normalized_lines(texts: Iterable[str]) -> Iterator[str]:
    return (normal for text in texts for line in text.split("\n") if (normal := normalize(line)))


def resolve_trainer(trainer: Trainer, programs_folder: str = "") -> Literal["numpy", "lmplz"]:
    """Which trainer a setting means here: `auto` is lmplz where it is found. ValueError where `lmplz` is not."""
    if trainer == "numpy":
        return "numpy"
    if lmplz.find_programs(programs_folder) is not None:
        return "lmplz"
    if trainer == "auto":
        return "numpy"
    raise ValueError(
        f"lmplz is not in {programs_folder or 'PATH'}; build it with .ci/build_lmplz.sh or train with numpy"
    )


def train_language_model(
    texts: Iterable[str],
    folder: str | os.PathLike[str],
    language: str,
    order: int = 5,  # CCNet, Makefile
    vocabulary: int = 65_536,  # CCNet, Makefile
    max_bytes: int = 32_000_000,  # own: 8 M tokens, 0.9 GB of memory, 2.5 minutes
    held_out: Iterable[str] | None = None,
    trainer: Trainer = "numpy",  # own: the model must not depend on what else a machine has installed
    programs_folder: str = "",
) -> TrainingReport:
    """Train `<lang>.sp.model` and `<lang>.arpa` in a folder; with `held_out` texts also the cut-offs `<lang>.json`.

    Texts are taken in the order given until `max_bytes` of normalised UTF-8 are read. The vocabulary is at most
    `vocabulary` and at most one piece for 100 bytes. `trainer` lmplz is KenLM's program, in `programs_folder` or on the
    PATH; with build_binary beside it the model is `<lang>.arpa.bin`. Equal texts and trainer give equal bytes. Raises
    ValueError when there is no text to train on or the trainer is not there.
    """
    if not _LANGUAGE.fullmatch(language):
        raise ValueError(f"language {language!r} is not a language code; use letters, digits, - and _")
    chosen = resolve_trainer(trainer, programs_folder)
    lines: list[str] = []
    size, cut_short = 0, False
    for line in _normalized_lines(texts):
        size_with = size + len(line.encode("utf-8"))
        if size_with > max_bytes:
            cut_short = True
            break
        lines.append(line)
        size = size_with
    if not lines:
        raise ValueError(
            f"no text to train the {language} language model on; give texts or take the language out"
        )
    destination = Path(folder)
    destination.mkdir(parents=True, exist_ok=True)
    pieces = _train_pieces(lines, language, vocabulary, size)
    processor = sentencepiece.SentencePieceProcessor(model_proto=pieces)
    sentences = (processor.encode(line, out_type=str) for line in lines)
    programs = lmplz.find_programs(programs_folder) if chosen == "lmplz" else None
    if programs is not None:
        path, discounts = lmplz.train(
            sentences, order, processor.get_piece_size(), programs, destination, language
        )
    else:
        path = destination / f"{language}.arpa"
        temporary = path.with_name(path.name + ".tmp")
        discounts = [list(d) for d in kneser_ney.train(sentences, order, temporary)]
        os.replace(temporary, path)
    _write_whole(destination / f"{language}.sp.model", pieces)
    for form in (f"{language}.arpa.bin", f"{language}.arpa"):
        if form != path.name:  # a model of an earlier training
            Path(destination, form).unlink(missing_ok=True)
    measured: list[float] | None = None
    if held_out is not None:
        model = PerplexityModel(destination, language)
        found = (model.perplexity(text) for text in held_out)
        measured = list(
            write_cutoffs(destination, language, (round(value, 1) for value in found if value is not None))
        )
    return TrainingReport(
        language=language,
        trainer=chosen,
        order=order,
        lines=len(lines),
        bytes=size,
        cut_short=cut_short,
        vocabulary=processor.get_piece_size(),
        discounts=discounts,
        cutoffs=measured,
    )


def _train_pieces(lines: list[str], language: str, vocabulary: int, size: int) -> bytes:
    """A SentencePiece unigram model; one thread and no sampling, so equal lines give equal bytes."""
    characters = len(set().union(*lines))
    pieces = min(vocabulary, max(_LEAST_VOCABULARY + characters, size // _BYTES_PER_PIECE))
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type="unigram",
            vocab_size=pieces,
            hard_vocab_limit=False,
            character_coverage=_CHARACTER_COVERAGE,
            max_sentence_length=1 << 20,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        message = " ".join(str(error).split())
        raise ValueError(
            f"cannot train {language} pieces on {size} bytes ({message}); give more text"
        ) from error
    return model.getvalue()


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)
