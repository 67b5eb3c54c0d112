"""What is wrong with the token shards of a source, if anything: every token and document border is read and checked.

In: a source's folder and the tokenizer its shards should have been made with. Out: one line a problem, none for good
shards.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tokenizer.order import SPLITS
from tokenizer.shard_checksums import batch_offsets
from tokenizer.shard_index import INDEX_NAME, ShardIndex, check_files, check_without_documents, read_index
from tokenizer.shard_reader import TokenStream
from tokenizer.shards import TokenizerIdentity, check_compatible


def verify_shards(folder: Path, source: str, tokenizer: TokenizerIdentity) -> list[str]:
    """Everything that is wrong with the shards of a source, one line each; reads all of them.

    Checked: the index is whole, of this source and tokenizer, and names exactly the shards that are there, of that
    size; the shards are those of the index, to the last checksum; each document begins with BOS, ends with EOS and
    holds neither in between; every token is within the vocabulary; part and row are not negative.
    """
    try:
        index = read_index(folder)
        check_compatible(index.metadata(SPLITS[0]), tokenizer, str(folder / INDEX_NAME))
        check_source(folder, index, source)
    except ValueError as error:
        return [str(error)]
    problems = []
    try:
        check_files(folder, index)
    except (ValueError, OSError) as error:
        problems.append(str(error))
    for split in SPLITS:
        for number, entry in enumerate(index.splits[split]):
            # A shard at a time, so that one that is damaged does not hide the others.
            one = ShardIndex(source, tokenizer, {split: index.splits[split][number : number + 1]})
            if (folder / entry.name).is_file():
                problems += _problems(TokenStream(folder, one, split), tokenizer)
    return list(dict.fromkeys(problems))


def check_source(folder: Path, index: ShardIndex, source: str) -> None:
    """ValueError when the shards in a source's folder are those of another source."""
    if index.source != source:
        raise ValueError(
            f"{folder / INDEX_NAME}: holds tokens of {index.source}, not of {source}: build the shards again"
        )


def _problems(stream: TokenStream, tokenizer: TokenizerIdentity) -> list[str]:
    wrong = dict.fromkeys(
        ("documents do not begin with BOS", "documents do not end with EOS", "BOS or EOS within a document",
         "tokens outside the vocabulary", "documents with a negative part or row"), 0,
    )  # fmt: skip
    try:
        for entry in stream.entries:
            check_without_documents(stream.folder, entry)
        for start, batch in stream.batches():
            offsets = batch_offsets(batch)
            tokens = stream.slice(start, start + int(offsets[-1]))
            nonempty = np.diff(offsets) > 0
            firsts = np.count_nonzero(tokens[offsets[:-1][nonempty]] == tokenizer.bos_id)
            lasts = np.count_nonzero(tokens[offsets[1:][nonempty] - 1] == tokenizer.eos_id)
            marks = np.count_nonzero(tokens == tokenizer.bos_id) + np.count_nonzero(
                tokens == tokenizer.eos_id
            )
            negative = (batch.column("part").to_numpy() < 0) | (batch.column("row").to_numpy() < 0)
            counts = (
                batch.num_rows - firsts,
                batch.num_rows - lasts,
                marks - firsts - lasts,
                np.count_nonzero(tokens >= tokenizer.vocabulary_size),
                np.count_nonzero(negative),
            )
            for problem, count in zip(wrong, counts, strict=True):
                wrong[problem] += int(count)
    except ValueError as error:
        return [str(error)]
    where = stream.folder / stream.entries[0].name
    return [f"{where}: {count} {problem}" for problem, count in wrong.items() if count]
