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

import yaml

from trainer.model import MODELS

MAX_CONFIG_BYTES = 1 << 20
FINAL_FRACTION = 0.1  # of the peak learning rate at the last step; section 2.3
WARMUP_FRACTION = (
    0.1  # a default warmup is at most this part of the steps, so that a short trial trains at all
)


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
    micro_batch_sequences: int = 0  # rows that are on the device at once, 0: the whole batch
    validate_every: int = 50  # steps between validations, 0: at the end only
    validation_sequences: int = 8  # rows of each source, always the first ones
    checkpoint_every: int = 100  # steps between checkpoints, 0: at the end only
    keep_checkpoints: int = 3  # older ones are deleted
    device: str = "auto"  # cpu, cuda or auto: cuda when it is there


@dataclass(frozen=True, slots=True)
class _Defaults:
    steps: int
    batch_sequences: int
    learning_rate: float
    warmup_steps: int


_PAPER_BATCH = 2048  # sequences of 2,048 tokens: the 4M tokens (4,194,304) of Table 2
_1_0T, _1_4T = (10**12 // (_PAPER_BATCH * 2048), 14 * 10**11 // (_PAPER_BATCH * 2048))

DEFAULTS = {
    "tiny": _Defaults(steps=200, batch_sequences=8, learning_rate=2e-3, warmup_steps=20),
    "small": _Defaults(steps=5000, batch_sequences=32, learning_rate=1e-3, warmup_steps=200),
    "7B": _Defaults(_1_0T, _PAPER_BATCH, learning_rate=3e-4, warmup_steps=2000),  # Table 2, as the next three
    "13B": _Defaults(_1_0T, _PAPER_BATCH, learning_rate=3e-4, warmup_steps=2000),
    "33B": _Defaults(_1_4T, _PAPER_BATCH, learning_rate=1.5e-4, warmup_steps=2000),
    "65B": _Defaults(_1_4T, _PAPER_BATCH, learning_rate=1.5e-4, warmup_steps=2000),
}

# Settings that a continued run may change: they do not change what is learned.
FREE_TO_CHANGE = frozenset(
    ("validate_every", "validation_sequences", "checkpoint_every", "keep_checkpoints", "device")
)

_TYPES: dict[str, type] = {
    field.name: {"int": int, "float": float, "str": str}[str(field.type)] for field in fields(TrainSettings)
}
_POSITIVE = ("steps", "batch_sequences", "sequence_length", "learning_rate", "epsilon", "max_gradient_norm",
             "validation_sequences", "keep_checkpoints")  # fmt: skip
_MAX_COUNT = 1 << 40  # of any integer setting but the seed


def learning_rate(step: int, settings: TrainSettings) -> float:
    """The rate of step 1 to `steps`: linear to the peak at `warmup_steps`, then a cosine to a tenth of it."""
    if step < settings.warmup_steps:
        return settings.learning_rate * step / settings.warmup_steps
    progress = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    cosine = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return settings.learning_rate * (FINAL_FRACTION + (1 - FINAL_FRACTION) * cosine)


def read_run_config(run: Path) -> Mapping[str, object]:
    """RUN/config.yaml as a mapping; ValueError when it is missing, too large or no YAML mapping."""
    path = run / "config.yaml"
    try:
        size = path.stat().st_size
        if size > MAX_CONFIG_BYTES:
            raise ValueError(f"{path}: {size} bytes, at most {MAX_CONFIG_BYTES}: this is no configuration")
        config = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{path}: not found: give the folder of a run (llama-corpus run --out)") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(
            f"{path}: cannot be read as YAML ({' '.join(str(error).split())}): mend it"
        ) from error
    if not isinstance(config, dict):
        raise ValueError(f"{path}: must be a mapping of settings, not {type(config).__name__}")
    return config


def train_settings(config: Mapping[str, object], overrides: Mapping[str, object]) -> TrainSettings:
    """The settings of a run: its `train` section, overridden, completed with the defaults of the preset.

    The seed of the run serves when the section has none. ValueError for an unknown key (with the nearest
    known one), a value of another type, or values that do not fit together.
    """
    section = config.get("train")
    if section is None:
        section = {}
    if not isinstance(section, Mapping):
        raise ValueError(f"train: must be a mapping of settings, not {type(section).__name__}")
    given = {str(key): value for key, value in {**section, **overrides}.items()}
    for key in given:
        if key not in _TYPES:
            raise ValueError(f"train.{key}: no such setting{_nearest(key, _TYPES)}")
    given = {key: _typed(key, value) for key, value in given.items()}
    preset = given.setdefault("preset", "tiny")
    if preset not in MODELS:
        raise ValueError(
            f"train.preset: no model {preset!r}{_nearest(str(preset), MODELS)}: one of {', '.join(MODELS)}"
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
    """The value as the type of the setting; a number may be text (YAML reads 3e-4 as text, a shell everything)."""
    wanted = _TYPES[key]
    if wanted is str:
        return str(
            value
        )  # YAML reads no preset of ours as a number, but a preset is text whatever it looks like
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
        raise ValueError(f"train.{key}: {str(value)[:80]!r} must be {kind}") from error
    return number


def _check(settings: TrainSettings) -> None:
    for key, value in asdict(settings).items():
        if isinstance(value, str):
            continue
        if value < 0 or (key in _POSITIVE and value == 0):
            raise ValueError(
                f"train.{key}: {value} must be {'above 0' if key in _POSITIVE else 'at least 0'}"
            )
        if isinstance(value, int) and key != "seed" and value > _MAX_COUNT:
            raise ValueError(f"train.{key}: {value} must be at most {_MAX_COUNT}")
    context = MODELS[settings.preset].context
    if settings.sequence_length > context:
        raise ValueError(
            f"train.sequence_length: {settings.sequence_length} is more than the context of {settings.preset}, "
            f"{context}"
        )
    if settings.warmup_steps > settings.steps:
        raise ValueError(
            f"train.warmup_steps: {settings.warmup_steps} is more than train.steps ({settings.steps})"
        )
    if settings.micro_batch_sequences and settings.batch_sequences % settings.micro_batch_sequences:
        raise ValueError(
            f"train.micro_batch_sequences: {settings.micro_batch_sequences} does not divide "
            f"train.batch_sequences ({settings.batch_sequences})"
        )
    if not (settings.beta1 < 1 and settings.beta2 < 1):
        raise ValueError(f"train.beta1, beta2: {settings.beta1}, {settings.beta2} must be below 1")
    if settings.seed >= 1 << 64:
        raise ValueError(f"train.seed: {settings.seed} must be below 2^64")
    if settings.device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"train.device: {settings.device!r} must be auto, cpu or cuda")


def _nearest(key: str, known: Mapping[str, object]) -> str:
    matches = difflib.get_close_matches(key, known, n=1)
    return f" (did you mean {matches[0]}?)" if matches else ""
