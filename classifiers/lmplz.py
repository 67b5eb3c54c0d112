"""KenLM's own trainer, when it is installed: the programs lmplz and build_binary.

In: tokenised sentences. Out: the model as KenLM's probing binary where build_binary is there, else as ARPA text. The
options are those of cc_net's Makefile. `.ci/build_lmplz.sh` builds both programs from the source package of kenlm.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from classifiers.ngram_counts import MAX_ORDER

_SORTING_MEMORY = "1G"  # own, CCNet has 8G; with more n-grams than fit lmplz sorts on disk, to the same model
_MAX_SECONDS = (
    12 * 3600
)  # own: lmplz takes 1 s for a million tokens; a stuck disk must not hold a run for ever
_MAX_MESSAGE = 300  # characters of a program's complaint that an error shows
_DISCOUNTS = re.compile(r"^\d+ \d+ D1=(\S+) D2=(\S+) D3\+=(\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the programs are; without `build_binary` a model stays ARPA text."""

    lmplz: str
    build_binary: str | None


def find_programs(folder: str = "") -> Programs | None:
    """The programs in a folder, or on the PATH when it is empty; None when lmplz is not there."""
    where = folder or None
    lmplz = shutil.which("lmplz", path=where)
    return Programs(lmplz, shutil.which("build_binary", path=where)) if lmplz else None


def train(
    sentences: Iterable[Sequence[str]],
    order: int,
    vocabulary: int,
    programs: Programs,
    folder: str | os.PathLike[str],
    name: str,
) -> tuple[Path, list[list[float]]]:
    """Train `<name>.arpa.bin`, or `<name>.arpa` without build_binary, in a folder; (its path, D1 to D3+ of each order).

    `vocabulary` is the number of different tokens to expect. Raises ValueError, with what the program wrote, when one
    fails.
    """
    if not 1 < order <= MAX_ORDER:
        raise ValueError(f"order of a language model is {order}; lmplz takes 2 to {MAX_ORDER}")
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=folder) as work:
        text, arpa, binary = (os.path.join(work, file) for file in ("text", "arpa", "binary"))
        with open(text, "w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(" ".join(sentence) + "\n" for sentence in sentences)
        # --skip_symbols: a token spelt <s>, </s> or <unk> is dropped and not an error, as in our own trainer
        options = ["--vocab_estimate", str(vocabulary), "--discount_fallback", "--skip_symbols"]
        files = ["-S", _SORTING_MEMORY, "-T", os.path.join(work, "sort"), "--text", text, "--arpa", arpa]
        said = _run([programs.lmplz, "-o", str(order), *options, *files])
        discounts = [[float(number) for number in found] for found in _DISCOUNTS.findall(said)]
        trained, path = arpa, Path(folder, f"{name}.arpa")
        if programs.build_binary:
            os.remove(text)
            _run([programs.build_binary, arpa, binary])
            trained, path = binary, Path(folder, f"{name}.arpa.bin")
        os.replace(trained, path)
    return path, discounts


def _run(command: list[str]) -> str:
    """What the program wrote to stderr."""
    program = command[0]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_MAX_SECONDS,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise ValueError(
            f"{program} took more than {_MAX_SECONDS} s; give less text or train with numpy"
        ) from None
    except OSError as error:
        raise ValueError(
            f"cannot start {program} ({error.strerror}); build it anew or train with numpy"
        ) from error
    if done.returncode:
        message = " ".join(done.stderr.split())[-_MAX_MESSAGE:]
        raise ValueError(
            f"{program} failed with status {done.returncode} ({message}); train with numpy instead"
        )
    return done.stderr
