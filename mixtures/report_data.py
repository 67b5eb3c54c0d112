"""The shape of the data behind the mixture report: one JSON-able mapping, `ReportData`.

The pipeline collects it, `mixtures.report` draws it, and `report.json` holds it for machines. Bytes are UTF-8
bytes of text, but for `inputs`, which are bytes of the raw files. Shares and scores are fractions (0.67, not 67).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

Scalar = str | int | float | bool | None
State = Literal["green", "amber", "red"]


class RunData(TypedDict):
    """What was run. `created` is a time in ISO 8601, or None for a report without a date."""

    name: str
    recipe: str
    seed: int
    tokens_budget: int
    created: str | None
    versions: Mapping[str, str]
    config_sha256: str


class Inputs(TypedDict):
    """Raw files of a source and their size on disk."""

    files: int
    bytes: int


class Amount(TypedDict):
    documents: int
    bytes: int


class StepData(TypedDict):
    """One step of one source: what came in, what was kept, and why the rest was removed.

    documents_in = documents_kept + documents removed, always. Bytes need not add up the same way, since a
    cleaner shortens documents it keeps. A collector that counts that too says so in `bytes_edited` (bytes of kept
    documents before, less after), and then bytes_in = bytes_kept + bytes removed + bytes_edited is held as well.
    """

    step: str
    documents_in: int
    bytes_in: int
    documents_kept: int
    bytes_kept: int
    removed: Mapping[str, Amount]
    bytes_edited: NotRequired[int]


class Tokens(TypedDict):
    train: int
    validation: int


class HeldOut(TypedDict):
    """Documents whose hash chose them for validation, and those of them that went to training all the same, because a
    copy or near copy of them is there."""

    candidates: int
    near_copies_of_training: int


class DuplicatesData(TypedDict):
    """What a duplicate search compared and dropped; clusters of near-duplicates by size in powers of two (the entry of
    `4` counts clusters of 4 to 7 documents)."""

    units: int
    dropped: int
    cluster_sizes: NotRequired[Mapping[str, int]]


class LossAmount(TypedDict):
    """One quantity of the raw texts and of the texts made of them, summed over the documents that have it."""

    documents: int
    raw: int
    kept: int


class LostDocument(TypedDict):
    """A document of which little was kept: its characters without blanks, raw and kept."""

    id: str
    url: str | None
    raw: int
    kept: int


class LossData(TypedDict):
    """What the parsers of a source kept: by quantity (characters, digits, ...), by language and quantity, and the
    documents that lost the largest share, the worst first."""

    total: Mapping[str, LossAmount]
    languages: Mapping[str, Mapping[str, LossAmount]]
    most_lost: Sequence[LostDocument]


class SourceData(TypedDict):
    """One source. `steps` are in the order they ran; `documents` and `bytes` are what the last step kept."""

    inputs: Inputs
    steps: Sequence[StepData]
    documents: int
    bytes: int
    tokens: Tokens
    languages: Mapping[str, Amount]
    licenses: Mapping[str, Amount]
    domains: Mapping[str, Amount]
    duplicates: NotRequired[Mapping[str, DuplicatesData]]
    loss: NotRequired[LossData]
    validation: NotRequired[HeldOut]


class MixtureRow(TypedDict):
    """One line of the planned mixture. `share_present` is the share once absent sources are left out.

    `epochs` is None where there is nothing to repeat, `max_epochs` where there is no cap; the LLaMA-1 figures are None
    for a source it had not.
    """

    source: str
    share: float
    share_present: float
    tokens_unique: int
    tokens_at_budget: int
    epochs: float | None
    max_epochs: NotRequired[float | None]
    llama1_share: float | None
    llama1_epochs: float | None
    bytes_per_token: float | None
    warnings: Sequence[str]


class Threshold(TypedDict):
    label: str
    value: float


class Histogram(TypedDict):
    """Counts between edges: `len(edges) == len(counts) + 1`, edges rising.

    `thresholds` are drawn as lines. `kept` is the interval [low, high] of scores that survive (None: open). A
    `logarithmic` axis needs edges above zero; it is linear otherwise.
    """

    edges: Sequence[float]
    counts: Sequence[int]
    title: NotRequired[str]
    logarithmic: NotRequired[bool]
    thresholds: NotRequired[Sequence[Threshold]]
    kept: NotRequired[Sequence[float | None]]


class ReferenceHistogram(TypedDict):
    """Scores of held-out positives and negatives over the same edges."""

    edges: Sequence[float]
    positives: Sequence[int]
    negatives: Sequence[int]


class ThresholdShares(TypedDict):
    """What a threshold keeps: shares of the pages that reach the classifier (by a sample; None without one), of
    held-out positives and of held-out negatives; precision is among as many positives as negatives, None where nothing
    is kept."""

    threshold: float
    kept: float | None
    recall: float
    false_positive_rate: float
    precision: float | None


class ReliabilityBin(TypedDict):
    """Held-out pages with scores from `low` to `high`: their mean score and share of positives (None: no page)."""

    low: float
    high: float
    pages: int
    mean_score: float | None
    positive_fraction: float | None


class ReferenceModel(TypedDict, total=False):
    """The Wikipedia-reference classifier, measured on held-out pages (`positives`, `negatives`: the candidates).

    Any other scalar that stands in the mapping (sha256, training counts) is printed beside these. `curve` has rising
    thresholds; `precision` and `recall` are those at `threshold`, the one that the run applied.
    """

    precision: float | None
    recall: float
    auc: float
    positives: int
    negatives: int
    threshold: float
    histogram: ReferenceHistogram
    curve: Sequence[ThresholdShares]
    reliability: Sequence[ReliabilityBin]


class Models(TypedDict, total=False):
    """Models the run used. `lm` is by language; `p30` and `p60` are the head and tail cuts of perplexity."""

    language_id: Mapping[str, Scalar]
    lm: Mapping[str, Mapping[str, Scalar]]
    reference: ReferenceModel


class SourceSampleData(TypedDict):
    """What the tokenizer's sample was to have of a source, its share of the mixture, and what it has; bytes of text."""

    wanted_bytes: int
    bytes: int
    documents: int


