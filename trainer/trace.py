"""From what training reads to where it comes from, and back; what the command `trace` shows.

In: a run. Out, for a training step or a position in a source: the documents whose tokens are there, each with its id,
address, part and row, where its raw bytes were, and its text. For the id of a document: its tokens in the shards, and
the epochs, steps and rows in which training reads them. All of it comes from the shards; address and origin are looked
up in RUN/documents, and are null where that folder was not copied. Nothing is searched through: a step's rows follow
from the schedule, an id's place from its hash, in whose order the shards are, its steps from the schedule's inverse.

The order is the trainer's own: the settings of the newest checkpoint where there is one (data that has changed since is
refused), else those that `train` would begin with.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tokenizer.order import SPLITS, shuffle_key
from tokenizer.shard_index import check_files, read_index
from tokenizer.shard_reader import DocumentAt, TokenStream
from trainer.checkpoint_folder import MAX_STATE_BYTES, list_checkpoints, read_state
from trainer.config import read_run_config, train_settings
from trainer.data import TrainingData, open_data, run_tokenizer


class Facts(NamedTuple):
    """What RUN/documents knows of a document."""

    id: str | None = None
    url: str | None = None
    title: str | None = None
    origin: Mapping[str, object] | None = None


@dataclass(frozen=True)
class Traced:
    """Some tokens of one document: positions [start, stop) of the source's split; the document's own are
    [document_start, document_stop). `step` and `sequence` are those of training, when it was asked for them."""

    source: str
    split: str
    id: str
    start: int
    stop: int
    document_start: int
    document_stop: int
    part: int
    row: int
    url: str | None
    title: str | None
    origin: Mapping[str, object] | None
    text: str  # of the tokens [start, stop)
    step: int | None = None
    sequence: int | None = None
    epoch: int | None = None


@dataclass(frozen=True)
class Reading:
    """One row of training that holds tokens of a document. Steps are counted from 1, as in metrics.jsonl."""

    epoch: int
    step: int
    sequence: int
    row: int


class Tracer:
    """Looks things up in one run."""

    def __init__(self, run: Path) -> None:
        self._run, self._encoder = run, run_tokenizer(run)

    def step(self, data: TrainingData, step: int, sequence: int | None = None) -> Iterator[Traced]:
        """The documents of step 1, 2, ..., row by row or of one row; the token that is only a target is not shown."""
        located = data.schedule.locate(data.samples(step - 1))
        wanted = range(data.batch_sequences) if sequence is None else [sequence]
        for number in wanted:
            source, epoch, row = (int(values[number]) for values in located)
            start = row * data.sequence_length
            name, stream = data.sources[source], data.streams[source]
            for begin, stop, document in _documents(stream, start, start + data.sequence_length):
                yield self._traced(name, "train", stream, document, begin, stop, step, number, epoch)

    def position(self, source: str, position: int, around: int) -> Traced:
        """The training document at a token of a source, with up to `around` tokens on both sides of it."""
        stream = self._stream(source, "train")
        if not 0 <= position < len(stream):
            raise ValueError(f"{source}:{position}: the source has training tokens 0 to {len(stream) - 1}")
        found = stream.document_at(position)
        start, stop = max(found.start, position - around), min(found.stop, position + around + 1)
        return self._traced(source, "train", stream, found, start, stop)

    def id(self, id: str, around: int) -> Iterator[Traced]:
        """The documents of this id, in any source and split, each with its first tokens, at most `around`.

        ValueError when the shards are not in the order of the run's seed.
        """
        seed = read_run_config(self._run).get("seed")
        if not isinstance(seed, int):
            raise ValueError(
                f"{self._run / 'config.yaml'}: no seed, which says where an id is: copy it again"
            )
        for folder in sorted(path for path in (self._run / "shards").iterdir() if path.is_dir()):
            for split in SPLITS:
                stream = self._stream(folder.name, split)
                if found := _document_of_id(stream, folder.name, id, seed):
                    stop = min(found.stop, found.start + around)
                    yield self._traced(folder.name, split, stream, found, found.start, stop)

    def _stream(self, source: str, split: str) -> TokenStream:
        folder = self._run / "shards" / source
        if not folder.is_dir():
            known = ", ".join(sorted(path.name for path in (self._run / "shards").iterdir() if path.is_dir()))
            raise ValueError(f"{source}: no such source in {self._run}; it has {known}")
        index = read_index(folder)
        check_files(folder, index)
        return TokenStream(folder, index, split)

    def _traced(
        self,
        source: str,
        split: str,
        stream: TokenStream,
        found: DocumentAt,
        start: int,
        stop: int,
        step: int | None = None,
        sequence: int | None = None,
        epoch: int | None = None,
    ) -> Traced:
        facts = self._facts(source, found)
        text = self._encoder.decode(stream.slice(start, stop))
        return Traced(
            source, split, found.id, start, stop, found.start, found.stop, found.part, found.row,
            facts.url, facts.title, facts.origin, text, step, sequence, epoch,
        )  # fmt: skip

    def _facts(self, source: str, found: DocumentAt) -> Facts:
        """Address, title and origin of a document from RUN/documents, nothing when they are not there."""
        folder = self._run / "documents" / source
        paths = sorted(folder.glob(f"part-{found.part:05d}-of-*.parquet")) if folder.is_dir() else []
        if not paths:
            return Facts()
        try:
            row = _row(paths[0], found.row)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(
                f"{paths[0]}: damaged ({' '.join(str(error).split())}): copy it again"
            ) from error
        if row is None or row.id != found.id:
            raise ValueError(
                f"{paths[0]}: row {found.row} is not {found.id}: documents and shards are of two runs, copy both again"
            )
        return row


def _row(path: Path, row: int) -> Facts | None:
    """Id, address, title and origin of one row, of whose group only these columns are read."""
    parquet, first = pq.ParquetFile(path), 0
    for group in range(parquet.num_row_groups):
        rows = parquet.metadata.row_group(group).num_rows
        if row < first + rows:
            table = parquet.read_row_group(group, columns=list(Facts._fields))
            return Facts(**table.slice(row - first, 1).to_pylist()[0])
        first += rows
    return None


def _documents(stream: TokenStream, start: int, stop: int) -> Iterator[tuple[int, int, DocumentAt]]:
    """The documents of tokens [start, stop), each with those of them that are its own."""
    while start < stop:
        found = stream.document_at(start)
        end = min(stop, found.stop)
        yield start, end, found
        start = end


def _document_of_id(stream: TokenStream, source: str, id: str, seed: int) -> DocumentAt | None:
    """The document of a stream with this id: by the record batches' first ids, then within one."""

    def place(id: str) -> tuple[int, str]:
        return shuffle_key(seed, source, id), id

    def first(number: int) -> tuple[int, str]:
        return place(stream.documents_of(number).column("id")[0].as_py())

    if not stream.record_batches:
        return None
    number = max(0, bisect_right(range(stream.record_batches), place(id), key=first) - 1)
    places = [place(other) for other in stream.documents_of(number).column("id").to_pylist()]
    if places != sorted(places):
        raise ValueError(
            f"{stream.folder}: not in the order of seed {seed}: config.yaml is of another run, copy both again"
        )
    row = bisect_left(places, place(id))
    return stream.document_of(number, row) if places[row : row + 1] == [place(id)] else None


