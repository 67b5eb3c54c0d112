"""Benchmark files: JSON lines of evaluation items in, the texts by which an item is known in a corpus out.

The shapes are those of llm-foundry's evaluation sets (scripts/eval/local_data), one a line, told apart by their keys:

| keys | benchmarks | texts |
| --- | --- | --- |
| query, choices | ARC, BoolQ, HellaSwag, MMLU, OpenBookQA, PIQA, Social IQa | query; query and each choice; passage |
| context_options, continuation | WinoGrande, Winograd | each option; each option and the continuation |
| context, continuation | LAMBADA, Jeopardy and others | context; context and continuation |
| context or question, answer (chain_of_thought) | GSM8K | question; question and worked answer |
| prompt, canonical_solution | HumanEval | prompt; prompt and solution |
| text | anything else, in a form of its own | text |

The words `Question:`, `Context:`, `Choices:` and `Answer:`, which llm-foundry sets before the parts, are left out. What
follows `Passage:` is a text of its own: the authors of the benchmark took it from a public page (BoolQ: Wikipedia), so
the page is not the leak that its question is. GSM8K's calculator notes `<<48/2=24>>` are left out. For comparison,
lm-evaluation-harness searches for the question alone (`doc_to_decontamination_query` of a task).
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

MAX_LINE_BYTES = 1 << 20  # the longest of the shared excerpts has 7 kB, a RACE passage 10 kB; our choice
MAX_FILE_BYTES = 1 << 28  # 256 MiB: all of MMLU is 10 MB; our choice
MAX_CHOICES = 100  # of an item; the shared excerpts have 4 at most; our choice
# Of what stands before a text. Its last 12 words are searched for: in the shared excerpts 142 characters at most. Our
# choice, as is the next: of all texts of an item, in which a continuation stands once for each option.
MAX_LEAD_CHARACTERS = 1_000
MAX_ITEM_CHARACTERS = 1 << 22
QUESTION, PASSAGE = "question", "passage"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PARTS = re.compile(r"^(Passage|Context|Question|Choices|Answer):[ \t]*", re.MULTILINE)
_VERDICTS = ("yes", "no", "true", "false")
_TO_A_BLANK = re.compile(r"\S*\s*")
_CALCULATOR = re.compile(r"<<[^<>\n]*>>")


@dataclass(frozen=True, slots=True)
class BenchmarkText:
    """One text of an item. `item` is the number of its line, from 1; (benchmark, item, part) is unique.

    `lead` is what stands before the text in the item, of a long one the end: the question before a choice, searched for
    as one with it.
    """

    benchmark: str
    item: int
    part: str
    text: str
    lead: str = ""


def benchmark_name(path: str) -> str:
    """The name of a benchmark: its file's, without folder and ending. ValueError when it is no plain name."""
    name = path.rsplit("/", 1)[-1].removesuffix(".jsonl")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{path}: a benchmark is named by its file; use letters, digits, '.', '_' and '-'")
    return name


def read_benchmark(stream: BinaryIO, path: str) -> Iterator[BenchmarkText]:
    """The texts of all items of a file, in order.

    Raises ValueError in one line, naming file and line, for what is no benchmark file, too large, or empty.
    """
    name, size, found = benchmark_name(path), 0, False
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        size += len(line)
        where = f"{path} line {number}"
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(
                f"{where}: over {MAX_LINE_BYTES} bytes, so no item of a benchmark; cut it or leave it out"
            )
        if size > MAX_FILE_BYTES:
            raise ValueError(f"{path}: over {MAX_FILE_BYTES} bytes, so no benchmark; name another file")
        if not line.strip():
            continue
        characters = 0
        for part, text, lead in _texts(_item(line, where), where):
            characters += len(text)
            if characters > MAX_ITEM_CHARACTERS:
                raise ValueError(
                    f"{where}: its texts have over {MAX_ITEM_CHARACTERS} characters; cut the item or leave it out"
                )
            if text.strip():
                found = True
                yield BenchmarkText(name, number, part, text.strip(), _end_of(lead.strip()))
    if not found:
        raise ValueError(f"{path}: holds no item; name a file of JSON lines")


