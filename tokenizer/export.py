"""The tokenizer in Hugging Face's files: `tokenizer.json`, `tokenizer_config.json`, `special_tokens_map.json`.

In: a loaded model. Out: the contents of the files, with the same ids in `LlamaTokenizerFast`. The form is that of
Hugging Face's own conversion of LLaMA: the text is one word to BPE, a space is written as U+2581 and put before the
text, unknown characters fall back to bytes.

SentencePiece keeps no merges, only pieces with scores. It joins of all neighbours that make a piece those with the
highest score, so the merges are all ways to cut a piece into two pieces, by falling score of the whole piece.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tokenizer.sentencepiece_model import NORMAL, SPACE, Model

TOKENIZER_JSON = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS_MAP = "special_tokens_map.json"
SEQUENCE_LENGTH = 2_048  # LLaMA paper 2.2


def exported(model: Model) -> Mapping[str, bytes]:
    """The content of each file by its name."""
    marks = _marks(model)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": SEQUENCE_LENGTH,
        "add_bos_token": True,
        "add_eos_token": False,
        **marks,
        "pad_token": None,
        "clean_up_tokenization_spaces": False,
        # A literal `<s>` in a text is text, as in SentencePiece and in the shards.
        "split_special_tokens": True,
        "legacy": True,
        "added_tokens_decoder": {
            str(model.processor.piece_to_id(piece)): _added_token(piece) for piece in marks.values()
        },
    }
    return {
        TOKENIZER_JSON: tokenizer_json(model, control_pieces=True).encode("utf-8"),
        TOKENIZER_CONFIG: as_json(config),
        SPECIAL_TOKENS_MAP: as_json(marks),
    }


def tokenizer_json(model: Model, *, control_pieces: bool) -> str:
    """The content of `tokenizer.json`; without `control_pieces` none is ever found in a text, and none is added."""
    marks = _marks(model) if control_pieces else {}
    ids = {piece: model.processor.piece_to_id(piece) for piece in marks.values()}
    bos = {"SpecialToken": {"id": marks.get("bos_token"), "type_id": 0}}
    with_bos = {
        "type": "TemplateProcessing",
        "single": [bos, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [
            bos,
            {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": marks.get("bos_token"), "type_id": 1}},
            {"Sequence": {"id": "B", "type_id": 1}},
        ],
        "special_tokens": {
            piece: {"id": piece, "ids": [ids[piece]], "tokens": [piece]}
            for name, piece in marks.items()
            if name == "bos_token"
        },
    }
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": id, **_added_token(piece)} for piece, id in sorted(ids.items(), key=lambda item: item[1])
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": SPACE},
                {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": with_bos if control_pieces else None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": model.pieces[model.processor.unk_id()],
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {piece: id for id, piece in enumerate(model.pieces)},
            "merges": _merges(model),
        },
    }
    return json.dumps(content, ensure_ascii=False)


def _merges(model: Model) -> list[tuple[str, str]]:
    """All pairs of pieces of text that make another, first what SentencePiece joins first.

    Where several pairs make one piece, SentencePiece joins the leftmost in the text. Of two that overlap, that is
    the one with the longer left half.
    """
    scores = {
        piece: score
        for piece, score, kind in zip(model.pieces, model.scores, model.kinds, strict=True)
        if kind == NORMAL
    }
    merges: list[tuple[float, int, str, str]] = []
    for piece, score in scores.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in scores and right in scores:
                merges.append((-score, -cut, left, right))
    merges.sort(key=lambda merge: merge[:2])
    return [(left, right) for _, _, left, right in merges]


def _marks(model: Model) -> dict[str, str]:
    """The names that Hugging Face gives to control pieces, and the pieces."""
    processor = model.processor
    return {
        "bos_token": model.pieces[processor.bos_id()],
        "eos_token": model.pieces[processor.eos_id()],
        "unk_token": model.pieces[processor.unk_id()],
    }


def _added_token(piece: str) -> dict[str, str | bool]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"content": piece, **flags}


def as_json(content: Mapping[str, object]) -> bytes:
    """The content of a JSON file, keys as they come."""
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode("utf-8")
