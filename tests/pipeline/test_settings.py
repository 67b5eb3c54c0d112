"""The configuration: what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import inputs
from pipeline.recipes import RECIPES, DuplicateStep
from pipeline.resolve_recipes import resolve
from pipeline.settings import Settings, UsageError, load_settings
from stages.language import KeepLanguage
from stages.sources.common_crawl import CommonCrawl


def settings(tmp_path: Path, text: str, *overrides: str) -> Settings:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(str(path), overrides)


MINIMAL = "sources: {books: {inputs: [a.txt]}}\n"


def test_defaults_are_those_of_the_paper(tmp_path: Path) -> None:
    found = settings(tmp_path, MINIMAL)
    assert (found.recipe, found.tokenizer.vocabulary, found.tokens) == ("llama1", 32_000, 1_400_000_000_000)
    assert found.mixture == "llama1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sorces: {}\n", "unknown key 'sorces'; did you mean sources?"),
        ("sources: {wikipdia: {inputs: [a]}}\n", "unknown key 'wikipdia'; did you mean wikipedia?"),
        ("sources: {books: {input: [a]}}\n", "unknown key 'input'; did you mean inputs?"),
        ("sources: {books: {inputs: []}}\n", "sources.books.inputs is empty"),
        ("seed: 1\n", "no sources; name at least one of commoncrawl"),
        (MINIMAL + "tokens: many\n", "tokens: "),
        (MINIMAL + "tokenizer: {vocabulary: 10}\n", "tokenizer.vocabulary: must be at least 300"),
        (MINIMAL + "tokenizer: {vocabulary: 200B}\n", "tokenizer.vocabulary: must be at most 1048576"),
        (
            MINIMAL + "tokenizer: {model: a, vocabulary: 500}\n",
            "tokenizer.vocabulary: only of a tokenizer that",
        ),
        (MINIMAL + "tokenizer: {model: a, sample_bytes: 9}\n", "tokenizer.sample_bytes: only of a tokenizer"),
        (MINIMAL + "shards: {validation_fraction: 2}\n", "expected a number from 0 to below 1"),
        ("sources: [", "is not YAML"),
        ("just text", "holds no settings"),
    ],
)
def test_mistakes_are_named_with_the_way_out(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        settings(tmp_path, text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


# Four levels of 30 aliases: a value whose text is a thousand times as long as the file.
BOMB = "[&a [" + "y, " * 30 + "], &b [" + "*a, " * 30 + "], &c [" + "*b, " * 30 + "], [" + "*c, " * 30 + "]]"


@pytest.mark.parametrize(
    "key",
    [
        "tokens",
        "seed",
        "mixture",
        "recipe",
        "decontaminate",
        "tokenizer",
        "shards: {validation_fraction",
        "sources",
        "sources: {books: {inputs",
        "sources: {commoncrawl: {inputs: [a], steps: {keep_length: {min_characters",
    ],
)
def test_nested_aliases_are_refused_in_a_short_line(tmp_path: Path, key: str) -> None:
    text = f"{key}: {BOMB}{'}' * key.count('{')}\n"
    with pytest.raises(UsageError) as error:
        resolve(settings(tmp_path, text if key.startswith("sources") else MINIMAL + text))
    assert len(str(error.value)) < len(str(tmp_path)) + 500 and "\n" not in str(error.value)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not YAML: the key 'seed' stands twice .*line 3"):
        settings(tmp_path, MINIMAL + "seed: 1\nseed: 2\n")


def test_overrides_reach_nested_keys(tmp_path: Path) -> None:
    found = settings(tmp_path, MINIMAL, "tokenizer.vocabulary=8000", "tokens=20M", "mixture={books: 1}")
    assert (found.tokenizer.vocabulary, found.tokens, found.mixture) == (8000, 20_000_000, {"books": 1})


def test_overrides_reach_into_an_empty_section(tmp_path: Path) -> None:
    found = settings(tmp_path, MINIMAL + "tokenizer:\n", "tokenizer.vocabulary=600")
    assert found.tokenizer.vocabulary == 600
    with pytest.raises(UsageError, match=r"--set recipe\.name=plus: recipe is not a section"):
        settings(tmp_path, MINIMAL + "recipe: plus\n", "recipe.name=plus")


def test_an_override_without_a_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="write KEY=VALUE"):
        settings(tmp_path, MINIMAL, "seed")


def test_a_glob_without_a_match_is_named(tmp_path: Path) -> None:
    found = settings(tmp_path, "sources: {books: {inputs: ['none/*.txt']}}\n")
    with pytest.raises(UsageError, match=r"sources.books.inputs: none/\*.txt matches no file"):
        inputs.expand(found, "books")


def test_inputs_are_sorted_named_as_written_and_taken_once(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.md"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    found = settings(tmp_path, "sources: {books: {inputs: ['*.txt', a.txt]}}\n")
    assert [name for _, name in inputs.expand(found, "books")] == ["a.txt", "b.txt"]
    assert inputs.expand(found, "books")[0][0] == str(tmp_path / "a.txt")


def test_a_list_of_paths_starts_at_the_folder_that_has_them(tmp_path: Path) -> None:
    (tmp_path / "crawl/segment").mkdir(parents=True)
    (tmp_path / "crawl/segment/1.warc").write_text("x", encoding="utf-8")
    (tmp_path / "crawl/lists").mkdir()
    (tmp_path / "crawl/lists/warc.paths").write_text("segment/1.warc\n", encoding="utf-8")
    found = settings(tmp_path, "sources: {commoncrawl: {inputs: [crawl/lists/warc.paths]}}\n")
    assert inputs.expand(found, "commoncrawl") == [
        (str(tmp_path / "crawl/segment/1.warc"), "crawl/segment/1.warc")
    ]


def test_a_step_parameter_can_be_set_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    text = "sources: {{commoncrawl: {{inputs: [a], steps: {{{}}}}}}}\nmodels: {{lm: none, reference: none}}\n"
    steps = dict(
        resolve(settings(tmp_path, text.format("keep_length: {min_characters: 5}")))["commoncrawl"].named()
    )
    assert steps["keep_length"].min_characters == 5  # type: ignore[union-attr]
    assert "keep_perplexity" not in steps and "train_references" not in steps
    with pytest.raises(UsageError, match="no step 'keep_lenght' here; did you mean keep_length"):
        resolve(settings(tmp_path, text.format("keep_lenght: {}")))
    with pytest.raises(UsageError, match="unknown parameter 'min_character'; did you mean min_characters"):
        resolve(settings(tmp_path, text.format("keep_length: {min_character: 5}")))
    with pytest.raises(UsageError, match="min_characters: expected a whole number"):
        resolve(settings(tmp_path, text.format("keep_length: {min_characters: five}")))


def test_a_parameter_of_the_reader_is_set_as_one_of_a_step(tmp_path: Path) -> None:
    (tmp_path / "a.warc.gz").touch()
    text = "sources: {commoncrawl: {inputs: [a.warc.gz], steps: {read: {main_content: true}}}}"
    reader = resolve(settings(tmp_path, text))["commoncrawl"].reader
    assert reader == CommonCrawl(main_content=True)


def test_a_step_can_be_left_out_so_that_its_numbers_stay_and_nothing_goes(tmp_path: Path) -> None:
    text = "sources: {{commoncrawl: {{inputs: [a], steps: {{{}: none}}}}}}\n"
    text += "recipe: plus\nmodels: {{lm: none, reference: none}}\n"
    steps = dict(resolve(settings(tmp_path, text.format("keep_gopher")))["commoncrawl"].named())
    assert "measure_gopher" in steps and "keep_gopher" not in steps
    for name in ("read", "train_references"):
        with pytest.raises(UsageError, match=rf"steps.{name} cannot be left out"):
            resolve(settings(tmp_path, text.format(name)))
    with pytest.raises(UsageError, match="no step 'keep_gophers' here; did you mean keep_gopher"):
        resolve(settings(tmp_path, text.format("keep_gophers")))


@pytest.mark.parametrize(
    ("recipe", "steps", "models", "trained"),
    [
        ("llama1", "keep_perplexity: none", "", ["train_references"]),
        ("plus", "keep_references: none", "", ["train_perplexity"]),
        ("llama1", "keep_perplexity: none, keep_references: none", "", []),
        ("llama1", "keep_perplexity: none", "{reference: none}", []),
        ("plus", "keep_references: none", "{lm: none}", []),
    ],
)
def test_a_model_is_not_trained_when_the_step_that_reads_it_is_left_out(
    tmp_path: Path, recipe: str, steps: str, models: str, trained: list[str]
) -> None:
    text = CRAWL.format(languages="[en]", steps=steps, recipe=recipe) + f"models: {models}\n"
    names = [name for name, _ in resolve(settings(tmp_path, text))["commoncrawl"].named()]
    assert [name for name in names if name.startswith("train_")] == trained
    assert not names[-1].startswith("train_")


@pytest.mark.parametrize("recipe", ["llama1", "plus"])
@pytest.mark.parametrize("lm", ["train", "folder"])
def test_the_language_step_stays_while_language_models_judge(tmp_path: Path, recipe: str, lm: str) -> None:
    text = "sources: {{commoncrawl: {{inputs: [a], steps: {{keep_language: none, keep_gopher: none{}}}}}}}\n"
    if recipe == "llama1":
        text = text.replace(", keep_gopher: none", "")
    text += f"recipe: {recipe}\nmodels: {{{{lm: {lm}}}}}\n"
    with pytest.raises(
        UsageError, match=r"commoncrawl\.steps\.keep_language cannot be left out, as keep_perplexity"
    ):
        resolve(settings(tmp_path, text.format("")))
    text = text.replace("folder", "train")
    names = [
        s
        for s, _ in resolve(settings(tmp_path, text.format(", keep_perplexity: none")))["commoncrawl"].named()
    ]
    assert "keep_language" not in names and "train_perplexity" not in names


@pytest.mark.parametrize(
    ("sources", "model"),
    [
        ("books: {inputs: [a]}", "language_id: lid.ftz"),
        ("books: {inputs: [a]}", "lm: lms"),
        ("c4: {inputs: [a], variant: crawl}", "reference: r.bin"),
        ("c4: {inputs: [a]}", "bad_words: words.txt"),
        ("commoncrawl: {inputs: [a], steps: {keep_perplexity: none}}", "lm: lms"),
    ],
)
def test_a_model_that_no_step_reads_is_refused(tmp_path: Path, sources: str, model: str) -> None:
    text = f"sources: {{{sources}}}\nmodels: {{{model}}}\n"
    name, _, path = model.partition(": ")
    with pytest.raises(UsageError, match=rf"^models\.{name}: {path}, and no step of these sources reads it"):
        resolve(settings(tmp_path, text))
    resolve(settings(tmp_path, f"sources: {{{sources}}}\n{UNTRAINED}"))


@pytest.mark.parametrize(
    ("source", "step", "message"),
    [
        ("commoncrawl", "train_perplexity: {order: 99}", "order must be 2 to 6, not 99"),
        ("commoncrawl", "train_perplexity: {order: 1}", "order must be 2 to 6, not 1"),
        ("commoncrawl", "train_perplexity: {vocabulary: 0}", "counts of pieces, articles, bytes and pages"),
        ("github", "keep_permissive_license: {licenses: []}", "licenses is empty, so nothing would be kept"),
        ("github", "keep_source_file: {suffixes: [], names: []}", "suffixes and names are empty, so nothing"),
    ],
)
def test_what_would_fail_or_keep_nothing_days_later_is_refused(
    tmp_path: Path, source: str, step: str, message: str
) -> None:
    with pytest.raises(UsageError, match=f"^sources.{source}.steps.{step.partition(':')[0]}: {message}"):
        resolve(settings(tmp_path, f"sources: {{{source}: {{inputs: [a], steps: {{{step}}}}}}}\n"))


def test_small_numbers_may_be_written_with_an_exponent(tmp_path: Path) -> None:
    text = "sources: {commoncrawl: {inputs: [a], steps: {keep_language: {min_score: 5e-1}}}}\n" + UNTRAINED
    found = settings(tmp_path, text, "shards.validation_fraction=1e-3", "tokens=2e12")
    assert (found.shards.validation_fraction, found.tokens) == (0.001, 2_000_000_000_000)
    steps = dict(resolve(found)["commoncrawl"].named())
    assert steps["keep_language"].min_score == 0.5  # type: ignore[union-attr]


def test_an_unknown_variant_is_refused(tmp_path: Path) -> None:
    text = "sources: {books: {inputs: [a.txt], variant: crawl}}"
    with pytest.raises(UsageError, match=r"sources.books.variant: 'crawl' is not known; books has none"):
        resolve(settings(tmp_path, text))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("drop_duplicate_lines: {keep: nothing}", "keep: expected one of none, first, found 'nothing'"),
        ("drop_duplicate_lines: {window_files: 0}", "window_files must be at least 1"),
        ("drop_duplicate_lines: {window_files: -1}", "window_files: expected a whole number of at least 0"),
        ("drop_duplicate_lines: {window_files: 2.5}", "window_files: expected a whole number"),
        ("keep_language: {languages: english}", "languages: expected a list of texts"),
        ("keep_language: {languages: {en: 1}}", "languages: expected a list of texts"),
        ("keep_language: {min_score: high}", "min_score: expected a number"),
        ("keep_language: {min_score: .nan}", "min_score: expected a finite number, found nan"),
        ("read: {extraction_threshold: .inf}", "extraction_threshold: expected a finite number, found inf"),
        ("keep_language: {languages: [english]}", "'english' is no code"),
        ("keep_language: {languages: []}", "languages is empty"),
        ("keep_length: {max_characters: 5}", "max_characters must be at least 300, not 5"),
        ("keep_perplexity: {keep: [haed]}", "keep: expected one of head, middle, tail, found 'haed'"),
        ("keep_perplexity: {cutoffs: cccnet}", "cutoffs: expected one of folder, ccnet, found 'cccnet'"),
        ("keep_language: {model: x.ftz}", "keep_language.model cannot be set here; set models.language_id"),
        ("keep_perplexity: {models: lm}", "keep_perplexity.models cannot be set here; set models.lm"),
        ("keep_references: {model: x.bin}", "keep_references.model cannot be set here; set models.reference"),
        ("read: {extraction: article}", "read.extraction cannot be set here; set models.extraction"),
        ("read: {source: foo}", "read.source cannot be set; it is the name under sources"),
        ("keep_length: 5", "keep_length: expected a section with keys"),
    ],
)
def test_a_parameter_of_another_type_is_refused(tmp_path: Path, step: str, message: str) -> None:
    text = f"sources: {{commoncrawl: {{inputs: [a], steps: {{{step}}}}}}}\nmodels: {{lm: none, reference: none}}\n"
    with pytest.raises(UsageError) as error:
        resolve(settings(tmp_path, text))
    assert message in str(error.value)


@pytest.mark.parametrize("parameter", ["comments: dropped", "extraction_threshold: 0.2"])
def test_parameters_of_the_main_content_need_main_content(tmp_path: Path, parameter: str) -> None:
    text = "sources: {{commoncrawl: {{inputs: [a], steps: {{read: {{{}}}}}}}}}\nmodels: {{lm: none, reference: none}}\n"
    name = parameter.partition(":")[0]
    with pytest.raises(
        UsageError, match=rf"steps\.read\.{name}: only for main content; set .*main_content: true"
    ):
        resolve(settings(tmp_path, text.format(parameter)))
    resolve(settings(tmp_path, text.format(parameter + ", main_content: true")))


def test_weights_of_the_extractor_need_a_source_that_reads_main_content(tmp_path: Path) -> None:
    text = "sources: {commoncrawl: {inputs: [a]}}\nmodels: {lm: none, reference: none, extraction: article}\n"
    with pytest.raises(
        UsageError, match=r"^models\.extraction: article, and no source reads main content; set"
    ):
        resolve(settings(tmp_path, text))
    resolve(settings(tmp_path, text + "recipe: plus\n"))


def test_a_model_that_is_given_is_not_trained(tmp_path: Path) -> None:
    text = "sources: {commoncrawl: {inputs: [a]}}\nmodels: {lm: lms, reference: r.bin}\n"
    names = [name for name, _ in resolve(settings(tmp_path, text))["commoncrawl"].named()]
    assert "keep_perplexity" in names and "keep_references" in names
    assert not any(name.startswith("train_") for name in names)


def test_a_file_that_two_patterns_reach_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    found = settings(tmp_path, f"sources: {{books: {{inputs: [a.txt, '{tmp_path}/a.txt']}}}}\n")
    assert [name for _, name in inputs.expand(found, "books")] == ["a.txt"]


def test_an_unknown_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="recipe 'lama1' is not known; did you mean llama1"):
        resolve(settings(tmp_path, MINIMAL + "recipe: lama1\n"))


CRAWL = "sources: {{commoncrawl: {{inputs: [a], languages: {languages}, steps: {{{steps}}}}}}}\nrecipe: {recipe}\n"
UNTRAINED = "models: {lm: none, reference: none}\n"


@pytest.mark.parametrize("recipe", ["llama1", "plus"])
def test_no_rule_takes_a_window_of_no_files(tmp_path: Path, recipe: str) -> None:
    checked = set()
    for source, found in RECIPES[recipe].items():
        for name, step in found.named():
            if isinstance(step, DuplicateStep):
                text = f"sources: {{{source}: {{inputs: [a], steps: {{{name}: {{window_files: 0}}}}}}}}\n"
                text += f"recipe: {recipe}\n"
                with pytest.raises(
                    UsageError, match=rf"{source}\.steps\.{name}: window_files must be at least 1"
                ):
                    resolve(settings(tmp_path, text + UNTRAINED))
                checked.add(type(step))
    assert len(checked) >= 4


@pytest.mark.parametrize(("languages", "named"), [("[de]", r"\(de\)"), ("[de, en, fr]", r"\(de, fr\)")])
def test_english_rules_are_not_taken_for_other_languages(tmp_path: Path, languages: str, named: str) -> None:
    def resolved(steps: str) -> None:
        resolve(settings(tmp_path, CRAWL.format(languages=languages, steps=steps, recipe="plus") + UNTRAINED))

    with pytest.raises(UsageError, match=rf"stop words are English .*{named}; set .*: {{min_stop_words: 0}}"):
        resolved("")
    resolved("keep_gopher: {min_stop_words: 0}")


def test_all_languages_need_other_rules_too(tmp_path: Path) -> None:
    def resolved(gopher: str) -> None:
        steps = f"keep_language: {{languages: null}}, keep_gopher: {{{gopher}}}"
        resolve(settings(tmp_path, f"sources: {{commoncrawl: {{inputs: [a], steps: {{{steps}}}}}}}\n{rest}"))

    rest = "recipe: plus\n" + UNTRAINED
    with pytest.raises(UsageError, match=r"stop words are English .*all languages"):
        resolved("")
    with pytest.raises(
        UsageError, match=r"stands between blanks, .*all languages.* max_mean_word_characters"
    ):
        resolved("min_stop_words: 0")
    resolved("min_stop_words: 0, min_words: 0, max_mean_word_characters: 100000")


@pytest.mark.parametrize("recipe", ["llama1", "plus"])
@pytest.mark.parametrize("languages", ["[en]", "en"])
def test_english_alone_is_taken_by_both_recipes(tmp_path: Path, recipe: str, languages: str) -> None:
    found = resolve(
        settings(tmp_path, CRAWL.format(languages=languages, steps="", recipe=recipe) + UNTRAINED)
    )
    assert [s.languages for s in found["commoncrawl"].steps if isinstance(s, KeepLanguage)] == [("en",)]


@pytest.mark.parametrize("source", ["c4", "github", "books", "arxiv", "stackexchange"])
def test_languages_of_a_source_that_does_not_choose_are_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(
        UsageError, match=rf"^sources\.{source}\.languages: no step of {source} chooses languages"
    ):
        resolve(settings(tmp_path, f"sources: {{{source}: {{inputs: [a], languages: [en]}}}}"))


def test_languages_are_said_once_and_not_empty(tmp_path: Path) -> None:
    text = CRAWL.format(languages="[de]", steps="keep_language: {languages: [en]}", recipe="llama1")
    with pytest.raises(
        UsageError, match=r"keep_language\.languages: sources\.commoncrawl\.languages says it too"
    ):
        resolve(settings(tmp_path, text))
    with pytest.raises(UsageError, match=r"sources\.commoncrawl\.languages is empty"):
        settings(tmp_path, CRAWL.format(languages="[]", steps="", recipe="llama1"))
    text = "sources: {wikipedia: {inputs: [a], steps: {keep_wikipedia_language: {languages: []}}}}"
    with pytest.raises(UsageError, match="languages is empty"):
        resolve(settings(tmp_path, text))


def test_steps_that_a_missing_model_leaves_out_are_checked_all_the_same(tmp_path: Path) -> None:
    text = CRAWL.format(languages="[en]", steps="keep_perplexity: {cutoffs: mine}", recipe="llama1")
    with pytest.raises(UsageError, match="cutoffs: expected one of folder, ccnet"):
        resolve(settings(tmp_path, text + UNTRAINED))


def test_models_that_the_run_trains_have_their_own_cutoffs(tmp_path: Path) -> None:
    text = CRAWL.format(languages="[en]", steps="keep_perplexity: {cutoffs: ccnet}", recipe="llama1")
    with pytest.raises(
        UsageError, match=r"keep_perplexity\.cutoffs: CCNet's cut-offs are for its own models"
    ):
        resolve(settings(tmp_path, text))
    resolve(settings(tmp_path, text + "models: {lm: ccnet}\n"))


def test_a_language_model_needs_a_wikipedia_in_a_wanted_language(tmp_path: Path) -> None:
    text = "sources: {{commoncrawl: {{inputs: [a], languages: {}}}, wikipedia: {{inputs: [b], languages: [en, de]}}}}\n"
    with pytest.raises(
        UsageError, match=r"wikipedia\.languages has none of .*commoncrawl\.languages \(ja\); add one"
    ):
        resolve(settings(tmp_path, text.format("[ja]")))
    resolve(settings(tmp_path, text.format("[ja, de]")))
    resolve(settings(tmp_path, text.format("[ja]") + "models: {lm: none}\n"))


@pytest.mark.parametrize("name", ["files", "licenses", "open_file"])
def test_what_the_pipeline_fills_in_cannot_be_set(tmp_path: Path, name: str) -> None:
    text = f"sources: {{github: {{inputs: [a], steps: {{read: {{{name}: [b]}}}}}}}}"
    with pytest.raises(UsageError, match=rf"read\.{name} cannot be set"):
        resolve(settings(tmp_path, text))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("keep_c4_english: {min_probability: 5}", r"min_probability must be in 0\.\.1, not 5"),
        ("keep_c4_english: {language: xx}", "langdetect has no language 'xx'"),
        ("keep_c4_english: {language: de}", "de only, so no page would be searched"),
        ("drop_bad_words: {language: de}", "language: de, and keep_c4_english keeps en only"),
        ("drop_bad_words: {model: words.txt}", r"set models\.bad_words"),
        ("read: {source: commoncrawl}", "read.source cannot be set"),
    ],
)
def test_c4_of_the_crawl_refuses_what_would_keep_or_search_nothing(
    tmp_path: Path, step: str, message: str
) -> None:
    text = f"sources: {{c4: {{inputs: [a], variant: crawl, steps: {{{step}}}}}}}\nmodels: {{bad_words: words.txt}}\n"
    with pytest.raises(UsageError, match=message):
        resolve(settings(tmp_path, text))


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("max_mean_word_characters: 1.0e+300", "a limit is a number from 0"),
        ("max_mean_word_characters: .nan", "expected a finite number"),
        ("min_mean_word_characters: 11", "min_mean_word_characters is 11, above max_mean_word_characters"),
    ],
)
def test_a_limit_that_no_score_can_meet_is_refused(tmp_path: Path, limit: str, message: str) -> None:
    text = CRAWL.format(languages="[en]", steps=f"keep_gopher: {{{limit}}}", recipe="plus")
    with pytest.raises(UsageError, match=message):
        resolve(settings(tmp_path, text + UNTRAINED))
