from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tokenizer.shard_index import read_index
from tokenizer.shard_reader import TokenStream
from trainer.config import read_run_config, train_settings
from trainer.data import TrainingData, open_data

MakeRun = Callable[..., Path]


def opened(run: Path, **overrides: object) -> TrainingData:
    config = read_run_config(run)
    return open_data(run, config, train_settings(config, overrides))


def stream_of(run: Path, source: str, split: str = "train") -> TokenStream:
    folder = run / "shards" / source
    return TokenStream(folder, read_index(folder), split)


def test_targets_are_the_next_tokens_of_the_stream(make_run: MakeRun) -> None:
    run = make_run()
    data = opened(run)
    batch = data.batch(3)
    located = data.schedule.locate(np.arange(12, 16))
    for index, (source, row) in enumerate(zip(located.source, located.row, strict=True)):
        stream = stream_of(run, data.sources[source])
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


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_any_number_of_ranks_reads_the_same_stream(make_run: MakeRun, ranks: int) -> None:
    run = make_run()
    whole = opened(run, batch_sequences=8)
    parts = [opened(run, batch_sequences=8) for _ in range(ranks)]
    for step in range(4):
        expected = whole.batch(step)
        found = [data.batch(step, rank, ranks) for rank, data in enumerate(parts)]
        assert sum(len(batch.tokens) for batch in found) == 8
        for row in range(8):
            part = found[row % ranks]
            assert part.tokens[row // ranks].tolist() == expected.tokens[row].tolist()
            assert part.targets[row // ranks].tolist() == expected.targets[row].tolist()
            assert part.sources[row // ranks] == expected.sources[row]


def test_refuses_a_rank_that_would_read_nothing(make_run: MakeRun) -> None:
    data = opened(make_run())
    for rank, ranks in ((0, 5), (2, 2), (-1, 2)):
        with pytest.raises(ValueError, match=r"rank -?\d of \d: there may be 1 to 4 ranks"):
            data.batch(0, rank, ranks)


def test_beginning_at_any_step_is_a_slice_of_the_stream(make_run: MakeRun) -> None:
    run = make_run()
    data = opened(run)
    whole = torch.cat([data.batch(step).tokens for step in range(30)])
    for step in range(0, 30, 7):
        again = opened(run)
        later = torch.cat([again.batch(number).tokens for number in range(step, 30)])
        assert later.equal(whole[step * 4 :])


def test_numbers_documents_within_a_row(make_run: MakeRun) -> None:
    run = make_run()
    data = opened(run, sequence_length=250, batch_sequences=6, document_mask=True)
    batch = data.batch(0)
    begins = (batch.tokens == 1).long()  # BOS
    begins[:, 0] = 0
    assert begins.sum() > 2
    assert batch.documents is not None
    assert batch.documents.tolist() == begins.cumsum(1).tolist()
    part = data.batch(0, 1, 3)
    assert part.documents is not None and part.documents.tolist() == batch.documents[1::3].tolist()
    held_out = opened(run, document_mask=True).validation_batch("books", 1)
    assert held_out.documents is not None and held_out.documents.tolist() == [[0] * 32]
    assert opened(run).batch(0).documents is None


def test_refuses_a_changed_token_at_its_batch(make_run: MakeRun) -> None:
    run = make_run()
    path = run / "shards" / "books" / "train-00000-of-00001.arrow"
    content = bytearray(path.read_bytes())
    place = content.index(stream_of(run, "books").slice(0, 40).tobytes())
    content[place + 30] ^= 4
    path.write_bytes(content)
    data = opened(run)
    with pytest.raises(ValueError, match=r"train-00000-of-00001\.arrow: bytes \d+ to \d+ have changed"):
        for step in range(30):
            data.batch(step)


def test_refuses_a_changed_byte_of_a_shard_that_no_batch_opens(
    make_run: MakeRun, write_shards: Callable[[Path, str, list[str], list[str]], None]
) -> None:
    run = make_run()
    write_shards(run, "books", ["she said nothing. " * 20] * 12, [])
    opened(run)
    path = run / "shards" / "books" / "validation-00000-of-00001.arrow"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"validation-00000-of-00001\.arrow: not that of index\.json"):
        opened(run)


def test_refuses_missing_and_left_over_shards(make_run: MakeRun) -> None:
    run = make_run()
    path = run / "shards" / "books" / "train-00000-of-00001.arrow"
    shutil.copy(path, path.with_name("train-00001-of-00002.arrow"))
    with pytest.raises(ValueError, match=r"train-00001-of-00002\.arrow: not in index\.json"):
        opened(run)
    path.with_name("train-00001-of-00002.arrow").unlink()
    path.unlink()
    with pytest.raises(ValueError, match=r"train-00000-of-00001\.arrow: missing"):
        opened(run)


def test_refuses_shards_of_another_tokenizer(make_run: MakeRun) -> None:
    run = make_run()
    with open(run / "tokenizer" / "tokenizer.model", "ab") as model:
        model.write(b"\x1a\x00")  # an empty trainer_spec more: the same tokenizer in another file
    with pytest.raises(ValueError, match=r"index\.json: made with tokenizer \w{12} of 320 pieces"):
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
    tokens = len(stream_of(run, "books", "validation"))
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
    with pytest.raises(ValueError, match=r"index\.json: holds tokens of wikipedia, not of books"):
        opened(run)


def test_fingerprint_differs_for_other_tokens_order_or_rows(
    make_run: MakeRun, write_shards: Callable[[Path, str, list[str], list[str]], None]
) -> None:
    run, again = make_run("one"), make_run("two")
    fingerprint = opened(run).fingerprint
    assert opened(again).fingerprint == fingerprint
    assert opened(run, seed=8).fingerprint != fingerprint
    assert opened(run, sequence_length=31).fingerprint != fingerprint
    assert opened(run, batch_sequences=5).fingerprint != fingerprint
    other = make_run("mixture", {"wikipedia": 0.5, "books": 0.5})
    assert opened(other).fingerprint != fingerprint
    changed = make_run("changed")
    write_shards(changed, "books", ["another text altogether. " * 20] * 12, ["held out"])
    assert opened(changed).fingerprint != fingerprint
    shutil.rmtree(again / "shards" / "books")
    assert opened(again).fingerprint != fingerprint


def test_refuses_fewer_rows_than_a_batch(make_run: MakeRun) -> None:
    run = make_run()
    rows = sum(opened(run).schedule.rows)
    assert opened(run, batch_sequences=rows).schedule.rows
    message = (
        rf"shards: {rows} rows of 32 tokens are less than one batch \(train\.batch_sequences {rows + 1}\)"
    )
    with pytest.raises(ValueError, match=message):
        opened(run, batch_sequences=rows + 1)


def test_leaves_out_what_has_less_than_a_millionth(make_run: MakeRun) -> None:
    data = opened(make_run(shares={"weights": {"wikipedia": 1, "books": 1e-7}}))
    assert (data.sources, tuple(data.validation)) == (("wikipedia",), ("wikipedia",))
    assert "books: its share of 1e-07 is below a millionth, left out of training" in data.messages


def test_says_when_the_steps_go_beyond_a_cap(make_run: MakeRun) -> None:
    run = make_run(shares={"weights": {"wikipedia": 3, "books": 1}, "max_epochs": {"books": 2}})
    with open(run / "config.yaml", "a") as config:
        config.write("tokens: 4000\n")
    few, many = opened(run, steps=10), opened(run, steps=1000)
    assert not any("cap" in message for message in few.messages)
    assert any("books: " in message and "above its cap of 2" in message for message in many.messages)
