from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.loss import linear_cross_entropy


def inputs(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states [2, 7, 8], an output matrix [50, 8] and targets [2, 7]."""
    random = torch.Generator().manual_seed(1)
    hidden = torch.randn(2, 7, 8, generator=random).to(dtype).requires_grad_()
    weight = torch.randn(50, 8, generator=random).to(dtype).requires_grad_()
    return hidden, weight, torch.randint(0, 50, (2, 7), generator=random)


def plain(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """The same losses [B, T] from all logits at once, in float64."""
    logits = hidden.double() @ weight.double().T
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)


@pytest.mark.parametrize("at_once", [1, 50, 150, 10_000])  # one token (twice), three tokens, all of them
def test_chunked_losses_and_gradients_equal_the_plain_ones(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.loss._LOGITS_AT_ONCE", {"cpu": at_once})
    hidden, weight, targets = inputs()
    total, losses = linear_cross_entropy(hidden, weight, targets)
    (3 * total).backward()  # type: ignore[no-untyped-call]
    expected = plain(hidden, weight, targets)
    gradients = torch.autograd.grad(3 * expected.sum(), (hidden, weight))
    assert total.item() == pytest.approx(expected.sum().item(), rel=1e-6)
    assert torch.allclose(losses, expected.float(), atol=1e-6)
    for tensor, gradient in zip((hidden, weight), gradients, strict=True):
        assert tensor.grad is not None and torch.allclose(tensor.grad, gradient, atol=1e-5)


def test_losses_of_tokens_carry_no_gradient_and_the_sum_does() -> None:
    total, losses = linear_cross_entropy(*inputs())
    assert (total.requires_grad, losses.requires_grad) == (True, False)
    assert (total.shape, losses.shape) == ((), (2, 7))
    assert total.item() == pytest.approx(losses.sum().item(), rel=1e-6)


def test_without_gradients_the_losses_are_the_same() -> None:
    hidden, weight, targets = inputs()
    with torch.no_grad():
        total, losses = linear_cross_entropy(hidden, weight, targets)
    assert not total.requires_grad
    assert torch.equal(losses, linear_cross_entropy(hidden, weight, targets)[1])


@pytest.mark.parametrize("at_once", [50, 10_000])
def test_bfloat16_is_summed_in_float32(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.loss._LOGITS_AT_ONCE", {"cpu": at_once})
    hidden, weight, targets = inputs(torch.bfloat16)
    total, losses = linear_cross_entropy(hidden, weight, targets)
    (total / 14).backward()  # type: ignore[no-untyped-call]
    expected = plain(hidden, weight, targets)
    gradients = torch.autograd.grad(expected.mean(), (hidden, weight))
    assert (total.dtype, losses.dtype) == (torch.float32, torch.float32)
    assert torch.allclose(losses, expected.float(), atol=0.03)  # logits up to 8 have steps of 2^-5
    for tensor, gradient in zip((hidden, weight), gradients, strict=True):
        assert tensor.grad is not None and tensor.grad.dtype == torch.bfloat16
        assert torch.allclose(tensor.grad.float(), gradient.float(), atol=2e-3)


def test_many_chunks_in_bfloat16_lose_nothing_of_the_weights_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 4,096 equal tokens, one a chunk: a sum in bfloat16 would stop growing at 256 of them.
    monkeypatch.setattr("trainer.loss._LOGITS_AT_ONCE", {"cpu": 2})
    hidden = torch.ones(1, 4096, 1, dtype=torch.bfloat16)
    weight = torch.zeros(2, 1, dtype=torch.bfloat16, requires_grad=True)
    total, _ = linear_cross_entropy(hidden, weight, torch.zeros(1, 4096, dtype=torch.int64))
    total.backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None and weight.grad.flatten().tolist() == [-2048.0, 2048.0]


def test_large_logits_do_not_overflow() -> None:
    hidden, weight = torch.full((1, 1, 1), 1000.0), torch.tensor([[1.0], [0.0], [-1.0]])
    _, losses = linear_cross_entropy(hidden, weight, torch.tensor([[1]]))
    assert losses.item() == 1000.0
