"""The GPUs that a training is planned for: what they can do by their data sheets, and what trainings reached on them.

Peaks are dense bfloat16 products with float32 sums, without structured sparsity. Memory is the least "total capacity"
that torch reports on such a card in public out-of-memory messages; it is what CUDA leaves of the memory that is
soldered on. Reached MFU is by the convention of PaLM (see `ModelConfig.flops_per_token`) against that peak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainer.presets import MODELS

Checkpointing = Literal["none", "selective", "full"]

GIB = 1 << 30
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Card:
    """One kind of GPU: dense bfloat16 peak in FLOP/s, and the bytes that torch can see."""

    name: str
    peak_flops: float
    memory_bytes: int
    source: str


_A100_SHEET = "NVIDIA A100 data sheet (1758950): 312 TFLOPS bfloat16, 624 with sparsity"
_HOPPER_SHEET = "989 TFLOPS bfloat16, 1,979 with sparsity"

CARDS = {
    card.name: card
    for card in (
        Card("A100-40GB", 312e12, int(39.38 * GIB), _A100_SHEET),
        Card("A100-80GB", 312e12, int(79.14 * GIB), _A100_SHEET),
        Card("H100-80GB", 989e12, int(79.10 * GIB), f"NVIDIA H100 data sheet (SXM): {_HOPPER_SHEET}"),
        Card("H200", 989e12, int(139.72 * GIB), f"NVIDIA H200 data sheet (SXM): {_HOPPER_SHEET}"),
    )
}


def card_of(device_name: str, memory_bytes: int) -> Card | None:
    """The card that torch calls `device_name`, for example `NVIDIA A100-SXM4-80GB`; None when it is not in the table.

    The PCIe and NVL boards of the H100 and H200 have lower peaks, so they are not taken for the SXM ones. The A100 has
    one peak on all boards.
    """
    name = device_name.upper()
    if "MIG" in name:  # a part of a card
        return None
    if "A100" in name:
        return CARDS["A100-80GB" if memory_bytes > 60 * GIB else "A100-40GB"]
    if "PCIE" in name or "NVL" in name:
        return None
    return next((card for card in CARDS.values() if card.name.partition("-")[0] in name.split()[1:]), None)


@dataclass(frozen=True, slots=True)
class Reached:
    """What a published training reached: MFU as a fraction of the card's peak, and under which conditions.

    `gpus` is 0 where the source does not say how many.
    """

    card: str
    model: str
    parameters: float
    mfu: float
    gpus: int
    sequence_length: int
    checkpointing: Checkpointing
    source: str


def _of_hours(model: str, gpu_hours: float, tokens: float, gpus: int) -> Reached:
    """A size of the LLaMA paper, from its GPU-hours; it kept the outputs of linear layers (section 2.4)."""
    shape = MODELS[model]
    flops = tokens * shape.flops_per_token(shape.context)
    mfu = flops / (gpu_hours * HOUR * CARDS["A100-80GB"].peak_flops)
    source = f"arXiv 2302.13971, Table 15: {gpu_hours:,.0f} GPU-hours for {tokens / 1e12:.1f}T tokens"
    return Reached(
        "A100-80GB", f"LLaMA {model}", shape.parameters, mfu, gpus, shape.context, "selective", source
    )


_FOUNDRY = "MosaicML llm-foundry, scripts/train/benchmarking/README.md"
_FMS = "foundation-model-stack/fms-fsdp, README.md"
_TITAN = "torchtitan, benchmarks/llama3_h100_202412_torchtitan.md"

# In the order of trust for LLaMA: its own paper first. A row that reports another count of FLOPs is brought to ours.
REACHED = (
    _of_hours("7B", 82_432, 1.0e12, 0),
    _of_hours("13B", 135_168, 1.0e12, 0),
    _of_hours("33B", 530_432, 1.4e12, 0),
    _of_hours("65B", 1_022_362, 1.4e12, 2048),
    Reached("A100-80GB", "LLaMA-2 7B", 6.738e9, 0.555, 128, 4096, "none", f"{_FMS}: 3,760 tokens/s"),
    Reached("A100-80GB", "LLaMA-2 70B", 68.98e9, 0.54, 128, 4096, "full", f"{_FMS}: 380 tokens/s"),
    Reached("A100-80GB", "MPT-7B", 6.66e9, 0.642, 8, 2048, "none", _FOUNDRY),
    Reached("A100-80GB", "MPT-1B", 1.32e9, 0.599, 8, 2048, "none", _FOUNDRY),
    Reached("A100-80GB", "MPT-760M", 760e6, 0.569, 8, 2048, "none", _FOUNDRY),
    Reached("A100-80GB", "MPT-350M", 356e6, 0.516, 8, 2048, "none", _FOUNDRY),
    Reached("A100-80GB", "MPT-125M", 125e6, 0.448, 8, 2048, "none", _FOUNDRY),
    Reached("A100-40GB", "MPT-7B", 6.66e9, 0.509, 8, 2048, "full", _FOUNDRY),
    Reached("A100-40GB", "TinyLlama", 1.10e9, 0.56, 16, 2048, "none", "TinyLlama, README.md: 24,000 tokens/s"),
    Reached("H100-80GB", "MPT-7B", 6.66e9, 0.464, 8, 2048, "none", _FOUNDRY),
    Reached("H100-80GB", "LLaMA-3.1 8B", 8.03e9, 0.390, 8, 8192, "selective", _TITAN),
    Reached("H100-80GB", "MPT-1B", 1.32e9, 0.418, 8, 2048, "none", _FOUNDRY),
    Reached("H100-80GB", "MPT-760M", 760e6, 0.349, 8, 2048, "none", _FOUNDRY),
    Reached("H200", "LLaMA-3 8B", 8.03e9, 0.545, 1, 4096, "full", "KempnerForge, benchmark page: 10,471 tokens/s"),
)  # fmt: skip
