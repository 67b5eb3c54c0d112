"""Recipes: for each source its reader, its steps in order, and every threshold. Read this file first.

`llama1` is the LLaMA-1 paper (arXiv 2302.13971, section 2.1) to the letter; where the paper is silent, the code that it
names decides (cc_net for CommonCrawl), and where that is silent too, the public reproduction (RedPajama v1), faults
left out. The source of each number stands beside the field's default in the step's own file, or here where the recipe
sets it.

A source is a tuple of steps. Most are stages: a document in, a document or a rejection out. The others need more than
one document at once: `DropDuplicate...` and `DropRepeatedIds` compare all documents of a source, `Train...` make the
model that the next step uses. Ids are unique within a source (a contract of ours, not of the paper), so sources whose
dumps may overlap end with `DropRepeatedIds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.c4_duplicates import DropRepeatedC4Lines, DropRepeatedUrls
from pipeline.duplicates import DropDuplicateDocuments, DropDuplicateLines, DropRepeatedIds
from pipeline.largest_sites import KeepLargestSites
from pipeline.near_duplicate_books import DropNearDuplicateBooks
from pipeline.near_duplicates import DropNearDuplicates
from pipeline.train_models import TrainPerplexity, TrainReferences
from stages.authored_code import KeepAuthoredCode
from stages.bad_words import DropBadWords
from stages.book_text import CleanGutenberg
from stages.c4_language import KeepC4English
from stages.c4_rules import CleanC4Page, TakeC4Lines
from stages.code_files import KeepSourceFile
from stages.code_headers import RemoveLicenseHeader
from stages.code_licenses import PERMISSIVE_FAMILIES, KeepPermissiveLicense
from stages.code_readability import KeepReadableCode
from stages.fineweb import KeepFineweb, MeasureFineweb
from stages.gopher import KeepGopher, MeasureGopher
from stages.language import KeepLanguage
from stages.latex import CleanLatex
from stages.length import KeepLength
from stages.perplexity import KeepPerplexity
from stages.references import KeepReferences
from stages.secret_masking import MaskSecrets
from stages.sources.arxiv import Arxiv
from stages.sources.books import Books
from stages.sources.c4 import C4
from stages.sources.common_crawl import CommonCrawl
from stages.sources.github import Github
from stages.sources.stackexchange import StackExchange
from stages.sources.wikipedia import Wikipedia
from stages.stage import ModelStage, Reader, Stage, step_name
from stages.wikitext import CleanWikitext, KeepWikipediaLanguage

DuplicateStep = (
    DropDuplicateLines
    | DropDuplicateDocuments
    | DropRepeatedIds
    | DropRepeatedUrls
    | DropRepeatedC4Lines
    | DropNearDuplicates
    | DropNearDuplicateBooks
    | KeepLargestSites
)
TrainStep = TrainPerplexity | TrainReferences
Step = Stage | ModelStage | DuplicateStep | TrainStep  # each a frozen dataclass


@dataclass(frozen=True)
class SourceRecipe:
    reader: Reader
    steps: tuple[Step, ...]

    def named(self) -> list[tuple[str, Step]]:
        """The steps with their names; a second step of one kind is called `keep_length_2`."""
        names: list[tuple[str, Step]] = []
        for step in self.steps:
            name = step_name(step)
            same = sum(1 for known, _ in names if known.rstrip("_0123456789") == name)
            names.append((f"{name}_{same + 1}" if same else name, step))
        return names


Recipe = Mapping[str, SourceRecipe]

LLAMA1: Recipe = {
    # "We preprocess five CommonCrawl dumps, ranging from 2017 to 2020, with the CCNet pipeline. This process
    # deduplicates the data at the line level, performs language identification with a fastText linear classifier to
    # remove non-English pages and filters low quality content with an n-gram language model. In addition, we trained
    # a linear model to classify pages used as references in Wikipedia v.s. randomly sampled pages."
    "commoncrawl": SourceRecipe(
        CommonCrawl(),
        (
            KeepLength(min_characters=300),  # cc_net/process_wet_file.py, before deduplication only
            DropDuplicateLines(window_files=50, keep="none"),  # cc_net/mine.py hash_in_mem
            KeepLanguage(languages=("en",), min_score=0.5),  # cc_net/mine.py lang_threshold
            TrainPerplexity(),
            TrainReferences(),  # against random pages of the crawl, so before perplexity chooses among them
            # The paper is silent on buckets and threshold; RedPajama v1 keeps head and middle, and 0.25.
            KeepPerplexity(models="", keep=("head", "middle")),
            KeepReferences(min_probability=0.25),
        ),
    ),
    # "The preprocessing of C4 also contains deduplication and language identification steps": as published.
    "c4": SourceRecipe(C4(), (DropDuplicateDocuments(),)),
    # "We only kept projects that are distributed under the Apache, BSD and MIT licenses. Additionally, we filtered low
    # quality files with heuristics based on the line length or proportion of alphanumeric characters, and removed
    # boilerplate, such as headers, with regular expressions. Finally, we deduplicate the resulting dataset at the file
    # level, with exact matches."
    "github": SourceRecipe(
        Github(),
        (
            KeepPermissiveLicense(),
            KeepSourceFile(),
            KeepReadableCode(),
            RemoveLicenseHeader(),
            DropDuplicateDocuments(),
        ),
    ),
    # "We add Wikipedia dumps from the June-August 2022 period, covering 20 languages, which use either the Latin or
    # Cyrillic scripts: bg, ca, cs, da, de, en, es, fr, hr, hu, it, nl, pl, pt, ro, ru, sl, sr, sv, uk. We process the
    # data to remove hyperlinks, comments and other formatting boilerplate."
    "wikipedia": SourceRecipe(Wikipedia(), (KeepWikipediaLanguage(), CleanWikitext(), DropRepeatedIds())),
    # "We perform deduplication at the book level, removing books with more than 90% content overlap."
    "books": SourceRecipe(Books(), (CleanGutenberg(), DropNearDuplicateBooks(min_overlap_fraction=0.9))),
    # "Following Lewkowycz et al. (2022), we removed everything before the first section, as well as the bibliography.
    # We also removed the comments from the .tex files, and inline-expanded definitions and macros written by users."
    "arxiv": SourceRecipe(Arxiv(), (CleanLatex(), DropRepeatedIds())),
    # "We kept the data from the 28 largest websites, removed the HTML tags from text and sorted the answers by score
    # (from highest to lowest)."
    "stackexchange": SourceRecipe(StackExchange(), (DropRepeatedIds(), KeepLargestSites(count=28))),
}

PLUS: Recipe = {
    **LLAMA1,
    # The same road with what was learned since: the main content of a page in place of all that it shows, rules for
    # quality, near-duplicates, and of a repeated line the first copy kept. Wholes go before their lines, so that a copy
    # of a page does not leave its rest behind.
    "commoncrawl": SourceRecipe(
        CommonCrawl(main_content=True),
        (
            # FineWeb (arXiv 2406.17557) section 3: 0.65; the first 2,000 characters give the same label for 99.6 %.
            KeepLanguage(languages=("en",), min_score=0.65, max_characters=2_000),
            MeasureGopher(),
            KeepGopher(),
            MeasureFineweb(),
            KeepFineweb(),
            DropNearDuplicates(),  # exact copies are among them
            DropDuplicateLines(window_files=None, keep="first", key="xxh64"),
            KeepLength(min_characters=300),  # CCNet's minimum, for what the lines leave
            TrainPerplexity(),
            TrainReferences(),
            KeepPerplexity(models="", keep=("head", "middle")),
            KeepReferences(min_probability=0.25),
        ),
    ),
    # As published it has no line twice, but pages of one template: 3 % near-duplicates (Lee et al. 2021, 2107.06499).
    "c4": SourceRecipe(C4(), (DropNearDuplicates(),)),
    # Files that people wrote, by StarCoder's rules (arXiv 2305.06161 section 3.3), without secrets, and of those that
    # are much the same the first.
    "github": SourceRecipe(
        Github(),
        (
            KeepPermissiveLicense(licenses=PERMISSIVE_FAMILIES, file_may_grant=True),
            KeepSourceFile(),
            KeepAuthoredCode(),
            KeepReadableCode(profile="starcoder"),
            RemoveLicenseHeader(),
            MaskSecrets(),
            DropDuplicateDocuments(),
            # The Stack and StarCoder: 5-grams, 256 hashes, Jaccard 0.7, of which datasketch makes 25 bands of 10.
            DropNearDuplicates(bands=25, rows=10),
        ),
    ),
    # Title and abstract before the first section: what the paper is about, which LLaMA's rule cuts.
    "arxiv": SourceRecipe(Arxiv(), (CleanLatex(keep_title_and_abstract=True), DropRepeatedIds())),
    # The same, with what the tags of the HTML said, and with tags, the accepted mark and comments.
    "stackexchange": SourceRecipe(
        StackExchange(markup="markdown", tags=True, accepted_mark=True, comments=True),
        (DropRepeatedIds(), KeepLargestSites(count=28)),
    ),
}

RECIPES: Mapping[str, Recipe] = {"llama1": LLAMA1, "plus": PLUS}

# Recipes whose sources end with `Decontaminate` when the configuration names benchmarks; others do when it says so.
DECONTAMINATED = ("plus",)
# GPT-3 (arXiv 2005.14165, appendix C): to remove a whole document for one collision "overly penalized long documents
# such as books". They are flagged, where `decontaminate` does not say `drop`.
FLAGGED = ("books",)

# Other ways to a source, in every recipe: (source, sources.<source>.variant).
VARIANTS: Mapping[tuple[str, str], SourceRecipe] = {
    # C4 made from the crawl by the rules of its builder (Raffel et al. 2020 section 2.2; TFDS C4 3.1.0), in its order;
    # C4 itself was made of the WET files of dump CC-MAIN-2019-18.
    ("c4", "crawl"): SourceRecipe(
        CommonCrawl(source="c4", first_line_is_title=False),
        (
            TakeC4Lines(),
            KeepLength(min_characters=0, max_characters=190_000),  # TFDS C4 3.1.0, is_valid_length
            DropRepeatedUrls(),
            CleanC4Page(),
            DropRepeatedC4Lines(),
            KeepC4English(),
            DropBadWords(model=""),
        ),
    ),
}
