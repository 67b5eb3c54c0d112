"""The mixture report: is it the mix that was asked for, what was removed and why, and can it be rebuilt?

In: `ReportData` (its shape is in `mixtures.report_data`), which the pipeline collects. Out, in one folder:
`index.html` (one file, no script, nothing from the network), `report.md` for a pull request, `report.json`
for machines, and `tables/*.csv` behind the plots. The same data gives the same bytes.

The mix table has the columns of the LLaMA paper (2302.13971, Table 1: share, epochs) and of The Pile
(2101.00027, Table 1); the funnel answers what RedPajama's users asked for first (its issue 50): what is left
after each step of each source.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mixtures import report_figures as figures
from mixtures import report_text as text
from mixtures.report_context import as_shown, scalar_facts, source_order, template_context
from mixtures.report_data import Amount, ReportData
from mixtures.report_loss import shown_scores
from mixtures.report_tables import tables


def _percent(part: float, whole: float) -> Markup:
    """A percentage that tells its numerator and denominator when pointed at."""
    return Markup('<span class="pct" title="{} / {}">{}</span>').format(
        f"{part:,}", f"{whole:,}", text.ratio(part, whole)
    )


def _exact(written: Callable[[int | None], str]) -> Callable[[int | None], Markup]:
    """A short figure that tells the exact one when pointed at."""

    def figure(number: int | None) -> Markup:
        exact = "none" if number is None else f"{number:,}"
        return Markup('<span title="{}">{}</span>').format(exact, written(number))

    return figure


def _visible(value: object) -> object:
    return text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _cell(value: object) -> object:
    return text.markdown_cell(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _largest(amounts: Mapping[str, Amount], limit: int) -> list[tuple[str, Amount]]:
    return sorted(amounts.items(), key=lambda item: (-item[1]["bytes"], item[0]))[:limit]


def _environment(autoescape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=autoescape,
        finalize=_visible if autoescape else _cell,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        count=_exact(text.count) if autoescape else text.count,
        size=_exact(text.size) if autoescape else text.size,
        share=text.share,
        fine_share=text.fine_share,
        decimal=text.decimal,
        scalar=text.scalar,
        facts=scalar_facts,
        shown_scores=shown_scores,
        largest=_largest,
    )
    environment.globals.update(
        percent=_percent if autoescape else text.ratio,
        funnel_bar=figures.funnel_bar,
        share_bar=figures.share_bar,
        stacked_shares=figures.stacked_shares,
        histogram=figures.histogram,
        separation=figures.separation,
        threshold_yield=figures.threshold_yield,
        reliability=figures.reliability,
        curves_plot=figures.curves,
        count_unit=lambda number: f"{number:,} documents",
        size_unit=text.size,
    )
    return environment


def _write(path: Path, content: str) -> None:
    """The file whole or not at all; a lone surrogate in foreign text becomes a question mark."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_bytes(content.encode("utf-8", errors="replace"))
    os.replace(unfinished, path)


def write_report(data: ReportData, folder: Path) -> None:
    """Writes index.html, report.md, report.json and tables/*.csv into `folder`, which is made if need be.

    Numbers are taken as they come: a funnel that does not add up is shown as a red gate, not refused.
    """
    shown = as_shown(data)
    context = template_context(shown)
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    for name, table in tables(shown, source_order(shown)).items():
        _write(folder / "tables" / name, table)
    _write(folder / "report.json", json.dumps(shown, sort_keys=True, indent=1, allow_nan=False) + "\n")
    _write(folder / "report.md", _environment(False).get_template("report.md.j2").render(context))
    _write(folder / "index.html", _environment(True).get_template("report.html.j2").render(context))