def readings(data: TrainingData, steps: int, source: str, start: int, stop: int) -> Iterator[Reading]:
    """The rows of the first `steps` steps that hold some of the tokens [start, stop) of a source as input."""
    length, which, schedule = data.sequence_length, data.sources.index(source), data.schedule
    rows = np.arange(start // length, min((stop - 1) // length + 1, schedule.rows[which]))
    samples = steps * data.batch_sequences
    epochs = range(-(-schedule.samples_of(which, samples) // schedule.rows[which]))
    for sample, epoch, row in zip(
        *(part.tolist() for part in schedule.find(which, rows, epochs)), strict=True
    ):
        if sample < samples:  # the last epoch is not read to its end
            step, sequence = divmod(sample, data.batch_sequences)
            yield Reading(epoch, step + 1, sequence, row)


def training_order(run: Path, overrides: Mapping[str, object]) -> tuple[TrainingData, int]:
    """The data of a run in the order in which it was, or would be, trained, and the number of its steps.

    `overrides` take precedence over the settings that it was trained with. Without them, ValueError when shards or
    mixture have changed since.
    """
    config = read_run_config(run)
    path, made_with, fingerprint = _made_with(run)
    settings = train_settings(config, {**made_with, **overrides})
    data = open_data(run, config, settings)
    if fingerprint and not overrides and data.fingerprint != fingerprint:
        raise ValueError(
            f"{path}: made on other data ({fingerprint}, now {data.fingerprint}), the shards or the mixture "
            "have changed since: restore them"
        )
    return data, settings.steps


def _made_with(run: Path) -> tuple[Path, Mapping[str, object], object]:
    """What was trained: its file, settings and the fingerprint of its data, of the newest checkpoint, or of the summary
    where there is none; no settings for a run that is still to be trained."""
    newest, summary = next(reversed(list_checkpoints(run)), None), run / "train" / "summary.json"
    kept: Mapping[str, object] = {}
    if newest is not None:
        kept = read_state(newest).state
    elif summary.is_file() and summary.stat().st_size <= MAX_STATE_BYTES:
        found = json.loads(summary.read_text("utf-8"))
        kept = found if isinstance(found, dict) else {}
    settings = kept.get("settings", {})
    if not isinstance(settings, Mapping):
        raise ValueError(f"{newest or summary}: no settings in it: restore it, or move {run / 'train'} away")
    return newest or summary, settings, kept.get("fingerprint")
