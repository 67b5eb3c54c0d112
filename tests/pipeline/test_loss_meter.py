"""What parsers keep of raw texts: each document once, where its scores are added; parts add up; the worst ten named."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from pipeline.curate import NamedStage, Pass, RawInput, curate_part
from pipeline.loss_meter import LossMeter, add_losses
from stages.content import content_of, loss_scores
from stages.document import Document, Origin, Rejected
from stages.length import KeepLength
from stages.sources.books import Books

PAGE = Document(id="a", source="wikipedia", text="x", origin=Origin("f"), language="de")


def cleaned(id: str, raw: int, kept: int, **changes: str | None) -> Document:
    document = replace(PAGE, id=id, **changes)  # type: ignore[arg-type]
    return document.with_scores(raw_characters=float(raw), kept_characters=float(kept))


def test_a_document_is_counted_where_its_scores_are_added_and_only_there() -> None:
    meter = LossMeter()
    after = PAGE.with_scores(**loss_scores(content_of("''ten'' 1 0"), content_of("ten 1")))
    meter.see(PAGE, after)
    meter.see(after, after.with_scores(perplexity=9.0))
    meter.see(after, after)
    assert meter.as_json()["total"] == {
        "characters": {"documents": 1, "raw": 9, "kept": 4},
        "digits": {"documents": 1, "raw": 2, "kept": 1},
    }


def test_a_reader_that_makes_text_is_counted_too() -> None:
    meter = LossMeter()
    meter.see(None, cleaned("a", 10, 9))
    meter.see(None, PAGE)
    assert meter.as_json()["total"] == {"characters": {"documents": 1, "raw": 10, "kept": 9}}


def test_quantities_that_only_some_documents_have_count_those() -> None:
    meter = LossMeter()
    meter.see(PAGE, cleaned("a", 10, 9))
    meter.see(PAGE, cleaned("b", 10, 8).with_scores(raw_formulas=3.0, kept_formulas=2.0))
    assert meter.as_json()["total"] == {
        "characters": {"documents": 2, "raw": 20, "kept": 17},
        "formulas": {"documents": 1, "raw": 3, "kept": 2},
    }


def test_a_document_without_any_of_a_quantity_is_not_among_its_documents() -> None:
    meter = LossMeter()
    meter.see(PAGE, cleaned("a", 10, 9).with_scores(raw_formulas=0.0, kept_formulas=0.0))
    assert list(meter.as_json()["total"]) == ["characters"]


def test_a_page_that_is_in_two_dumps_is_named_once_by_its_worst() -> None:
    parts = [LossMeter() for _ in range(2)]
    parts[0].see(PAGE, cleaned("a", 2_000, 40))
    parts[1].see(PAGE, cleaned("a", 1_900, 40))
    parts[1].see(PAGE, cleaned("b", 2_000, 100))
    parts[1].see(PAGE, cleaned("whole", 2_000, 2_000))
    lost = add_losses(part.as_json() for part in parts)["most_lost"]
    assert [(document["id"], document["raw"]) for document in lost] == [("a", 2_000), ("b", 2_000)]


def test_sums_are_by_language_too() -> None:
    meter = LossMeter()
    meter.see(PAGE, cleaned("a", 10, 9))
    meter.see(PAGE, cleaned("b", 7, 7, language="sr"))
    meter.see(PAGE, cleaned("c", 5, 1, language=None))
    assert {name: sums["characters"]["kept"] for name, sums in meter.as_json()["languages"].items()} == {
        "de": 9,
        "sr": 7,
        "unknown": 1,
    }


def test_sums_are_exact_beyond_what_a_float_of_32_bits_holds() -> None:
    meter = LossMeter()
    for number in range(3):
        meter.see(PAGE, cleaned(str(number), (1 << 40) + 1, 1))
    assert meter.as_json()["total"]["characters"]["raw"] == 3 * (1 << 40) + 3


def test_the_ten_that_lost_most_are_the_same_in_any_order_and_any_cut() -> None:
    documents = [
        cleaned(f"{n:03d}", 1_000 + n % 7, 500 + n % 11, url=f"http://e.example/{n}") for n in range(90)
    ]
    documents += [cleaned("stub", 999, 0), cleaned("first", 1_000, 0), cleaned("larger", 2_000, 0)]
    Random(5).shuffle(documents)
    whole = LossMeter()
    parts = [LossMeter() for _ in range(4)]
    for number, document in enumerate(documents):
        whole.see(PAGE, document)
        parts[number % 4].see(PAGE, document)
    added = add_losses(part.as_json() for part in parts)
    assert added == add_losses([whole.as_json()])
    assert len(added["most_lost"]) == 10
    assert [lost["id"] for lost in added["most_lost"][:2]] == ["larger", "first"]
    shares = [lost["kept"] / lost["raw"] for lost in added["most_lost"]]
    assert shares == sorted(shares)
    assert added["most_lost"][2] == {"id": "055", "url": "http://e.example/55", "raw": 1_006, "kept": 500}


@dataclass(frozen=True)
class TakeFirstWord:
    """A cleaner of one word, which rejects what has no second."""

    def __call__(self, document: Document) -> Document | Rejected:
        first, _, rest = document.text.partition(" ")
        scored = document.with_scores(**loss_scores(content_of(document.text), content_of(first)))
        return scored.with_text(first) if rest else Rejected(scored, "one_word")


def test_documents_that_a_later_step_removes_count_and_those_that_the_cleaner_rejects_do_not(
    tmp_path: Path,
) -> None:
    for name, text in (("long.txt", "twelve 12"), ("one.txt", "single")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = []
    for name in ("long.txt", "one.txt"):
        work = Pass(
            source="books",
            folder="documents/books",
            part=name,
            given=RawInput(str(tmp_path / name), name, Books()),
            stages=(NamedStage("clean", TakeFirstWord()), NamedStage("keep_length", KeepLength(100))),
            drops=None,
            drop_step="",
            keys=None,
            keys_path="",
            removed_characters=None,
        )
        found.append(curate_part(str(tmp_path), work).statistics)
    assert [statistics["documents"] for statistics in found] == [0, 0]
    assert add_losses(json.loads(json.dumps(s["loss"])) for s in found)["total"]["characters"] == {
        "documents": 1,
        "raw": 8,
        "kept": 6,
    }
