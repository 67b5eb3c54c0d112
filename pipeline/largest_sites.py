"""The largest sites of a source whose documents say which site they are of; the documents of all others go.

LLaMA paper 2.1: "We kept the data from the 28 largest websites". The size of a site is its questions and answers, as
RedPajama v1 says (data_prep/stack_exchange/README.md; its count.py counts lines of Posts.xml less three). They are
counted while the site is read, so nothing is inflated twice, and exactly: the size of Posts.xml, which a 7z header
tells, is only near it. What reading the small sites costs is small, as the 28 have most of all posts.

The pass before writes, for each part, the posts of each site; one search task adds them up and ranks the sites (equal
ones by name); the pass after drops. The sites that stay and go are in the manifest with their posts, so that the
choice can be given as a list and so frozen.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass

from pipeline import files
from pipeline.duplicates import Collector, DropFiles
from pipeline.files import HashingStream
from pipeline.tasks import Result
from stages.document import Document, Rejected
from stages.stage import Outcome, Transform

_META = re.compile(r"(^|\.)meta\.")  # meta.stackexchange.com, history.meta.stackexchange.com


@dataclass(frozen=True)
class KeepLargestSites:
    """Keeps documents of the `count` largest sites, or of the `sites` that are named."""

    count: int = 28  # LLaMA paper 2.1
    meta_sites: bool = True  # RedPajama v1 ranks them with the others (count.py)
    sites: tuple[str, ...] | None = None  # in place of the largest; an error when one of them is not there
    window_files: int | None = None

    def __post_init__(self) -> None:
        if self.count < 1 or self.sites == ():
            raise ValueError("no site would be kept; set count to at least 1, or name sites")
        if self.window_files:
            raise ValueError("window_files must be null: all sites are ranked together")

    def collector(self) -> Collector:
        return _Posts()

    def transform(self, run: str, found: DropFiles) -> Transform:
        return _KeepSites(files.join(run, found.paths[0]))

    def chosen(self, posts: Counter[str]) -> set[str]:
        """The sites that stay. ValueError when one that is named has no document."""
        if self.sites is not None:
            missing = sorted(set(self.sites) - set(posts))
            if missing:
                raise ValueError(
                    f"keep_largest_sites.sites: {', '.join(missing)} has no document among the inputs; name its file, "
                    "or leave it out"
                )
            return set(self.sites)
        ranked = sorted(posts, key=lambda site: (-posts[site], site))
        return set([site for site in ranked if self.meta_sites or not _META.search(site)][: self.count])


class _Posts:
    """Questions and answers of each site in a part."""

    def __init__(self) -> None:
        self._posts: Counter[str] = Counter()

    def add(self, document: Document) -> None:
        self._posts[_site(document)] += 1 + int(document.scores["answer_count"])

    def write(self, stream: HashingStream) -> None:
        stream.write(json.dumps(dict(sorted(self._posts.items()))).encode())


def _site(document: Document) -> str:
    return document.metadata["site"]


@dataclass(frozen=True)
class RankSites:
    """The counts of all parts of a source."""

    rule: KeepLargestSites
    key_files: tuple[str, ...]
    output: str


def rank_sites(run: str, work: RankSites) -> Result:
    """Adds up the posts of each site and writes which sites stay, and which go with their places."""
    posts: Counter[str] = Counter()
    for path in work.key_files:
        posts.update(files.read_json(files.join(run, path)))
    kept = work.rule.chosen(posts)
    ranked = sorted(posts, key=lambda site: (-posts[site], site))
    verdict = {"kept": sorted(kept), "places": {site: place for place, site in enumerate(ranked, start=1)}}
    written = files.write_json(files.join(run, work.output), verdict)
    statistics = {
        "units": len(posts),
        "dropped": len(posts) - len(kept),
        "sites_kept": {site: posts[site] for site in ranked if site in kept},
        "sites_left_out": {site: posts[site] for site in ranked if site not in kept},
    }
    return Result({work.output: written}, statistics)


class _KeepSites:
    def __init__(self, path: str) -> None:
        verdict = files.read_json(path)
        self._kept, self._places = frozenset(verdict["kept"]), verdict["places"]

    def __call__(self, document: Document) -> Outcome:
        site = _site(document)
        if site in self._kept:
            return document
        detail = f"{site} is number {self._places[site]} by posts"
        return Rejected(document, "site_not_among_largest", float(self._places[site]), detail)
