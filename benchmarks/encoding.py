"""Ids per second: gigatoken and the table of words against SentencePiece, on text that they have not seen.

    python benchmarks/encoding.py --rounds 3
    python benchmarks/encoding.py --check [--under books] [--model RUN/tokenizer/tokenizer.model]

The shared data as text (archives unpacked, WARC and WET records as they are, HTML and XML with their tags; bytes that
are no UTF-8 replaced), in documents of whole lines of about 8 kB. Files are spread over two halves by a hash of their
path. Each way of encoding is warmed on one half and measured on the other, in a process of its own; the CPU seconds of
reading are not counted. All ids are compared by a digest. Target: 6 times SentencePiece.

`--check` compares all ids of all files with SentencePiece's, one by one, for both ways.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import hashlib
import io
import json
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
import py7zr
import zstandard
from measure import Cost, cost_of
from result_table import ROOT, ResultTable

from tokenizer.encoding import TextEncoder
from tokenizer.gigatoken_encoding import GigatokenEncoder
from tokenizer.sentencepiece_model import Model, load_model
from tokenizer.word_table import WordTable

MODEL = "models/mistral-v1.tokenizer.model"
DOCUMENT_CHARACTERS = 8_192
MEASURED_BYTES = 30_000_000  # of each half
LONGEST = 10_000_000  # characters of the long documents
WAYS = ("sentencepiece", "gigatoken", "word table")

Ids = npt.NDArray[np.unsignedinteger]


def contents(data: bytes) -> Iterator[bytes]:
    """What is in a file's bytes, unpacked as often as it is packed."""
    if data.startswith(b"7z\xbc\xaf"):
        with tempfile.TemporaryDirectory() as folder, py7zr.SevenZipFile(io.BytesIO(data)) as archive:
            archive.extractall(folder)
            yield from (p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file())
    elif data.startswith(b"PK\3\4"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield from contents(archive.read(name))
    elif data.startswith(b"\x1f\x8b"):
        yield from contents(gzip.decompress(data))
    elif data.startswith(b"BZh"):
        yield from contents(bz2.decompress(data))
    elif data.startswith(b"\x28\xb5\x2f\xfd"):
        yield from contents(zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read())
    elif data[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                if (found := archive.extractfile(member)) is not None:
                    yield from contents(found.read())
    else:
        yield data


def documents(path: Path) -> Iterator[str]:
    """A file as documents of whole lines; binary files are left out."""
    for content in contents(path.read_bytes()):
        if b"\0" in content[:1024]:
            continue
        text, start = content.decode("utf-8", "replace"), 0
        while start < len(text):
            end = text.find("\n", start + DOCUMENT_CHARACTERS) + 1 or len(text)
            yield text[start:end]
            start = end


def text_files(data: Path, under: str) -> list[Path]:
    return [
        p for p in sorted((data / under).rglob("*")) if p.is_file() and p.suffix not in (".ftz", ".model")
    ]


def halves(data: Path) -> list[list[str]]:
    """Two sets of documents of different files, each with `MEASURED_BYTES` spread over all folders."""
    found: list[list[str]] = [[], []]
    sizes = [0, 0]
    files = text_files(data, ".")
    for path in sorted(files, key=lambda p: hashlib.sha256(str(p.relative_to(data)).encode()).digest()):
        half = int(sizes[1] < sizes[0])
        if sizes[half] >= MEASURED_BYTES:
            break
        read = 0
        for document in documents(path):
            if read >= MEASURED_BYTES // 10:  # no file is more than a tenth
                break
            found[half].append(document)
            read += len(document.encode())
        sizes[half] += read
    return found


def way_to(name: str, model: Model) -> Callable[[str], Ids]:
    if name == "sentencepiece":
        return lambda text: np.array(model.processor.encode(text), np.uint32)
    encoder: TextEncoder = GigatokenEncoder(model) if name == "gigatoken" else WordTable(model)
    return encoder.ids


def long_documents() -> dict[str, str]:
    pattern = "In the beginning, the tokenizer read 1,234 long lines. "
    return {
        "one letter": "a" * LONGEST,
        "spaces": " " * LONGEST,
        "no space": "tokenizer" * (LONGEST // 9),
        "lines": (pattern * 3 + "\n") * (LONGEST // (3 * len(pattern) + 1)),
        "one line": pattern * (LONGEST // len(pattern)),
    }


def measure(name: str, data: Path) -> dict[str, object]:
    """CPU seconds for the text warmed on and for the unseen text, their bytes, and a digest of all ids."""
    encode, digest = way_to(name, load_model(data / MODEL)), hashlib.sha256()
    found: dict[str, object] = {}
    for half, texts in zip(("warming", "unseen"), halves(data), strict=True):
        begun = time.process_time()
        ids = [encode(text) for text in texts]
        found[half] = time.process_time() - begun
        found[f"{half}_bytes"] = sum(len(text.encode()) for text in texts)
        digest.update(np.concatenate(ids).astype(np.uint32).tobytes())
    return {**found, "sha256": digest.hexdigest()}


def measure_long(name: str, data: Path) -> dict[str, list[float]]:
    """CPU seconds for each long document, whole and its first tenth."""
    encode, found = way_to(name, load_model(data / MODEL)), {}
    encode("warm")
    for kind, text in long_documents().items():
        seconds = []
        for part in (text[: LONGEST // 10], text):
            begun = time.process_time()
            encode(part)
            seconds.append(time.process_time() - begun)
        found[kind] = seconds
    return found


def check(path: Path, data: Path, under: str) -> int:
    """Compares all ids of all files; returns how many documents differ."""
    model = load_model(path)
    ways = {name: way_to(name, model) for name in WAYS[1:]}
    count = size = differ = 0
    for file in text_files(data, under):
        for text in documents(file):
            expected: list[int] = model.processor.encode(text)
            count, size = count + 1, size + len(text.encode())
            for name, encode in ways.items():
                if encode(text).tolist() != expected:
                    differ += 1
                    print(f"{file}: {name} differs: {text[:80]!r}", file=sys.stderr)
    print(f"{under}: {count} documents, {size / 1e6:.1f} MB, {differ} differ")
    return differ


def compare(given: argparse.Namespace) -> ResultTable:
    """The rounds, each way in a process of its own. ValueError when their ids are not the same."""

    def run(role: str, name: str) -> Cost:
        return cost_of([sys.executable, __file__, "--role", role, "--way", name, "--data", str(given.data)])

    costs = {name: [run("measure", name) for _ in range(given.rounds)] for name in WAYS}
    said = {name: [json.loads(cost.output) for cost in found] for name, found in costs.items()}
    if len({one["sha256"] for found in said.values() for one in found}) != 1:
        raise ValueError("the ways do not give the same ids; one of them is wrong")
    table = ResultTable(
        f"Encoding (medians of {given.rounds} rounds, {MODEL})",
        (
            "way",
            "unseen text, MB per CPU s",
            "times SentencePiece",
            "text seen first, MB per CPU s",
            "peak MB",
        ),
    )
    rates = {
        name: [
            median(one[f"{half}_bytes"] / 1e6 / one[half] for one in found) for half in ("unseen", "warming")
        ]
        for name, found in said.items()
    }
    for name, (unseen, first) in rates.items():
        peak = max(cost.peak_bytes for cost in costs[name]) / 1e6
        table.rows.append((name, unseen, unseen / rates["sentencepiece"][0], first, peak))
    table.notes.append(f"{said['gigatoken'][0]['unseen_bytes'] / 1e6:.1f} MB unseen; all ids are equal")
    long = {name: json.loads(run("long", name).output) for name in WAYS}
    for kind in long["gigatoken"]:
        figures = ", ".join(
            f"{name} {s[1]:.2f} s ({s[1] / s[0]:.1f}x)" for name in WAYS for s in [long[name][kind]]
        )
        table.notes.append(f"{LONGEST / 1e6:.0f} MB, {kind}: {figures}; in brackets, times its first tenth")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--under", default=".", help="a folder of the data, for --check")
    parser.add_argument("--model", type=Path, help="another tokenizer.model, for --check")
    parser.add_argument("--role", choices=("measure", "long"), help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.check:
        sys.exit(1 if check(given.model or given.data / MODEL, given.data, given.under) else 0)
    elif given.role is not None:
        role = measure if given.role == "measure" else measure_long
        print(json.dumps(role(given.way, given.data)))
    else:
        compare(given).show(given.json)


if __name__ == "__main__":
    main()
