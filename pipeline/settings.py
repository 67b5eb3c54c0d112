"""The configuration of a run: one YAML file, checked, with every default filled in.

Unknown keys are refused with the nearest known one. Paths are relative to the folder of the file.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib.util
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from mixtures.mixture import parse_count
from mixtures.outside_yaml import parse_yaml, shown
from stages.document import SOURCES

TRAIN, NONE = "train", "none"
MAX_VOCABULARY = 1 << 20  # our choice: four times the largest that is published, Gemma's of 262,144
DECONTAMINATE = (NONE, "flag", "drop")


class UsageError(ValueError):
    """The configuration or the command line is wrong; nothing was run."""

    exit_code = 2


def check_store(path: str) -> None:
    """UsageError for a path in Amazon's store without its client, of which Beam's message does not tell."""
    if path.startswith("s3://") and importlib.util.find_spec("boto3") is None:
        raise UsageError(f"{path}: s3 needs the package boto3: pip install 'llama-corpus[aws]'")


@dataclass(frozen=True)
class SourceSettings:
    """`inputs`: paths, globs, lists or URLs. `languages`: wanted languages, None for the recipe's. `steps` overrides
    parameters of the recipe's steps: step name -> parameter -> value, or None for a step that is left out. `base_url`:
    the URL or folder that relative paths in lists start from, None to find it. `max_files`: how many of the files are
    read, None for all. `variant`: another way of the recipe to this source, None for its first."""

    inputs: tuple[str, ...]
    languages: tuple[str, ...] | None = None
    steps: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    base_url: str | None = None
    max_files: int | None = None
    variant: str | None = None


@dataclass(frozen=True)
class ModelSettings:
    """`language_id`: path of a fastText model, None for lid.176.ftz of the installed package. `lm`: a folder with
    <language>.arpa(.bin) and <language>.sp.model, or `train`, or `none`. `reference`: a file, `train` or `none`.
    `bad_words`: a list for C4 made from the crawl, or `none`. `extraction`: weights of the main content of a page,
    `web` or `article` of this package, or a file."""

    language_id: str | None = None
    lm: str = TRAIN
    reference: str = TRAIN
    bad_words: str = NONE
    extraction: str = "web"


@dataclass(frozen=True)
class TokenizerSettings:
    vocabulary: int = 32_000  # LLaMA paper 2.1
    sample_bytes: int = 1_000_000_000  # our choice: more text moves BPE merges little
    model: str | None = None  # an existing SentencePiece model in place of training one
    reference: str | None = None  # another SentencePiece model, which the fertility is compared with


@dataclass(frozen=True)
class ShardSettings:
    # Of a shard, about: 256 MiB of uint16. One is gathered in memory, twice; 1.4T tokens are 10,000 files.
    tokens: int = 1 << 27
    validation_fraction: float = 0.001


@dataclass(frozen=True)
class Settings:
    """A checked configuration. `folder` is where relative paths start; `train` is the trainer's, unread here:
    the front door has it checked.

    `benchmarks`: files of evaluation items that the corpus is searched for. `decontaminate`: what becomes of documents
    that hold some, one of `DECONTAMINATE`, or None for what the recipe does."""

    folder: str
    sources: Mapping[str, SourceSettings]
    recipe: str = "llama1"
    seed: int = 42
    models: ModelSettings = ModelSettings()
    decontaminate: str | None = None
    benchmarks: tuple[str, ...] = ()
    tokenizer: TokenizerSettings = TokenizerSettings()
    shards: ShardSettings = ShardSettings()
    mixture: str | Mapping[str, object] = "llama1"
    tokens: int = 1_400_000_000_000  # LLaMA paper Table 1
    removed_characters: int | None = 1_000  # how much of a removed text is kept; null: all
    train: Mapping[str, Any] = field(default_factory=dict)

    def path(self, written: str) -> str:
        """A path of the configuration as an absolute path, URLs untouched."""
        if "://" in written:
            check_store(written)
            return written
        return os.path.normpath(os.path.join(self.folder, os.path.expanduser(written)))


def load_settings(path: str, overrides: Sequence[str] = ()) -> Settings:
    """Reads and checks a configuration; each override is `dotted.key=value`, the value in YAML.

    Raises UsageError naming file, key and the way out.
    """
    try:
        with open(path, encoding="utf-8") as file:
            raw = parse_yaml(file)
    except OSError as error:
        raise UsageError(f"cannot read the configuration {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise UsageError(f"{path} holds no settings; see examples/demo.yaml for the shape")
    for override in overrides:
        _set(raw, override)
    return parse_settings(raw, os.path.dirname(os.path.abspath(path)), path)


def _set(raw: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise UsageError(f"--set {override}: write KEY=VALUE, for example tokenizer.vocabulary=8000")
    *parents, last = key.split(".")
    place = raw
    for parent in parents:
        if place.get(parent) is None:  # not there, or `tokenizer:` with nothing after it
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            raise UsageError(f"--set {override}: {parent} is not a section")
    try:
        place[last] = parse_yaml(value)
    except ValueError as error:
        raise UsageError(f"--set {override}: the value is not YAML") from error


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(names)}"


def check_keys(given: Any, known: Iterable[str], where: str) -> Mapping[str, Any]:
    """The mapping `given`; UsageError when it is none or has a key that is not known."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise UsageError(f"{where}: expected a section with keys, found {shown(given)}")
    names = list(known)
    for key in given:
        if key not in names:
            written = shown(key)
            near = nearest(written.strip("'"), names)
            raise UsageError(f"{where}: unknown key {written}; {near}")
    return given


def _section(given: Any, where: str) -> Mapping[str, Any]:
    """A mapping whose keys somebody else knows; an absent one is empty."""
    return check_keys(given, given if isinstance(given, dict) else (), where)


