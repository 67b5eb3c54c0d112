"""What is wrong with a token shard, if anything: every token and document border is read and checked.

In: a shard and the tokenizer it should have been made with. Out: one line a problem, none for a good shard.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tokenizer.shards import Shard, TokenizerIdentity, check_compatible, one_line


def verify_shard(path: Path, tokenizer: TokenizerIdentity) -> list[str]:
    """Everything that is wrong with a shard, one line each; reads all of it.

    Checked: the file opens and was made with `tokenizer`; document borders ascend; each document begins with
    BOS, ends with EOS and holds neither in between; every token is within the vocabulary; part and row are
    not negative.
    """
    try:
        shard = Shard.open(path)
        check_compatible(shard.metadata, tokenizer, str(path))
        for batch in shard.batches:
            batch.validate(full=True)
    except ValueError as error:
        return [one_line(error) if str(path) in str(error) else f"{path}: {one_line(error)}"]
    wrong = dict.fromkeys(
        ("documents do not begin with BOS", "documents do not end with EOS", "BOS or EOS within a document",
         "tokens outside the vocabulary", "documents with a negative part or row"), 0,
    )  # fmt: skip
    for tokens, offsets, batch in zip(shard.tokens, shard.offsets, shard.batches, strict=True):
        nonempty = np.diff(offsets) > 0
        firsts = tokens[offsets[:-1][nonempty]] == tokenizer.bos_id
        lasts = tokens[offsets[1:][nonempty] - 1] == tokenizer.eos_id
        marks = int(
            np.count_nonzero(tokens == tokenizer.bos_id) + np.count_nonzero(tokens == tokenizer.eos_id)
        )
        negative = (batch.column("part").to_numpy() < 0) | (batch.column("row").to_numpy() < 0)
        counts = (
            batch.num_rows - np.count_nonzero(firsts),
            batch.num_rows - np.count_nonzero(lasts),
            marks - np.count_nonzero(firsts) - np.count_nonzero(lasts),
            np.count_nonzero(tokens >= tokenizer.vocabulary_size),
            np.count_nonzero(negative),
        )
        for problem, count in zip(wrong, counts, strict=True):
            wrong[problem] += int(count)
    return [f"{path}: {count} {problem}" for problem, count in wrong.items() if count]
