"""What the texts of an item are in each shape of benchmark file, and files that are none."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from stages import benchmark_items
from stages.benchmark_items import BenchmarkText, read_benchmark, read_texts, write_text


def read(*items: Any) -> list[tuple[int, str, str, str]]:
    """(item, part, lead, text) of a file with these lines."""
    lines = b"".join(json.dumps(item).encode() + b"\n" for item in items)
    return [(t.item, t.part, t.lead, t.text) for t in read_benchmark(io.BytesIO(lines), "dir/set.jsonl")]


def test_multiple_choice_is_the_query_and_the_query_with_each_choice() -> None:
    assert read({"query": "Question: What is red?\n", "choices": ["blood", "grass"], "gold": 0}) == [
        (1, "question", "", "What is red?"),
        (1, "choice 1", "What is red?", "blood"),
        (1, "choice 2", "What is red?", "grass"),
    ]


def test_choices_that_are_letters_or_verdicts_are_no_texts() -> None:
    query = "Context: Tracy left.\nQuestion: Why?\nChoices:\nA. rain\nB. sun\nAnswer:"
    assert read({"query": query, "choices": ["A", "B"]}, {"query": "is it so", "choices": ["no", "Yes"]}) == [
        (1, "question", "", "Tracy left. Why? A. rain\nB. sun"),
        (2, "question", "", "is it so"),
    ]


def test_a_passage_is_a_text_apart() -> None:
    query = "Passage: Iron -- Iron is a metal.\nQuestion: is iron a metal?\n"
    assert read({"query": query, "choices": ["no", "yes"]}) == [
        (1, "passage", "", "Iron -- Iron is a metal."),
        (1, "question", "", "is iron a metal?"),
    ]


def test_options_are_continued() -> None:
    assert read({"context_options": ["so Ann", "so Bob"], "continuation": "won.", "gold": 1}) == [
        (1, "question 1", "", "so Ann"),
        (1, "choice 1", "so Ann", "won."),
        (1, "question 2", "", "so Bob"),
        (1, "choice 2", "so Bob", "won."),
    ]


def test_a_worked_answer_loses_its_calculator_notes() -> None:
    worked = "She has 2+2=<<2+2=4>>4 eggs."
    wanted = [(1, "question", "", "How many?"), (1, "answer", "How many?", "She has 2+2=4 eggs.")]
    assert read({"context": "How many?", "chain_of_thought": worked, "answer": "4"}) == wanted
    assert read({"question": "How many?", "answer": worked}) == wanted


def test_code_is_its_prompt_and_its_solution() -> None:
    item = {
        "task_id": "X/1",
        "prompt": "def f():\n",
        "canonical_solution": "    return 1\n",
        "test": "assert f()",
    }
    assert read(item) == [(1, "question", "", "def f():"), (1, "answer", "def f():", "return 1")]


def test_contexts_are_continued_and_other_sets_are_plain_texts() -> None:
    assert read({"context": "He said", "continuation": "no"}, {"text": "as it is"}) == [
        (1, "question", "", "He said"),
        (1, "answer", "He said", "no"),
        (2, "text", "", "as it is"),
    ]


def test_of_a_long_lead_the_last_whole_words_are_kept() -> None:
    lead = "x" * 50 + " word" * 400
    (_, _, _, whole), (_, _, kept, _) = read({"context": lead, "continuation": "end"})
    assert whole == lead
    assert kept == ("word " * 200).strip()
    (_, (_, _, kept, _)) = read({"context": lead + "s", "continuation": "end"})
    assert kept == ("word " * 199) + "words"
    (_, (_, _, kept, _)) = read({"context": "y " + "x" * 1_001, "continuation": "end"})
    assert kept == ""
    (_, (_, _, kept, _)) = read({"context": "y " + "x" * 998, "continuation": "end"})
    assert kept == "y " + "x" * 998


def test_an_item_may_have_a_hundred_choices_and_no_more() -> None:
    assert len(read({"query": "q?", "choices": ["so"] * 100})) == 101
    assert len(read({"context_options": ["so"] * 100, "continuation": "x"})) == 200
    for item in (
        {"query": "q?", "choices": ["so"] * 101},
        {"context_options": ["so"] * 101, "continuation": "x"},
    ):
        with pytest.raises(
            ValueError, match=r"^dir/set.jsonl line 1: \w+ has over 100 texts; cut the item"
        ) as error:
            read(item)
        assert "\n" not in str(error.value)


def test_a_line_makes_no_more_text_than_four_million_characters() -> None:
    """A continuation stands once for each option."""
    item = {"context_options": ["so"] * 100, "continuation": "x" * 50_000}
    with pytest.raises(
        ValueError, match=r"^dir/set.jsonl line 1: its texts have over 4194304 characters; cut"
    ):
        read(item)
    assert sum(len(text) for _, _, _, text in read({**item, "continuation": "x" * 40_000})) == 4_000_200


def test_items_are_numbered_by_their_lines() -> None:
    found = list(read_benchmark(io.BytesIO(b'\xef\xbb\xbf{"text": "a"}\n\n{"text": "b"}'), "s.jsonl"))
    assert [(t.benchmark, t.item, t.text) for t in found] == [("s", 1, "a"), ("s", 3, "b")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "set.jsonl: holds no item"),
        (b'{"text": " "}', "set.jsonl: holds no item"),
        (b"not json", "set.jsonl line 1: not JSON (Expecting value"),
        (b'{"text": "a"}\n\x1f\x8b\x08', "set.jsonl line 2: not JSON ('utf-8' codec"),
        (b"[" * 200_000, "set.jsonl line 1: not JSON (maximum recursion"),
        (b"3", "set.jsonl line 1: an item is an object with keys"),
        (b'{"premise": "a"}', "set.jsonl line 1: no known shape of an item (keys: premise)"),
        (b'{"text": 3}', "set.jsonl line 1: text is no text"),
        (b'{"query": "a", "choices": "b"}', "set.jsonl line 1: choices is no list of texts"),
        (b'{"text": "\\ud800"}', "set.jsonl line 1: text holds half a surrogate pair"),
    ],
)
def test_what_is_no_benchmark_is_refused_in_one_line(data: bytes, message: str) -> None:
    with pytest.raises(ValueError) as error:
        list(read_benchmark(io.BytesIO(data), "set.jsonl"))
    assert message in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_huge_lines_and_files_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None and 0 < size <= benchmark_items.MAX_LINE_BYTES + 1
            return b"x" * size

    with pytest.raises(ValueError, match=r"s.jsonl line 1: over 1048576 bytes, so no item"):
        list(read_benchmark(Endless(), "s.jsonl"))  # type: ignore[arg-type]
    monkeypatch.setattr(benchmark_items, "MAX_FILE_BYTES", 20)
    with pytest.raises(ValueError, match=r"s.jsonl: over 20 bytes, so no benchmark"):
        list(read_benchmark(io.BytesIO(b'{"text": "a"}\n' * 2), "s.jsonl"))


def test_a_benchmark_is_named_by_a_plain_file_name() -> None:
    with pytest.raises(ValueError, match="a benchmark is named by its file"):
        list(read_benchmark(io.BytesIO(b'{"text": "a"}'), "dir/a b.jsonl"))


def test_texts_are_read_as_they_were_written(tmp_path: Path) -> None:
    texts = [
        BenchmarkText("a", 1, "question", "é\n\u2028"),
        BenchmarkText("a", 1, "choice 1", "x", "é\n\u2028"),
    ]
    (tmp_path / "texts").write_bytes(b"".join(map(write_text, texts)))
    assert read_texts(str(tmp_path / "texts")) == texts
    (tmp_path / "texts").write_bytes(b'{"benchmark": 1}\n')
    with pytest.raises(ValueError, match="no texts of benchmarks"):
        read_texts(str(tmp_path / "texts"))


def test_all_shared_benchmarks_are_read(shared_data: Path) -> None:
    items = {}
    for path in sorted((shared_data / "benchmarks").glob("*.jsonl")):
        with path.open("rb") as stream:
            items[path.stem] = len({text.item for text in read_benchmark(stream, str(path))})
    assert items == {
        **dict.fromkeys(("arc_challenge", "arc_easy", "boolq", "gsm8k", "openbook_qa", "piqa"), 350),
        **dict.fromkeys(("siqa", "winogrande"), 350),
        "hellaswag_small": 4,
        "human_eval": 114,
        "mmlu_small": 4,
    }
