"""A training small enough for a test, spread as its layout says: the loop's steps without its surroundings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from trainer.initialization import initialize
from trainer.layout import Layout
from trainer.model import Transformer
from trainer.parallel import (
    Checkpointing,
    Precision,
    clip_gradients,
    data_rank,
    last_micro_batch,
    make_mesh,
    parallelize,
)
from trainer.presets import MODELS

# An odd vocabulary: processes that hold slices of a matrix of it hold unequal ones.
CONFIG = replace(MODELS["toy"], vocabulary=321, layers=2, dim=64, heads=4, kv_heads=2)
ROWS, LENGTH = 4, 32


class SmallTraining:
    """A model of seed 1 and its AdamW; `run` makes steps on rows that depend on the number of the step alone."""

    def __init__(
        self,
        layout: Layout,
        precision: Precision = "fp32",
        checkpointing: Checkpointing = "none",
        compile_blocks: bool = False,
        reshard_after_forward: bool = True,
        accumulate: int = 1,
        documents: bool = False,
    ) -> None:
        with torch.device("meta"):
            self.model = Transformer(CONFIG)
        mesh = make_mesh(layout, "cpu")
        parallelize(
            self.model,
            mesh,
            precision=precision,
            checkpointing=checkpointing,
            compile_blocks=compile_blocks,
            reshard_after_forward=reshard_after_forward,
        )
        self.model.to_empty(device="cpu")
        self.model.reset_buffers(torch.device("cpu"))
        initialize(self.model, seed=1)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True
        )
        self.layout, self.accumulate, self.documents = layout, accumulate, documents
        self.rank, self.ranks = data_rank(mesh)
        self.step = 0

    def rows(self, step: int) -> Tensor:
        """This process's rows [ROWS / ranks, LENGTH + 1] of a step, of four tokens that are soon learned apart."""
        generator = torch.Generator().manual_seed(step)
        return torch.randint(4, (ROWS, LENGTH + 1), generator=generator)[self.rank :: self.ranks]

    def run(self, steps: int) -> list[list[float]]:
        """The mean loss and the gradient norm of each of the next `steps` steps."""
        return [self._step() for _ in range(steps)]

    def _step(self) -> list[float]:
        self.step += 1
        nats = torch.zeros((), dtype=torch.float64)
        parts = self.rows(self.step).chunk(self.accumulate)
        for number, part in enumerate(parts, 1):
            last_micro_batch(self.model, number == len(parts))
            documents = (torch.arange(LENGTH) // 10).expand(len(part), -1) if self.documents else None
            total, losses = self.model(part[:, :-1], part[:, 1:].contiguous(), documents)
            (total / (ROWS * LENGTH)).backward()
            assert torch.allclose(losses.sum(), total.detach())
            nats += losses.double().sum() / self.layout.tensor  # tensor-parallel peers have the same rows
        dist.all_reduce(nats)
        norm = clip_gradients(self.model, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return [float(nats) / (ROWS * LENGTH), norm]


@torch.no_grad()
def full_weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The weights one by one, whole, on the CPU: all processes iterate together and each gets every tensor."""
    for name, tensor in model.state_dict(keep_vars=True).items():
        whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        yield name, whole.detach().cpu()
