"""Dolma against our pipeline: read WARC, extract, identify the language; on the same pages, in turn.

    python benchmarks/peer_dolma.py WORK --cache CACHE --files 10 --rounds 3

What differs: Dolma takes main content with Resiliparse's old C++ build, reads with the old fastwarc, guesses charsets
with charset-normalizer where HTTP declares none, and only tags: it writes every page, we the English ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from peer_comparison import HERE, arguments, compare, language_id_model
from peer_environment import peer_python

# Dolma 1.2.1 pins s3fs 2023.6.0, whose own pins do not resolve today. It is installed without its dependencies, beside
# what this part of it imports, in versions that work together.
PACKAGES = (
    "numpy==1.26.4", "fastwarc==0.16.0", "resiliparse==0.16.0", "fasttext-wheel==0.9.2",
    "trafilatura==1.12.2", "lxml==6.1.3", "lxml_html_clean==0.4.6", "charset-normalizer==3.5.2",
    "dateparser==1.5.0", "w3lib==2.5.0", "url-normalize==3.1.0", "anyascii==0.3.3", "blingfire==0.1.8",
    "uniseg==0.10.1", "nltk==3.10.4", "regex==2026.11.15", "tokenizers==0.19.1", "msgspec==0.22.0",
    "jq==1.13.0", "jsonpath-ng==1.16.0", "omegaconf==2.4.0", "PyYAML==6.0.3", "necessary==0.4.3",
    "platformdirs==4.14.5", "python-dotenv==1.2.4", "rich==15.0.0", "tqdm==4.70.1", "smart_open==9.0.2",
    "zstandard==0.25.0", "requests==2.34.2", "boto3==1.44.5", "fsspec==2023.6.0",
)  # fmt: skip
WITHOUT_DEPENDENCIES = ("dolma==1.2.1",)


def main() -> None:
    given = arguments((__doc__ or "").splitlines()[0])
    python = peer_python(given.cache / "dolma-1.2.1", PACKAGES, WITHOUT_DEPENDENCIES)

    def job(folder: Path, out: Path) -> Sequence[str]:
        return [str(python), "-E", str(HERE / "dolma_job.py"), str(folder), str(out), language_id_model()]

    table, _ = compare("dolma", job, given)
    table.notes.append(
        "main content by Resiliparse there, whole text by Resiliparse here; Dolma writes all pages"
    )
    table.show(given.json)


if __name__ == "__main__":
    main()
