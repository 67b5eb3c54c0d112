"""A run as the pipeline leaves it: a byte tokenizer of 320 pieces, shards of two sources and a config.yaml."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
import sentencepiece
import torch
import yaml

from tokenizer.encoding import Encoder
from tokenizer.shard_index import INDEX_NAME, ShardEntry, ShardIndex
from tokenizer.shard_writer import token_batch, write_shard
from tokenizer.shards import ShardMetadata, shard_name

# Two sources of different text, so that their losses and their shares can be told apart.
TEXTS = {
    "wikipedia": "the river runs down to the sea and the sea goes up to the sky. ",
    "books": "she said nothing, and he said nothing, and so the evening passed. ",
}
MakeRun = Callable[..., Path]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small matrices are faster on one thread, and other tests may be running."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tokenizer_model() -> bytes:
    """A SentencePiece BPE model of 320 pieces with byte fallback."""
    model = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(list(TEXTS.values()) * 4), model_writer=model, model_type="bpe", vocab_size=320,
        byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        bos_id=1, eos_id=2, unk_id=0, pad_id=-1, num_threads=1, minloglevel=2,
    )  # fmt: skip
    return model.getvalue()


@pytest.fixture
def make_run(tmp_path: Path, tokenizer_model: bytes) -> MakeRun:
    def make(name: str = "run", shares: dict[str, float] | None = None, **train: object) -> Path:
        run = tmp_path / name
        (run / "tokenizer").mkdir(parents=True)
        model = run / "tokenizer" / "tokenizer.model"
        model.write_bytes(tokenizer_model)
        for source, text in TEXTS.items():
            write_source(run, source, [text * 6] * 12, [text * 4])
        settings = {
            "preset": "toy",
            "steps": 10,
            "batch_sequences": 4,
            "sequence_length": 32,
            "seed": 7,
            **train,
        }
        mixture = shares or {"wikipedia": 0.75, "books": 0.25}
        (run / "config.yaml").write_text(yaml.safe_dump({"mixture": mixture, "train": settings}), "utf-8")
        return run

    return make


@pytest.fixture
def write_shards() -> Callable[[Path, str, list[str], list[str]], None]:
    return write_source


def write_source(run: Path, source: str, train: list[str], validation: list[str]) -> None:
    """The shards of a source, one a split, and their index; rows are numbered through both splits."""
    encoder = Encoder(run / "tokenizer" / "tokenizer.model")
    identity = encoder.identity
    folder = run / "shards" / source
    folder.mkdir(parents=True, exist_ok=True)
    splits, first = {}, 0
    for split, texts in (("train", train), ("validation", validation)):
        ids, numbers = [f"{split}-{number}" for number in range(len(texts))], range(first, first + len(texts))
        tokens = [encoder.encode(text) for text in texts]
        batch = token_batch(tokens, ids, [0] * len(texts), list(numbers), identity.vocabulary_size)
        path = folder / shard_name(split, 0, 1)
        with open(path, "wb") as stream:
            batches = write_shard(stream, [batch], ShardMetadata(identity, source, split))
        splits[split] = (ShardEntry(path.name, path.stat().st_size, batches),)
        first += len(texts)
    (folder / INDEX_NAME).write_bytes(ShardIndex(source, identity, splits).encoded())
