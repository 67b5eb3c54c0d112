"""The pass over one part: which stages a worker keeps loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import curate
from pipeline.curate import NamedStage, Pass, RawInput, curate_part
from stages.length import KeepLength
from stages.sources.books import Books
from stages.stage import Transform


@dataclass(frozen=True)
class KeepAll:
    """A stage with something to load."""

    name: str

    def prepare(self) -> Transform:
        LOADED.append(self.name)
        return lambda document: document


LOADED: list[str] = []


def test_stages_without_a_model_do_not_drive_out_those_with_one(tmp_path: Path) -> None:
    curate._loaded.cache_clear()
    LOADED.clear()
    book = tmp_path / "book.txt"
    book.write_text("A book.\n", encoding="utf-8")
    light = [NamedStage(f"keep_length_{n}", KeepLength(n)) for n in range(1, 9)]
    work = Pass(
        source="books",
        folder="documents/books",
        part="part-0",
        given=RawInput(str(book), "book.txt", Books()),
        stages=(NamedStage("first", KeepAll("a")), *light, NamedStage("last", KeepAll("b"))),
        drops=None,
        drop_step="",
        keys=None,
        keys_path="",
        removed_characters=None,
    )
    for part in ("part-0", "part-1"):
        curate_part(str(tmp_path), replace(work, part=part))
    assert LOADED == ["a", "b"]
