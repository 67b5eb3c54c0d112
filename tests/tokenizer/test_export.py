"""The tokenizer in Hugging Face's files gives the ids of SentencePiece."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from tests.tokenizer.fuzzed_texts import fuzzed_texts
from tokenizer import training
from tokenizer.export import SPECIAL_TOKENS_MAP, TOKENIZER_CONFIG, TOKENIZER_JSON, exported, tokenizer_json
from tokenizer.sentencepiece_model import Model, load_model
from tokenizer.training import train_tokenizer

TEXT = "The cat sat on the mat in 2023.\n\n  if x:\n    return <s> ababab ▁▁\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("model") / "tokenizer.model"
    train_tokenizer([TEXT] * 50, path, vocabulary=330)
    return load_model(path)


def assert_ids_are_equal(model: Model, texts: list[str]) -> None:
    tokenizer = Tokenizer.from_str(exported(model)[TOKENIZER_JSON].decode())
    tokenizer.encode_special_tokens = True  # what split_special_tokens sets
    rows = tokenizer.encode_batch(texts)
    for text, row in zip(texts, rows, strict=True):
        assert row.ids == [1, *model.processor.encode(text)], repr(text)


def test_gives_the_ids_of_sentencepiece_after_bos(model: Model) -> None:
    assert_ids_are_equal(model, [TEXT, "", " ", "\n", "  x", *fuzzed_texts(3000)])


def test_gives_the_ids_of_a_model_of_32000_pieces(shared_data: Path) -> None:
    model = load_model(shared_data / "models" / "mistral-v1.tokenizer.model")
    text = (shared_data / "benchmarks" / "human_eval.jsonl").read_text(encoding="utf-8")
    assert_ids_are_equal(model, [text, *fuzzed_texts(3000)])


def test_decodes_to_the_text(model: Model) -> None:
    tokenizer = Tokenizer.from_str(exported(model)[TOKENIZER_JSON].decode())
    for text in ("The cat  sat\n", "  two  spaces ☃ ", "\t1\n"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_the_files_name_the_control_pieces(model: Model) -> None:
    files = {name: json.loads(content) for name, content in exported(model).items()}
    marks = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    assert files[SPECIAL_TOKENS_MAP] == marks
    config = files[TOKENIZER_CONFIG]
    assert {name: config[name] for name in marks} == marks
    assert (config["add_bos_token"], config["add_eos_token"], config["split_special_tokens"]) == (
        True,
        False,
        True,
    )
    assert {id: added["content"] for id, added in config["added_tokens_decoder"].items()} == {
        "0": "<unk>",
        "1": "<s>",
        "2": "</s>",
    }
    assert [added["content"] for added in files[TOKENIZER_JSON]["added_tokens"]] == ["<unk>", "<s>", "</s>"]
    assert len(files[TOKENIZER_JSON]["model"]["vocab"]) == 330


def test_no_merge_leads_to_a_control_or_byte_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = {**training.LLAMA_SETTINGS, "split_by_unicode_script": False}  # letters and signs in one piece
    monkeypatch.setattr(training, "LLAMA_SETTINGS", together)
    train_tokenizer(["s>s>s>s> </</</</"] * 50, tmp_path / "m", vocabulary=266)
    model = load_model(tmp_path / "m")
    assert {"s>", "</"} <= set(model.pieces)  # the halves of </s>
    assert_ids_are_equal(model, ["</s>", "<0x0A>", "a</s><s><0x0A>"])
    content = json.loads(tokenizer_json(model, control_pieces=False))
    made = {left + right for left, right in content["model"]["merges"]}
    assert not made & {"<s>", "</s>", "<unk>", "<0x0A>"}
    assert (content["added_tokens"], content["post_processor"]) == ([], None)
    scores = dict(zip(model.pieces, model.scores, strict=True))
    ranks = [scores[left + right] for left, right in content["model"]["merges"]]
    assert ranks == sorted(ranks, reverse=True)
