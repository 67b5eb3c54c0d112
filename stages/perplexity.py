"""Keeps documents whose perplexity under a language model of Wikipedia is low enough, as CCNet.

In: a document with its language. Out: the document with score `perplexity` (one decimal) and metadata `bucket` (head,
middle, tail; all when its language has no model or no piece is left of its text), or a rejection. Follows CCNet: head
is below percentile 30, middle below 60, a perplexity equal to a cut-off falls in the worse bucket. LLaMA does not say
which buckets it kept; RedPajama v1 kept head and middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from classifiers.perplexity import (
    CCNET_CUTOFFS,
    PerplexityModel,
    languages_with_model,
    model_files,
    read_cutoffs,
)
from stages.document import Document, Rejected
from stages.stage import Outcome, Transform

Bucket = Literal["head", "middle", "tail"]
Cutoffs = Literal["folder", "ccnet"]


def _cutoffs(source: Cutoffs, folder: str, language: str) -> tuple[float, float]:
    if source == "folder":
        return read_cutoffs(folder, language)
    if language not in CCNET_CUTOFFS:
        raise ValueError(
            f"CCNet has no cut-offs for {language}; set cutoffs to folder and write {language}.json in {folder}"
        )
    return CCNET_CUTOFFS[language]


@dataclass(frozen=True)
class KeepPerplexity:
    """Keep documents of the buckets in `keep`, and all documents that have no perplexity (bucket `all`).

    `cutoffs` is `folder` (`<lang>.json` beside the model) or `ccnet` (its constants, for its published models).
    """

    models: str
    keep: tuple[Bucket, ...] = ("head", "middle")  # RedPajama v1
    cutoffs: Cutoffs = "folder"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.keep) - set(get_args(Bucket)))
        if unknown or not self.keep:
            what = (
                f"no perplexity bucket {', '.join(unknown)}" if unknown else "keep names no perplexity bucket"
            )
            raise ValueError(f"{what}; choose from {', '.join(get_args(Bucket))}")
        if self.cutoffs not in get_args(Cutoffs):
            raise ValueError(f"cutoffs is {self.cutoffs!r}; it must be {' or '.join(get_args(Cutoffs))}")

    def prepare(self) -> Transform:
        """Read all cut-offs; a model is loaded at its first document. ValueError when something is missing."""
        try:
            languages = languages_with_model(self.models)
        except ValueError as error:
            raise ValueError(
                "no language model is there; `models.lm` takes a folder with <language>.arpa or .arpa.bin, `train` "
                "(one for each language of `sources.commoncrawl.languages` that `sources.wikipedia` has), or `none`"
            ) from error
        bounds: dict[str, tuple[float, float]] = {}
        for language in languages:
            model_files(self.models, language)
            bounds[language] = _cutoffs(self.cutoffs, self.models, language)
        load = cache(lambda language: PerplexityModel(self.models, language))

        def keep(document: Document) -> Outcome:
            language = document.language
            if language is None or language not in bounds:
                return document.with_metadata(bucket="all")
            exact = load(language).perplexity(document.text)
            if exact is None:
                return document.with_metadata(bucket="all")
            perplexity = round(exact, 1)  # CCNet rounds before it compares
            p30, p60 = bounds[language]
            bucket = "head" if perplexity < p30 else "middle" if perplexity < p60 else "tail"
            document = document.with_scores(perplexity=perplexity).with_metadata(bucket=bucket)
            if bucket not in self.keep:
                return Rejected(document, f"perplexity_{bucket}", score=perplexity)
            return document

        return keep
