"""How the mixture report writes numbers and foreign text."""

from __future__ import annotations

import time

from mixtures.report_text import count, markdown_cell, masked, ratio, share, size, visible


def test_counts_are_exact_below_a_million_and_short_above() -> None:
    assert [count(n) for n in (0, 380_112, 999_999, 1_000_000, 12_345_678, 999_900_000)] == [
        "0",
        "380,112",
        "999,999",
        "1.00 M",
        "12.3 M",
        "1.00 B",
    ]
    assert count(1_400_000_000_000) == "1.40 T"
    assert count(None) == "–"


def test_sizes_are_decimal_and_never_read_1000_of_a_unit() -> None:
    assert [size(n) for n in (812, 1_400, 9_996, 999_500, 3_300_000_000_000)] == [
        "812 B",
        "1.40 kB",
        "10.0 kB",
        "1.00 MB",
        "3.30 TB",
    ]


def test_shares_are_never_rounded_to_all_or_to_nothing() -> None:
    assert [share(f) for f in (0.0, 0.0004, 0.67, 0.9996, 1.0, 1.25)] == [
        "0.0 %",
        "<0.1 %",
        "67.0 %",
        ">99.9 %",
        "100.0 %",
        "125.0 %",
    ]
    assert ratio(3, 0) == "–"


def test_controls_are_shown_and_line_feeds_and_tabs_stay() -> None:
    assert visible("a\x00\x7f\x85\u2066b\n\tc") == "a␀␡⟨U+0085⟩⟨U+2066⟩b\n\tc"


def test_masking_takes_linear_time_on_text_made_to_slow_it_down() -> None:
    begin = time.perf_counter()
    for hostile in ("a" * 1_000_000, "a@" * 500_000, "a." * 500_000, "1." * 500_000, "a@b." * 250_000):
        masked(hostile)
    assert time.perf_counter() - begin < 5


def test_a_markdown_cell_is_one_line_without_markup() -> None:
    assert markdown_cell("a | b\n<i>c</i> `d` *e* [f](g) & h") == (
        "a \\| b &lt;i&gt;c&lt;/i&gt; \\`d\\` \\*e\\* \\[f\\](g) &amp; h"
    )
