"""plasTeX and pylatexenc in an environment of their own, paper by paper on request: started by latex.py, not by hand.

In, on stdin: papers, each as 8 bytes of length (big-endian) and its UTF-8 bytes. Out, on stdout: a line of JSON a paper
with the CPU seconds of each way of reading it, null when it fails or takes longer than the limit.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import time
from collections.abc import Callable

from plasTeX.Logging import disableLogging
from plasTeX.TeX import TeX
from pylatexenc.latex2text import LatexNodes2Text
from pylatexenc.latexwalker import LatexWalker

LIMIT_SECONDS = 20


class Late(Exception):
    """The limit is over."""


def _plastex(text: str) -> object:
    tex = TeX()
    tex.ownerDocument.context.warnOnUnrecognized = False
    tex.input(text)
    return tex.parse().source  # LaTeX again, as ours


def _walker(text: str) -> object:
    return LatexWalker(text).get_latex_nodes()


def _text(text: str) -> object:
    return LatexNodes2Text().latex_to_text(text)


WAYS: dict[str, Callable[[str], object]] = {
    "plasTeX parse().source": _plastex,
    "pylatexenc walker": _walker,
    "pylatexenc latex2text": _text,
}


def _stop(*_: object) -> None:
    raise Late


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # what the peers print is no answer
    disableLogging()
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGALRM, _stop)
    sys.setrecursionlimit(10_000)
    while length := sys.stdin.buffer.read(8):
        text = sys.stdin.buffer.read(int.from_bytes(length, "big")).decode()
        found: dict[str, float | None] = {}
        for name, read in WAYS.items():
            began = time.process_time()
            signal.alarm(LIMIT_SECONDS)
            try:
                read(text)
                found[name] = time.process_time() - began
            except Exception:  # whatever a peer raises, it did not read the paper
                found[name] = None
            finally:
                signal.alarm(0)
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
