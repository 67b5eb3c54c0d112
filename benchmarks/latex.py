"""Papers of arXiv: the rate of our cleaner against its peers, what becomes of the authors' macros, and bombs.

    python benchmarks/latex.py --cache CACHE [--papers 12] [--rounds 3] [--json]

1. Rates over the shared papers, CPU time of one process, the median over papers: our cleaner whole (comments, macros,
   sections, the loss meter), its expansion alone, RedPajama v1's rule for macros (argument-free definitions that end
   with their line, each replaced over the whole text), and plasTeX and pylatexenc in an environment of their own under
   CACHE, on the papers of middle length. Target: 3 MB/s.
2. A row a paper: calls expanded and left, and control words in the output that the paper defines itself (undefined
   leftovers). There is no ground truth for expanded papers among the shared data. Target: at least 90 % resolved.
3. Bombs: CPU milliseconds. Target: a quarter of a second.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

from peer_environment import peer_python
from result_table import ROOT, ResultTable

from stages.document import Document, Origin, Rejected
from stages.latex import CleanLatex
from stages.latex_comments import remove_comments
from stages.latex_macros import MacroExpander
from stages.latex_sections import split_document
from stages.sources.arxiv import Arxiv

HERE = Path(__file__).resolve().parent
SHARED_DATA = ROOT.parent / "shared" / "data"
PACKAGES = ("plasTeX==3.1", "pylatexenc==2.11")
DEFINED = re.compile(
    r"\\(?:(?:re)?newcommand|providecommand|DeclareRobustCommand|DeclareMathOperator|[gex]?def|let|NewDocumentCommand"
    r"|DeclarePairedDelimiterX?)\*?\s*\{?\s*\\([A-Za-z]+)"
)
WORD = re.compile(r"\\([A-Za-z]+)")
# RedPajama v1, data_prep/arxiv/arxiv_cleaner.py (facts in research/peers.md 2.7)
PLAIN_DEFINITIONS = (
    re.compile(r"^\s*\\newcommand\*?\{(\\[A-Za-z0-9]+)\}\{(.*)\}$", re.MULTILINE),
    re.compile(r"^\s*\\def\s*(\\[A-Za-z0-9]+)\s*\{(.*)\}$", re.MULTILINE),
)


def papers(data: Path) -> list[Document]:
    found: list[Document] = []
    for path in sorted((data / "arxiv" / "src").glob("*.tar")):
        with path.open("rb") as stream:
            found += [paper for paper in Arxiv().read(stream, path.name) if isinstance(paper, Document)]
    return found


def expand_only(text: str) -> None:
    preamble, body = split_document(text)
    expander = MacroExpander()
    expander.collect(preamble or "")
    expander.expand(body)


def redpajama_rule(text: str) -> str:
    """Each argument-free macro that is defined on one line, replaced over the whole text in the order of definition."""
    macros: dict[str, str] = {}
    for pattern in PLAIN_DEFINITIONS:
        macros.update({match[1]: match[2] for match in pattern.finditer(text)})
    for name, body in macros.items():
        text = re.sub(re.escape(name) + r"(?![A-Za-z0-9])", lambda _, body=body: body, text)  # type: ignore[misc]
    return text


def seconds_of(run: Callable[[], object], rounds: int) -> float:
    """CPU seconds of the fastest round; a paper is short, so a round is as many calls as fill 20 ms."""
    times = []
    for _ in range(rounds):
        began, calls = time.process_time(), 0
        while calls == 0 or time.process_time() - began < 0.02:
            run()
            calls += 1
        times.append((time.process_time() - began) / calls)
    return min(times)


def rates(texts: Mapping[str, str], given: argparse.Namespace) -> ResultTable:
    clean = CleanLatex()
    ways: dict[str, Callable[[str], object]] = {
        "ours, whole cleaner": lambda text: clean(Document("1", "arxiv", text, Origin("x"))),
        "ours, expansion alone": expand_only,
        "RedPajama v1's rule for macros": redpajama_rule,
    }
    found: dict[str, dict[str, float | None]] = {name: {} for name in ways}
    for name, way in ways.items():
        for paper, text in texts.items():
            given_text = text if way is ways["ours, whole cleaner"] else remove_comments(text)
            seconds = seconds_of(lambda way=way, text=given_text: way(text), given.rounds)  # type: ignore[misc]
            found[name][paper] = len(text.encode()) / 1e6 / seconds
    for paper, taken in peer_seconds(texts, given).items():
        for name, peer in taken.items():
            rate = None if peer is None else len(texts[paper].encode()) / 1e6 / peer
            found.setdefault(name, {})[paper] = rate
    ours = found["ours, whole cleaner"]
    table = ResultTable(
        "LaTeX of papers, MB/s of CPU time (median over papers)",
        ("what", "papers read", "median", "slowest", "ours on the same papers", "ratio"),
    )
    for name, by_paper in found.items():
        read = {paper: rate for paper, rate in by_paper.items() if rate is not None}
        both = median([rate for paper in read if (rate := ours[paper]) is not None])
        middle = median(read.values())
        table.rows.append(
            (name, f"{len(read)} of {len(by_paper)}", middle, min(read.values()), both, both / middle)
        )
    table.notes.append("rates are of the raw text; rule and expansion alone get it without its comments")
    return table


def peer_seconds(texts: Mapping[str, str], given: argparse.Namespace) -> dict[str, dict[str, float | None]]:
    """CPU seconds of the peers on the papers of middle length."""
    by_length = sorted(texts, key=lambda paper: (len(texts[paper]), paper))
    skipped = max(0, len(by_length) - given.papers) // 2
    python = peer_python(given.cache / "plastex-3.1-pylatexenc-2.11", PACKAGES)
    peer = subprocess.Popen(
        [str(python), "-E", str(HERE / "latex_peer.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert peer.stdin is not None and peer.stdout is not None
    found: dict[str, dict[str, float | None]] = {}
    for paper in by_length[skipped : skipped + given.papers]:
        text = texts[paper].encode()
        peer.stdin.write(len(text).to_bytes(8, "big") + text)
        peer.stdin.flush()
        found[paper] = json.loads(peer.stdout.readline())
    peer.stdin.close()
    peer.wait()
    return found


def resolved(documents: Sequence[Document]) -> ResultTable:
    table = ResultTable(
        "Calls of the authors' macros",
        ("paper", "characters", "files", "missing", "expanded", "left", "undefined in the output", "which"),
    )
    totals: Counter[str] = Counter()
    for document in documents:
        outcome = CleanLatex()(document)
        assert not isinstance(outcome, Rejected)
        own = set(DEFINED.findall(remove_comments(document.text)))
        undefined = Counter(word for word in WORD.findall(outcome.text) if word in own)
        counts = {name: int(outcome.scores[f"macros_{name}"]) for name in ("expanded", "left")}
        counts["undefined"] = sum(undefined.values())
        totals.update(counts)
        table.rows.append(
            (
                document.id,
                len(document.text),
                *(int(document.scores[name]) for name in ("tex_files", "missing_inputs")),
                *counts.values(),
                " ".join(f"{word} {count}" for word, count in undefined.most_common(4)),
            )
        )
    calls = totals["expanded"] + totals["undefined"]
    table.rows.append(("all", sum(len(d.text) for d in documents), None, None, *totals.values(), ""))
    table.notes.append(f"resolved: {totals['expanded'] / calls:.1%} of the calls")
    return table


def bombs() -> ResultTable:
    names = [chr(97 + i // 26) + chr(97 + i % 26) for i in range(41)]
    doubling = "".join(rf"\def\z{a}{{\z{b}\z{b}}}" for a, b in pairwise(names)) + rf"\def\z{names[-1]}{{x}}"
    made = {
        "doubling, 40 levels": doubling + r"\section{S}\zaa text",
        "900 macros that all double": doubling
        + "".join(rf"\def\q{a}{b}{{\zaa}}" for a in names[:30] for b in names[:30])
        + r"\section{S}"
        + "".join(rf"\q{a}{b} " for a in names[:30] for b in names[:30]),
        "self recursion, 10,000 calls": r"\def\x{\iftrue\x\x\fi}\section{S}" + r"\x " * 10_000,
        "mutual recursion, 3,000 calls": r"\def\x{\y\y}\def\y{\x\x}\section{S}" + r"\x\y " * 3_000,
        "arguments that double": r"\def\x#1{\y{#1#1}}\def\y#1{\x{#1#1}}\section{S}" + r"\x{ab}" * 3_000,
        "100,000 calls": r"\def\x{y}\section{S}" + r"\x" * 100_000,
        "1,000,000 definitions (9 MB)": r"\def\x{y}" * 1_000_000 + r"\section{S} text",
        "100,000 braces deep": r"\def\f#1{#1}\section{S}\f" + "{" * 100_000 + "}" * 100_000,
        "20,000 calls deep": r"\def\f#1{<#1#1>}\section{S}" + r"\f{" * 20_000 + "}" * 20_000,
        "20,000 open arguments": r"\newcommand{\f}[2][]{#1#2}\section{S}" + r"\f[" * 20_000,
        "50,000 open conditionals": r"\section{S}" + r"\iffalse " * 50_000,
    }
    table = ResultTable("Bombs", ("what", "characters in", "out", "CPU ms"))
    for name, text in made.items():
        began = time.process_time()
        outcome = CleanLatex()(Document("1", "arxiv", text, Origin("x")))
        milliseconds = 1e3 * (time.process_time() - began)
        assert isinstance(outcome, Document)
        table.rows.append((name, len(text), len(outcome.text), milliseconds))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder for the peers' own environment")
    parser.add_argument("--papers", type=int, default=12, help="how many papers the peers read")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=SHARED_DATA)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    documents = papers(given.data)
    rates({document.id: document.text for document in documents}, given).show(given.json)
    resolved(documents).show(given.json)
    bombs().show(given.json)


if __name__ == "__main__":
    main()
