from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trainer.config import UsageError, read_run_config, train_settings


def test_defaults_of_7b_are_those_of_the_paper() -> None:
    settings = train_settings({"train": {"preset": "7B"}}, {})
    assert (settings.learning_rate, settings.warmup_steps) == (3e-4, 2000)
    assert settings.batch_sequences * settings.sequence_length == 4_194_304
    assert settings.steps == 238_418  # 1.0T tokens
    assert (settings.weight_decay, settings.beta1, settings.beta2, settings.max_gradient_norm) == (
        0.1,
        0.9,
        0.95,
        1.0,
    )
    assert train_settings({"train": {"preset": "65B"}}, {}).learning_rate == 1.5e-4


def test_overrides_win_and_text_becomes_numbers() -> None:
    config = {"seed": 5, "train": {"steps": 100, "learning_rate": "3e-4"}}
    settings = train_settings(config, {"steps": "40", "compile": "true"})
    assert settings.compile is True
    assert (settings.steps, settings.learning_rate, settings.seed) == (40, 3e-4, 5)
    assert settings.warmup_steps == 4  # a tenth of the steps, less than the 20 of the preset


NESTED: list[object] = ["x"]
for _ in range(100):
    NESTED = [NESTED, NESTED]  # as YAML's aliases make it: 2^100 times its beginning


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"learning_rat": 1}, r"train\.learning_rat: no such setting \(did you mean learning_rate\?\)"),
        ({"preset": "8B"}, r"train\.preset: no model '8B'"),
        ({"steps": 2.5}, r"train\.steps: 2\.5 must be a whole number"),
        ({"steps": True}, r"train\.steps: True must be a whole number"),
        ({"learning_rate": "nan"}, r"train\.learning_rate: 'nan' must be a number"),
        ({"steps": 0}, r"train\.steps: 0 must be above 0"),
        ({"weight_decay": -1}, r"train\.weight_decay: -1\.0 must be at least 0"),
        ({"sequence_length": 512}, r"train\.sequence_length: 512 is more than the context of toy, 256"),
        ({"steps": 5, "warmup_steps": 6}, r"train\.warmup_steps: 6 is more than train\.steps \(5\)"),
        ({"micro_batch_sequences": 3}, r"train\.micro_batch_sequences: 3 does not divide"),
        ({"device": "tpu"}, r"train\.device: 'tpu' must be one of auto, cpu, cuda"),
        ({"compile": "perhaps"}, r"train\.compile: 'perhaps' must be true or false"),
        ({"compile": 2}, r"train\.compile: 2 must be true or false"),
        ({"steps": NESTED}, r"train\.steps: \[\[.{,200}\] must be one value"),
        ({"preset": NESTED}, r"train\.preset: \[\[.{,200}\] must be one value"),
        ({("x",) * 99: 1}, r"train\.\('x', .{,40}\): no such setting"),
        ({"tensor": 0}, r"train\.tensor: 0 must be above 0"),
        ([], r"train: must be a mapping"),
    ],
)
def test_refuses_what_it_does_not_know(section: object, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        train_settings({"train": section}, {})
    assert error.value.exit_code == 2


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "\x00"])
def test_refuses_a_configuration_that_is_no_mapping(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"config\.yaml: "):
        read_run_config(tmp_path)


def test_names_the_missing_configuration(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"config\.yaml: not found: give the folder of a run"):
        read_run_config(tmp_path)


def test_settings_are_checked_without_torch() -> None:
    """The front door checks them before a run, on machines that have none."""
    code = "import sys, trainer.config; print('torch' in sys.modules, 'apache_beam' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout == "False False\n"
