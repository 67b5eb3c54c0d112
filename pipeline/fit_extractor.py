"""`fit-extractor`: weights of the main-content extractor from pages whose main text is known.

Reads pages, labels their blocks, fits both scores, judges them by cross-validation over sites, and writes the weights
with the digest of the pages. The same pages, settings and date give the same file, in whatever order the files come.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from classifiers.block_labels import Score, score_matches
from classifiers.block_regression import without_words
from pipeline import files
from pipeline.feature_effects import FeatureWeight, GroupEffect, feature_weights, group_effects
from pipeline.fit_pages import read_pages, site_of
from pipeline.fit_scores import (
    PROFILES,
    FitSettings,
    Scores,
    block_weights,
    cross_validate,
    first_scores,
    fit_scores,
)
from pipeline.labelled_blocks import MIN_FOUND, BlockSet, gather_blocks, label_pages
from stages.extraction.context_features import CONTEXT_NAMES, context_features
from stages.extraction.features import FIRST_NAMES
from stages.extraction.weights import DataSet, Provenance, Weights, save_weights

# Log odds. From -0.4 to 0.2 F1 differs by less than 0.005; lower keeps more of pages that are no articles.
THRESHOLDS = {"article": 0.0, "web": -0.2}
SHOWN_FEATURES = 15  # of each score; --json has all


@dataclass(frozen=True)
class Fit:
    """Fitted weights, and what is to be said of them."""

    weights: Weights
    pages: int
    sites: int
    blocks: int
    main_blocks: int
    left_out: Mapping[str, int]  # pages by why
    validation: Mapping[str, tuple[int, Score]]  # type of page -> pages, score; "all" is first
    features: Sequence[FeatureWeight]
    effects: Sequence[GroupEffect]


def fit_extractor(
    paths: Sequence[str],
    profile: str,
    *,
    date: str,
    threshold: float | None = None,
    left_out_sites: Sequence[str] = (),
    data_sets: Mapping[str, Mapping[str, str]] | None = None,
    settings: FitSettings | None = None,
    effects: bool = True,
) -> Fit:
    """Fits weights on the pages of these files. `data_sets` gives name, license and address by the name of a file.

    ValueError where a file cannot be read, or the pages are too few to fit or to judge.
    """
    settings = settings or PROFILES[profile]
    threshold = THRESHOLDS[profile] if threshold is None else threshold
    sites = set(left_out_sites)
    left_out: Counter[str] = Counter()

    def usable() -> Any:
        for path in sorted(set(paths)):
            _say(f"reading {path}")
            for page in read_pages(path):
                if page.site in sites:
                    left_out["site left out"] += 1
                else:
                    yield page

    pages = label_pages(usable())
    if not pages:
        raise ValueError(
            f"no page to fit on in {', '.join(sorted(set(paths)))}; give pages with html and their text"
        )
    data = gather_blocks(pages, settings.min_sites)
    left_out["known text is not on the page"] = sum(page.found < MIN_FOUND for page in data.pages)
    everything = np.arange(len(data.pages))
    _say(f"fitting on {len(data.pages)} pages of {len(data.site_has_word)} sites, {len(data.labels)} blocks")
    scores = fit_scores(data, everything, settings)
    _say("judging by cross-validation")
    matches = cross_validate(data, settings).matches(data, threshold)
    validation = {"all": (len(matches), score_matches(matches))}
    for type in sorted({page.type for page in data.pages}):
        part = [match for match, page in zip(matches, data.pages, strict=True) if page.type == type]
        validation[type] = len(part), score_matches(part)
    worth = []
    for effect in group_effects(data, settings, threshold) if effects else ():
        _say(f"without {effect.group}: F1 {-effect.worth:+.4f}")
        worth.append(effect)
    return Fit(
        weights_of(scores, profile, threshold, _provenance(data, date, sorted(sites), data_sets or {})),
        len(data.pages),
        len(data.site_has_word),
        len(data.labels),
        int(data.labels.sum()),
        {why: count for why, count in left_out.items() if count},
        validation,
        _standardised(data, scores, settings),
        worth,
    )


def weights_of(scores: Scores, profile: str, threshold: float | None, provenance: Provenance) -> Weights:
    """Fitted scores in the form that the extractor reads; the profile's threshold where none is given."""
    first, context = scores.first, scores.context
    return Weights(
        profile=profile,
        threshold=THRESHOLDS[profile] if threshold is None else threshold,
        first=dict(zip(FIRST_NAMES, first.features.tolist(), strict=True)),
        first_bias=first.bias,
        words=dict(zip(scores.vocabulary, first.words.tolist(), strict=True)),
        context=dict(zip(CONTEXT_NAMES, context.features.tolist(), strict=True)),
        context_bias=context.bias,
        provenance=provenance,
    )


def _provenance(
    data: BlockSet, date: str, sites: Sequence[str], data_sets: Mapping[str, Mapping[str, str]]
) -> Provenance:
    digest = hashlib.sha256("\n".join(sorted(page.digest for page in data.pages)).encode()).hexdigest()
    pages = Counter(Path(page.file).name for page in data.pages)
    named = ((data_sets.get(file, {}), file, count) for file, count in sorted(pages.items()))
    return Provenance(
        date,
        digest,
        tuple(
            DataSet(
                known.get("name", file), count, known.get("license", "not stated"), known.get("address", "")
            )
            for known, file, count in named
        ),
        tuple(sites),
    )


