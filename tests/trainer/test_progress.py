"""The lines that a person reads while a model trains."""

from __future__ import annotations

from io import StringIO

import pytest

from trainer.progress import LAST_STEPS, Progress, duration


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def record(step: int, **more: object) -> dict[str, object]:
    return {"step": step, "loss": 2.5, "tokens_per_second": 1234.5, **more}


def test_the_time_left_follows_the_last_steps() -> None:
    now, out = 0.0, StringIO()
    progress = Progress(out, 1000, lambda: now)
    for step in range(1, 1001):
        now += 10.0 if step <= 100 else 1.0  # the first ones compile
        if step > 100 + LAST_STEPS:
            break
        progress(record(step, **({"validation": {}} if step in (1, 2, 100 + LAST_STEPS) else {})))
    lines = out.getvalue().splitlines()
    assert lines[0].endswith("  ? left")
    assert lines[1].endswith("  2 h 46 min left")  # 998 steps of 10 s
    assert lines[-1].endswith("  14 min 40 s left")  # 880 steps of 1 s


def test_a_file_gets_a_line_for_each_tenth_and_for_validations() -> None:
    out = StringIO()
    progress = Progress(out, 50, lambda: 0.0)
    for step in range(1, 51):
        progress(record(step, **({"validation": {"books": 3.25}} if step == 7 else {})))
    lines = out.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        f"train: step {n}/50" for n in (5, 7, *range(10, 51, 5))
    ]
    assert lines[1] == "train: step 7/50  loss 2.500  1,234 tokens/s  0 s left  validation books 3.250"


def test_a_terminal_gets_one_line_that_renews_itself_and_mfu_where_there_is_one() -> None:
    out = Terminal()
    progress = Progress(out, 2, lambda: 0.0)
    progress(record(1, mfu=0.4567))
    progress(record(2))
    assert out.getvalue() == (
        "\r\x1b[Ktrain: step 1/2  loss 2.500  1,234 tokens/s  MFU 45.7%  ? left"
        "\r\x1b[Ktrain: step 2/2  loss 2.500  1,234 tokens/s  0 s left\n"
    )


def test_messages_are_lines_of_their_own() -> None:
    out = StringIO()
    Progress(out, 5)({"message": "begins"})
    assert out.getvalue() == "train: begins\n"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7630, "2 h 07 min"), (1.8e6, "20 d 20 h")],
)  # fmt: skip
def test_says_durations_in_two_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said
