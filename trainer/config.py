"""The settings of a training run: read from the `train` section of RUN/config.yaml, checked, defaults by
preset.

The defaults of the published sizes are those of Touvron et al. 2023 (arXiv 2302.13971), section 2.3 and Table
2: AdamW with betas 0.9 and 0.95, weight decay 0.1, gradients clipped at 1.0, 2,000 warmup steps, a cosine
down to a tenth of the peak, batches of 4M tokens, 1.0T tokens for 7B and 13B and 1.4T for 33B and 65B.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from mixtures.outside_yaml import parse_yaml, shown
from trainer.cards import Checkpointing
from trainer.presets import MODELS

MAX_CONFIG_BYTES = 1 << 20
WARMUP_FRACTION = (
    0.1  # a default warmup is at most this part of the steps, so that a short trial trains at all
)


class UsageError(ValueError):
    """The settings or the command line are wrong; nothing was trained."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Everything that a run can be told; the same settings on the same shards give the same model."""

    preset: str  # one of MODELS
    steps: int  # optimizer steps of the whole run
    batch_sequences: int  # rows of one step
    sequence_length: int  # tokens of a row
    learning_rate: float  # at the peak
    warmup_steps: int  # linear from 0
    seed: int  # of the weights and of the order of the rows
    weight_decay: float = 0.1  # section 2.3; of matrices only, norms are left alone
    beta1: float = 0.9  # section 2.3
    beta2: float = 0.95  # section 2.3
    epsilon: float = 1e-8  # of AdamW; Loshchilov & Hutter 2019, the paper is silent
    max_gradient_norm: float = 1.0  # section 2.3
    micro_batch_sequences: int = (
        0  # rows at once on a device, 0: its part of the batch, on a GPU what fits of it
    )
    document_mask: bool = False  # tokens see their own document only; the paper's see the whole row
    max_spike_deviations: float = (
        6.0  # a step with a loss or gradient norm further up is left out, 0: none is
    )
    spike_window_steps: int = 128  # that a spike is measured against; both OLMo-core's
    validate_every: int = 50  # steps between validations, 0: at the end only
    validation_sequences: int = 8  # rows of each source, always the first ones
    checkpoint_every: int = 100  # steps between checkpoints, 0: at the end only
    keep_checkpoints: int = 3  # older ones are deleted
    device: str = "auto"  # cpu, cuda or auto: cuda when it is there
    precision: str = "auto"  # of the products: bf16, fp32 or auto: bf16 on a GPU; sums and weights are fp32
    replicate: int = 1  # groups of processes that hold the whole model each (HSDP)
    shard: int = 0  # processes that share one copy of the model (FSDP), 0: all that are left
    tensor: int = 1  # processes that share each matrix product (tensor and sequence parallel)
    reshard_after_forward: bool = True  # give back a block's gathered weights until its backward pass
    activation_checkpointing: Checkpointing = "none"  # none, selective (the paper's, section 2.4) or full
    compile: bool = False  # each block by torch.compile
    tensorboard: bool = False  # also write RUN/train/tensorboard
    wandb: str = ""  # also log to this project of Weights & Biases


@dataclass(frozen=True, slots=True)
class _Defaults:
    steps: int
    batch_sequences: int
    learning_rate: float
    warmup_steps: int
    epsilon: float = 1e-8


