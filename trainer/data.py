"""The training data of a run: token shards in, batches out, as a pure function of the step.

Each source of RUN/shards is one long sequence of tokens. A row is `sequence_length` + 1 tokens of it that
start at a multiple of `sequence_length`, so that neighbours share one token and every token but the first is
a target once. Which row is sample i of the run is decided by `mixtures.schedule`; step s reads the samples
from s * batch on, and rank r of R takes every R-th of them, from the r-th on. The state of the loader is
therefore one integer, the number of steps done, and the batches are the same for any number of ranks. The
tokens behind the last whole row are not used.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mixtures.mixture import load_mixture, parse_count, plan_mixture
from mixtures.outside_yaml import shown
from mixtures.schedule import DENOMINATOR, Schedule, integer_weights
from tokenizer.encoding import Encoder
from tokenizer.shard_index import INDEX_NAME, ShardIndex, check_files, read_index
from tokenizer.shard_reader import TokenStream
from tokenizer.shards import TokenizerIdentity, check_compatible
from tokenizer.verification import check_source
from trainer.config import TrainSettings

SAMPLES_LOCATED = 4096  # at once: NumPy's cost of a call is spread over them


class Batch(NamedTuple):
    """Token ids and the ids that follow them, [B, T] int64 each, and the index of the source of each row, [B].

    `documents` [B, T], where attention stays within documents: the number of each token's document within the row, 0
    for the one that the row begins in, one more at each that begins after.
    """

    tokens: Tensor
    targets: Tensor
    sources: npt.NDArray[np.int64]
    documents: Tensor | None


def run_tokenizer(run: Path) -> Encoder:
    """The tokenizer of a run; ValueError when it has none."""
    path = run / "tokenizer" / "tokenizer.model"
    if not path.is_file():
        raise ValueError(f"{path}: not found: run the pipeline up to its shards first")
    return Encoder(path)


@dataclass(frozen=True)
class TrainingData:
    """The rows of a run. `sources`, `shares` (they sum to 1) and `streams` go together; `messages` are for people.

    `digests` are those of the sources' indexes, which stand for all that is in their shards.
    """

    tokenizer: TokenizerIdentity
    sources: tuple[str, ...]
    shares: tuple[float, ...]
    streams: tuple[TokenStream, ...]
    digests: tuple[str, ...]
    validation: Mapping[str, TokenStream]
    schedule: Schedule
    sequence_length: int
    batch_sequences: int
    document_mask: bool  # whether batches say where documents begin
    messages: tuple[str, ...]
    _blocks: dict[tuple[int, int, int], tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def samples(self, step: int, rank: int = 0, ranks: int = 1) -> npt.NDArray[np.int64]:
        """The sample numbers that a rank takes of step 0, 1, 2, ...: row i of the step is row i // ranks of rank
        i % ranks."""
        if not 0 <= rank < ranks <= self.batch_sequences:
            raise ValueError(
                f"rank {rank} of {ranks}: there may be 1 to {self.batch_sequences} ranks, as many as a step has rows"
            )
        first = step * self.batch_sequences
        return np.arange(first + rank, first + self.batch_sequences, ranks)

    def _located(
        self, step: int, rank: int, ranks: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Source and row of each sample of a step. Some steps are looked up at once, which for small batches is most of
        the cost of a batch; the last ones are kept."""
        at_once = max(1, SAMPLES_LOCATED * ranks // self.batch_sequences)
        block = step // at_once
        key = (block, rank, ranks)
        if key not in self._blocks:
            steps = range(block * at_once, (block + 1) * at_once)
            found = self.schedule.locate(np.stack([self.samples(number, rank, ranks) for number in steps]))
            self._blocks.clear()
            self._blocks[key] = (found.source, found.row)
        sources, rows = self._blocks[key]
        return sources[step % at_once], rows[step % at_once]

    def batch(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """The batch of step 0, 1, 2, ..., or what a rank takes of it; the same for every way of getting there.

        ValueError when a shard was changed since it was written.
        """
        sources, rows = self._located(step, rank, ranks)
        both = np.empty((len(rows), self.sequence_length + 1), np.int64)
        for source, stream in enumerate(self.streams):
            if len(places := np.flatnonzero(sources == source)):
                stream.rows(rows[places] * self.sequence_length, both, places)
        return self._batch(both, sources, rows, self.streams)

    def validation_batch(self, source: str, sequences: int) -> Batch:
        """The first rows of the validation tokens of a source, at most `sequences` of them."""
        stream, index = self.validation[source], self.sources.index(source)
        rows = np.arange(min(sequences, _rows(stream, self.sequence_length)), dtype=np.int64)
        both = np.empty((len(rows), self.sequence_length + 1), np.int64)
        stream.rows(rows * self.sequence_length, both)
        return self._batch(both, np.full(len(rows), index), rows, {index: stream})

    def _batch(
        self,
        both: npt.NDArray[np.int64],
        sources: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        streams: Sequence[TokenStream] | Mapping[int, TokenStream],
    ) -> Batch:
        """A batch of the rows [B, T + 1] that were read; `streams` of the sources say where documents begin."""
        documents = None
        if self.document_mask:
            begins = np.zeros((len(rows), self.sequence_length), np.int64)
            for number, (source, row) in enumerate(zip(sources.tolist(), rows.tolist(), strict=True)):
                start = row * self.sequence_length
                within = streams[source].boundaries(start + 1, start + self.sequence_length)
                begins[number, within - start] = 1
            documents = torch.from_numpy(begins.cumsum(axis=1))
        tokens = torch.from_numpy(both)
        return Batch(tokens[:, :-1], tokens[:, 1:], sources, documents)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that differ when a step would see other tokens: of the order of rows, their length, the
        tokenizer, and each source's name and index, which holds the checksums of all its tokens."""
        head = [self.schedule.fingerprint, self.sequence_length, self.batch_sequences, self.tokenizer.sha256]
        content = json.dumps([head, self.sources, self.digests])
        return hashlib.sha256(content.encode("ascii")).hexdigest()[:16]


def open_data(run: Path, config: Mapping[str, object], settings: TrainSettings) -> TrainingData:
    """Opens the shards of a run, checks them against its tokenizer and renormalises the mixture over the
    sources.

    What epochs and caps of a mixture mean is planned with the budget of the run (`tokens`), not with the steps of one
    training; a cap that the steps go beyond gives a message. A source of the mixture without a single row or with less
    than a millionth is left out, as is a source with shards that the mixture does not name; each gives a message.
    ValueError when nothing is left or less than a batch, when a shard is missing, cut or left over, or when the shards
    were made with another tokenizer. Shards are opened when a batch wants them; those without documents, which none
    wants, are held against their checksum here.
    """
    tokenizer = run_tokenizer(run).identity
    asked = config.get("mixture", "llama1")
    if not isinstance(asked, str | Mapping):
        raise ValueError(
            f"mixture: {shown(asked)} must be a name, a file or a table of shares, weights or epochs"
        )
    mixture = load_mixture(asked)
    messages: list[str] = []
    streams: dict[str, TokenStream] = {}
    digests: dict[str, str] = {}
    validation: dict[str, TokenStream] = {}
    for source in sorted(mixture.sources):
        index = _index(run, source, tokenizer)
        if stream := _open(run, index, source, "train", settings.sequence_length, messages):
            assert index is not None
            streams[source], digests[source] = stream, index.digest
            held_out = _open(run, index, source, "validation", settings.sequence_length, messages)
            if held_out:
                validation[source] = held_out
    folder = run / "shards"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir() and path.name not in mixture.sources:
            messages.append(f"{path.name}: left out: the mixture has no share for it")
    if not streams:
        raise ValueError(
            f"{folder}: no source of the mixture has a row of {settings.sequence_length + 1} tokens: "
            "add input, or lower train.sequence_length"
        )
    found = sum(_rows(stream, settings.sequence_length) for stream in streams.values())
    if found < settings.batch_sequences:
        raise ValueError(
            f"{folder}: {found:,} rows of {settings.sequence_length} tokens are less than one batch "
            f"(train.batch_sequences {settings.batch_sequences}): add input, or lower it"
        )
    tokens = {name: len(stream) for name, stream in streams.items()}
    shares = plan_mixture(mixture, tokens, parse_count(config.get("tokens", "1.4T"))).shares
    for name in [name for name in streams if shares[name] * DENOMINATOR < 1]:
        messages.append(f"{name}: its share of {shares[name]:.1g} is below a millionth, left out of training")
        del streams[name], digests[name]
        validation.pop(name, None)
    names = tuple(streams)
    weights = integer_weights([shares[name] for name in names])
    rows = [_rows(stream, settings.sequence_length) for stream in streams.values()]
    schedule = Schedule(weights, rows, settings.seed)
    for name, epochs in zip(names, schedule.epochs(settings.steps * settings.batch_sequences), strict=True):
        if epochs > (cap := mixture.max_epochs.get(name, math.inf)):
            messages.append(
                f"{name}: {settings.steps} steps read it {epochs:.3g} times, above its cap of {cap:g}; caps are "
                "planned for the budget `tokens`: set that to what is trained on"
            )
    return TrainingData(
        tokenizer=tokenizer,
        sources=names,
        shares=tuple(weight / sum(weights) for weight in weights),
        streams=tuple(streams.values()),
        digests=tuple(digests.values()),
        validation=validation,
        schedule=schedule,
        sequence_length=settings.sequence_length,
        batch_sequences=settings.batch_sequences,
        document_mask=settings.document_mask,
        messages=tuple(messages),
    )


def _index(run: Path, source: str, tokenizer: TokenizerIdentity) -> ShardIndex | None:
    """The index of a source's shards, which are all there; None when the run has no folder for the source."""
    folder = run / "shards" / source
    if not folder.is_dir():
        return None
    index = read_index(folder)
    check_compatible(index.metadata("train"), tokenizer, str(folder / INDEX_NAME))
    check_source(folder, index, source)
    check_files(folder, index)
    return index


def _open(
    run: Path, index: ShardIndex | None, source: str, split: str, length: int, messages: list[str]
) -> TokenStream | None:
    """The tokens of a source, or None and a message when they are not enough for one row."""
    if index is None or not index.splits[split]:
        messages.append(f"{source}: no {split} shards, left out of {_purpose(split)}")
        return None
    stream = TokenStream(run / "shards" / source, index, split)
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
