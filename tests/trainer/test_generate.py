from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from trainer.checkpoint import CheckpointWriter, checkpoint_path
from trainer.data import run_tokenizer
from trainer.generate import continue_tokens, generate, pick
from trainer.initialization import initialize
from trainer.model import Transformer
from trainer.presets import MODELS, ModelConfig
from trainer.processes import process_group

MakeRun = Callable[..., Path]


SENTENCE = "the river runs down to the sea and the sea goes up to the sky. "


@pytest.fixture
def trained(make_run: MakeRun) -> Path:
    """A run whose model has learned a sentence, with its checkpoint after 60 and after 61 steps."""
    run = make_run()
    encoder = run_tokenizer(run)
    model = made(replace(MODELS["toy"], vocabulary=encoder.vocabulary_size))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    text = torch.from_numpy(encoder.encode(SENTENCE * 6).astype("int64"))[None, :65]
    state = {"tokenizer_sha256": encoder.sha256, "model": asdict(model.config)}
    with process_group("cpu"):
        writer = CheckpointWriter(run, keep=2)
        for step in range(1, 62):
            (model(text[:, :-1], text[:, 1:])[0] / 64).backward()
            optimizer.step()
            optimizer.zero_grad()
            if step >= 60:
                writer.save(step, model, optimizer, state)
        writer.wait()
    return run


def test_a_model_that_learned_a_text_continues_it(trained: Path) -> None:
    assert generate(trained, "the river runs down", 12, temperature=0.0).startswith(" to the sea and the sea")


def test_a_seed_gives_one_text(trained: Path) -> None:
    sampled = generate(trained, "she said", 20, temperature=2.0, top_p=1.0, seed=1)
    assert sampled == generate(trained, "she said", 20, temperature=2.0, top_p=1.0, seed=1)
    assert sampled != generate(trained, "she said", 20, temperature=2.0, top_p=1.0, seed=2)


def test_a_damaged_checkpoint_is_passed_over_and_told(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    next(checkpoint_path(trained, 61).glob("*.safetensors")).write_bytes(b"cut")
    assert generate(trained, "the river runs down", 12, temperature=0.0).startswith(" to the sea and the sea")
    told = capsys.readouterr().err
    assert told.startswith("generate: ") and "step-000061 is damaged" in told
    assert told.endswith("step-000060 is used instead\n")


def test_refuses_another_tokenizer(trained: Path) -> None:
    with open(trained / "tokenizer" / "tokenizer.model", "ab") as model:
        model.write(b"\x1a\x00")
    with pytest.raises(ValueError, match="made with another tokenizer than that of the run"):
        generate(trained, "the")


def made(config: ModelConfig) -> Transformer:
    model = Transformer(config)
    initialize(model, 2)
    return model


@pytest.mark.parametrize("kv_heads", [0, 2, 1])
def test_cached_steps_give_what_whole_passes_give_and_go_past_the_context(kv_heads: int) -> None:
    model = made(replace(MODELS["toy"], vocabulary=40, context=16, kv_heads=kv_heads))
    tokens = continue_tokens(model, [1, 5, 9], -1, 40, 0.0, 1.0, 0)
    assert len(tokens) == 40
    window = [1, 5, 9]
    for token in tokens:
        window = window[-8:] if len(window) > 16 else window
        assert token == int(model(torch.tensor([window]))[0, -1].argmax())
        window = [*window, token]


def test_weights_in_bfloat16_have_a_cache_in_bfloat16() -> None:
    model = made(replace(MODELS["toy"], vocabulary=40)).to(torch.bfloat16)
    model.reset_buffers(torch.device("cpu"))
    assert len(continue_tokens(model, [1, 5, 9], -1, 5, 0.0, 1.0, 0)) == 5


def test_stops_at_the_end_of_the_document() -> None:
    model = made(replace(MODELS["toy"], vocabulary=40))
    first = continue_tokens(model, [1], -1, 5, 0.0, 1.0, 0)
    assert continue_tokens(model, [1], first[0], 5, 0.0, 1.0, 0) == []


def test_top_p_keeps_the_likeliest_tokens_only() -> None:
    logits = torch.tensor([0.1, 0.2, 0.4, 0.3]).log()
    generator = torch.Generator().manual_seed(0)
    drawn = {top_p: {pick(logits, 1.0, top_p, generator) for _ in range(200)} for top_p in (0.3, 0.6, 1.0)}
    assert drawn == {0.3: {2}, 0.6: {2, 3}, 1.0: {0, 1, 2, 3}}
    assert pick(logits, 0.0, 1.0, generator) == 2


def test_names_what_is_missing(make_run: MakeRun) -> None:
    run = make_run()
    with pytest.raises(ValueError, match=r"train: no checkpoint: train the run first"):
        generate(run, "the")
    with pytest.raises(ValueError, match=r"top_p 0.0 .* out of range"):
        generate(run, "the", top_p=0.0)