def _standardised(data: BlockSet, scores: Scores, settings: FitSettings) -> list[FeatureWeight]:
    weights = np.concatenate([block_weights(page, settings) for page in data.pages])
    first = first_scores(data, np.arange(len(data.labels)), scores)
    around = np.concatenate(
        [
            context_features(page.page, first[start:end])
            for page, start, end in zip(data.pages, data.bounds[:-1], data.bounds[1:], strict=True)
        ]
    )
    return [
        *feature_weights("first", FIRST_NAMES, scores.first.features, data.blocks.features, weights),
        *feature_weights(
            "context", CONTEXT_NAMES, scores.context.features, without_words(around).features, weights
        ),
    ]


@click.command("fit-extractor")
@click.argument("pages", nargs=-1, required=True)
@click.option("--out", required=True, metavar="WEIGHTS.json", help="File for the weights.")
@click.option(
    "--profile", type=click.Choice(sorted(PROFILES)), default="article", help="What to fit for; article."
)
@click.option("--threshold", type=float, help="Score from which a block is kept, put into the weights.")
@click.option(
    "--leave-out-hosts", metavar="FILE", help="Hosts or URLs, one a line, whose sites are not read."
)
@click.option(
    "--data-sets", metavar="FILE", help="JSON: file name -> name, license, address, for the provenance."
)
@click.option("--date", help="Date for the provenance, YYYY-MM-DD; today.")
@click.option("--effects/--no-effects", default=True, help="Measure what each group of features is worth.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    pages: tuple[str, ...],
    out: str,
    profile: str,
    threshold: float | None,
    leave_out_hosts: str | None,
    data_sets: str | None,
    date: str | None,
    effects: bool,
    as_json: bool,
) -> None:
    """Fit the main-content extractor on PAGES: JSON lines with html and text, or WARC files with JSON-LD articles."""
    began = time.monotonic()
    if not Path(out).parent.is_dir():
        raise ValueError(f"--out {out}: its folder is not there; make it")
    fit = fit_extractor(
        pages,
        profile,
        date=_iso_date(date),
        threshold=threshold,
        left_out_sites=_sites(leave_out_hosts) if leave_out_hosts else (),
        data_sets=_data_sets(data_sets) if data_sets else None,
        effects=effects,
    )
    temporary = Path(f"{out}.tmp")
    save_weights(fit.weights, temporary)
    os.replace(temporary, out)
    print(json.dumps(_as_json(fit), indent=1) if as_json else _as_text(fit))
    _say(f"{out} written after {time.monotonic() - began:.0f} s")


def _iso_date(date: str | None) -> str:
    if date is None:
        return datetime.date.today().isoformat()
    try:
        return datetime.date.fromisoformat(date).isoformat()
    except ValueError:
        raise ValueError(f"--date {date}: not a date; write it as 2026-11-21") from None


def _sites(path: str) -> list[str]:
    with files.open_binary(path) as stream:
        lines = stream.read().decode("utf-8", "replace").split()
    return sorted({site_of(line if "//" in line else f"//{line}") for line in lines} - {""})


def _data_sets(path: str) -> dict[str, dict[str, str]]:
    sets = files.read_json(path)
    fields = {"name", "license", "address"}
    if not isinstance(sets, dict) or not all(
        isinstance(known, dict) and set(known) <= fields and all(isinstance(v, str) for v in known.values())
        for known in sets.values()
    ):
        raise ValueError(f"{path}: must be {{file name: {{name, license, address}}}}, all of them text")
    return sets


def _as_json(fit: Fit) -> dict[str, object]:
    return {
        "pages": fit.pages,
        "sites": fit.sites,
        "blocks": fit.blocks,
        "main_blocks": fit.main_blocks,
        "words": len(fit.weights.words),
        "left_out": dict(fit.left_out),
        "digest": fit.weights.provenance.digest,
        "validation": {
            type: {"pages": pages, **asdict(score)} for type, (pages, score) in fit.validation.items()
        },
        "features": [asdict(feature) for feature in fit.features],
        "effects": [asdict(effect) for effect in fit.effects],
    }


def _as_text(fit: Fit) -> str:
    provenance = fit.weights.provenance
    lines = [
        f"{fit.pages:,} pages of {fit.sites:,} sites, {fit.blocks:,} blocks ({fit.main_blocks:,} main text), "
        f"{len(fit.weights.words):,} words; data {provenance.digest[:12]}",
        *(f"left out: {count:,} pages, {why}" for why, count in fit.left_out.items()),
        "",
        f"By cross-validation over sites, threshold {fit.weights.threshold}:",
        f"{'type':<16}{'pages':>8}{'F1':>8}{'P':>8}{'R':>8}",
    ]
    for type, (pages, score) in fit.validation.items():
        lines.append(f"{type[:15]:<16}{pages:>8,}{score.f1:>8.3f}{score.precision:>8.3f}{score.recall:>8.3f}")
    for name in ("first", "context"):
        lines += ["", f"Features of the {name} score:", f"{'':<30}{'weight':>10}{'standardised':>14}"]
        shown = [feature for feature in fit.features if feature.score == name][:SHOWN_FEATURES]
        lines += [
            f"{feature.name:<30}{feature.weight:>10.3f}{feature.standardised:>14.3f}" for feature in shown
        ]
    words = sorted(fit.weights.words.items(), key=lambda item: (item[1], item[0]))
    lines += ["", f"Words against: {_words(words[:SHOWN_FEATURES])}"]
    lines += [f"Words for: {_words(words[: -SHOWN_FEATURES - 1 : -1])}"]
    if fit.effects:
        lines += [
            "",
            "What each group is worth (F1 with it less F1 without it):",
            f"{'':<46}{'features':>10}{'F1':>9}",
        ]
        for effect in fit.effects:
            lines.append(
                f"{effect.score + ': ' + effect.group:<46}{effect.features:>10,}{effect.worth:>+9.4f}"
            )
    return "\n".join(lines)


def _words(words: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{word} {weight:+.2f}" for word, weight in words)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
