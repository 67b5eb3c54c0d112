"""Draws the blocks of a page with their scores, as text: the picture in docs/extraction.md, or one of a given page.

    python benchmarks/extraction_picture.py [PAGE.html] [--profile web] [--threshold 0.2]

A line a block: whether it is kept, its first score (`o`) and context score (`#`) on a scale of log odds with the
threshold as `|`, its innermost tags, and its text.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from stages.extraction.extract import Extractor, ScoredBlock  # noqa: E402
from stages.extraction.weights import load_weights  # noqa: E402
from stages.html_text import decode_page  # noqa: E402

LOW, HIGH, PER_UNIT = -6, 6, 2  # log odds at both ends of the scale, characters per unit

PAGE = """<html lang=en><head><title>Why bread rises | The Daily Crumb</title></head><body class="single-post">
<header class=site-header><div class=logo>The Daily Crumb</div><nav class=menu><ul><li><a href=/>Home</a>
<li><a href=/r>Recipes</a><li><a href=/a>About us</a></ul></nav></header>
<main><article class=post><h1>Why bread rises</h1><p class=byline>By <a href=/j>Jo Miller</a>, 3 May</p>
<p>Bread rises because yeast eats sugar and gives off gas, which the dough holds like a balloon. The warmer the kitchen,
the faster it goes.</p><h2>What you need</h2>
<ul><li>500 g of strong flour<li>300 ml of water, lukewarm<li>A spoon of salt</ul>
<table><tr><th>Room<th>Time<tr><td>18 degrees<td>three hours<tr><td>24 degrees<td>ninety minutes</table>
<p>Knead until the dough springs back under your finger. Then cover it, leave it alone, and do not open the oven before
the crust has set.</p><div class=share-buttons><a href=#>Share</a> <a href=#>Tweet</a></div></article>
<aside class=related-posts><h3>Related posts</h3><ul><li><a href=/1>Ten ways to use old bread</a>
<li><a href=/2>Our starter is ten years old</a></ul></aside></main>
<footer class=footer><p>&copy; 2024 The Daily Crumb. <a href=/p>Privacy policy</a></footer></body></html>"""


def line(block: ScoredBlock, threshold: float) -> str:
    """One block of the picture."""

    def column(score: float) -> int:
        return round((min(max(score, LOW), HIGH) - LOW) * PER_UNIT)

    scale = [" "] * ((HIGH - LOW) * PER_UNIT + 1)
    scale[column(threshold)] = "|"
    scale[column(block.first_score)] = "o"
    scale[column(block.score)] = "#"
    tags = "/".join(block.path.split("/")[-2:])
    text = " ".join(block.text.removeprefix("- ").split())
    return f"{'keep' if block.kept else '    '} {''.join(scale)}  {tags:12.12}  {text[:44]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("page", type=Path, nargs="?")
    parser.add_argument("--profile", default="article")
    parser.add_argument("--threshold", type=float)
    arguments = parser.parse_args()
    page = decode_page(arguments.page.read_bytes(), None)[0] if arguments.page else PAGE
    extractor = Extractor(load_weights(arguments.profile), arguments.threshold)
    for block in extractor.blocks(page):
        print(line(block, extractor.threshold).rstrip())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
