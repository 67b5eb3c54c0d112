"""The command `export` over the shards of a run."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from click.testing import CliRunner

from pipeline.export_shards import export, export_run
from tokenizer.encoding import Encoder
from tokenizer.shard_index import INDEX_NAME, ShardEntry, ShardIndex
from tokenizer.shard_writer import token_batch, write_shard
from tokenizer.shards import ShardMetadata, shard_name

TEXTS = [
    "the river runs down\nto the sea",
    "é 漢字 \t two  spaces",
    " leading and trailing ",
    "<s> is text </s>",
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with one source, its training documents `TEXTS` and nothing held out."""
    model = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the river runs to the sea " * 4] * 8), model_writer=model, model_type="bpe",
        vocab_size=290, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        bos_id=1, eos_id=2, unk_id=0, pad_id=-1, num_threads=1, minloglevel=2, hard_vocab_limit=False,
    )  # fmt: skip
    run = tmp_path / "run"
    (run / "tokenizer").mkdir(parents=True)
    (run / "tokenizer" / "tokenizer.model").write_bytes(model.getvalue())
    encoder = Encoder(run / "tokenizer" / "tokenizer.model")
    folder = run / "shards" / "books"
    folder.mkdir(parents=True)
    splits = {}
    for split, texts in (("train", TEXTS), ("validation", [])):
        path, numbers = folder / shard_name(split, 0, 1), list(range(len(texts)))
        tokens = [encoder.encode(text) for text in texts]
        ids = [f"book-{n}" for n in numbers]
        batch = token_batch(tokens, ids, [0] * len(texts), numbers, encoder.vocabulary_size)
        with path.open("wb") as stream:
            batches = write_shard(
                stream, [batch] if texts else [], ShardMetadata(encoder.identity, "books", split)
            )
        splits[split] = (ShardEntry(path.name, path.stat().st_size, batches),)
    (folder / INDEX_NAME).write_bytes(ShardIndex("books", encoder.identity, splits).encoded())
    return run


def test_json_lines_give_the_texts_back(run: Path, tmp_path: Path) -> None:
    (path,) = export_run(run, tmp_path / "out", "jsonl")
    assert path.name == "books-train.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    assert lines == [{"id": f"book-{n}", "source": "books", "text": text} for n, text in enumerate(TEXTS)]


def test_writes_the_files_of_each_format(run: Path, tmp_path: Path) -> None:
    names = [path.name for path in export_run(run, tmp_path / "out", "megatron")]
    assert names == ["books-train.bin", "books-train.idx"]
    tokens, starts = (np.load(path) for path in export_run(run, tmp_path / "out", "npy"))
    encoder = Encoder(run / "tokenizer" / "tokenizer.model")
    assert tokens.tolist() == [token for text in TEXTS for token in encoder.encode(text).tolist()]
    assert len(starts) == len(TEXTS) + 1


def test_refuses_a_run_without_shards_and_another_tokenizer(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no shards with their tokenizer"):
        export_run(tmp_path / "nowhere", tmp_path / "out", "npy")
    with open(run / "tokenizer" / "tokenizer.model", "ab") as model:
        model.write(b"\x1a\x00")
    with pytest.raises(ValueError, match=r"index\.json: made with tokenizer"):
        export_run(run, tmp_path / "out", "npy")


@pytest.mark.parametrize("inside", ["shards/books", "export", "."])
def test_the_run_itself_is_not_written_to(run: Path, inside: str) -> None:
    result = CliRunner().invoke(export, [str(run), "--to", "npy", "--out", str(run / inside)])
    assert (result.exit_code, "is within the run, which is not written to" in result.output) == (2, True)
    assert not (run / "export").exists()
    assert not list(run.rglob("*.npy"))
