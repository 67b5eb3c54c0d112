"""Main-content extractors on pages with known text, in turn: ours (both profiles), Resiliparse, trafilatura.

    python benchmarks/extraction.py SET... --cache CACHE [--json FILE]

A SET is a file of JSON lines as `fit-extractor` reads them. Ours is judged by cross-validation over sites: the weights
for a page are fitted on the pages of other sites. With --weights ARTICLE.json WEB.json they are given instead, and the
hosts of the pages must have been left out of their fit. All get UTF-8 bytes. CPU time of one process, text included.
The target: above both peers on articles and over all, and on no type of page more than 0.02 below the better one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from extraction_scores import Judgement
from peer_environment import peer_python
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree
from result_table import ResultTable

from classifiers.block_labels import Match, match_texts
from classifiers.language_id import LanguageIdentifier, find_model
from pipeline.fit_extractor import weights_of
from pipeline.fit_pages import KnownPage, read_pages
from pipeline.fit_scores import PROFILES, cross_validate, fold_of
from pipeline.labelled_blocks import gather_blocks, label_pages
from stages.extraction.extract import Extractor
from stages.extraction.weights import Provenance, load_weights

HERE = Path(__file__).resolve().parent
# lxml_html_clean: justext, which trafilatura imports, needs it with today's lxml.
PACKAGES = ("trafilatura==2.3.1", "lxml==6.1.3", "lxml_html_clean==0.4.6")
FOLDS = 5
PEERS = ("resiliparse", "trafilatura fast", "trafilatura fast, prose")
OURS = ("ours, article", "ours, web")
MIN_GROUP = 8  # pages of a language: fewer say nothing

Extract = Callable[[KnownPage], str]


def main() -> None:
    given = _arguments()
    pages = [page for path in sorted(given.sets) for page in read_pages(path)]
    pages = [page for page in pages if page.text.strip()]
    ours = _given_weights(given.weights) if given.weights else _fitted_weights(pages)
    names = (*OURS, *PEERS)
    matches: dict[str, list[Match]] = {name: [] for name in names}
    seconds = dict.fromkeys(names, 0.0)
    python = peer_python(given.cache / "trafilatura-2.3.1", PACKAGES)
    peer = subprocess.Popen(
        [str(python), "-E", str(HERE / "extraction_peer.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    for extract in (*ours.values(), _resiliparse):  # compile and load outside of the clock
        extract(pages[0])
    for number, page in enumerate(pages):
        order = list((ours | {"resiliparse": _resiliparse}).items())
        for name, extract in order[number % 3 :] + order[: number % 3]:
            began = time.process_time()
            text = extract(page)
            seconds[name] += time.process_time() - began
            matches[name].append(match_texts(text, page.text))
        for name, (text, taken) in _ask(peer, page.html).items():
            seconds[name] += taken
            matches[name].append(match_texts(text, page.text))
        if number % 50 == 0:
            print(f"{number} of {len(pages)} pages", file=sys.stderr, flush=True)
    peer.stdin.close()  # type: ignore[union-attr]
    peer.wait()
    _show(_groups(pages), matches, seconds, given.json)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="+", metavar="SET")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the peer's own environment")
    parser.add_argument(
        "--weights", nargs=2, metavar=("ARTICLE", "WEB"), help="weight files; fitted here without"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers there")
    return parser.parse_args()


def _given_weights(paths: Sequence[str]) -> dict[str, Extract]:
    def extract_with(extractor: Extractor) -> Extract:
        return lambda page: extractor.extract(page.html).text

    return {name: extract_with(Extractor(load_weights(path))) for name, path in zip(OURS, paths, strict=True)}


def _fitted_weights(pages: Sequence[KnownPage]) -> dict[str, Extract]:
    """An extractor for each profile that takes for each page the weights fitted without the page's fold."""

    def extract_with(extractors: Sequence[Extractor]) -> Extract:
        return lambda page: extractors[fold_of(page.site, FOLDS, "validation")].extract(page.html).text

    labelled = label_pages(pages)
    found = {}
    for name, profile in zip(OURS, ("article", "web"), strict=True):
        print(
            f"fitting {profile} on {len(labelled)} pages, {FOLDS} folds by site", file=sys.stderr, flush=True
        )
        settings = PROFILES[profile]
        fitted = cross_validate(gather_blocks(labelled, settings.min_sites), settings, FOLDS)
        nowhere = Provenance("", "", ())
        found[name] = extract_with(
            [Extractor(weights_of(scores, profile, None, nowhere)) for scores in fitted.scores]
        )
    return found


