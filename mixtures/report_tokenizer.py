"""What the report shows of the tokenizer: what it was trained on, and how well it fits each source and language.

In: `TokenizerData`. Out: rows for the templates and the table, languages by falling size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mixtures.report_data import FertilityData, SourceSampleData, TokenizerData

MAX_LANGUAGES = 30  # Wikipedia's are 20


@dataclass(frozen=True, slots=True)
class FertilityRow:
    """A source, or one of its languages; `color` is that of the source. `reference` is None without another model."""

    name: str
    color: str
    is_language: bool
    own: FertilityData
    reference: FertilityData | None


@dataclass(frozen=True, slots=True)
class SampleRow:
    """What the tokenizer's sample has of a source; `share` of the sample and `mixture_share` in 0..1, by bytes."""

    source: str
    color: str
    found: SourceSampleData
    share: float
    mixture_share: float


@dataclass(frozen=True, slots=True)
class ShownTokenizer:
    """`samples` are of a tokenizer that this run trained, none of one that was given."""

    facts: TokenizerData
    samples: tuple[SampleRow, ...]
    fertility: tuple[FertilityRow, ...]
    languages_left_out: int
    reference_sha256: str | None


def shown_tokenizer(facts: TokenizerData | None, colors: Mapping[str, str]) -> ShownTokenizer | None:
    """The tokenizer as it is shown, sources in the order of `colors`; None when nothing is known of it."""
    if facts is None:
        return None
    fertility = facts.get("fertility")
    sources = fertility["sources"] if fertility else {}
    rows: list[FertilityRow] = []
    left_out = 0
    for source in _ordered(sources, colors):
        found, color = sources[source], colors.get(source, "s0")
        rows.append(FertilityRow(source, color, False, found, found.get("reference")))
        languages = found.get("languages", {})
        names = sorted(languages, key=lambda name: (-languages[name]["bytes"], name))
        if len(names) > 1:
            for name in names[:MAX_LANGUAGES]:
                of = languages[name]
                rows.append(FertilityRow(name, color, True, of, of.get("reference")))
            left_out += max(0, len(names) - MAX_LANGUAGES)
    if fertility:
        total = fertility["total"]
        rows.append(FertilityRow("all", "", False, total, total.get("reference")))
    reference = fertility["models"].get("reference") if fertility else None
    return ShownTokenizer(
        facts=facts,
        samples=_sample_rows(facts, colors),
        fertility=tuple(rows),
        languages_left_out=left_out,
        reference_sha256=str(reference["sha256"]) if reference else None,
    )


def _sample_rows(facts: TokenizerData, colors: Mapping[str, str]) -> tuple[SampleRow, ...]:
    if "sample" not in facts:
        return ()
    found = facts["sample"]["sources"]
    shares = sample_shares(found)
    return tuple(
        SampleRow(name, colors.get(name, "s0"), found[name], *shares[name])
        for name in _ordered(found, colors)
    )


def sample_shares(found: Mapping[str, SourceSampleData]) -> dict[str, tuple[float, float]]:
    """Of each source its share of the tokenizer's sample, and that of the mixture: what was wanted."""
    size, wanted = sum(s["bytes"] for s in found.values()), sum(s["wanted_bytes"] for s in found.values())
    return {
        name: (s["bytes"] / max(1, size), s["wanted_bytes"] / max(1, wanted)) for name, s in found.items()
    }


def _ordered(sources: Mapping[str, object], colors: Mapping[str, str]) -> list[str]:
    return [*(name for name in colors if name in sources), *sorted(set(sources) - set(colors))]


def fertility_table(facts: TokenizerData | None) -> Iterator[tuple[str | int | float | None, ...]]:
    """(source, language, model, counts and ratios), every language; the empty language is the whole source."""
    fertility = facts.get("fertility") if facts else None
    for source, found in sorted(fertility["sources"].items()) if fertility else ():
        for language, of in [("", found), *sorted(found.get("languages", {}).items())]:
            for model, figures in (("tokenizer", of), ("reference", of.get("reference"))):
                if figures:
                    yield (
                        source,
                        language,
                        model,
                        figures["bytes"],
                        figures["words"],
                        figures["tokens"],
                        figures["byte_tokens"],
                        figures["bytes_per_token"],
                        figures["tokens_per_word"],
                        figures["byte_fallback_fraction"],
                    )
