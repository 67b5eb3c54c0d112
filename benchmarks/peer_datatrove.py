"""datatrove against our pipeline: read WARC, extract, identify the language; on the same pages, in turn.

    python benchmarks/peer_datatrove.py WORK --cache CACHE --files 10 --rounds 3

The target is 8 times fewer CPU seconds. What differs: datatrove extracts main content with trafilatura, we (recipe
`llama1`) the whole text of the page with Resiliparse, as a WET file has it; the kept text is another. Both use
lid.176.ftz, datatrove with its own threshold (0.65, ours 0.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from peer_comparison import HERE, arguments, compare, language_id_model
from peer_environment import peer_python

# datatrove 0.10.1's own ranges for this part, pinned. trafilatura 1.11 needs lxml_html_clean with today's lxml: without
# it every page fails and counts as timed out. python-magic needs the system's libmagic.
PACKAGES = (
    "datatrove==0.10.1", "numpy==2.4.6", "trafilatura==1.11.0", "lxml==6.1.3", "lxml_html_clean==0.4.6",
    "warcio==1.7.5", "faust-cchardet==2.1.19", "python-magic==0.4.27", "fasttext-numpy2-wheel==0.9.2",
    "fasteners==0.20", "orjson==3.13.0",
)  # fmt: skip


def main() -> None:
    given = arguments((__doc__ or "").splitlines()[0])
    python = peer_python(given.cache / "datatrove-0.10.1", PACKAGES)

    def job(folder: Path, out: Path) -> Sequence[str]:
        return [str(python), "-E", str(HERE / "datatrove_job.py"), str(folder), str(out), language_id_model()]

    table, blocks = compare("datatrove", job, given)
    for name, block in blocks.items():
        assert isinstance(block, Mapping)
        numbers = ", ".join(f"{key} {value:,.1f}" for key, value in block.items())
        table.notes.append(f"datatrove's own account of {name} (wall time): {numbers}")
    table.notes.append("main content by trafilatura there, whole text by Resiliparse here")
    table.show(given.json)


if __name__ == "__main__":
    main()
