"""Dolma's own WARC command over a folder: read, extract, language id. Run in Dolma's environment.

    python dolma_job.py WARC_FOLDER OUT_FOLDER LANGUAGE_ID_MODEL

Its defaults (resiliparse's main content), the tagger `ft_lang_id_en_doc_v2` (fastText over the whole text) with the
model given and not its download; one process. It tags and removes nothing; JSON lines are written.
"""

from __future__ import annotations

import sys

from dolma.taggers.language import FastTextAllLanguagesDocumentTagger  # type: ignore[import-not-found]
from dolma.warc.processor import create_and_run_warc_pipeline  # type: ignore[import-not-found]


def main() -> None:
    warc_folder, out, model = sys.argv[1:]
    FastTextAllLanguagesDocumentTagger.MODEL_PATH = model
    create_and_run_warc_pipeline(
        documents=f"{warc_folder}/*.warc.gz",
        destination=out,
        source_name="benchmark",
        debug=True,  # in this process, without a pool
        post_taggers=["ft_lang_id_en_doc_v2"],
    )


if __name__ == "__main__":
    main()
