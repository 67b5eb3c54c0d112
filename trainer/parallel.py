"""How a model is spread over processes: a model on the meta device in, the same model in slices out.

Three ways, which combine: `shard` processes hold a slice of every parameter, its gradient and its moments each, and
gather a block's weights just before they are used (FSDP: Zhao et al. 2023, arXiv 2304.11277; torch's `fully_shard`);
`replicate` such groups hold the same slices (hybrid sharding: the gathering stays inside a group); `tensor` processes
split the products of each layer and, between them, the sequence (Shoeybi et al. 2019, arXiv 1909.08053; Korthikanti
et al. 2022, arXiv 2205.05198). The order of the steps - tensor parallel, activation checkpointing, compilation, FSDP -
is torchtitan's. One process is the layout 1 x 1 x 1 and runs the same code.

Gradients are sums over the processes: the loop divides the loss by the target tokens of the whole step, so that the
result does not depend on processes, micro-batches or accumulation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    PrepareModuleInput,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts

from trainer.layout import Layout
from trainer.loss import linear_cross_entropy
from trainer.model import Head, Transformer
from trainer.presets import ModelConfig

Precision = Literal["fp32", "bf16"]
Checkpointing = Literal["none", "selective", "full"]


def check_layout(layout: Layout, config: ModelConfig, sequence_length: int, processes: int) -> None:
    """ValueError when the model or the processes cannot be split so, with the splits that can be."""
    if layout.processes != processes:
        raise ValueError(
            f"train.replicate, shard and tensor: {layout} is for {layout.processes} processes, there are {processes}: "
            f"change them, or start {layout.processes} with torchrun"
        )
    counts = {
        "heads": config.heads,
        "key and value heads": config.key_value_heads,
        "the feed-forward width": config.hidden,
        "the sequence length": sequence_length,
    }
    undivided = [f"{name} ({count})" for name, count in counts.items() if count % layout.tensor]
    if undivided:
        common = math.gcd(*counts.values())
        possible = ", ".join(str(degree) for degree in range(1, common + 1) if common % degree == 0)
        raise ValueError(
            f"train.tensor: {layout.tensor} tensor-parallel processes do not divide {' and '.join(undivided)}: "
            f"possible here: {possible}"
        )


def make_mesh(layout: Layout, device_type: str) -> DeviceMesh:
    """The processes as a grid of replicate x shard x tensor; tensor-parallel peers are neighbours, on one machine."""
    shape = (layout.replicate, layout.shard, layout.tensor)
    return init_device_mesh(device_type, shape, mesh_dim_names=("replicate", "shard", "tensor"))


def data_rank(mesh: DeviceMesh) -> tuple[int, int]:
    """Which part of each batch this process reads, of how many; tensor-parallel peers read the same rows."""
    shard = mesh["shard"]
    rank = mesh["replicate"].get_local_rank() * shard.size() + shard.get_local_rank()
    return rank, mesh["replicate"].size() * shard.size()


def parallelize(
    model: Transformer,
    mesh: DeviceMesh,
    *,
    precision: Precision,
    checkpointing: Checkpointing,
    compile_blocks: bool,
    reshard_after_forward: bool,
) -> None:
    """Spreads `model` over `mesh`, in place; its parameters become DTensors with their names unchanged.

    With "bf16" the weights are rounded to bfloat16 when they are gathered and the gradients are summed over processes
    in float32; weights, gradients and moments at rest are float32. `checkpointing` is what a block keeps for its
    backward pass: all ("none"), the outputs of its products and of attention ("selective"), or its input ("full").
    `reshard_after_forward` drops the gathered weights of a block until its backward pass: less memory, one more gather.
    """
    if mesh["tensor"].size() > 1:
        _split_products(model, mesh["tensor"])
    for block in model.layers:
        if checkpointing != "none":
            block.forward = _checkpointed(block.forward, checkpointing)
        if compile_blocks:
            # The method and not the module: FSDP's hooks, which are to stay out of the graph, stand around it.
            block.forward = torch.compile(block.forward, fullgraph=True)
    _shard(model, mesh, precision, reshard_after_forward)


def last_micro_batch(model: nn.Module, last: bool) -> None:
    """To be told before each backward pass: gradients are summed over replicas once a step, in its last one.

    Over the shards they are summed each time, because a whole gradient would not fit.
    """
    assert isinstance(model, FSDPModule), "parallelize comes first"
    model.set_requires_all_reduce(last)


@torch.no_grad()
def clip_gradients(model: nn.Module, max_norm: float) -> float:
    """Scales the gradients so that their norm is at most `max_norm`, and returns the norm that they had.

    It is the norm over all parameters of all processes, the same number on each of them.
    """
    held: dict[
        int, list[Tensor]
    ] = {}  # slices of gradients, by the number of processes that have the same one
    for parameter in model.parameters():
        if parameter.grad is not None:
            assert isinstance(parameter.grad, DTensor), "parallelize comes first"
            mesh, placements = parameter.grad.device_mesh, parameter.grad.placements
            copies = math.prod(mesh.size(d) for d, place in enumerate(placements) if place.is_replicate())
            held.setdefault(copies, []).append(parameter.grad.to_local())
    squares = torch.stack([get_total_norm(slices).double() ** 2 / copies for copies, slices in held.items()])
    square = squares.sum()
    dist.all_reduce(square)  # each process has a part of the sum
    norm = square.sqrt()
    clip_grads_with_norm_(model.parameters(), max_norm, norm.float())
    return float(norm)


def _split_products(model: Transformer, mesh: DeviceMesh) -> None:
    """Tensor and sequence parallelism: each process has some heads and a part of the feed-forward width, and
    between the products a part of the sequence.

    The embedding is split by features and not by pieces, so that any vocabulary can be split.
    """
    block: dict[str, ParallelStyle] = {
        "attention_norm": SequenceParallel(),
        "attention": PrepareModuleInput(  # of the arguments x, mask, cache and start
            input_layouts=(Shard(1), None, None, None), desired_input_layouts=(Replicate(), None, None, None)
        ),
        "attention.wq": ColwiseParallel(),
        "attention.wk": ColwiseParallel(),
        "attention.wv": ColwiseParallel(),
        "attention.wo": RowwiseParallel(output_layouts=Shard(1)),
        "ffn_norm": SequenceParallel(),
        "feed_forward": PrepareModuleInput(input_layouts=Shard(1), desired_input_layouts=Replicate()),
        "feed_forward.w1": ColwiseParallel(),
        "feed_forward.w2": RowwiseParallel(output_layouts=Shard(1)),
        "feed_forward.w3": ColwiseParallel(),
    }
    for layer in model.layers:
        parallelize_module(layer, mesh, block)
    root: dict[str, ParallelStyle] = {
        "tok_embeddings": ColwiseParallel(output_layouts=Shard(1)),
        "norm": SequenceParallel(use_local_output=True),
    }
    parallelize_module(model, mesh, root)
    head = model.output
    head.weight = nn.Parameter(distribute_tensor(head.weight, mesh, [Shard(1)]))
    head.forward = partial(_head_over_sequence, head, mesh)  # type: ignore[method-assign]


def _head_over_sequence(
    head: Head, mesh: DeviceMesh, hidden: Tensor, targets: Tensor | None = None
) -> Tensor | tuple[Tensor, Tensor]:
    """The head of a process whose `hidden` [B, T / tensor, C] is a part of the sequence, with the whole matrix.

    Each process computes the losses of its positions as one process would. The hidden states are split that way
    already, and nothing but a loss a token has to be exchanged; split by vocabulary, the maximum and the sum of each
    softmax would have to be, in the midst of the chunks of the loss. It costs one gather of the matrix.
    The results are those of the whole sequence; the gradient of the sum is that of this process's part.
    """
    assert isinstance(head.weight, DTensor)
    # Each process has the gradient of its positions: the whole is their sum.
    weight = head.weight.redistribute(placements=[Replicate()]).to_local(grad_placements=[Partial()])
    if targets is None:
        return DTensor.from_local(F.linear(hidden, weight), mesh, [Shard(1)]).full_tensor()
    part = targets.chunk(mesh.size(), 1)[mesh.get_local_rank()]
    total, losses = linear_cross_entropy(hidden, weight, part.contiguous())
    losses = DTensor.from_local(losses, mesh, [Shard(1)]).full_tensor()
    return total + (losses.sum() - total).detach(), losses


# The products, attention in each of its kernels, and the sums over tensor-parallel peers: what is dear to compute
# again. The paper, section 2.4: "we save the activations that are expensive to compute, such as the outputs of linear
# layers".
_KEPT = [
    torch.ops.aten.mm.default,
    torch.ops.aten._scaled_dot_product_flash_attention.default,
    torch.ops.aten._scaled_dot_product_efficient_attention.default,
    torch.ops.aten._scaled_dot_product_cudnn_attention.default,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default,
    torch.ops._c10d_functional.reduce_scatter_tensor.default,
]


def _checkpointed(forward: Callable[..., Tensor], checkpointing: Checkpointing) -> Callable[..., Tensor]:
    """`forward`, computed again in the backward pass instead of kept.

    It wraps the method of a block and no module, which would put itself into the names of the parameters. Nothing in
    a block is random, so the state of the random numbers need not be kept.
    """
    if checkpointing == "full":
        return partial(checkpoint, forward, use_reentrant=False, preserve_rng_state=False)
    kept = partial(create_selective_checkpoint_contexts, _KEPT)
    return partial(checkpoint, forward, use_reentrant=False, preserve_rng_state=False, context_fn=kept)


def _shard(model: Transformer, mesh: DeviceMesh, precision: Precision, reshard_after_forward: bool) -> None:
    """FSDP on each block and on what is left, the embedding, the last norm and the head."""
    group = mesh["replicate", "shard"] if mesh["replicate"].size() > 1 else mesh["shard"]
    policy = MixedPrecisionPolicy(cast_forward_inputs=False)
    if precision == "bf16":
        policy = MixedPrecisionPolicy(torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for block in model.layers:
        fully_shard(block, mesh=group, mp_policy=policy, reshard_after_forward=reshard_after_forward)
    fully_shard(model, mesh=group, mp_policy=policy)
    for module in model.modules():  # both settings hold for one module, not for those in it
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            # Without it a factor is a product before the sum, which gloo does not have.
            module.set_force_sum_reduction_for_comms(True)
