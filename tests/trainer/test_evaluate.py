"""Held-out losses beside values computed by hand, with models whose losses are known."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.trainer.conftest import TEXTS
from tokenizer.piece_bytes import piece_bytes
from trainer.config import read_run_config, train_settings
from trainer.data import Batch, TrainingData, open_data, run_tokenizer
from trainer.evaluate import HeldOut, _share, held_out_losses, micro_batches, rounded, unigram_losses
from trainer.initialization import initialize
from trainer.model import Transformer
from trainer.presets import ModelConfig

MakeRun = Callable[..., Path]
VOCABULARY, LENGTH = 320, 8
CPU = torch.device("cpu")


class Constant(nn.Module):
    """Finds every token equally likely; remembers how many rows it saw in each call."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def losses(self, targets: Tensor) -> Tensor:
        return torch.full(targets.shape, math.log(VOCABULARY))

    def forward(self, tokens: Tensor, targets: Tensor, documents: Tensor | None) -> tuple[Tensor, Tensor]:
        assert tokens.shape == targets.shape
        self.rows.append(len(tokens))
        losses = self.losses(targets)
        return losses.sum(), losses


class ByTarget(Constant):
    """A token's loss is its id, so that each row has a loss of its own."""

    def losses(self, targets: Tensor) -> Tensor:
        return targets.float()


@pytest.fixture
def run(make_run: MakeRun) -> Path:
    return make_run(sequence_length=LENGTH)


@pytest.fixture
def data(run: Path) -> TrainingData:
    config = read_run_config(run)
    return open_data(run, config, train_settings(config, {}))


def held_out(
    model: nn.Module, data: TrainingData, run: Path, sequences: int, micro_batch: int = 2
) -> dict[str, HeldOut]:
    """As of one process."""
    table = piece_bytes(run_tokenizer(run).model)
    return held_out_losses(model, data, CPU, table, sequences, micro_batch, 0, 1, lambda values: values)


def first_tokens(data: TrainingData, source: str, sequences: int) -> list[int]:
    """The tokens of the first rows of the validation text; all but the first are targets."""
    tokens: list[int] = data.validation[source].slice(0, sequences * LENGTH + 1).tolist()
    assert len(tokens) == sequences * LENGTH + 1
    return tokens


def test_what_finds_all_tokens_equally_likely_has_the_logarithm_of_their_number(
    data: TrainingData, run: Path
) -> None:
    found = held_out(Constant(), data, run, sequences=3)
    assert found.keys() == TEXTS.keys()
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(run / "tokenizer" / "tokenizer.model"))
    for source, text in TEXTS.items():
        assert found[source].loss == pytest.approx(math.log(320), rel=1e-6)
        read = pieces.decode(first_tokens(data, source, 3)[1:])
        assert len(read) > 24 and (text * 4).startswith(read)  # so no space of the tokenizer's own
        bits = 3 * LENGTH * math.log2(320) / len(read)
        assert found[source].bits_per_byte == pytest.approx(bits, rel=1e-6)


def test_a_loss_is_the_mean_over_the_first_rows_alone(data: TrainingData, run: Path) -> None:
    for sequences in (1, 3):
        found = held_out(ByTarget(), data, run, sequences)
        for source in TEXTS:
            targets = first_tokens(data, source, sequences)[1:]
            assert found[source].loss == pytest.approx(sum(targets) / len(targets))


