"""Weights of the two scores as JSON: names to numbers, class words to numbers, and where they come from.

    {"format": 1, "profile": "article", "threshold": 0.2,
     "first": {"bias": -0.458, "log_words": 0.213, ...}, "words": {"author": -0.81, "@main": 0.11, ...},
     "context": {"bias": ..., "first": ...},
     "provenance": {"date": "2026-11-20", "digest": "sha256 of the training pages", "left_out_hosts": [...],
                    "data_sets": [{"name": ..., "pages": 421, "license": "Apache-2.0", "address": ...}]}}

`first` has a number for each of features.FIRST_NAMES, `context` for each of features.CONTEXT_NAMES; both have `bias`.
A word that begins with `@` is one of role or itemprop. Scores are log odds; a block is kept at `threshold` and above.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.extraction.context_features import CONTEXT_NAMES
from stages.extraction.features import FIRST_NAMES
from stages.extraction.hashing import hash_table

FORMAT = 1
PROFILES = ("article", "web")
MAX_FILE_BYTES = 16 << 20
MAX_WEIGHT = 1e6  # a larger one can only be an error, and would hide what the others say

_FOLDER = Path(__file__).parent
_BIAS = "bias"


@dataclass(frozen=True)
class DataSet:
    """One set of annotated pages that weights were fitted on."""

    name: str
    pages: int
    license: str
    address: str


@dataclass(frozen=True)
class Provenance:
    """Where weights come from; `digest` is the SHA-256 of the training pages, `date` is ISO 8601."""

    date: str
    digest: str
    data_sets: tuple[DataSet, ...]
    left_out_hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Weights:
    """Two linear scores by the names of their features; `words` are added to the first."""

    profile: str
    threshold: float
    first: Mapping[str, float]
    first_bias: float
    words: Mapping[str, float]
    context: Mapping[str, float]
    context_bias: float
    provenance: Provenance

    def first_array(self) -> NDArray[np.float64]:
        return np.array([self.first[name] for name in FIRST_NAMES], dtype=np.float64)

    def context_array(self) -> NDArray[np.float64]:
        return np.array([self.context[name] for name in CONTEXT_NAMES], dtype=np.float64)

    def word_table(self) -> tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.float64]]:
        """Hashes, their places in the weights, and the weights of the words."""
        hashes, numbers = hash_table({word: number for number, word in enumerate(self.words)})
        return hashes, numbers, np.array(list(self.words.values()), dtype=np.float64)


def load_weights(profile_or_path: str | Path) -> Weights:
    """The weights that come with the package (`article`, `web`) or those of a file.

    Raises ValueError, one line, for a file that is not in this form or was fitted for other features.
    """
    path = Path(profile_or_path)
    if profile_or_path in PROFILES:
        path = _FOLDER / f"{profile_or_path}.json"
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"extraction weights {path}: over {MAX_FILE_BYTES} bytes; fit them anew")
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(
            f"extraction weights {path}: {error.strerror or error}; name a file or one of {', '.join(PROFILES)}"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"extraction weights {path}: no JSON ({error}); fit them anew") from None
    return _weights(content, path)


def save_weights(weights: Weights, path: Path) -> None:
    """Writes weights so that equal ones give equal bytes; a number is written with its shortest form."""
    content = {
        "format": FORMAT,
        "profile": weights.profile,
        "threshold": weights.threshold,
        "first": {_BIAS: weights.first_bias, **{name: weights.first[name] for name in FIRST_NAMES}},
        "words": dict(sorted(weights.words.items())),
        "context": {_BIAS: weights.context_bias, **{name: weights.context[name] for name in CONTEXT_NAMES}},
        "provenance": asdict(weights.provenance),
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=True) + "\n", encoding="ascii")


def _weights(content: Any, path: Path) -> Weights:
    def wrong(what: str) -> ValueError:
        return ValueError(f"extraction weights {path}: {what}; fit them with this version")

    def numbers(key: str, names: tuple[str, ...] | None) -> dict[str, float]:
        table = content.get(key)
        if not isinstance(table, dict):
            raise wrong(f"`{key}` is not a table of numbers")
        for name, value in table.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value) or abs(value) > MAX_WEIGHT:
                raise wrong(f"`{key}` has no usable number for {name[:80]!r}")
        if names is not None and set(table) != {_BIAS, *names}:
            odd = sorted(set(table) ^ {_BIAS, *names})
            raise wrong(f"`{key}` does not have the features of this version ({', '.join(odd)[:200]})")
        return {name: float(value) for name, value in table.items()}

    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise wrong(f"not of format {FORMAT}")
    profile, threshold = content.get("profile"), content.get("threshold")
    if not isinstance(profile, str) or isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise wrong("no `profile` or `threshold`")
    first, context = numbers("first", FIRST_NAMES), numbers("context", CONTEXT_NAMES)
    source: Any = content.get("provenance")
    try:
        provenance = Provenance(
            str(source["date"]),
            str(source["digest"]),
            tuple(
                DataSet(str(s["name"]), int(s["pages"]), str(s["license"]), str(s["address"]))
                for s in source["data_sets"]
            ),
            tuple(str(host) for host in source["left_out_hosts"]),
        )
    except (KeyError, TypeError, ValueError):
        raise wrong("`provenance` does not name its data sets, date, digest and left-out hosts") from None
    return Weights(
        profile,
        float(threshold),
        {name: first[name] for name in FIRST_NAMES},
        first[_BIAS],
        numbers("words", None),
        {name: context[name] for name in CONTEXT_NAMES},
        context[_BIAS],
        provenance,
    )