def _end_of(lead: str) -> str:
    """The last whole words of a lead."""
    if len(lead) <= MAX_LEAD_CHARACTERS:
        return lead
    cut = lead[-MAX_LEAD_CHARACTERS - 1 :]
    return _TO_A_BLANK.sub("", cut, count=1)


def _item(line: bytes, where: str) -> Mapping[str, Any]:
    try:
        item = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{where}: not JSON ({' '.join(str(error).split())[:120]}); give one item a line"
        ) from None
    if not isinstance(item, dict):
        raise ValueError(
            f"{where}: an item is an object with keys; see docs/decontamination.md for the shapes"
        )
    return item


def _texts(item: Mapping[str, Any], where: str) -> Iterator[tuple[str, str, str]]:
    """(part, text, lead) of one item."""
    keys = item.keys()
    if {"query", "choices"} <= keys:
        yield from _multiple_choice(_string(item, "query", where), _strings(item, "choices", where))
    elif {"context_options", "continuation"} <= keys:
        continuation = _string(item, "continuation", where)
        for number, option in enumerate(_strings(item, "context_options", where), 1):
            yield f"{QUESTION} {number}", option, ""
            yield f"choice {number}", continuation, option
    elif {"context", "continuation"} <= keys:
        context = _string(item, "context", where)
        yield QUESTION, context, ""
        yield "answer", _string(item, "continuation", where), context
    elif {"prompt", "canonical_solution"} <= keys:
        prompt = _string(item, "prompt", where)
        yield QUESTION, prompt, ""
        yield "answer", _string(item, "canonical_solution", where), prompt
    elif "answer" in keys and ("context" in keys or "question" in keys):
        question = _string(item, "context" if "context" in keys else "question", where)
        worked = _string(item, "chain_of_thought" if "chain_of_thought" in keys else "answer", where)
        yield QUESTION, question, ""
        yield "answer", _CALCULATOR.sub("", worked), question
    elif "text" in keys:
        yield "text", _string(item, "text", where), ""
    else:
        raise ValueError(
            f"{where}: no known shape of an item (keys: {', '.join(map(str, list(keys)[:6]))[:120]}); write it as "
            '{"text": ...} or see docs/decontamination.md'
        )


def _multiple_choice(query: str, choices: list[str]) -> Iterator[tuple[str, str, str]]:
    """The query without the harness's words, its passage apart; a choice that is a letter or a verdict says nothing."""
    pieces = _PARTS.split(query)  # text before, then name and text in turns
    question = [pieces[0]]
    for name, text in zip(pieces[1::2], pieces[2::2], strict=True):
        if name == "Passage":
            yield PASSAGE, text, ""
        else:
            question.append(text)
    asked = " ".join(piece.strip() for piece in question if piece.strip())
    yield QUESTION, asked, ""
    for number, choice in enumerate(choices, 1):
        if len(choice.strip()) > 1 and choice.strip().lower() not in _VERDICTS:
            yield f"choice {number}", choice, asked


def _string(item: Mapping[str, Any], key: str, where: str) -> str:
    value = item[key]
    if not isinstance(value, str):
        raise ValueError(f"{where}: {key} is no text; see docs/decontamination.md for the shapes")
    return _whole(value, key, where)


def _strings(item: Mapping[str, Any], key: str, where: str) -> list[str]:
    values = item[key]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{where}: {key} is no list of texts; see docs/decontamination.md for the shapes")
    if len(values) > MAX_CHOICES:
        raise ValueError(f"{where}: {key} has over {MAX_CHOICES} texts; cut the item or leave it out")
    return [_whole(value, key, where) for value in values]


def _whole(value: str, key: str, where: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{where}: {key} holds half a surrogate pair; write it as UTF-8") from None
    return value


def write_text(text: BenchmarkText) -> bytes:
    """A text as one line of the file that a run keeps of all its benchmarks."""
    return (json.dumps(dataclasses.asdict(text), ensure_ascii=False) + "\n").encode()


def read_texts(path: str) -> list[BenchmarkText]:
    """The texts of a file of `write_text`'s lines. ValueError when it is not there, or no such file."""
    try:
        with open(path, "rb") as stream:
            return [BenchmarkText(**json.loads(line)) for line in stream]
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: no texts of benchmarks ({error}); run again to make it") from None
