"""The one shape of every stage and every reader.

A stage is a frozen dataclass whose fields are its parameters, each with its source in a comment. Calling it turns a
document into a document or a rejection. It does no I/O, counts nothing and logs nothing. A stage with a heavy part (a
model) has `prepare()`, which returns the callable to use; it is called once a worker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol, runtime_checkable

from stages.document import Document, Rejected

Outcome = Document | Rejected
Transform = Callable[[Document], Outcome]


@runtime_checkable
class Stage(Protocol):
    def __call__(self, document: Document) -> Outcome: ...


@runtime_checkable
class ModelStage(Protocol):
    """A stage that loads something heavy before its first document."""

    def prepare(self) -> Transform: ...


@runtime_checkable
class Reader(Protocol):
    """Raw bytes to documents: a bad record is a `Rejected`, a bad file raises `ValueError`."""

    def read(self, stream: BinaryIO, origin: str) -> Iterator[Outcome]: ...


@runtime_checkable
class RangeReader(Reader, Protocol):
    """A reader that can begin inside a file, so that several workers read one.

    `range_bytes`: a longer file is read in ranges of this many bytes, each by a worker of its own. `read_range` gives
    the records that begin in the bytes start..end of the file, whatever that means in its format; all ranges of a file
    one after the other give what `read` gives.
    """

    @property
    def range_bytes(self) -> int: ...

    def read_range(self, stream: BinaryIO, origin: str, start: int, end: int) -> Iterator[Outcome]: ...


def prepared(stage: Stage | ModelStage) -> Transform:
    """The callable of a stage on this worker, with its model loaded if it has one."""
    return stage.prepare() if isinstance(stage, ModelStage) else stage


def step_name(stage: object) -> str:
    """The name of a stage in statistics and folders: its class name in snake case (`KeepLanguage` -> keep_language)."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(stage).__name__).lower()
