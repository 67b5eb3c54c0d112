from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from classifiers.language_id import LanguageIdentifier, find_model
from classifiers.perplexity import (
    PerplexityModel,
    cutoffs,
    languages_with_model,
    model_files,
    normalize,
    read_cutoffs,
    train_language_model,
    write_cutoffs,
)

TEXTS = [f"The {a} of the {b} was seen by the {c}.\n" * 2 for a in ("king", "cat", "sea") for b in ("town", "hill")
         for c in ("people", "river", "children", "old man")]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lm")
    train_language_model(TEXTS, folder, "en", held_out=TEXTS)
    return folder


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Été À Paris ", "ete a paris"),
        ("In 1984 and ١٢, １", "in 0000 and 00, 0"),
        ("“a” – b — c…", '"a" - b  -  c...'),
        ("News :\nOrissa\tnow\x85", "news :orissanow"),
        ("x² ½ ß", "x² ½ ß"),
        ("‘a’", "‘a'"),
        ("İ", "i"),
        ("中文，好。", "中文,好."),
        ("", ""),
    ],
)
def test_normalizes_as_ccnet(text: str, expected: str) -> None:
    assert normalize(text) == expected


def test_knows_34_signs_less_the_digit_that_never_matters() -> None:
    signs = "，。、„”“«»」「《》´∶：？！（）；–—．～’…━〈〉【】％►"
    assert len(signs) == 33
    assert all(normalize(f"a{sign}a").isascii() for sign in signs)


def test_like_text_is_less_perplexing_than_word_salad(folder: Path) -> None:
    model = PerplexityModel(folder, "en")
    like = model.perplexity("The cat of the town was seen by the people.")
    assert (
        1
        < like
        < model.perplexity("people the by seen was town the of cat the")
        < model.perplexity("qzx jjvw 77")
    )


def test_perplexity_is_per_piece_and_sentence_end(folder: Path) -> None:
    model = PerplexityModel(folder, "en")
    pieces = model.pieces("The king")
    score = model._model.score(" ".join(pieces))
    assert model.perplexity("The king") == pytest.approx(10 ** (-score / (len(pieces) + 1)))


def test_training_twice_gives_equal_bytes(folder: Path, tmp_path: Path) -> None:
    report = train_language_model(iter(TEXTS), tmp_path, "en", held_out=TEXTS)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["en.arpa", "en.json", "en.sp.model"]
    assert all((tmp_path / name).read_bytes() == (folder / name).read_bytes() for name in names)
    assert (report["lines"], report["cut_short"]) == (48, False)
    assert report["cutoffs"] == list(read_cutoffs(folder, "en"))


def test_training_stops_at_max_bytes(tmp_path: Path) -> None:
    report = train_language_model(TEXTS, tmp_path, "en", max_bytes=500)
    assert report["cut_short"]
    assert 450 < report["bytes"] <= 500


def test_training_without_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no text to train the en language model"):
        train_language_model(["\n \n"], tmp_path, "en")


def test_cutoffs_are_percentiles_30_and_60() -> None:
    assert cutoffs(range(101)) == (30.0, 60.0)
    with pytest.raises(ValueError, match="no perplexity"):
        cutoffs([])


def test_cutoffs_are_written_and_read(tmp_path: Path) -> None:
    assert write_cutoffs(tmp_path, "en", [10.0, 20.0]) == (13.0, 16.0)
    assert read_cutoffs(tmp_path, "en") == (13.0, 16.0)


@pytest.mark.parametrize(
    "content", ["", "[]", '{"p30": 2}', '{"p30": 2, "p60": 1}', '{"p30": 1, "p60": NaN}']
)
def test_bad_cutoffs_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "en.json").write_text(content)
    with pytest.raises(ValueError, match="cut-offs"):
        read_cutoffs(tmp_path, "en")


def test_the_binary_model_is_taken_before_the_text(folder: Path, tmp_path: Path) -> None:
    for name in ("en.arpa", "en.arpa.bin", "en.sp.model"):
        (tmp_path / name).write_bytes(b"")
    files = model_files(tmp_path, "en")
    assert files is not None
    assert files[0].name == "en.arpa.bin"
    assert languages_with_model(tmp_path) == ("en",)


def test_half_a_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "en.arpa").write_bytes(b"")
    with pytest.raises(ValueError, match=re.escape("en.sp.model")):
        model_files(tmp_path, "en")


def test_a_damaged_model_is_one_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "en.sp.model").write_bytes((folder / "en.sp.model").read_bytes())
    (tmp_path / "en.arpa").write_bytes(b"\\data\\\nngram 1=9\n")
    with pytest.raises(ValueError, match="cannot load the en model") as caught:
        PerplexityModel(tmp_path, "en")
    assert "\n" not in str(caught.value)


def test_a_language_is_not_a_path(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a language code"):
        PerplexityModel(tmp_path, "../en")


def wet_bodies(path: Path) -> Iterator[str]:
    raw = gzip.decompress(path.read_bytes())
    for record in re.finditer(rb"WARC-Type: conversion\r\n.*?Content-Length: (\d+)\r\n\r\n", raw, re.DOTALL):
        yield raw[record.end() : record.end() + int(record[1])].decode("utf-8")


def test_perplexity_and_language_are_those_of_ccnet_on_a_crawl_file(shared_data: Path) -> None:
    golden = shared_data / "goldens" / "ccnet"
    wet = shared_data / "commoncrawl" / "repacked" / "snapshot-a" / "wet" / "snapshot-a-00000.warc.wet.gz"
    models = {language: PerplexityModel(golden / "models", language) for language in ("en", "it")}
    identifier = LanguageIdentifier(find_model())
    with gzip.open(golden / "window-file.jsonl.gz", "rt", encoding="utf-8") as stream:
        records = [record for record in map(json.loads, stream) if record["window"] == wet.name]
    scored = 0
    for record, body in zip(records, wet_bodies(wet), strict=True):
        if record["fate"] != "kept":
            continue
        lines = [line.strip() for line in body.split("\n")[1:]]
        text = "\n".join(lines[i] for i in record["line_ids"])
        language, score = identifier.predict(text)
        assert (language, round(score, 2)) == (record["language"], record["language_score"])
        if record["perplexity"] is not None:
            assert round(models[language].perplexity(text), 1) == record["perplexity"]
            scored += 1
    assert scored == 89