def test_no_more_rows_are_counted_than_there_are(data: TrainingData, run: Path) -> None:
    found = held_out(ByTarget(), data, run, sequences=10_000)
    for source, stream in data.validation.items():
        targets = first_tokens(data, source, (len(stream) - 1) // LENGTH)[1:]
        assert found[source].loss == pytest.approx(sum(targets) / len(targets))


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("micro_batch", [1, 2, 8])
def test_ranks_call_the_model_equally_often_and_sum_to_the_same_loss(
    data: TrainingData, run: Path, ranks: int, micro_batch: int
) -> None:
    table, sequences = piece_bytes(run_tokenizer(run).model), 3
    parts: list[Tensor] = []

    def total(values: Tensor) -> Tensor:
        parts.append(values)
        return values

    models = [ByTarget() for _ in range(ranks)]
    for rank, model in enumerate(models):
        held_out_losses(model, data, CPU, table, sequences, micro_batch, rank, ranks, total)
    sums = [sum(first_tokens(data, source, sequences)[1:]) for source in data.validation]
    assert sum(parts).tolist() == pytest.approx(sums)  # type: ignore[union-attr]
    assert len({tuple(model.rows) for model in models}) == 1
    assert sum(models[0].rows) == len(sums) * -(-sequences // ranks)
    assert max(models[0].rows) <= micro_batch


@pytest.mark.parametrize(
    ("rank", "rows", "counted"),
    [(0, [0, 3], 2), (1, [1, 4], 2), (2, [2, 4], 1)],
)
def test_a_rank_with_fewer_rows_repeats_the_last_one_uncounted(
    rank: int, rows: list[int], counted: int
) -> None:
    numbers = torch.arange(5)
    tokens = numbers[:, None].expand(5, LENGTH)
    batch = Batch(tokens, tokens + 1, np.full(5, 1), tokens + 2)
    share, found = _share(batch, rank, 3)
    assert share.tokens[:, 0].tolist() == rows
    assert share.targets[:, 0].tolist() == [row + 1 for row in rows]
    assert share.documents is not None and share.documents[:, 0].tolist() == [row + 2 for row in rows]
    assert share.sources.tolist() == [1] * len(rows)
    assert found == counted


def test_a_rank_without_a_row_runs_the_last_one_and_counts_nothing() -> None:
    tokens = torch.arange(2)[:, None]
    shares = [_share(Batch(tokens, tokens, np.zeros(2, np.int64), None), rank, 4) for rank in range(4)]
    assert [share.tokens.flatten().tolist() for share, _ in shares] == [[0], [1], [1], [1]]
    assert [counted for _, counted in shares] == [1, 1, 0, 0]


def test_micro_batches_are_the_rows_in_their_order() -> None:
    tokens = torch.arange(5)[:, None]
    parts = list(micro_batches(Batch(tokens, tokens + 1, np.arange(5), tokens + 2), 2))
    assert [part.tokens.flatten().tolist() for part in parts] == [[0, 1], [2, 3], [4]]
    assert [part.targets.flatten().tolist() for part in parts] == [[1, 2], [3, 4], [5]]
    assert [part.sources.tolist() for part in parts] == [[0, 1], [2, 3], [4]]
    assert [part.documents is not None and part.documents[0].item() for part in parts] == [2, 4, 6]


def test_a_model_s_losses_are_those_of_its_logits(data: TrainingData, run: Path) -> None:
    model = Transformer(ModelConfig(dim=16, layers=1, heads=2, context=LENGTH, vocabulary=VOCABULARY))
    initialize(model, seed=3)
    found = held_out(model, data, run, sequences=3)
    for source in TEXTS:
        tokens = torch.tensor(first_tokens(data, source, 3))
        with torch.no_grad():
            logits = model(tokens[:-1].view(3, LENGTH))
        expected = F.cross_entropy(logits.flatten(0, 1), tokens[1:])
        assert found[source].loss == pytest.approx(float(expected), rel=1e-5)
        assert found[source].loss != pytest.approx(math.log(VOCABULARY), rel=1e-5)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_rows_without_text_have_a_loss_and_no_bits_per_byte(data: TrainingData) -> None:
    no_text = np.zeros(VOCABULARY, np.int64)
    found = held_out_losses(Constant(), data, CPU, no_text, 1, 1, 0, 1, lambda values: values)
    assert [one.bits_per_byte for one in found.values()] == [None, None]
    loss, bits = rounded(found)
    assert loss == pytest.approx(dict.fromkeys(TEXTS, math.log(VOCABULARY)), rel=1e-6) and bits == {}


def test_a_record_shows_six_digits() -> None:
    found = {"books": HeldOut(1.23456789, 0.98765432), "c4": HeldOut(2.0, None)}
    assert rounded(found) == ({"books": 1.234568, "c4": 2.0}, {"books": 0.987654})


@pytest.mark.parametrize("counted", [10, 1 << 20])
def test_a_unigram_model_knows_the_frequencies_of_the_first_training_tokens(
    data: TrainingData, counted: int
) -> None:
    found = unigram_losses(data, 3, counted)
    assert found.keys() == TEXTS.keys()
    for source in TEXTS:
        stream = data.streams[data.sources.index(source)]
        seen = stream.slice(0, min(counted, len(stream))).tolist()
        count = Counter(seen)
        targets = first_tokens(data, source, 3)[1:]
        nats = [-math.log((count[token] + 1) / (len(seen) + VOCABULARY)) for token in targets]
        assert found[source] == pytest.approx(sum(nats) / len(nats))
    assert max(unigram_losses(data, 3, 1 << 20).values()) < math.log(VOCABULARY)
