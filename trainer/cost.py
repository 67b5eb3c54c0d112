"""What a training costs before it runs: bytes on each device by part, floating-point operations, and expected time.

In: a shape, a layout, a micro-batch and what is recomputed. Out: numbers that anyone can check by hand; nothing is
measured here and torch is not needed. Memory follows what `trainer.model` and `trainer.parallel` hold: parameters,
gradients and both AdamW moments in float32, sharded (16 bytes a parameter, Rajbhandari et al. 2020, arXiv 1910.02054,
section 3.1), gathered blocks in the compute precision, and the activations that autograd keeps, counted tensor by
tensor as in Korthikanti et al. 2022 (arXiv 2205.05198, section 4.1) but for this model: SwiGLU instead of GELU, no
dropout, and attention that keeps no scores. Time comes from what published trainings reached (`trainer.cards`).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from trainer.cards import REACHED, Card, Checkpointing, Reached
from trainer.layout import Layout
from trainer.presets import ModelConfig

MODES: tuple[Checkpointing, ...] = ("none", "selective", "full")
FP32 = 4  # bytes
LOGITS_AT_ONCE = {"cpu": 1 << 22, "cuda": 1 << 27}  # elements, those of trainer.loss
# CUDA's context, the libraries' work spaces and NCCL's buffers: 1 to 2 GB by Hugging Face's Ultra-Scale Playbook.
DEVICE_RESERVE_BYTES = 2 * 10**9
NEAR = 2.0  # published trainings within this factor of the parameters are comparable in size
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Workload:
    """One model on its devices: all that memory depends on.

    `compute_bytes` of an element are 2 for bfloat16 and 4 for float32. `micro_batch` counts the sequences that a
    reader of rows holds at once (its tensor-parallel peers hold the same ones).
    """

    shape: ModelConfig
    sequence_length: int
    micro_batch: int
    layout: Layout
    checkpointing: Checkpointing = "none"
    compute_bytes: int = 2
    reshard_after_forward: bool = True


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one device at the fullest moment of a step."""

    weights: int  # float32, sharded: the copy that the optimizer moves
    gradients: int  # float32, sharded
    moments: int  # both of AdamW, float32, sharded
    gathered: int  # whole weights in the compute precision, and whole gradients on their way to the sum
    activations: int  # that wait for the backward pass
    recomputed: int  # of the one block whose activations are made again
    head: int  # one chunk of logits with its gradient, and the gradient of the output matrix
    reserve: int  # of the device, outside the tensors

    @property
    def total(self) -> int:
        return sum(asdict(self).values())

    @property
    def state(self) -> int:
        """What stays between steps."""
        return self.weights + self.gradients + self.moments