def _fields(kind: type[Any]) -> list[str]:
    return [f.name for f in dataclasses.fields(kind)]


def _strings(value: Any, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise UsageError(f"{where}: expected a list of texts, found {shown(value)}")
    return tuple(value)


def _languages(value: Any, where: str) -> tuple[str, ...]:
    languages = _strings(value, where)
    if not languages:
        raise UsageError(f"{where} is empty, so nothing would be kept; name some, or leave it out")
    return languages


def _whole(value: Any, where: str, minimum: int = 0, maximum: int | None = None) -> int:
    try:
        number = parse_count(value)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error
    if number < minimum:
        raise UsageError(f"{where}: must be at least {minimum}, found {shown(value)}")
    if maximum is not None and number > maximum:
        raise UsageError(f"{where}: must be at most {maximum}, found {shown(value)}")
    return number


def _fraction(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise UsageError(f"{where}: expected a number from 0 to below 1, found {shown(value)}")
    return float(value)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError(f"{where}: expected a text, found {shown(value)}")
    return value


def parse_settings(raw: Mapping[str, Any], folder: str, name: str) -> Settings:
    """Checks the content of a configuration file called `name`."""
    known = [f for f in _fields(Settings) if f != "folder"]
    given = check_keys(dict(raw), known, name)
    sources = {}
    for source, section in check_keys(given.get("sources"), SOURCES, f"{name}: sources").items():
        where = f"{name}: sources.{source}"
        found = check_keys(section, _fields(SourceSettings), where)
        inputs = _strings(found.get("inputs", []), f"{where}.inputs")
        if not inputs:
            raise UsageError(f"{where}.inputs is empty; name its files, or leave the source out")
        languages, base_url, max_files = (found.get(key) for key in ("languages", "base_url", "max_files"))
        variant = found.get("variant")
        if source == "github" and max_files is not None:
            raise UsageError(
                f"{where}.max_files: its tables are read together; name the wanted files as inputs"
            )
        steps = {
            name: None if parameters == NONE else _section(parameters, f"{where}.steps.{name}")
            for name, parameters in _section(found.get("steps"), f"{where}.steps").items()
        }
        sources[source] = SourceSettings(
            inputs,
            None if languages is None else _languages(languages, f"{where}.languages"),
            steps,
            None if base_url is None else _text(base_url, f"{where}.base_url"),
            None if max_files is None else _whole(max_files, f"{where}.max_files", 1),
            None if variant is None else _text(variant, f"{where}.variant"),
        )
    if not sources:
        raise UsageError(f"{name}: no sources; name at least one of {', '.join(SOURCES)}")
    models = check_keys(given.get("models"), _fields(ModelSettings), f"{name}: models")
    tokenizer = check_keys(given.get("tokenizer"), _fields(TokenizerSettings), f"{name}: tokenizer")
    shards = check_keys(given.get("shards"), _fields(ShardSettings), f"{name}: shards")
    default = Settings(folder, sources)
    mixture = given.get("mixture", default.mixture)
    if not isinstance(mixture, str | dict):
        raise UsageError(
            f"{name}: mixture: expected a name, a file or a table of shares, found {shown(mixture)}"
        )
    removed = given.get("removed_characters", default.removed_characters)
    decontaminate = given.get("decontaminate", default.decontaminate)
    if decontaminate is not None and decontaminate not in DECONTAMINATE:
        raise UsageError(
            f"{name}: decontaminate: expected one of {', '.join(DECONTAMINATE)}, found {shown(decontaminate)}"
        )
    model = tokenizer.get("model")
    for key in ("vocabulary", "sample_bytes"):
        if model is not None and key in tokenizer:
            raise UsageError(
                f"{name}: tokenizer.{key}: only of a tokenizer that the run trains, and tokenizer.model is given; "
                "leave one out"
            )
    reference = tokenizer.get("reference")
    return Settings(
        folder=folder,
        sources=sources,
        recipe=_text(given.get("recipe", default.recipe), f"{name}: recipe"),
        seed=_whole(given.get("seed", default.seed), f"{name}: seed"),
        models=ModelSettings(
            **{k: _text(v, f"{name}: models.{k}") for k, v in models.items() if v is not None}
        ),
        decontaminate=decontaminate,
        benchmarks=_strings(given.get("benchmarks") or [], f"{name}: benchmarks"),
        tokenizer=TokenizerSettings(
            vocabulary=_whole(
                tokenizer.get("vocabulary", default.tokenizer.vocabulary),
                f"{name}: tokenizer.vocabulary",
                300,
                MAX_VOCABULARY,
            ),
            sample_bytes=_whole(
                tokenizer.get("sample_bytes", default.tokenizer.sample_bytes),
                f"{name}: tokenizer.sample_bytes",
                1,
            ),
            model=None if model is None else _text(model, f"{name}: tokenizer.model"),
            reference=None if reference is None else _text(reference, f"{name}: tokenizer.reference"),
        ),
        shards=ShardSettings(
            tokens=_whole(shards.get("tokens", default.shards.tokens), f"{name}: shards.tokens", 1),
            validation_fraction=_fraction(
                shards.get("validation_fraction", default.shards.validation_fraction),
                f"{name}: shards.validation_fraction",
            ),
        ),
        mixture=mixture,
        tokens=_whole(given.get("tokens", default.tokens), f"{name}: tokens", 1),
        removed_characters=None if removed is None else _whole(removed, f"{name}: removed_characters"),
        train=_section(given.get("train"), f"{name}: train"),
    )


def as_yaml(value: Mapping[str, Any]) -> bytes:
    """YAML with keys in the order given: the form of RUN/config.yaml."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110).encode("utf-8")
