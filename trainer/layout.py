"""How the processes of a training share a model: copies of it, processes that share a copy, and processes that share
each matrix product. Numbers only; `trainer.parallel` makes a device mesh of them, `trainer.cost` plans with them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """`replicate` copies of the model, each over `shard` * `tensor` processes; one process drives one device.

    Tensor-parallel peers read the same rows, so the rows of a batch go to `replicate` * `shard` readers.
    """

    replicate: int = 1
    shard: int = 1
    tensor: int = 1

    def __post_init__(self) -> None:
        if min(self.replicate, self.shard, self.tensor) < 1:
            raise ValueError(f"layout {self}: each of its degrees is at least 1")

    def __str__(self) -> str:
        return f"{self.replicate}x{self.shard}x{self.tensor}"

    @property
    def processes(self) -> int:
        """Devices in all."""
        return self.replicate * self.shard * self.tensor

    @property
    def readers(self) -> int:
        """Processes that read rows of their own."""
        return self.replicate * self.shard


def parse_layout(written: str) -> Layout:
    """A layout as `Layout` prints it, `16x128x1`: copies x sharded over x tensor-parallel. ValueError for all else."""
    parts = written.lower().split("x")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and 0 < len(part) < 8 for part in parts):
        raise ValueError(
            f"layout {written[:40]!r}: write replicate x shard x tensor, for example 16x128x1, or auto"
        )
    return Layout(*map(int, parts))
