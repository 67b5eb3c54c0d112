from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from trainer.generate import continue_tokens, generate, pick
from trainer.model import MODELS, Transformer
from trainer.train import train

MakeRun = Callable[..., Path]


def test_a_model_that_learned_a_text_continues_it(make_run: MakeRun) -> None:
    run = make_run(steps=60, learning_rate=5e-3)
    train(run, {}, lambda record: None)
    assert generate(run, "the river runs down", 12, temperature=0.0).startswith(" to the sea and the sea")
    sampled = generate(run, "she said", 20, temperature=2.0, top_p=1.0, seed=1)
    assert sampled == generate(run, "she said", 20, temperature=2.0, top_p=1.0, seed=1)
    assert sampled != generate(run, "she said", 20, temperature=2.0, top_p=1.0, seed=2)
    with open(run / "tokenizer" / "tokenizer.model", "ab") as model:
        model.write(b"\x1a\x00")
    with pytest.raises(ValueError, match="made with another tokenizer than that of the run"):
        generate(run, "the")


def test_cached_steps_give_what_whole_passes_give_and_go_past_the_context() -> None:
    config = replace(MODELS["tiny"], vocabulary=40, context=16)
    model = Transformer(config).initialize(2)
    made = continue_tokens(model, [1, 5, 9], -1, 40, 0.0, 1.0, 0)
    assert len(made) == 40
    window = [1, 5, 9]
    for token in made:
        window = window[-8:] if len(window) > 16 else window
        assert token == int(model(torch.tensor([window]))[0, -1].argmax())
        window = [*window, token]


def test_stops_at_the_end_of_the_document() -> None:
    model = Transformer(replace(MODELS["tiny"], vocabulary=40)).initialize(2)
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
