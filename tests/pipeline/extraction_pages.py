"""Small pages with known text, all alike in their making: a menu, a story, advertisements, a footer."""

from __future__ import annotations

import random

from pipeline.fit_pages import KnownPage

_WORDS = (
    *("river", "stone", "morning", "people", "bread", "wind", "letter", "garden"),
    *("window", "market", "winter", "road", "singer", "bridge", "paper"),
)


def page(
    number: int, site: str, *, type: str = "article", extra: str = "box", file: str = "pages.jsonl"
) -> KnownPage:
    draw = random.Random(number)

    def sentence(words: int) -> str:
        return " ".join(draw.choice(_WORDS) for _ in range(words)).capitalize() + "."

    story = [" ".join(sentence(draw.randint(6, 14)) for _ in range(3)) for _ in range(draw.randint(3, 6))]
    links = "".join(f'<li><a href="/{k}">{draw.choice(_WORDS).title()}</a></li>' for k in range(6))
    html = (
        f'<html lang="en"><body><ul class="menu nav">{links}</ul><div class="story text"><h1>{sentence(4)}</h1>'
        + "".join(f"<p>{paragraph}</p>" for paragraph in story)
        + f'</div><div class="promo {extra}"><p>{sentence(8)} <a href="/buy">{sentence(3)}</a></p></div>'
        + f'<div class="footer"><p>Copyright {sentence(5)} <a href="/terms">Terms</a></p></div></body></html>'
    )
    return KnownPage(f"page-{number}", file, html.encode(), "\n".join(story), site, type, "en")


def pages(count: int) -> list[KnownPage]:
    return [page(k, f"site-{k // 2}.org", type="article" if k % 3 else "service") for k in range(count)]
