"""The configuration: what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import inputs
from pipeline.recipes import resolve
from pipeline.settings import Settings, UsageError, load_settings
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


def test_overrides_reach_nested_keys(tmp_path: Path) -> None:
    found = settings(tmp_path, MINIMAL, "tokenizer.vocabulary=8000", "tokens=20M", "mixture={books: 1}")
    assert (found.tokenizer.vocabulary, found.tokens, found.mixture) == (8000, 20_000_000, {"books": 1})


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


def test_an_unknown_variant_is_refused(tmp_path: Path) -> None:
    text = "sources: {books: {inputs: [a.txt], variant: crawl}}"
    with pytest.raises(UsageError, match=r"sources.books.variant: 'crawl' is not known; books has none"):
        resolve(settings(tmp_path, text))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("drop_duplicate_lines: {keep: nothing}", "keep: expected one of none, first, found 'nothing'"),
        ("drop_duplicate_lines: {window_files: 0}", "window_files must be at least 1"),
        ("drop_duplicate_lines: {window_files: 2.5}", "window_files: expected a whole number"),
        ("keep_language: {languages: english}", "languages: expected a list of texts"),
        ("keep_language: {languages: {en: 1}}", "languages: expected a list of texts"),
        ("keep_language: {min_score: high}", "min_score: expected a number"),
        ("keep_length: 5", "keep_length: expected a section with keys"),
    ],
)
def test_a_parameter_of_another_type_is_refused(tmp_path: Path, step: str, message: str) -> None:
    text = f"sources: {{commoncrawl: {{inputs: [a], steps: {{{step}}}}}}}\nmodels: {{lm: none, reference: none}}\n"
    with pytest.raises(UsageError) as error:
        resolve(settings(tmp_path, text))
    assert message in str(error.value)


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
