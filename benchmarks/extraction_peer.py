"""Trafilatura in an environment of its own, page by page on request: started by extraction.py, not by hand.

In, on stdin: pages, each as 8 bytes of length (big-endian) and its UTF-8 bytes. Out, on stdout: a line of JSON a page
with the text and the CPU seconds of each way of calling it.
"""

from __future__ import annotations

import json
import sys
import time

import trafilatura

# `fast` takes out the fallbacks to other extractors. With comments and tables (the default) it keeps more.
WAYS = {
    "trafilatura fast": {"fast": True},
    "trafilatura fast, prose": {"fast": True, "include_comments": False, "include_tables": False},
}


def main() -> None:
    while length := sys.stdin.buffer.read(8):
        page = sys.stdin.buffer.read(int.from_bytes(length, "big"))
        found = {}
        for name, options in WAYS.items():
            began = time.process_time()
            text = trafilatura.extract(page, **options) or ""
            found[name] = (text, time.process_time() - began)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
