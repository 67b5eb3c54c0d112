"""What a training knows beside its tensors: how far it is, with what it was made, what its rules remember.

It is the JSON of a checkpoint. A training goes on from one only with the settings, tokenizer and data that it was made
with, but for those settings that change no more than rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from trainer.checkpoint_folder import Checkpoint, model_config
from trainer.config import FREE_TO_CHANGE
from trainer.presets import ModelConfig


@dataclass(frozen=True)
class RunState:
    """Where a training stands after `step` steps, which is also the state of its data."""

    step: int
    samples: Mapping[str, int]  # rows of each source that were read
    record: Mapping[str, object]  # of the last step, as in metrics.jsonl
    recent: Sequence[tuple[float, float]]  # losses and gradient norms that spikes are measured against
    settings: Mapping[str, object]
    model: ModelConfig
    fingerprint: str  # of the data
    tokenizer_sha256: str

    def as_json(self) -> dict[str, object]:
        """All but the step, for a checkpoint, which has that itself."""
        return {name: value for name, value in asdict(self).items() if name != "step"}


def continued(checkpoint: Checkpoint, fresh: RunState) -> RunState:
    """The state of a checkpoint, with the settings of `fresh`, if a run that begins with `fresh` is the one that it
    belongs to; ValueError with what is different if not, or when the state is damaged."""
    kept, advice = checkpoint.state, f"restore it, or begin anew by moving {checkpoint.path.parents[1]} away"
    try:
        settings = dict(kept["settings"])  # type: ignore[call-overload]
        state = RunState(
            step=checkpoint.step,
            samples={name: int(kept["samples"][name]) for name in fresh.samples},  # type: ignore[index]
            record=dict(kept["record"]),  # type: ignore[call-overload]
            recent=[(float(loss), float(norm)) for loss, norm in kept["recent"]],  # type: ignore[attr-defined]
            settings=fresh.settings,
            model=model_config(checkpoint),
            fingerprint=str(kept["fingerprint"]),
            tokenizer_sha256=str(kept["tokenizer_sha256"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if "fingerprint" in kept and kept["fingerprint"] != fresh.fingerprint:
            raise ValueError(_other_data(checkpoint, fresh, advice)) from error
        raise ValueError(f"{checkpoint.path / 'state.json'}: damaged ({error!r}): {advice}") from error
    changed = [
        f"{key} was {settings.get(key)!r} and is {value!r}"
        for key, value in fresh.settings.items()
        if key not in FREE_TO_CHANGE and settings.get(key) != value
    ]
    if changed:
        raise ValueError(
            f"{checkpoint.path}: made with other settings (train.{'; train.'.join(changed)}): {advice}"
        )
    if (state.tokenizer_sha256, state.model) != (fresh.tokenizer_sha256, fresh.model):
        raise ValueError(f"{checkpoint.path}: made with another tokenizer: {advice}")
    if state.fingerprint != fresh.fingerprint:
        raise ValueError(_other_data(checkpoint, fresh, advice))
    return state


def _other_data(checkpoint: Checkpoint, fresh: RunState, advice: str) -> str:
    return (
        f"{checkpoint.path}: made on other data ({checkpoint.state['fingerprint']}, now {fresh.fingerprint}), "
        f"the shards or the mixture have changed: {advice}"
    )