_BATCH_TOKENS = 1 << 22  # the 4M tokens of Table 2, and of LLaMA-2's section 2.2
_1_0T, _1_4T, _2_0T = (tokens // _BATCH_TOKENS for tokens in (10**12, 14 * 10**11, 2 * 10**12))

DEFAULTS = {
    "toy": _Defaults(steps=200, batch_sequences=8, learning_rate=2e-3, warmup_steps=20),
    "15M": _Defaults(steps=5000, batch_sequences=32, learning_rate=1e-3, warmup_steps=200),
    # GPT-3 Small: 0.5M tokens a batch, 375M of warmup (Brown et al. 2020, arXiv 2005.14165, Table 2.1 and
    # appendix B), for 20 tokens a parameter (Hoffmann et al. 2022, arXiv 2203.15556)
    "110M": _Defaults(steps=5115, batch_sequences=512, learning_rate=6e-4, warmup_steps=715),
    # TinyLlama (Zhang et al. 2024, arXiv 2401.02385, section 2): 2M tokens a batch, 3T tokens
    "1B": _Defaults(3 * 10**12 // (1024 * 2048), 1024, learning_rate=4e-4, warmup_steps=2000),
    "7B": _Defaults(_1_0T, 2048, learning_rate=3e-4, warmup_steps=2000),  # Table 2, as the next three
    "13B": _Defaults(_1_0T, 2048, learning_rate=3e-4, warmup_steps=2000),
    "33B": _Defaults(_1_4T, 2048, learning_rate=1.5e-4, warmup_steps=2000),
    "65B": _Defaults(_1_4T, 2048, learning_rate=1.5e-4, warmup_steps=2000),
    # Touvron et al. 2023 (arXiv 2307.09288), Table 1 and section 2.2
    "llama2-7B": _Defaults(_2_0T, 1024, learning_rate=3e-4, warmup_steps=2000, epsilon=1e-5),
    "llama2-13B": _Defaults(_2_0T, 1024, learning_rate=3e-4, warmup_steps=2000, epsilon=1e-5),
    "llama2-70B": _Defaults(_2_0T, 1024, learning_rate=1.5e-4, warmup_steps=2000, epsilon=1e-5),
}

# Settings that a continued run may change: they change what is learned by rounding alone, or not at all.
FREE_TO_CHANGE = frozenset(
    ("validate_every", "validation_sequences", "checkpoint_every", "keep_checkpoints", "device", "precision",
     "micro_batch_sequences", "replicate", "shard", "tensor", "reshard_after_forward", "activation_checkpointing",
     "compile", "tensorboard", "wandb")
)  # fmt: skip

CHOICES = {
    "device": ("auto", "cpu", "cuda"),
    "precision": ("auto", "bf16", "fp32"),
    "activation_checkpointing": ("none", "selective", "full"),
}
_TYPES: dict[str, type] = {
    field.name: {"int": int, "float": float, "bool": bool}.get(str(field.type), str)
    for field in fields(TrainSettings)
}
_POSITIVE = ("steps", "batch_sequences", "sequence_length", "learning_rate", "epsilon", "max_gradient_norm",
             "validation_sequences", "keep_checkpoints", "spike_window_steps", "replicate", "tensor")  # fmt: skip
_MAX_COUNT = 1 << 40  # of any integer setting but the seed


def read_run_config(run: Path) -> Mapping[str, object]:
    """RUN/config.yaml as a mapping; ValueError when it is missing, too large or no YAML mapping."""
    path = run / "config.yaml"
    try:
        size = path.stat().st_size
        if size > MAX_CONFIG_BYTES:
            raise ValueError(f"{path}: {size} bytes, at most {MAX_CONFIG_BYTES}: this is no configuration")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"{path}: not found: give the folder of a run (llama-corpus run --out)") from error
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}): mend it") from error
    try:
        config = parse_yaml(content)
    except ValueError as error:
        raise ValueError(f"{path}: cannot be read as YAML ({error}): mend it") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path}: must be a mapping of settings, not {type(config).__name__}")
    return config


