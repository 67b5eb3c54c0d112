"""From a recipe and a configuration to what is run: the configuration's parameters in place of the defaults.

In: settings. Out: for each of their sources its reader and its steps. Whatever in a configuration would have no effect,
or could not work (a step that is not there, English rules on other languages, a model that nothing teaches), is an
error here, before any file is read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from classifiers.perplexity import resolve_trainer
from pipeline.curate import READ
from pipeline.model_files import EXTRACTION_PATH, MODEL_FIELDS
from pipeline.recipes import DECONTAMINATED, FLAGGED, RECIPES, VARIANTS, SourceRecipe, Step, TrainStep
from pipeline.settings import NONE, TRAIN, ModelSettings, Settings, UsageError, nearest
from pipeline.step_parameters import with_parameters
from pipeline.train_models import TrainPerplexity, TrainReferences
from stages.bad_words import UNSPACED_LANGUAGES, DropBadWords
from stages.c4_language import KeepC4English
from stages.decontamination import Decontaminate
from stages.extraction.weights import PROFILES
from stages.gopher import KeepGopher
from stages.language import KeepLanguage
from stages.perplexity import KeepPerplexity
from stages.references import KeepReferences
from stages.sources.common_crawl import CommonCrawl
from stages.stage import Reader
from stages.wikitext import KeepWikipediaLanguage

# The step that reads what a training step makes, by its name.
_READERS: Mapping[type, str] = {TrainPerplexity: "keep_perplexity", TrainReferences: "keep_references"}


def resolve(settings: Settings) -> dict[str, SourceRecipe]:
    """The recipe of each source of a configuration, with the configuration's parameters in place of the defaults.

    Steps that need a model set to `none` are left out, and trainings whose only reader is. Raises UsageError for an
    unknown recipe, variant, step or parameter.
    """
    if settings.recipe not in RECIPES:
        raise UsageError(f"recipe {settings.recipe!r} is not known; {nearest(settings.recipe, RECIPES)}")
    _check_benchmarks(settings)
    resolved = {}
    for source, chosen in settings.sources.items():
        recipe = _with_decontamination(settings, source, _chosen(settings, source))
        unwanted = [name for name, parameters in chosen.steps.items() if parameters is None]
        given = {name: dict(parameters or {}) for name, parameters in chosen.steps.items()}
        named = recipe.named()
        for name in unwanted:
            if name == READ or isinstance(dict(named).get(name), TrainStep):
                raise UsageError(
                    f"sources.{source}.steps.{name} cannot be left out; a model is with models: "
                    "{lm: none, reference: none}"
                )
        for name in given:
            if name not in (READ, *dict(named)):
                known = [READ, *dict(named)]
                raise UsageError(f"sources.{source}.steps: no step {name!r} here; {nearest(name, known)}")
        reader = with_parameters(recipe.reader, given.get(READ, {}), f"sources.{source}.steps.{READ}")
        language_steps = [n for n, s in named if isinstance(s, KeepLanguage | KeepWikipediaLanguage)]
        if chosen.languages is not None and not language_steps:
            raise UsageError(
                f"sources.{source}.languages: no step of {source} chooses languages; leave it out"
            )
        if isinstance(reader, CommonCrawl):
            _check_main_content(reader, given.get(READ, {}), f"sources.{source}.steps.{READ}")
            weights = settings.models.extraction
            reader = dataclasses.replace(
                reader, extraction=weights if weights in PROFILES else EXTRACTION_PATH
            )
        steps = []
        for name, step in named:
            parameters = given.get(name, {})
            where = f"sources.{source}.steps.{name}"
            if chosen.languages is not None and name in language_steps:
                if "languages" in parameters:
                    raise UsageError(
                        f"{where}.languages: sources.{source}.languages says it too; leave one out"
                    )
                parameters["languages"] = list(chosen.languages)
            chosen_step = with_parameters(step, parameters, where)
            unread = _READERS.get(type(step)) in unwanted  # a model would be trained for nobody
            if name in unwanted or unread or _left_out(step, settings.models):
                continue
            if isinstance(chosen_step, TrainPerplexity):
                chosen_step = _with_trainer(chosen_step, where)
            if isinstance(chosen_step, KeepReferences) and chosen_step.keep_fraction is not None:
                _check_trained(settings, f"{where}.keep_fraction")
            if isinstance(chosen_step, KeepPerplexity) and settings.models.lm == TRAIN:
                _check_own_cutoffs(chosen_step, f"{where}.cutoffs")
            steps.append(chosen_step)
        _check_languages(source, steps)
        _check_language_step(source, steps)
        resolved[source] = SourceRecipe(reader, tuple(steps))
    _check_weights(settings.models.extraction, [recipe.reader for recipe in resolved.values()])
    _check_models_read(settings.models, resolved)
    _check_taught(resolved)
    return resolved


def _wanted(recipe: SourceRecipe) -> tuple[str, ...] | None:
    """The languages that a source keeps; None for all."""
    chosen = (s.languages for s in recipe.steps if isinstance(s, KeepLanguage | KeepWikipediaLanguage))
    return next(chosen, None)


def _check_taught(recipes: Mapping[str, SourceRecipe]) -> None:
    """UsageError when language models are to be trained, and Wikipedia is wanted in no language of the crawl."""
    for source, recipe in recipes.items():
        if "wikipedia" in recipes and any(isinstance(step, TrainPerplexity) for step in recipe.steps):
            wanted, taught = _wanted(recipe), _wanted(recipes["wikipedia"])
            if wanted is not None and taught is not None and not set(wanted) & set(taught):
                raise UsageError(
                    f"models.lm: `train` learns from Wikipedia, and sources.wikipedia.languages has none of "
                    f"sources.{source}.languages ({', '.join(wanted)}); add one there, name a folder, or write `none`"
                )


def _check_languages(source: str, steps: Sequence[Step]) -> None:
    """UsageError when a rule made for English, or for words between blanks, meets other languages."""
    wanted = next((s.languages for s in steps if isinstance(s, KeepLanguage)), ("en",))
    english = next((s.language for s in steps if isinstance(s, KeepC4English)), "")
    where = f"sources.{source}.steps.keep_gopher"
    for step in steps:
        if isinstance(step, DropBadWords) and english not in ("", step.language):
            raise UsageError(
                f"sources.{source}.steps.drop_bad_words.language: {step.language}, and keep_c4_english keeps {english} "
                "only, so no page would be searched; make them equal"
            )
        if not isinstance(step, KeepGopher):
            continue
        others = "all languages" if wanted is None else ", ".join(sorted(set(wanted) - {"en"}))
        if others and step.min_stop_words:
            raise UsageError(
                f"{where}: its stop words are English and the wanted languages are not ({others}); "
                f"set {where}: {{min_stop_words: 0}}, or keep en only"
            )
        unspaced = "all languages" if wanted is None else ", ".join(sorted(set(wanted) & UNSPACED_LANGUAGES))
        if unspaced and step.max_mean_word_characters <= KeepGopher.max_mean_word_characters:
            raise UsageError(
                f"{where}: it takes for a word what stands between blanks, and not all wanted languages set them "
                f"({unspaced}); set {where}: {{min_words: 0, max_mean_word_characters: 100000}}, or leave them out"
            )


def _check_language_step(source: str, steps: Sequence[Step]) -> None:
    """UsageError when language models would judge documents whose language nobody has told."""
    kinds = {type(step) for step in steps}
    if KeepPerplexity in kinds and KeepLanguage not in kinds:
        raise UsageError(
            f"sources.{source}.steps.keep_language cannot be left out, as keep_perplexity goes by the language that it "
            "finds; leave out both, or keep all with keep_language: {languages: null, min_score: 0}"
        )


def _check_main_content(reader: CommonCrawl, given: Mapping[str, object], where: str) -> None:
    """UsageError for parameters of the main-content extractor where the whole text of a page is read."""
    for name in ("comments", "extraction_threshold"):
        if name in given and not reader.main_content:
            raise UsageError(f"{where}.{name}: only for main content; set {where}.main_content: true too")


def _check_weights(weights: str, readers: Sequence[Reader]) -> None:
    """UsageError when weights of the extractor are chosen and nothing uses them."""
    used = any(isinstance(reader, CommonCrawl) and reader.main_content for reader in readers)
    if weights != ModelSettings.extraction and not used:
        raise UsageError(
            f"models.extraction: {weights}, and no source reads main content; set "
            f"sources.commoncrawl.steps.{READ}.main_content: true, or leave it out"
        )


def _check_models_read(models: ModelSettings, recipes: Mapping[str, SourceRecipe]) -> None:
    """UsageError when a model is named and no step reads it."""
    kinds = {type(step) for recipe in recipes.values() for step in recipe.steps}
    readers = {
        KeepLanguage: models.language_id,
        KeepPerplexity: models.lm,
        KeepReferences: models.reference,
        DropBadWords: models.bad_words,
    }
    for kind, given in readers.items():
        if given not in (None, TRAIN, NONE) and kind not in kinds:
            raise UsageError(
                f"{MODEL_FIELDS[kind][1]}: {given}, and no step of these sources reads it; leave it out"
            )


def _check_own_cutoffs(step: KeepPerplexity, where: str) -> None:
    if step.cutoffs != "folder":
        raise UsageError(
            f"{where}: CCNet's cut-offs are for its own models; name their folder in models.lm, or leave this out"
        )


def _with_trainer(step: TrainPerplexity, where: str) -> TrainPerplexity:
    """The step with the trainer that `auto` means here, so that the configuration of the run tells."""
    try:
        return dataclasses.replace(step, trainer=resolve_trainer(step.trainer, step.kenlm_programs))
    except ValueError as error:
        raise UsageError(f"{where}.trainer: {error}") from error


def _check_trained(settings: Settings, where: str) -> None:
    if settings.models.reference != TRAIN:
        raise UsageError(f"{where}: a given model has no counts of this crawl; set min_probability")


def _chosen(settings: Settings, source: str) -> SourceRecipe:
    variant = settings.sources[source].variant
    if variant is None:
        return RECIPES[settings.recipe][source]
    if (source, variant) not in VARIANTS:
        known = [name for of_source, name in VARIANTS if of_source == source]
        there = nearest(variant, known) if known else f"{source} has none; leave it out"
        raise UsageError(f"sources.{source}.variant: {variant!r} is not known; {there}")
    return VARIANTS[source, variant]


def _check_benchmarks(settings: Settings) -> None:
    """UsageError when benchmarks are wanted and not named, or named and not used."""
    if settings.decontaminate not in (None, NONE) and not settings.benchmarks:
        raise UsageError(
            f"decontaminate: {settings.decontaminate}, and no benchmark is named; name files in benchmarks"
        )
    if settings.decontaminate is None and settings.benchmarks and settings.recipe not in DECONTAMINATED:
        raise UsageError(
            f"benchmarks: recipe {settings.recipe} does not search for them; set decontaminate: flag, drop or none"
        )


def _with_decontamination(settings: Settings, source: str, recipe: SourceRecipe) -> SourceRecipe:
    """The recipe with `Decontaminate` as its last step, if it is wanted and there is something to search for."""
    if settings.decontaminate == NONE or not settings.benchmarks:
        return recipe
    drops = settings.decontaminate == "drop" or (settings.decontaminate is None and source not in FLAGGED)
    return SourceRecipe(recipe.reader, (*recipe.steps, Decontaminate(mode="drop" if drops else "flag")))


def _left_out(step: Step, models: ModelSettings) -> bool:
    """Whether a step has nothing to do: its model is not wanted, or is given and need not be trained."""
    if isinstance(step, TrainPerplexity | TrainReferences):
        return (models.lm if isinstance(step, TrainPerplexity) else models.reference) != TRAIN
    if isinstance(step, KeepPerplexity):
        return models.lm == NONE
    if isinstance(step, DropBadWords):
        return models.bad_words == NONE
    return isinstance(step, KeepReferences) and models.reference == NONE
