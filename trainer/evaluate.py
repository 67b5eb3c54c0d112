"""How well a model does on text that it never trained on: loss and bits per byte on the validation rows of each source.

In: a model, the data of a run. Out: for each source the mean loss in nats a token, and bits per byte, which compares
models of different tokenizers. The rows are always the first ones, shared out over the processes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tokenizer.piece_bytes import text_bytes
from trainer.data import Batch, TrainingData

Integers = npt.NDArray[np.int64]


class HeldOut(NamedTuple):
    """Of a source: nats a token, and bits a byte of the text (None where the rows hold no text)."""

    loss: float
    bits_per_byte: float | None


def micro_batches(batch: Batch, rows: int) -> Iterator[Batch]:
    """A batch in parts of at most `rows` rows."""
    for start in range(0, len(batch.sources), rows):
        part = slice(start, start + rows)
        documents = None if batch.documents is None else batch.documents[part]
        yield Batch(batch.tokens[part], batch.targets[part], batch.sources[part], documents)


def on_device(batch: Batch, device: torch.device) -> Batch:
    """A batch with what the model takes of it, tokens, targets and documents, on a device."""
    documents = None if batch.documents is None else batch.documents.to(device)
    return Batch(batch.tokens.to(device), batch.targets.to(device), batch.sources, documents)


@torch.no_grad()
def held_out_losses(
    model: nn.Module,
    data: TrainingData,
    device: torch.device,
    piece_bytes: Integers,
    sequences: int,
    micro_batch_sequences: int,
    rank: int,
    ranks: int,
    total: Callable[[Tensor], Tensor],
) -> dict[str, HeldOut]:
    """Loss and bits per byte of each source with validation rows, on its first `sequences` rows.

    A collective call: rank r of `ranks` takes every r-th row, `total` sums over them, and all get the result.
    `piece_bytes` is the table of `tokenizer.piece_bytes`.
    """
    sources = list(data.validation)
    nats = torch.zeros(len(sources), dtype=torch.float64, device=device)
    targets, sizes = [], []
    for number, source in enumerate(sources):
        batch = data.validation_batch(source, sequences)
        targets.append(batch.targets.numel())
        sizes.append(
            int(
                text_bytes(
                    batch.tokens.numpy(), batch.targets.numpy(), piece_bytes, data.tokenizer.bos_id
                ).sum()
            )
        )
        mine, counted = _share(batch, rank, ranks)
        parts = micro_batches(on_device(mine, device), micro_batch_sequences)
        losses = [model(part.tokens, part.targets, part.documents)[1].sum(1) for part in parts]
        nats[number] = torch.cat(losses)[:counted].double().sum()
    return {
        source: HeldOut(sum_ / count, sum_ / math.log(2) / size if size else None)
        for source, sum_, count, size in zip(sources, total(nats).tolist(), targets, sizes, strict=True)
    }


def _share(batch: Batch, rank: int, ranks: int) -> tuple[Batch, int]:
    """The rows of a rank, and how many of them count: all ranks run the model equally often, so that one with fewer
    rows than others repeats the last row of the batch."""
    rows = len(batch.sources)
    mine = range(rank, -(-rows // ranks) * ranks, ranks)
    taken = torch.tensor([min(row, rows - 1) for row in mine])
    documents = None if batch.documents is None else batch.documents[taken]
    share = Batch(batch.tokens[taken], batch.targets[taken], batch.sources[taken.numpy()], documents)
    return share, sum(row < rows for row in mine)


def unigram_losses(data: TrainingData, sequences: int, tokens_counted: int) -> dict[str, float]:
    """The loss in nats a token, on the same rows, of a model that knows only how frequent each token is in a source.

    It counts the first `tokens_counted` training tokens of the source and adds one to every count (Laplace). What has
    learned anything of the order of words stays below it.
    """
    losses = {}
    for source in data.validation:
        stream = data.streams[data.sources.index(source)]
        counts = np.ones(data.tokenizer.vocabulary_size, np.int64)
        for start in range(0, min(len(stream), tokens_counted), 1 << 20):
            tokens = stream.slice(start, min(start + (1 << 20), len(stream), tokens_counted))
            counts += np.bincount(tokens, minlength=len(counts))
        nats = -np.log(counts / counts.sum())
        losses[source] = float(nats[data.validation_batch(source, sequences).targets.numpy()].mean())
    return losses


def rounded(losses: Mapping[str, HeldOut]) -> tuple[dict[str, float], dict[str, float]]:
    """The two columns of a record: loss and bits per byte of each source, to six digits."""
    loss = {source: round(found.loss, 6) for source, found in losses.items()}
    bits = {s: round(f.bits_per_byte, 6) for s, f in losses.items() if f.bits_per_byte is not None}
    return loss, bits