class TokenizerSample(TypedDict):
    """What a tokenizer was trained on. `lines_cut` were too long for SentencePiece or held its own mark; `sha256` is of
    the lines in order, each with a line end."""

    blocks: int
    lines: int
    bytes: int
    lines_cut: int
    lines_skipped: int
    sha256: str
    sources: Mapping[str, SourceSampleData]


class FertilityData(TypedDict):
    """How a tokenizer fits some text; `languages` and `reference`, another model on the same text, where there are."""

    bytes: int
    words: int
    tokens: int
    byte_tokens: int
    bytes_per_token: float | None
    tokens_per_word: float | None
    byte_fallback_fraction: float | None
    languages: NotRequired[Mapping[str, FertilityData]]
    reference: NotRequired[FertilityData]


class FertilityReport(TypedDict):
    """`models` are `tokenizer`, and `reference` where another was compared: sha256 and vocabulary of each."""

    models: Mapping[str, Mapping[str, Scalar]]
    total: FertilityData
    sources: Mapping[str, FertilityData]


class TokenizerData(TypedDict):
    """The tokenizer of the run: trained on a `sample`, or `given` under this file name."""

    sha256: str
    vocabulary: int
    given: NotRequired[str]
    sample: NotRequired[TokenizerSample]
    fertility: NotRequired[FertilityReport]


class RemovedSample(TypedDict):
    source: str
    step: str
    reason: str
    id: str
    url: str | None
    language: str | None
    score: float | None
    text: str
    detail: str


class KeptSample(TypedDict):
    source: str
    id: str
    url: str | None
    title: str | None
    language: str | None
    text: str
    scores: Mapping[str, float]


class BenchmarkData(TypedDict):
    """A benchmark: its items, those that can be found, those that can by a quoted passage alone, and those too short
    for it; the items found, and those of which only the passage was; by source the documents (`kept`, `dropped`)."""

    items: int
    searched: int
    passage_only: int
    skipped: int
    found: int
    passages_found: int
    documents: Mapping[str, Mapping[str, int]]


class OverlapSample(TypedDict):
    """A document's passage that is an item's of a benchmark; `covered` is the fraction of the item's part in it."""

    source: str
    id: str
    url: str | None
    verdict: str
    benchmark: str
    item: int
    part: str
    covered: float
    passage: str
    benchmark_text: str


class DecontaminationData(TypedDict):
    """`modes` by source, `flag` or `drop`; `off` says why nothing was searched for, and is empty otherwise."""

    modes: Mapping[str, str]
    off: str
    benchmarks: Mapping[str, BenchmarkData]
    documents: Mapping[str, Mapping[str, int]]
    common_ngrams: NotRequired[int]
    samples: Sequence[OverlapSample]


class Training(TypedDict):
    """A training run on the shards. Losses are in nats a token; None where a loss was not finite.

    `unigram` is the loss of a model that knows only the frequencies of tokens in training, on the same validation text.
    """

    steps: Sequence[int]
    loss: Sequence[float | None]
    validation: Mapping[str, Sequence[Sequence[float | None]]]
    bits_per_byte: NotRequired[Mapping[str, Sequence[Sequence[float | None]]]]
    unigram: NotRequired[Mapping[str, float]]
    preset: str
    parameters: int


class Gate(TypedDict):
    """One thing that must hold before sign-off: `green` holds, `amber` needs a look, `red` stops."""

    name: str
    state: State
    detail: str


class ReportData(TypedDict):
    """All of it. `mixture` also sets the order in which sources are shown."""

    run: RunData
    sources: Mapping[str, SourceData]
    absent_sources: Sequence[str]
    mixture: Sequence[MixtureRow]
    mixture_warnings: NotRequired[Sequence[str]]
    gates: Sequence[Gate]
    models: NotRequired[Models]
    tokenizer: NotRequired[TokenizerData]
    histograms: NotRequired[Mapping[str, Histogram]]
    samples: NotRequired[Sequence[RemovedSample]]
    kept_samples: NotRequired[Sequence[KeptSample]]
    decontamination: NotRequired[DecontaminationData | None]
    training: NotRequired[Training | None]
