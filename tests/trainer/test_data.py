from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tokenizer.shards import TokenStream, list_shards
from trainer.config import read_run_config, train_settings
from trainer.data import TrainingData, open_data

MakeRun = Callable[..., Path]


def opened(run: Path, **overrides: object) -> TrainingData:
    config = read_run_config(run)
    return open_data(run, config, train_settings(config, overrides))


def test_targets_are_the_next_tokens_of_the_stream(make_run: MakeRun) -> None:
    run = make_run()
    data = opened(run)
    batch = data.batch(3)
    located = data.schedule.locate(np.arange(12, 16))
    for index, (source, row) in enumerate(zip(located.source, located.row, strict=True)):
        stream = TokenStream(list_shards(run / "shards" / data.sources[source], "train"))
        both = stream.slice(row * 32, row * 32 + 33).tolist()
        assert batch.tokens[index].tolist() == both[:-1]
        assert batch.targets[index].tolist() == both[1:]
    assert batch.sources.tolist() == located.source.tolist()


def test_shares_are_exact_and_each_row_comes_once_an_epoch(make_run: MakeRun) -> None:
    data = opened(make_run())
    assert (data.sources, data.shares) == (("books", "wikipedia"), (0.25, 0.75))
    sources = np.concatenate([data.batch(step).sources for step in range(25)])
    assert np.bincount(sources).tolist() == [25, 75]
    rows = data.schedule.rows[1]
    located = data.schedule.locate(np.arange(rows * 2))
    first = [int(r) for s, e, r in zip(*located, strict=True) if (s, e) == (1, 0)]
    assert sorted(first) == list(range(rows))


def test_a_batch_does_not_depend_on_how_one_came_to_it(make_run: MakeRun) -> None:
    run = make_run()
    one, other = opened(run), opened(run)
    for step in range(5):
        one.batch(step)
    assert one.batch(5).tokens.equal(other.batch(5).tokens)
    assert not one.batch(5).tokens.equal(opened(run, seed=8).batch(5).tokens)


def test_refuses_shards_of_another_tokenizer(make_run: MakeRun) -> None:
    run = make_run()
    with open(run / "tokenizer" / "tokenizer.model", "ab") as model:
        model.write(b"\x1a\x00")  # an empty trainer_spec more: the same tokenizer in another file
    with pytest.raises(
        ValueError, match=r"train-00000-of-00001\.arrow: made with tokenizer \w{12} of 320 pieces"
    ):
        opened(run)


def test_a_source_without_a_row_is_left_out_with_a_message(make_run: MakeRun) -> None:
    run = make_run(shares={"wikipedia": 0.5, "books": 0.3, "arxiv": 0.2})
    shutil.rmtree(run / "shards" / "books")
    (run / "shards" / "c4").mkdir()
    data = opened(run)
    assert (data.sources, data.shares) == (("wikipedia",), (1.0,))
    assert data.messages == (
        "arxiv: no train shards, left out of training",
        "books: no train shards, left out of training",
        "c4: left out: the mixture has no share for it",
    )


def test_says_which_validation_tokens_are_too_few(make_run: MakeRun) -> None:
    run = make_run()
    data = opened(run, sequence_length=250)
    tokens = len(TokenStream(list_shards(run / "shards" / "books", "validation")))
    assert tokens < 251
    assert data.messages[0] == (
        f"books: {tokens} validation tokens are less than a row of 251, left out of validation"
    )
    assert "books" in data.sources and "books" not in data.validation


def test_refuses_a_run_without_tokens(make_run: MakeRun) -> None:
    run = make_run()
    shutil.rmtree(run / "shards")
    with pytest.raises(ValueError, match=r"shards: no source of the mixture has a row of 33 tokens"):
        opened(run)


def test_refuses_shards_that_lie_in_the_folder_of_another_source(make_run: MakeRun) -> None:
    run = make_run()
    shutil.copytree(run / "shards" / "wikipedia", run / "shards" / "books", dirs_exist_ok=True)
    with pytest.raises(ValueError, match="holds train tokens of wikipedia, not train tokens of books"):
        opened(run)


def test_fingerprint_differs_for_other_tokens_order_or_rows(make_run: MakeRun) -> None:
    run, again = make_run("one"), make_run("two")
    fingerprint = opened(run).fingerprint
    assert opened(again).fingerprint == fingerprint
    assert opened(run, seed=8).fingerprint != fingerprint
    assert opened(run, sequence_length=31).fingerprint != fingerprint
    shutil.rmtree(again / "shards" / "books")
    assert opened(again).fingerprint != fingerprint
