from __future__ import annotations

import pytest

from classifiers.lm_text import normalize


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Été À Paris ", "ete a paris"),
        ("In 1984 and ١٢, １", "in 0000 and 00, 0"),
        ("“a” – b — c…", '"a" - b  -  c...'),
        ("News :\nOrissa\tnow\x85", "news :orissanow"),
        ("x² ½ ß", "x² ½ ß"),
        ("‘a’", "‘a'"),
        ("İ", "i"),
        ("ΟΔΟΣ", "οδος"),
        ("中文，好。", "中文,好."),
        ("", ""),
    ],
)
def test_normalizes_as_ccnet(text: str, expected: str) -> None:
    assert normalize(text) == expected


def test_knows_34_signs_less_the_digit_that_never_matters() -> None:
    signs = "，。、„”“«»」「《》´∶：？！（）；–—．～’…━〈〉【】％►"
    assert len(signs) == 33
    assert all(normalize(f"a{sign}a").isascii() for sign in signs)
