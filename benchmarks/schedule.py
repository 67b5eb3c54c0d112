"""What it costs to find the rows of a batch, against looking them up in a permutation that is held in memory.

    python benchmarks/schedule.py --rounds 7

LLaMA-1's mixture and its 683.6 million rows of 2,048 tokens. `schedule`: `Schedule.locate`, a pure function of the
sample number. `index`: the usual way, one array of 32-bit row numbers for an epoch, shuffled beforehand and held in
memory or mapped (2.7 GB at this size; here a twentieth of the rows, which is kind to its cache), looked up by sample
number. A batch is 2,048 sequences, about 4 million tokens. CPU time of this process; medians, and least and most.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from result_table import ResultTable

from mixtures.mixture import load_mixture
from mixtures.published import published_tokens
from mixtures.schedule import Schedule, integer_weights

SEQUENCE = 2_048
BATCH = 2_048
INDEX_PART = 20


def seconds(work: Callable[[], object], times: int, rounds: int) -> list[float]:
    """CPU seconds of one call, a figure a round of so many calls."""
    work()
    found = []
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(times):
            work()
        found.append((time.process_time() - begun) / times)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = [tokens // SEQUENCE for tokens in published_tokens("llama1").values()]
    weights = integer_weights(list(load_mixture("llama1").shares.values()))
    uneven = integer_weights(list(load_mixture("redpajama").shares.values()))
    schedule = Schedule(weights, rows, seed=42)
    index = np.random.default_rng(42).permutation(np.arange(sum(rows) // INDEX_PART, dtype=np.uint32))
    far = index.size // 2  # in the middle of the run
    some = np.arange(far, far + BATCH)
    step = np.arange(far, far + BATCH, BATCH // 32)  # what one of 64 ranks needs
    measured = {
        f"rows of a batch of {BATCH:,}, ms": seconds(lambda: schedule.locate(some), 50, given.rounds),
        "rows of one of 64 ranks (32), ms": seconds(lambda: schedule.locate(step), 200, given.rounds),
        "the same batch from an index, ms": seconds(lambda: index[some], 2000, given.rounds),
        "opening, shares in thousandths (llama1), ms": seconds(
            lambda: Schedule(weights, rows, seed=42), 1, given.rounds
        ),
        "opening, shares in millionths (redpajama), ms": seconds(
            lambda: Schedule(uneven, rows, seed=42), 1, given.rounds
        ),
    }
    batch = median(measured[f"rows of a batch of {BATCH:,}, ms"])
    table = ResultTable(
        f"The schedule of samples (CPU, medians of {given.rounds} rounds)",
        ("what", "median", "least", "most", "against the batch"),
    )
    for what, found in measured.items():
        table.rows.append(
            (what, 1e3 * median(found), 1e3 * min(found), 1e3 * max(found), median(found) / batch)
        )
    table.notes.append(f"{BATCH * SEQUENCE / batch / 1e9:.1f} billion tokens are found per CPU second")
    table.notes.append(
        f"index of an epoch of {sum(rows):,} rows: {4 * sum(rows) / 1e9:.1f} GB; the schedule: none"
    )
    table.show(given.json)


if __name__ == "__main__":
    main()
