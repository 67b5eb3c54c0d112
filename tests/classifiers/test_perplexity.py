from __future__ import annotations

import gzip
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sentencepiece

from classifiers.language_id import LanguageIdentifier, find_model
from classifiers.lmplz import find_programs
from classifiers.perplexity import (
    CCNET_CUTOFFS,
    PerplexityModel,
    cutoffs,
    languages_with_model,
    model_files,
    read_cutoffs,
    resolve_trainer,
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


def test_like_text_is_less_perplexing_than_word_salad(folder: Path) -> None:
    model = PerplexityModel(folder, "en")
    like, salad, noise = (
        model.perplexity(text)
        for text in (
            "The cat of the town was seen by the people.",
            "people the by seen was town the of cat the",
            "qzx jjvw 77",
        )
    )
    assert like is not None and salad is not None and noise is not None
    assert 1 < like < salad < noise


def test_perplexity_is_per_piece_and_sentence_end(folder: Path) -> None:
    model = PerplexityModel(folder, "en")
    pieces, count = model.pieces("The king")
    assert count == len(pieces.split(b" "))
    score = model._model.score(pieces)
    assert model.perplexity("The king") == pytest.approx(10 ** (-score / (count + 1)))


@pytest.mark.parametrize("text", ["", "\n", "\u0301\x01"])
def test_a_text_of_which_nothing_is_left_has_no_perplexity(folder: Path, text: str) -> None:
    assert PerplexityModel(folder, "en").perplexity(text) is None


def test_another_kind_of_model_is_segmented_by_sentencepiece(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "en.arpa").write_bytes((folder / "en.arpa").read_bytes())
    bpe = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=bpe, model_type="bpe", vocab_size=60, minloglevel=2
    )
    (tmp_path / "en.sp.model").write_bytes(bpe.getvalue())
    model = PerplexityModel(tmp_path, "en")
    pieces, count = model.pieces("The kíng")
    assert pieces.decode().replace(" ", "") == "▁the▁king"
    assert count == len(pieces.split(b" "))
    assert model.perplexity("The king") == model.perplexity("the KING")
    assert model.perplexity("") is None


def test_training_twice_gives_equal_bytes(folder: Path, tmp_path: Path) -> None:
    report = train_language_model(iter(TEXTS), tmp_path, "en", held_out=TEXTS)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["en.arpa", "en.json", "en.sp.model"]
    assert all((tmp_path / name).read_bytes() == (folder / name).read_bytes() for name in names)
    assert (report["lines"], report["cut_short"], report["trainer"]) == (48, False, "numpy")
    assert report["cutoffs"] == list(read_cutoffs(folder, "en"))


def test_training_stops_at_max_bytes(tmp_path: Path) -> None:
    report = train_language_model(TEXTS, tmp_path, "en", max_bytes=500)
    assert report["cut_short"]
    assert 450 < report["bytes"] <= 500


def test_training_without_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no text to train the en language model"):
        train_language_model(["\n \n"], tmp_path, "en")


def test_auto_is_lmplz_where_it_is_found(tmp_path: Path) -> None:
    assert resolve_trainer("auto", str(tmp_path)) == "numpy"
    with pytest.raises(ValueError, match="build it with"):
        resolve_trainer("lmplz", str(tmp_path))
    (tmp_path / "lmplz").write_text("#!/bin/sh\n")
    (tmp_path / "lmplz").chmod(0o755)
    assert resolve_trainer("auto", str(tmp_path)) == resolve_trainer("lmplz", str(tmp_path)) == "lmplz"
    assert resolve_trainer("numpy", str(tmp_path)) == "numpy"


def test_lmplz_trains_the_same_model(folder: Path, tmp_path: Path) -> None:
    programs = find_programs(os.environ.get("LMPLZ_FOLDER", ""))
    if programs is None or programs.build_binary is None:
        pytest.skip("lmplz not found: build it with .ci/build_lmplz.sh and put it on the PATH")
    (tmp_path / "en.arpa").write_bytes(b"of an earlier training")
    report = train_language_model(
        TEXTS,
        tmp_path,
        "en",
        held_out=TEXTS,
        trainer="lmplz",
        programs_folder=str(Path(programs.lmplz).parent),
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["en.arpa.bin", "en.json", "en.sp.model"]
    assert (report["trainer"], report["cutoffs"]) == ("lmplz", list(read_cutoffs(folder, "en")))
    theirs, ours = PerplexityModel(tmp_path, "en"), PerplexityModel(folder, "en")
    for text in TEXTS:
        assert theirs.perplexity(text) == pytest.approx(ours.perplexity(text), rel=1e-5)


def test_ccnet_has_cutoffs_for_48_languages_and_not_for_three_of_llama() -> None:
    llama = "bg ca cs da de en es fr hr hu it nl pl pt ro ru sl sr sv uk"
    assert len(CCNET_CUTOFFS) == 48
    assert set(llama.split(" ")) - set(CCNET_CUTOFFS) == {"sl", "sr", "sv"}
    assert all(0 < head <= middle for head, middle in CCNET_CUTOFFS.values())
    assert CCNET_CUTOFFS["en"] == (340, 520)


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


@pytest.mark.parametrize("window", ["all", "snapshot", "file"])
def test_pieces_and_scores_are_those_of_ccnet_on_every_document(shared_data: Path, window: str) -> None:
    golden = shared_data / "goldens" / "ccnet"
    models = {language: PerplexityModel(golden / "models", language) for language in ("en", "it")}
    with gzip.open(golden / f"window-{window}.jsonl.gz", "rt", encoding="utf-8") as stream:
        records = {(record["cc_segment"], record["doc"]): record for record in map(json.loads, stream)}
    counts = {"documents": 0, "pieces": 0, "log10": 0, "perplexity": 0, "bucket": 0}
    for segment in sorted({segment for segment, _ in records}):
        wet = next((shared_data / "commoncrawl" / "repacked").glob(f"*/wet/{Path(segment).name}"))
        for number, body in enumerate(wet_bodies(wet)):
            record = records[segment, number]
            if record.get("perplexity") is None:
                continue
            lines = [line.strip() for line in body.split("\n")[1:]]
            model = models[record["language"]]
            pieces, count = model.pieces("\n".join(lines[i] for i in record["line_ids"]))
            log10 = model._model.score(pieces)
            perplexity = round(10 ** (-log10 / (count + 1)), 1)
            head, middle = CCNET_CUTOFFS[record["language"]]
            bucket = "head" if perplexity < head else "middle" if perplexity < middle else "tail"
            counts["documents"] += 1
            counts["pieces"] += count == record["lm_pieces"]
            counts["log10"] += log10 == record["lm_log10"]
            counts["perplexity"] += perplexity == record["perplexity"]
            counts["bucket"] += bucket == record["bucket"]
    documents = {"all": 957, "snapshot": 981, "file": 982}[window]
    assert counts == dict.fromkeys(counts, documents)


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
            perplexity = models[language].perplexity(text)
            assert perplexity is not None
            assert round(perplexity, 1) == record["perplexity"]
            scored += 1
    assert scored == 89