def _resiliparse(page: KnownPage) -> str:
    tree = HTMLTree.parse_from_bytes(page.html, "utf-8")
    return str(extract_plain_text(tree, main_content=True, alt_texts=False))


def _ask(peer: subprocess.Popen[bytes], html: bytes) -> Mapping[str, tuple[str, float]]:
    assert peer.stdin and peer.stdout
    peer.stdin.write(len(html).to_bytes(8, "big") + html)
    peer.stdin.flush()
    line = peer.stdout.readline()
    if not line:
        raise ValueError(f"{PACKAGES[0]} ended; see its message above")
    found: Mapping[str, tuple[str, float]] = json.loads(line)
    return found


def _groups(pages: Sequence[KnownPage]) -> dict[str, list[int]]:
    """Numbers of the pages of each group: all, articles, then by set, by type and by language of the known text."""
    identifier = LanguageIdentifier(find_model())
    groups: dict[str, list[int]] = {"all": list(range(len(pages)))}
    kinds: dict[str, list[int]] = {}
    languages: dict[str, list[int]] = {}
    for number, page in enumerate(pages):
        name = Path(page.file).name.removesuffix(".zst").removesuffix(".gz").removesuffix(".jsonl")
        groups.setdefault(f"set {name}", []).append(number)
        kinds.setdefault(f"type {page.type}", []).append(number)
        language = page.language or identifier.predict(page.text.replace("\n", " "))[0]
        languages.setdefault(f"language {language}", []).append(number)
    large = {name: numbers for name, numbers in sorted(languages.items()) if len(numbers) >= MIN_GROUP}
    return groups | dict(sorted(kinds.items())) | large


def _show(
    groups: Mapping[str, list[int]],
    matches: Mapping[str, Sequence[Match]],
    seconds: Mapping[str, float],
    path: Path | None,
) -> None:
    judged = {
        group: Judgement({name: [found[k] for k in numbers] for name, found in matches.items()})
        for group, numbers in groups.items()
    }
    whole = judged["all"]
    rates = {name: whole.pages / taken for name, taken in seconds.items()}
    table = ResultTable(
        "Main-content extraction", ["extractor", "F1", "95 %", "precision", "recall", "pages/s"]
    )
    for name in matches:
        found = whole.judged(name)
        between = f"{found.low:.3f} to {found.high:.3f}"
        s = found.score
        table.rows.append(
            [name, f"{s.f1:.3f}", between, f"{s.precision:.3f}", f"{s.recall:.3f}", f"{rates[name]:,.0f}"]
        )
    table.notes.append(f"{whole.pages} pages; pages/s of CPU time, all interleaved in this run")
    table.show(as_json=False)
    table = ResultTable("F1 by group of pages", ["group", "pages", *matches])
    for group, judgement in judged.items():
        scores = (judgement.judged(name).score.f1 for name in matches)
        table.rows.append([group, judgement.pages, *(f"{f1:.3f}" for f1 in scores)])
    table.show(as_json=False)
    table = ResultTable("Ours less the better peer: F1, 95 %", ["group", "better peer", *OURS])
    for group, judgement in judged.items():
        best = max(PEERS, key=lambda peer: judgement.judged(peer).score.f1)
        cells = []
        for name in OURS:
            d = judgement.difference(name, best)
            cells.append(f"{d.mean:+.3f} ({d.low:+.3f} to {d.high:+.3f})")
        table.rows.append([group, best, *cells])
    table.show(as_json=False)
    if path:
        numbers = {
            group: {
                "pages": judgement.pages,
                "extractors": {name: asdict(judgement.judged(name)) for name in matches},
                "differences": {
                    name: {peer: asdict(judgement.difference(name, peer)) for peer in PEERS} for name in OURS
                },
            }
            for group, judgement in judged.items()
        }
        report = {"pages_per_second": rates, "groups": numbers}
        path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