def train_settings(config: Mapping[str, object], overrides: Mapping[str, object]) -> TrainSettings:
    """The settings of a run: its `train` section, overridden, completed with the defaults of the preset.

    The seed of the run serves when the section has none. UsageError for an unknown key (with the nearest
    known one), a value of another type, or values that do not fit together.
    """
    section = config.get("train")
    if section is None:
        section = {}
    if not isinstance(section, Mapping):
        raise UsageError(f"train: must be a mapping of settings, not {type(section).__name__}")
    given = {**section, **overrides}
    for key in given:
        if key not in _TYPES:
            name = key if isinstance(key, str) and len(key) < 80 else shown(key)
            raise UsageError(f"train.{name}: no such setting{_nearest(name, _TYPES)}")
    given = {key: _typed(key, value) for key, value in given.items()}
    preset = given.setdefault("preset", "toy")
    if preset not in MODELS:
        raise UsageError(
            f"train.preset: no model {shown(preset)}{_nearest(str(preset), MODELS)}: one of {', '.join(MODELS)}"
        )
    defaults = DEFAULTS[str(preset)]
    steps = given.get("steps", defaults.steps)
    assert isinstance(steps, int), "typed above"
    complete: dict[str, object] = {
        **asdict(defaults),
        "warmup_steps": min(defaults.warmup_steps, int(steps * WARMUP_FRACTION)),
        "sequence_length": MODELS[str(preset)].context,
        "seed": _typed("seed", config.get("seed", 0)),
        **given,
    }
    settings = TrainSettings(**complete)  # type: ignore[arg-type]
    _check(settings)
    return settings


def _typed(key: str, value: object) -> object:
    """The value as the type of the setting; a number may be text, as a shell gives it."""
    wanted = _TYPES[key]
    if isinstance(value, Mapping | list):
        raise UsageError(f"train.{key}: {shown(value)} must be one value")
    if wanted is str:
        return str(value)  # a preset is text, whatever YAML may read in it
    if wanted is bool:
        if value not in (True, False, "true", "false"):
            raise UsageError(f"train.{key}: {shown(value)} must be true or false")
        return value in (True, "true")
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        number = float(value) if wanted is float else int(value)
        if wanted is int and isinstance(value, float) and value != number:
            raise ValueError
        if not math.isfinite(number):
            raise ValueError
    except (ValueError, OverflowError) as error:
        kind = "a number" if wanted is float else "a whole number"
        raise UsageError(f"train.{key}: {shown(value)} must be {kind}") from error
    return number


def _check(settings: TrainSettings) -> None:
    for key, value in asdict(settings).items():
        if key in CHOICES and value not in CHOICES[key]:
            raise UsageError(f"train.{key}: {shown(value)} must be one of {', '.join(CHOICES[key])}")
        if isinstance(value, str | bool):
            continue
        if value < 0 or (key in _POSITIVE and value == 0):
            raise UsageError(
                f"train.{key}: {value} must be {'above 0' if key in _POSITIVE else 'at least 0'}"
            )
        if isinstance(value, int) and key != "seed" and value > _MAX_COUNT:
            raise UsageError(f"train.{key}: {value} must be at most {_MAX_COUNT}")
    context = MODELS[settings.preset].context
    if settings.sequence_length > context:
        raise UsageError(
            f"train.sequence_length: {settings.sequence_length} is more than the context of {settings.preset}, "
            f"{context}"
        )
    if settings.warmup_steps > settings.steps:
        raise UsageError(
            f"train.warmup_steps: {settings.warmup_steps} is more than train.steps ({settings.steps})"
        )
    if settings.micro_batch_sequences and settings.batch_sequences % settings.micro_batch_sequences:
        raise UsageError(
            f"train.micro_batch_sequences: {settings.micro_batch_sequences} does not divide "
            f"train.batch_sequences ({settings.batch_sequences})"
        )
    if not (settings.beta1 < 1 and settings.beta2 < 1):
        raise UsageError(f"train.beta1, beta2: {settings.beta1}, {settings.beta2} must be below 1")
    if settings.seed >= 1 << 64:
        raise UsageError(f"train.seed: {settings.seed} must be below 2^64")


def _nearest(key: str, known: Mapping[str, object]) -> str:
    matches = difflib.get_close_matches(key, known, n=1)
    return f" (did you mean {matches[0]}?)" if matches else ""
