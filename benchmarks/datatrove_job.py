"""datatrove's own blocks over a folder of WARC files: read, extract, language id. Run in datatrove's environment.

    python datatrove_job.py WARC_FOLDER OUT_FOLDER LANGUAGE_ID_MODEL

Its defaults (trafilatura favouring precision, one second a page, threshold 0.65), English kept, one task in one worker,
JSON lines written. The language model is the file given and not its download. Prints its own seconds by block as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import datatrove.utils.lid as lid  # type: ignore[import-not-found]
from datatrove.executor import LocalPipelineExecutor  # type: ignore[import-not-found]
from datatrove.pipeline.extractors import Trafilatura  # type: ignore[import-not-found]
from datatrove.pipeline.filters import LanguageFilter  # type: ignore[import-not-found]
from datatrove.pipeline.readers import WarcReader  # type: ignore[import-not-found]
from datatrove.pipeline.writers.jsonl import JsonlWriter  # type: ignore[import-not-found]


def main() -> None:
    warc_folder, out, model = sys.argv[1:]
    lid.cached_asset_path_or_download = lambda *given, **named: model
    executor = LocalPipelineExecutor(
        pipeline=[
            WarcReader(warc_folder, glob_pattern="*.warc.gz"),
            Trafilatura(favour_precision=True),
            LanguageFilter("en"),
            JsonlWriter(f"{out}/documents"),
        ],
        tasks=1,
        workers=1,
        logging_dir=f"{out}/logs",
    )
    executor.run()
    blocks = {}
    for block in json.loads(Path(out, "logs", "stats.json").read_text(encoding="utf-8")):
        total = block["stats"].get("total", block["stats"].get("documents"))
        blocks[block["name"].split(":")[-1].strip(" 🐿")] = {
            "seconds": block["time_stats"]["total"],
            "documents": total["total"] if isinstance(total, dict) else total,
        }
    print(json.dumps(blocks))


if __name__ == "__main__":
    main()
