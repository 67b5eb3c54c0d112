"""The training data of a run: token shards in, batches out, as a pure function of the step.

Each source of RUN/shards is one long sequence of tokens. A row is `sequence_length` + 1 tokens of it that
start at a multiple of `sequence_length`, so that neighbours share one token and every token but the first is
a target once. Which row is sample i of the run is decided by `mixtures.schedule`; step s reads the samples
from s * batch on. The state of the loader is therefore one integer, the number of steps done. The tokens
behind the last whole row are not used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mixtures.mixture import load_mixture
from mixtures.schedule import Schedule, integer_weights
from tokenizer.encoding import Encoder
from tokenizer.shards import TokenizerIdentity, TokenStream, check_compatible, list_shards
from trainer.config import TrainSettings

_SAMPLED_TOKENS = 4096  # of both ends of each source, for the fingerprint


class Batch(NamedTuple):
    """Token ids and the ids that follow them, [B, T] int64 each, and the index of the source of each row, [B]."""

    tokens: Tensor
    targets: Tensor
    sources: npt.NDArray[np.int64]


def run_tokenizer(run: Path) -> Encoder:
    """The tokenizer of a run; ValueError when it has none."""
    path = run / "tokenizer" / "tokenizer.model"
    if not path.is_file():
        raise ValueError(f"{path}: not found: run the pipeline up to its shards first")
    return Encoder(path)


@dataclass(frozen=True)
class TrainingData:
    """The rows of a run. `sources`, `shares` (they sum to 1) and `streams` go together; `messages` are for people."""

    tokenizer: TokenizerIdentity
    sources: tuple[str, ...]
    shares: tuple[float, ...]
    streams: tuple[TokenStream, ...]
    validation: Mapping[str, TokenStream]
    schedule: Schedule
    sequence_length: int
    batch_sequences: int
    messages: tuple[str, ...]

    def batch(self, step: int) -> Batch:
        """The batch of step 0, 1, 2, ...; the same for every way of getting there."""
        first = step * self.batch_sequences
        located = self.schedule.locate(np.arange(first, first + self.batch_sequences))
        rows = [
            _row(self.streams[source], row, self.sequence_length)
            for source, row in zip(located.source, located.row, strict=True)
        ]
        return _batch(rows, located.source)

    def validation_batch(self, source: str, sequences: int) -> Batch:
        """The first rows of the validation tokens of a source, at most `sequences` of them."""
        stream = self.validation[source]
        count = min(sequences, _rows(stream, self.sequence_length))
        rows = [_row(stream, row, self.sequence_length) for row in range(count)]
        return _batch(rows, np.full(count, self.sources.index(source), np.int64))

    @property
    def fingerprint(self) -> str:
        """16 hex digits that differ when a step would see other tokens.

        Of the order of rows, their length, the tokenizer, and for each source its name, number of tokens and
        the 4,096 tokens at both ends: a run built again with other documents has another one, without reading
        it all.
        """
        digest = hashlib.sha256()
        head = [self.schedule.fingerprint, self.sequence_length, self.batch_sequences, self.tokenizer.sha256]
        digest.update(json.dumps([head, self.sources, list(map(len, self.streams))]).encode("ascii"))
        for stream in self.streams:
            length = len(stream)
            for start in (0, max(0, length - _SAMPLED_TOKENS)):
                digest.update(stream.slice(start, min(length, start + _SAMPLED_TOKENS)).tobytes())
        return digest.hexdigest()[:16]


def open_data(run: Path, config: Mapping[str, object], settings: TrainSettings) -> TrainingData:
    """Opens the shards of a run, checks them against its tokenizer and renormalises the mixture over the
    sources.

    A source of the mixture without a single row is left out, as is a source with shards that the mixture does
    not name; each gives a message. ValueError when nothing is left, or when a shard was made with another
    tokenizer.
    """
    tokenizer = run_tokenizer(run).identity
    mixture = config.get("mixture", "llama1")
    if not isinstance(mixture, str | Mapping):
        raise ValueError(f"mixture: {mixture!r} must be a name, a file or a table of shares")
    shares = load_mixture(mixture).shares
    messages: list[str] = []
    streams: dict[str, TokenStream] = {}
    validation: dict[str, TokenStream] = {}
    for source in sorted(shares):
        if stream := _open(run, source, "train", tokenizer, settings.sequence_length, messages):
            streams[source] = stream
            held_out = _open(run, source, "validation", tokenizer, settings.sequence_length, messages)
            if held_out:
                validation[source] = held_out
    folder = run / "shards"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir() and path.name not in shares:
            messages.append(f"{path.name}: left out: the mixture has no share for it")
    if not streams:
        raise ValueError(
            f"{folder}: no source of the mixture has a row of {settings.sequence_length + 1} tokens: "
            "add input, or lower train.sequence_length"
        )
    names = tuple(streams)
    weights = integer_weights([shares[name] for name in names])
    rows = [_rows(stream, settings.sequence_length) for stream in streams.values()]
    return TrainingData(
        tokenizer=tokenizer,
        sources=names,
        shares=tuple(weight / sum(weights) for weight in weights),
        streams=tuple(streams.values()),
        validation=validation,
        schedule=Schedule(weights, rows, settings.seed),
        sequence_length=settings.sequence_length,
        batch_sequences=settings.batch_sequences,
        messages=tuple(messages),
    )


def _open(
    run: Path, source: str, split: str, tokenizer: TokenizerIdentity, length: int, messages: list[str]
) -> TokenStream | None:
    """The tokens of a source, or None and a message when they are not enough for one row."""
    paths = list_shards(run / "shards" / source, split)
    if not paths:
        messages.append(f"{source}: no {split} shards, left out of {_purpose(split)}")
        return None
    stream = TokenStream(paths)
    check_compatible(stream.metadata, tokenizer, str(paths[0]))
    if (stream.metadata.source, stream.metadata.split) != (source, split):
        raise ValueError(
            f"{paths[0]}: holds {stream.metadata.split} tokens of {stream.metadata.source}, "
            f"not {split} tokens of {source}: build the shards again"
        )
    if _rows(stream, length) < 1:
        messages.append(
            f"{source}: {len(stream)} {split} tokens are less than a row of {length + 1}, "
            f"left out of {_purpose(split)}"
        )
        return None
    return stream


def _purpose(split: str) -> str:
    return "training" if split == "train" else "validation"


def _rows(stream: TokenStream, length: int) -> int:
    return (len(stream) - 1) // length


def _row(stream: TokenStream, row: int, length: int) -> npt.NDArray[np.int64]:
    start = int(row) * length
    return stream.slice(start, start + length + 1).astype(np.int64)


def _batch(rows: Sequence[npt.NDArray[np.int64]], sources: npt.NDArray[np.int64]) -> Batch:
    both = torch.from_numpy(np.stack(rows))  # [B, T + 1]
    return Batch(both[:, :-1], both[:, 1:], sources)
