"""From parts of documents to the shards of a source: the same bytes however the parts are grouped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from pipeline import encode, files, plan_shards, tasks
from pipeline.parts import PartWriter
from pipeline.plan import Done
from pipeline.plan_shards import VALIDATION, ShardMaking
from pipeline.plan_tokenizer import FERTILITY, TOKENIZER
from pipeline.settings import Settings, ShardSettings
from pipeline.tasks import Task, execute
from stages.document import Document, Origin
from tokenizer.encoding import Encoder
from tokenizer.order import SPLITS, shard_of, shuffle_key, split_of
from tokenizer.shard_writer import token_batch, write_shard
from tokenizer.shards import ShardMetadata, shard_name

SEED, FRACTION = 7, 0.25
MODEL = "tokenizer/tokenizer.model"
TEXTS = [f"the river {'runs ' * (number % 7)}to the sea, line {number}" for number in range(60)]
BORDERS = [0, 1, 13, 13, 30, 47, 60]  # of the parts: one is empty


@dataclass
class Run:
    """A run up to its validation split: one source, `books`, in six parts."""

    folder: Path
    making: ShardMaking
    final: list[dict[str, Any]]

    def tasks(self, name: str) -> list[Task]:
        return next(node for node in self.making.nodes() if node.name == name).make()

    def execute(self, name: str) -> list[str]:
        """Runs the open tasks of a node and takes its markers in; the names of those that ran."""
        made = self.tasks(name)
        ran = [task for task in made if not tasks.is_done(str(self.folder), task)]
        for task in ran:
            execute(str(self.folder), task)
        self.making.done.markers[name] = [files.read_json(str(self.folder / task.marker)) for task in made]
        return [task.name for task in ran]


def write_part(folder: Path, number: int, texts: Sequence[str], first: int) -> dict[str, Any]:
    writer = PartWriter(str(folder), "books", "documents/books", f"part-{number}", None)
    for row, text in enumerate(texts):
        writer.keep(Document(f"book-{first + row}", "books", text, Origin("x")), len(text.encode()))
    outputs = {path: {"sha256": w.sha256, "bytes": w.bytes} for path, w in writer.close().items()}
    size = sum(len(text.encode()) for text in texts)
    return {"outputs": outputs, "statistics": {"documents": len(texts), "bytes": size}}


def making(folder: Path, final: list[dict[str, Any]], tokens: int) -> ShardMaking:
    settings = Settings(folder="", sources={}, seed=SEED, shards=ShardSettings(tokens, FRACTION))
    done = Done(str(folder))
    fertility = {"sources": {"books": {"bytes_per_token": 2.0}}, "total": {"bytes_per_token": 2.0}}
    moved = f"work/{VALIDATION}/books-moved.bin"
    done.markers = {
        "books/last": final,
        FERTILITY: [{"outputs": {}, "statistics": fertility}],
        TOKENIZER: [{"outputs": {MODEL: {"sha256": "model"}}, "statistics": {}}],
        VALIDATION: [{"outputs": {moved: {"sha256": "moved"}}, "statistics": {}}],
    }

    def parts(source: str, node: str) -> list[tuple[str, str]]:
        return [item for outputs in done.outputs(node, "documents/") for item in outputs.items()]

    return ShardMaking(settings, {"books": "books/last"}, done, parts)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    model = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the river runs to the sea " * 4] * 8), model_writer=model, model_type="bpe",
        vocab_size=290, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        bos_id=1, eos_id=2, unk_id=0, pad_id=-1, num_threads=1, minloglevel=2, hard_vocab_limit=False,
    )  # fmt: skip
    for name, content in ((MODEL, model.getvalue()), (f"work/{VALIDATION}/books-moved.bin", b"")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    final = [
        write_part(tmp_path, number, TEXTS[start:stop], start)
        for number, (start, stop) in enumerate(pairwise(BORDERS))
    ]
    return Run(tmp_path, making(tmp_path, final, tokens=500), final)


def expected_shards(run: Run, counts: dict[str, int]) -> dict[str, bytes]:
    """All documents sorted by (key, id), and written shard by shard."""
    encoder = Encoder(run.folder / MODEL)
    rows: dict[tuple[str, int], list[tuple[int, str, int, int]]] = {}
    for part, (start, stop) in enumerate(pairwise(BORDERS)):
        for number in range(start, stop):
            id = f"book-{number}"
            split, key = split_of("books", id, FRACTION), shuffle_key(SEED, "books", id)
            rows.setdefault((split, shard_of(key, counts[split])), []).append((key, id, part, number - start))
    shards = {}
    for split in SPLITS:
        for shard in range(counts[split]):
            ordered, stream = sorted(rows.get((split, shard), [])), BytesIO()
            ids = [id for _, id, _, _ in ordered]
            batch = token_batch(
                [encoder.encode(TEXTS[int(id.removeprefix("book-"))]) for id in ids],
                ids,
                [part for _, _, part, _ in ordered],
                [row for _, _, _, row in ordered],
                encoder.vocabulary_size,
            )
            metadata = ShardMetadata(encoder.identity, "books", split)
            batches: Iterable[Any] = [batch.cast(metadata.schema())] if ids else []
            write_shard(stream, batches, metadata)
            shards[shard_name(split, shard, counts[split])] = stream.getvalue()
    return shards


@pytest.mark.parametrize("documents_per_batch", [1, 6, 100])
@pytest.mark.parametrize("bytes_per_run", [256 << 20, 3_000])
def test_shards_hold_the_documents_in_the_order_of_their_keys_however_they_are_grouped(
    run: Run, monkeypatch: pytest.MonkeyPatch, documents_per_batch: int, bytes_per_run: int
) -> None:
    monkeypatch.setattr(plan_shards, "DOCUMENTS_PER_BATCH", documents_per_batch)
    monkeypatch.setattr(encode, "BYTES_PER_RUN", bytes_per_run)
    groups = {1: 4, 6: 2, 100: 1}[documents_per_batch]
    assert len(run.execute("books/encode")) == groups
    run.execute("books/shards")
    written = {path.name: path.read_bytes() for path in (run.folder / "shards/books").iterdir()}
    counts = {split: sum(name.startswith(split) for name in written) for split in SPLITS}
    assert counts == {"train": 3, "validation": 1}
    assert written == expected_shards(run, counts)


def test_a_changed_part_encodes_its_group_again_and_no_other(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_shards, "DOCUMENTS_PER_BATCH", 1)
    everything = [task.name for task in run.tasks("books/encode")]
    assert run.execute("books/encode") == everything == [f"group-{n:05d}" for n in range(4)]
    shards = run.execute("books/shards")
    assert (run.execute("books/encode"), run.execute("books/shards")) == ([], [])
    texts = [text.replace("river", "rivel") for text in TEXTS[30:47]]
    run.final[4] = write_part(run.folder, 4, texts, 30)
    run.making.done.markers["books/last"] = run.final
    assert run.execute("books/encode") == ["group-00002"]
    assert run.execute("books/shards") == shards


def sizes(tmp_path: Path, parts: Sequence[tuple[int, int]], tokens: int) -> list[int]:
    """How many parts each group has, of parts of (documents, bytes)."""
    final: list[dict[str, Any]] = [
        {
            "outputs": {f"documents/books/{number}.parquet": {"sha256": str(number)}},
            "statistics": {"documents": documents, "bytes": size},
        }
        for number, (documents, size) in enumerate(parts)
    ]
    made = next(n for n in making(tmp_path, final, tokens).nodes() if n.name == "books/encode").make()
    assert [path for task in made for path in task.descriptor.parts] == [
        next(iter(m["outputs"])) for m in final
    ]
    assert [task.descriptor.first for task in made] == [
        sum(len(task.descriptor.parts) for task in made[:n]) for n in range(len(made))
    ]
    return [len(task.descriptor.parts) for task in made]


def test_a_small_source_is_encoded_part_by_part(tmp_path: Path) -> None:
    assert sizes(tmp_path, [(1_000, 100_000)] * 40, tokens=1 << 27) == [1] * 40


def test_a_large_source_has_about_as_many_groups_as_shards(tmp_path: Path) -> None:
    # 3,000 parts of 10,000 documents and 20 kB hold 90 M tokens: 600 shards of 150,000.
    assert sizes(tmp_path, [(10_000, 20_000)] * 3_000, tokens=150_000) == [5] * 600


def test_few_documents_are_not_cut_into_a_batch_each(tmp_path: Path) -> None:
    # 400 shards of 50 documents: 8 of a group in each shard are 3,200 documents, and 20,000 make six such groups.
    assert sizes(tmp_path, [(100, 1_000)] * 200, tokens=350) == [34, 33, 33, 34, 33, 33]


def test_parts_without_text_and_one_that_is_larger_than_a_group_are_taken_as_they_are(tmp_path: Path) -> None:
    assert sizes(tmp_path, [(0, 0), (0, 0)], tokens=500) == [2]
    uneven = [(0, 0), (4_000, 9_000), (10, 10), (0, 0), (2_000, 990)]
    assert sizes(tmp_path, uneven, tokens=1 << 27) == [2, 3]


def test_what_a_task_is_told_and_records_is_the_same_for_any_number_of_shards_and_files(run: Run) -> None:
    def told(tokens: int) -> int:
        made = Run(run.folder, making(run.folder, run.final, tokens), run.final)
        made.execute("books/encode")
        markers = made.making.done.markers["books/encode"]
        assert [sorted(marker["statistics"]) for marker in markers] == [
            ["bytes", "documents", "tokens"]
        ] * len(markers)
        gathered = made.tasks("books/shards")
        assert len({id(task.reads) for task in gathered}) == 1
        return max(len(json.dumps(tasks.canonical(task.descriptor))) for task in gathered)

    assert abs(told(20) - told(2_000)) < 10
