"""Token shards: the files in which the pipeline hands tokens to the trainer. Here: their format, for both sides.

A shard is an uncompressed Arrow IPC *file*, so that it can be memory-mapped and read without a copy. One row
is one document: its tokens (BOS first, EOS last), its id, and the part and row of the documents table it was
made from, so that a training step can be traced back to its texts. The schema's metadata says which tokenizer
made the tokens and which source and split they belong to; a reader refuses what does not fit. Each record batch
carries checksums of its content (`shard_checksums`), and `index.json` beside the shards of a source lists them
(`shard_index`). `shard_writer` writes shards, `shard_reader` reads them.

The shards of a split are named `train-00000-of-00004.arrow` and divide the 64-bit shuffle key into equal ranges,
so that one after the other they hold the same sequence of documents for any number of shards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tokenizer.order import SPLITS

Tokens = npt.NDArray[np.uint16 | np.uint32]

FORMAT_VERSION = "3"


@dataclass(frozen=True, slots=True)
class TokenizerIdentity:
    """What two parts must agree on to mean the same tokens; `sha256` is of the model file, in hex."""

    sha256: str
    vocabulary_size: int
    bos_id: int
    eos_id: int


@dataclass(frozen=True, slots=True)
class ShardMetadata:
    """What a shard says of itself in the metadata of its schema; `split` is "train" or "validation"."""

    tokenizer: TokenizerIdentity
    source: str
    split: str

    def schema(self) -> pa.Schema:
        """The Arrow schema of the shard, with this metadata in it."""
        if self.split not in SPLITS:
            raise ValueError(f"split {self.split!r} of {self.source}: must be one of {', '.join(SPLITS)}")
        metadata = {
            "format_version": FORMAT_VERSION,
            "tokenizer_sha256": self.tokenizer.sha256,
            "vocabulary_size": str(self.tokenizer.vocabulary_size),
            "bos_id": str(self.tokenizer.bos_id),
            "eos_id": str(self.tokenizer.eos_id),
            "source": self.source,
            "split": self.split,
        }
        return token_schema(self.tokenizer.vocabulary_size).with_metadata(metadata)

    @classmethod
    def from_schema(cls, schema: pa.Schema, where: str) -> ShardMetadata:
        """The metadata of a schema; ValueError naming `where` when it is no shard of this version."""
        found = {key.decode("utf-8", "replace"): value for key, value in (schema.metadata or {}).items()}
        version = found.get("format_version", b"").decode("utf-8", "replace")
        if version != FORMAT_VERSION:
            raise ValueError(
                f"{where}: token shard format {version!r}, this version reads {FORMAT_VERSION!r}: "
                "build the shards again"
            )
        try:
            metadata = cls(
                TokenizerIdentity(
                    sha256=found["tokenizer_sha256"].decode("ascii"),
                    vocabulary_size=int(found["vocabulary_size"]),
                    bos_id=int(found["bos_id"]),
                    eos_id=int(found["eos_id"]),
                ),
                source=found["source"].decode("utf-8"),
                split=found["split"].decode("utf-8"),
            )
            expected = metadata.schema()
        except (KeyError, ValueError) as error:
            raise ValueError(f"{where}: damaged shard metadata ({error}): build the shards again") from error
        if not schema.equals(expected):
            raise ValueError(f"{where}: the columns are not those of a token shard: build the shards again")
        return metadata


def token_dtype(vocabulary_size: int) -> np.dtype[np.uint16] | np.dtype[np.uint32]:
    """The type of a token: uint16 while every id fits, uint32 above 65,536 pieces."""
    return np.dtype(np.uint16) if vocabulary_size <= 1 << 16 else np.dtype(np.uint32)


def token_schema(vocabulary_size: int) -> pa.Schema:
    """The columns of a shard, without its metadata."""
    return pa.schema(
        [
            pa.field("tokens", pa.list_(pa.from_numpy_dtype(token_dtype(vocabulary_size))), nullable=False),
            pa.field("id", pa.string(), nullable=False),
            pa.field("part", pa.int32(), nullable=False),
            pa.field("row", pa.int32(), nullable=False),
        ]
    )


def shard_name(split: str, number: int, shards: int) -> str:
    """File name of shard `number` of `shards`: `train-00000-of-00004.arrow`."""
    return f"{split}-{number:05d}-of-{shards:05d}.arrow"


def check_compatible(metadata: ShardMetadata, tokenizer: TokenizerIdentity, where: str) -> None:
    """ValueError when the shard at `where` was not made with this tokenizer."""
    if metadata.tokenizer != tokenizer:
        found = metadata.tokenizer
        raise ValueError(
            f"{where}: made with tokenizer {found.sha256[:12]} of {found.vocabulary_size} pieces "
            f"(BOS {found.bos_id}, EOS {found.eos_id}), not with {tokenizer.sha256[:12]} of "
            f"{tokenizer.vocabulary_size} (BOS {tokenizer.bos_id}, EOS {tokenizer.eos_id}): "
            "use that tokenizer or build the shards again"
        )


def one_line(error: Exception) -> str:
    """The message of an error on one line."""
    return " ".join(str(error).split())
