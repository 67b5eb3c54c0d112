"""How the weights move: AdamW, its learning rate as a function of the step, and the rule that leaves out a spike.

Recipe: Touvron et al. 2023 (arXiv 2302.13971), section 2.3: AdamW with betas 0.9 and 0.95 and weight decay 0.1, a
linear warmup, a cosine down to a tenth of the peak. The rule for spikes is not in the paper.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable

import torch
from torch import nn

from trainer.config import TrainSettings

FINAL_FRACTION = 0.1  # of the peak learning rate at the last step; section 2.3


def learning_rate(step: int, settings: TrainSettings) -> float:
    """The rate of step 1 to `steps`: linear to the peak at `warmup_steps`, then a cosine to a tenth of it."""
    if step < settings.warmup_steps:
        return settings.learning_rate * step / settings.warmup_steps
    progress = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    cosine = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return settings.learning_rate * (FINAL_FRACTION + (1 - FINAL_FRACTION) * cosine)


def make_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW over the parameters; the matrices decay, the embedding among them, and the norms do not.

    The paper does not say what decays. One fused kernel for all tensors of a device.
    """
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    norms = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    return torch.optim.AdamW(
        [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": norms, "weight_decay": 0.0}],
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=True,
    )


def set_learning_rate(optimizer: torch.optim.AdamW, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


class SpikeRule:
    """Which updates are left out: those whose loss or gradient norm stands far above the last ones.

    A step is left out when one of the two is more than `deviations` standard deviations above its mean over the last
    `window` steps; 0 deviations leave out none. Nothing is left out before half a window is known. Steps that were
    left out count in the window, so that a lasting change of level is soon no spike. The rule and its defaults, 6 and
    128, are those of OLMo-core (`optim/skip_step_optimizer.py`).
    """

    def __init__(self, deviations: float, window: int, recent: Iterable[tuple[float, float]] = ()) -> None:
        """`recent` are the losses and gradient norms of the last steps, oldest first, as `recent` gives them."""
        self.deviations, self.window = deviations, window
        self._recent = deque(((float(loss), float(norm)) for loss, norm in recent), maxlen=window)

    @property
    def recent(self) -> list[tuple[float, float]]:
        """What the rule knows: with it a continued run decides as the first one would have."""
        return list(self._recent)

    def left_out(self, loss: float, norm: float) -> str | None:
        """Why the step with this loss and gradient norm is left out, in words, or None; remembers both."""
        reason = None
        if self.deviations and len(self._recent) >= max(2, self.window // 2):
            for name, value, known in zip(
                ("loss", "gradient norm"), (loss, norm), zip(*self._recent, strict=True), strict=True
            ):
                mean, deviation = statistics.fmean(known), statistics.stdev(known)
                if value > mean + self.deviations * deviation:
                    reason = f"{name} {value:.4g}, over {mean:.4g} + {self.deviations:g} x {deviation:.2g}"
                    break
        self._recent.append((loss, norm))
        return reason
