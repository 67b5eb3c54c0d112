"""YAML that is hostile or wrong ends in one short line."""

from __future__ import annotations

import time

import pytest

from mixtures.outside_yaml import parse_yaml, shown

# Nine levels of nine aliases: 9^9 words when written out.
BOMB = "\n".join(
    ["a0: &a0 [" + ", ".join(["lol"] * 9) + "]"]
    + [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 9)]
)


def test_a_value_of_nested_aliases_is_shown_cut() -> None:
    bomb = parse_yaml(BOMB)
    assert isinstance(bomb, dict)
    started = time.process_time()
    inner = "[[...], [...], [...], [...], ...]"
    assert shown(bomb["a8"]) == f"[{inner}, {inner}, {inner}, {inner}, ...]"
    assert len(shown(bomb)) < 500 and len(shown({"k": bomb, "l": [bomb] * 9})) < 500
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("books", "'books'"),
        (True, "True"),
        (-1.5, "-1.5"),
        (None, "None"),
        ({"books": [1]}, "{'books': [1]}"),
        (["a"] * 5, "['a', 'a', 'a', 'a', ...]"),
        pytest.param(10**60_000, "a number of thousands of digits", id="huge"),
    ],
)
def test_other_values_are_shown_as_they_are(value: object, text: str) -> None:
    assert shown(value) == text


def test_long_texts_are_shown_cut() -> None:
    assert len(shown("x" * 10**6)) <= 100
    assert len(shown("\x00" * 10**6)) <= 100


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("books: 1\nbooks: 2", "the key 'books' stands twice"),
        ("books: 1\n'books': 2", "the key 'books' stands twice"),
        ("weights: {books: 1, c4: 1, books: 1}", "the key 'books' stands twice"),
        ("1: a\n1: b", "the key '1' stands twice"),
        pytest.param("books: " + "9" * 60_000, "60000 digits", id="huge"),
        ("books: [", "expected the node content"),
        ("books: !!bool maybe", "maybe"),
        ("books: !!int ''", "index out of range"),
        ("books: !!timestamp soon", "no attribute"),
        (b"books: \xff", "invalid start byte"),
        pytest.param("[" * 100_000, "nested too deep", id="deep"),
    ],
)
def test_what_is_no_yaml_is_refused_in_one_line(content: str | bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as error:
        parse_yaml(content)
    assert "\n" not in str(error.value) and len(str(error.value)) <= 400


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-9", 1e-9),
        ("-3E4", -3e4),
        (".5e1", 5.0),
        ("2.e+3", 2000.0),
        ("'1e-9'", "1e-9"),
        ("1e", "1e"),
        ("e5", "e5"),
        ("1e5x", "1e5x"),
        ("12:1e5", "12:1e5"),
    ],
)
def test_numbers_with_an_exponent_are_those_of_yaml_1_2(written: str, value: object) -> None:
    assert parse_yaml(f"a: {written}") == {"a": value}


def test_nested_merges_are_refused_before_they_are_made() -> None:
    """Nine levels of ten merges: 10^9 keys."""
    merges = ["a0: &a0 {x: 1}"]
    merges += [f"a{n}: &a{n} {{<<: [" + ", ".join([f"*a{n - 1}"] * 10) + "]}" for n in range(1, 10)]
    with pytest.raises(ValueError, match="merges repeat over 10000 keys"):
        parse_yaml("\n".join(merges))
    with pytest.raises(ValueError, match="merges repeat over 10000 keys"):
        parse_yaml("a: &a {}\nb: {<<: [" + "*a, " * 20_000 + "]}")
    with pytest.raises(ValueError, match="nested too deep"):
        parse_yaml("a: &a {<<: *a}")


def test_merged_keys_may_be_given_again() -> None:
    """Also where the merged table is read before the table that it stands in."""
    assert parse_yaml(
        "b: &b {x: 2}\nouter: {a: &a {<<: *b, x: 1}}\nc: {<<: *a, y: 3}\nd: {<<: *b, <<: *a}"
    ) == {
        "b": {"x": 2},
        "outer": {"a": {"x": 1}},
        "c": {"x": 1, "y": 3},
        "d": {"x": 1},
    }
    assert parse_yaml("{1: a, '1': b}") == {1: "a", "1": "b"}
