"""RedPajama v1's way from HTML to text in an environment of its own: started by stackexchange.py, not by hand.

In, as arguments: files of JSON lines, each the HTML of one post as a string. Out, on stdout: a line of JSON with the
posts and the CPU seconds of Beautiful Soup over lxml's parser, called as data_prep/stack_exchange/post_processing.py
calls it, which is over 24 processes there and over one here.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bs4 import BeautifulSoup


def main() -> None:
    for path in sys.argv[1:]:
        posts = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
        BeautifulSoup("<p>first</p>", "lxml").get_text()
        began = time.process_time()
        characters = sum(len(BeautifulSoup(html, "lxml").get_text()) for html in posts)
        taken = time.process_time() - began
        print(json.dumps({"posts": len(posts), "seconds": taken, "characters": characters}), flush=True)


if __name__ == "__main__":
    main()
