from __future__ import annotations

import pytest

from stages.sentences import SentenceModel, english_sentences

# Counts as NLTK 3.8.1 gives them with its English model.
COUNTS = [
    ("", 0),
    ("One sentence without an end", 1),
    ("One. Two. Three.", 3),
    ("Mr. Smith met Dr. Jones in the U.S. last week.", 1),
    ("He moved to the U.S. The weather was better there.", 2),
    ("Shares of J. Walter rose. So did those of B. Altman.", 2),
    ("It cost 3. something and then 5. Dollars", 2),
    ('He said "Stop!" Then he left.', 2),
    ("(It was late.) We went home.", 2),
    ("Really?! Yes... and no.", 2),
    ("Wait. . . what?", 4),
    ("First line.\nSecond line.", 2),
    ("He came at 5 p.m. and left.", 1),
    ("end.Next begins without a blank.", 1),
    ("See fig. 3. However, it fails.", 3),
    ('It ended. "', 1),
    ('He said "no." (Maybe.)', 2),
]


@pytest.mark.parametrize(("text", "sentences"), COUNTS)
def test_counts_as_nltk_does(text: str, sentences: int) -> None:
    assert english_sentences().count(text) == sentences


def test_stops_counting_at_the_limit() -> None:
    assert english_sentences().count("One. Two. Three. Four.", at_most=3) == 3
    assert english_sentences().count("One. Two.", at_most=3) == 2


def test_an_abbreviation_ends_a_sentence_only_before_a_word_that_begins_sentences() -> None:
    contexts = {"we": 0b0100010, "bonn": 0b0000100}  # `We` begins, `we` is inside; `Bonn` is inside
    model = SentenceModel(frozenset({"dr"}), frozenset(), frozenset(), contexts)
    assert model.count("He saw the dr. We left.") == 2
    assert model.count("He saw the dr. Bonn left.") == 1
    starters = SentenceModel(frozenset({"dr"}), frozenset(), frozenset({"bonn"}), contexts)
    assert starters.count("He saw the dr. Bonn left.") == 2


def test_a_collocation_crosses_a_full_stop() -> None:
    plain = SentenceModel(frozenset(), frozenset(), frozenset(), {})
    assert plain.count("At no. Seven they met.") == 2
    known = SentenceModel(frozenset(), frozenset({("no", "seven")}), frozenset(), {})
    assert known.count("At no. Seven they met.") == 1


def test_an_initial_does_not_end_a_sentence_before_a_name() -> None:
    model = SentenceModel(frozenset(), frozenset(), frozenset(), {"then": 0b0100010})
    assert model.count("They played J. Bach again.") == 1
    assert model.count("They got an F. Then they left.") == 2
