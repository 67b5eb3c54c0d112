"""Text from a trained model: a prompt in, its continuation out, with the newest checkpoint and tokenizer of a run."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from trainer.checkpoint import load_weights, model_config, newest_good
from trainer.data import run_tokenizer
from trainer.model import KeyValueCache, Transformer

MAX_NEW_TOKENS = 1 << 20


def generate(
    run: Path,
    prompt: str,
    max_new_tokens: int = 128,
    temperature: float = 0.8,
    top_p: float = 0.95,
    seed: int = 0,
) -> str:
    """The continuation of `prompt`, without the prompt; ends with the document or after `max_new_tokens`.

    `temperature` 0 takes the likeliest token each time. `top_p` in (0, 1] samples from the smallest set of
    tokens with at least that probability (Holtzman et al. 2020, arXiv 1904.09751, section 3.1). The same seed
    gives the same text on the same machine. A damaged checkpoint is passed over for the one before, which is
    said on stderr. ValueError when the run has no good checkpoint, its tokenizer is another one or a value is
    out of range.
    """
    if not (temperature >= 0 and 0 < top_p <= 1 and 0 <= max_new_tokens <= MAX_NEW_TOKENS):
        raise ValueError(
            f"generate: temperature {temperature} (0 or more), top_p {top_p} (above 0, at most 1), max_new_tokens "
            f"{max_new_tokens} (0 to {MAX_NEW_TOKENS}): out of range"
        )
    checkpoint, passed_over = newest_good(run)
    if checkpoint is None:
        raise ValueError(f"{run / 'train'}: no checkpoint: train the run first (llama-corpus train)")
    if passed_over:
        print(f"generate: {passed_over}", file=sys.stderr)
    encoder = run_tokenizer(run)
    if encoder.sha256 != checkpoint.state.get("tokenizer_sha256"):
        raise ValueError(
            f"{checkpoint.path}: made with another tokenizer than that of the run: train it anew"
        )
    with torch.device("meta"):
        model = Transformer(model_config(checkpoint))
    model.to_empty(device="cpu")
    load_weights(checkpoint.path, model)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).reset_buffers(device)
    given: list[int] = encoder.encode(prompt)[:-1].tolist()  # begins with BOS; EOS would end the text
    new = continue_tokens(model, given, encoder.eos_id, max_new_tokens, temperature, top_p, seed)
    # The first space of a text is the tokenizer's own, so a continuation is decoded together with its prompt.
    whole, known = encoder.decode(given + new), encoder.decode(given)
    return whole[len(known) :]


@torch.no_grad()
def continue_tokens(
    model: Transformer,
    tokens: list[int],
    eos_id: int,
    max_new_tokens: int,
    temperature: float,
    top_p: float,
    seed: int,
) -> list[int]:
    """The tokens that follow `tokens` (at least one), up to EOS, which is not among them.

    When the context is full, the model goes on from its last half.
    """
    generator = torch.Generator().manual_seed(seed % (1 << 63))
    weight = model.output.weight
    cache = KeyValueCache(model.config, batch=1, device=weight.device, dtype=weight.dtype)
    context = model.config.context
    window = tokens[-(context - 1) :]  # what the cache holds, or will after the next call
    pending = window  # what the model has not seen yet
    new: list[int] = []
    while len(new) < max_new_tokens:
        if len(window) > context:
            window = pending = window[-(context // 2) :]
        start = len(window) - len(pending)
        logits = model(torch.tensor([pending], device=weight.device), cache=cache, start=start)[0, -1]  # [V]
        token = pick(logits.cpu(), temperature, top_p, generator)
        if token == eos_id:
            break
        new.append(token)
        window = [*window, token]
        pending = [token]
    return new


def pick(logits: Tensor, temperature: float, top_p: float, generator: torch.Generator) -> int:
    """One token drawn from `logits` [V]."""
    if temperature == 0:
        return int(logits.argmax())
    probabilities, tokens = torch.softmax(logits.double() / temperature, 0).sort(descending=True, stable=True)
    before = probabilities.cumsum(0) - probabilities  # of all likelier tokens; the first is always kept
    probabilities[before >= top_p] = 0.0
    return int(tokens[torch.multinomial(probabilities, 1, generator=generator)])
