from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import sentencepiece

from tokenizer.encoding import Encoder
from tokenizer.piece_bytes import piece_bytes, text_bytes


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    model = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the river runs down to the sea, é and 水 too"] * 8), model_writer=model,
        model_type="bpe", vocab_size=300, byte_fallback=True, normalization_rule_name="identity",
        remove_extra_whitespaces=False, bos_id=1, eos_id=2, unk_id=0, pad_id=-1, num_threads=1, minloglevel=2,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("model") / "tokenizer.model"
    path.write_bytes(model.getvalue())
    return Encoder(path)


def test_pieces_have_the_bytes_of_their_text(encoder: Encoder) -> None:
    table = piece_bytes(encoder.model)
    find = encoder.model.processor.piece_to_id
    assert [table[find(piece)] for piece in ("<unk>", "<s>", "</s>", "<0x0A>", "\u2581", "\u2581the", "é")] == [
        0, 0, 0, 1, 1, 4, 2,
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "the sea", " the  sea ", "é水, \U0001f600\n\tund ß", "\n", "a" * 300])
def test_a_whole_document_has_the_bytes_of_its_text(encoder: Encoder, text: str) -> None:
    tokens = encoder.encode(text).astype(np.int64)[None]
    table = piece_bytes(encoder.model)
    found = text_bytes(tokens[:, :-1], tokens[:, 1:], table, encoder.bos_id)
    assert found.tolist() == [len(text.encode("utf-8"))]


def test_documents_after_each_other_in_a_row(encoder: Encoder) -> None:
    texts = ["the river", "", "runs down"]
    tokens = np.concatenate([encoder.encode(text) for text in texts]).astype(np.int64)[None]
    found = text_bytes(tokens[:, :-1], tokens[:, 1:], piece_bytes(encoder.model), encoder.bos_id)
    assert found.tolist() == [len("the riverruns down")]
