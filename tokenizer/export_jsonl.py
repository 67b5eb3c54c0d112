"""Writes the documents of a source and split as JSON lines: id, source, and the text that the tokens give back.

In: a stream of token shards and their tokenizer. Out: `NAME.jsonl` in UTF-8, documents in the order of the shards.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizer.encoding import Encoder
from tokenizer.export_files import created
from tokenizer.shard_checksums import batch_offsets
from tokenizer.shard_reader import TokenStream


def export_jsonl(stream: TokenStream, stem: Path, encoder: Encoder) -> list[Path]:
    """Writes the file whole or not at all; holds one record batch in memory."""
    path = stem.with_name(f"{stem.name}.jsonl")
    with created(path) as file:
        for start, batch in stream.batches():
            offsets = (batch_offsets(batch) + start).tolist()
            for number, id in enumerate(batch.column("id").to_pylist()):
                text = encoder.decode(stream.slice(offsets[number], offsets[number + 1]))
                line = {"id": id, "source": stream.metadata.source, "text": text}
                file.write((json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8"))
    return [path]