def memory(work: Workload, device: str = "cuda") -> Memory:
    """Bytes by part on each device; on `cpu` nothing is reserved."""
    shape, width = work.shape, work.compute_bytes
    mine = math.ceil(shape.parameters / (work.layout.shard * work.layout.tensor))
    matrix = math.ceil(shape.vocabulary * shape.dim / work.layout.tensor)  # embedding or output
    block = math.ceil(block_parameters(shape) / work.layout.tensor)
    # The embedding, the output and the block at work with the one that is fetched meanwhile; or all blocks.
    gathered_blocks = min(2, shape.layers) if work.reshard_after_forward else shape.layers
    gathered = width * (2 * matrix + gathered_blocks * block)
    # A block's gradient in the compute precision and its float32 copy that is summed over the devices.
    gathered += (width + FP32) * max(block, matrix)
    tokens = work.micro_batch * work.sequence_length
    per_token = kept_per_token(shape, work.layout.tensor, work.checkpointing, width)
    whole = kept_per_token(shape, work.layout.tensor, "none", width)
    # The embedding's and the last norm's output, and the tokens and losses themselves.
    outside = 2 * shape.dim * width // work.layout.tensor + 24
    rows = math.ceil(tokens / work.layout.tensor)  # each tensor-parallel peer has the loss of a part
    chunk = min(rows, max(1, LOGITS_AT_ONCE[device] // shape.vocabulary)) * shape.vocabulary
    return Memory(
        weights=FP32 * mine,
        gradients=FP32 * mine,
        moments=2 * FP32 * mine,
        gathered=gathered,
        activations=tokens * (shape.layers * per_token + outside),
        recomputed=0 if work.checkpointing == "none" else tokens * (whole - per_token),
        head=chunk * (2 * width + FP32) + shape.vocabulary * shape.dim * (FP32 + width),
        reserve=DEVICE_RESERVE_BYTES if device == "cuda" else 0,
    )


def kept_per_token(
    shape: ModelConfig, tensor: int = 1, checkpointing: Checkpointing = "none", width: int = 2
) -> int:
    """Bytes of one token that a block keeps for its backward pass, elements being `width` bytes.

    none: the input of each norm and of each matrix (C, C for attention; C, C for the feed-forward layer), rotated
    queries, keys and values and attention's output (C + 2 K + C), and in the feed-forward layer w1's output, its
    silu, w3's output and their product (4 F); with them the norms' scales and attention's log-sums in float32.
    selective: the block's input and the outputs of all matrices and of attention. full: the block's input.
    Tensor and sequence parallelism divide all but what a matrix product has whole on each process: the gathered
    inputs of the first ones, and with selective the sums-to-be of the second ones (section 4.2.2 there).
    """
    model, keys, hidden = shape.dim, shape.key_value_heads * shape.head_width, shape.hidden
    if checkpointing == "full":
        return width * model // tensor
    sums = FP32 * shape.heads  # of attention's softmax
    if checkpointing == "selective":
        divided = width * (3 * model + 2 * keys + 2 * hidden) + sums
        return width * 2 * model + divided // tensor
    divided = width * (4 * model + 2 * keys + 4 * hidden) + sums + 2 * FP32
    return width * 2 * model + divided // tensor


def block_parameters(shape: ModelConfig) -> int:
    """Parameters of one block."""
    return (shape.parameters - shape.dim - 2 * shape.vocabulary * shape.dim) // shape.layers


def hardware_flops_per_token(
    shape: ModelConfig, sequence_length: int, checkpointing: Checkpointing = "none"
) -> int:
    """Operations that the device makes for a token: the model's, and with `full` the blocks' forward pass again.

    `selective` recomputes no matrix product and no attention, so it costs none by this count.
    """
    flops = shape.flops_per_token(sequence_length)
    if checkpointing != "full":
        return flops
    forward = 2 * block_parameters(shape) + 4 * shape.dim * sequence_length
    return flops + shape.layers * forward


@dataclass(frozen=True, slots=True)
class Expected:
    """What one may expect by `basis`, a published training; MFU as a fraction of the card's peak.

    `low` and `high` are the least and most that were published within a factor of two of the parameters. Where there
    is none so near, `basis` is not `comparable` and both are its.
    """

    mfu: float
    tokens_per_second: float  # of one GPU
    days: float
    basis: Reached
    comparable: bool
    low: float
    high: float


def expected(
    shape: ModelConfig,
    sequence_length: int,
    card: Card,
    gpus: int,
    tokens: float,
    checkpointing: Checkpointing = "selective",
) -> Expected:
    """Time by the published training of the nearest size on the same card.

    Where that one recomputed less, the hardware is taken to be as busy and the recomputed operations come on top.
    Where it recomputed more, nothing is added: nobody has reached that.
    """
    rows = [row for row in REACHED if row.card == card.name]
    basis = min(rows, key=lambda row: abs(math.log(row.parameters / shape.parameters)))
    near = [row.mfu for row in rows if 1 / NEAR <= row.parameters / shape.parameters <= NEAR]
    reached = near or [basis.mfu]
    made, measured = (
        hardware_flops_per_token(shape, sequence_length, mode)
        for mode in (checkpointing, basis.checkpointing)
    )
    mfu = basis.mfu * min(1.0, measured / made)
    rate = mfu * card.peak_flops / shape.flops_per_token(sequence_length)
    days = tokens / (rate * gpus * DAY)
    return Expected(mfu, rate, days, basis, bool(near), min(reached), max(reached))
