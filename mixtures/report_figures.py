"""The figures of the mixture report as inline SVG: funnel bars, stacked shares, histograms and curves.

Numbers go in, safe markup comes out; every name that is drawn is escaped. Colours are classes (`s0` to `s6`
for sources, `removed`, `axis` ...) that the page's style sheet defines for light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from mixtures.report_data import Histogram, ReferenceHistogram, ReliabilityBin, ThresholdShares
from mixtures.report_text import count, decimal, ratio, share
from mixtures.report_training import Curve

WIDTH, HEIGHT = 560, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 26, 28

_EMPTY = Markup("")


def _join(parts: Sequence[Markup]) -> Markup:
    return _EMPTY.join(parts)


def funnel_bar(color: str, kept: int, removed: int, full: int, unit: Callable[[int], str]) -> Markup:
    """What a step keeps (solid) and loses (pale) of the widest point of its source (`full`)."""
    whole = max(full, kept + removed, 1)
    solid, pale = 100 * kept / whole, 100 * removed / whole
    return Markup(
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img">'
        "<title>{}</title>"
        '<rect class="track" width="100" height="6"/>'
        '<rect class="{}" width="{:.3f}" height="6"/>'
        '<rect class="removed" x="{:.3f}" width="{:.3f}" height="6"/></svg>'
    ).format(f"{unit(kept)} kept, {unit(removed)} lost in this step", color, solid, solid, pale)


def share_bar(color: str, part: float, whole: float) -> Markup:
    """One share as a thin bar."""
    width = 100 * part / whole if whole else 0.0
    return Markup(
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="6"/><rect class="{}" width="{:.3f}" height="6"/></svg>'
    ).format(color, width)


def stacked_shares(parts: Sequence[tuple[str, str, float]]) -> Markup:
    """(name, colour class, amount) parts of a whole, side by side in one bar; labels where there is room."""
    total = sum(amount for _, _, amount in parts)
    cells: list[Markup] = []
    x = 0.0
    for name, color, amount in parts:
        width = 1000 * amount / total if total else 0.0
        cells.append(
            Markup(
                '<g><title>{}</title><rect class="{}" x="{:.2f}" width="{:.2f}" height="30"/>{}</g>'
            ).format(
                f"{name}: {ratio(amount, total)}",
                color,
                x,
                max(width - 1.5, 0.5) if amount else 0,
                Markup('<text class="on" x="{:.2f}" y="19.5">{}</text>').format(
                    x + 8, f"{name} {100 * amount / total:.1f} %" if width > 140 else share(amount / total)
                )
                if width > 52
                else _EMPTY,
            )
        )
        x += width
    return Markup(
        '<svg class="stack" viewBox="0 0 1000 30" preserveAspectRatio="none" role="img">{}</svg>'
    ).format(_join(cells))


def _ticks(low: float, high: float, wanted: int) -> list[float]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten apart) from `low` to `high`."""
    span = high - low
    if span <= 0:
        return [low]
    raw = span / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**e for e in exponents for factor in (1, 2, 5)]
    inside = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
    return inside if len(inside) <= 9 else [tick for tick in inside if math.log10(tick) % 1 < 1e-9]


def _tick_label(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.4g}"


def _frame(
    width: int,
    x: Callable[[float], float],
    x_ticks: Sequence[float],
    y: Callable[[float], float],
    y_ticks: Sequence[float],
    y_label: Callable[[float], str],
) -> Markup:
    """Grid lines with their labels, and the base line."""
    base = HEIGHT - BOTTOM
    rows = [
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
            '<text class="axis end" x="{}" y="{:.1f}">{}</text>'
        ).format(LEFT, width - RIGHT, y(tick), y(tick), LEFT - 8, y(tick) + 3.5, y_label(tick))
        for tick in y_ticks
    ]
    columns = [
        Markup('<text class="axis middle" x="{:.1f}" y="{}">{}</text>').format(
            x(tick), base + 17, _tick_label(tick)
        )
        for tick in x_ticks
    ]
    line = Markup('<line class="base" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        LEFT, width - RIGHT, base, base
    )
    return _join([*rows, *columns, line])


def _bars(
    edges: Sequence[float],
    counts: Sequence[int],
    x: Callable[[float], float],
    y: Callable[[float], float],
    color: Callable[[float], str],
    unit: str,
) -> Markup:
    """One bar a bin; `y` maps a count to its height on the page, `color` the middle of a bin to its class."""
    total = sum(counts)
    bars: list[Markup] = []
    for low, high, number in zip(edges[:-1], edges[1:], counts, strict=True):
        left, right = x(low), x(high)
        bars.append(
            Markup(
                '<rect class="{}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}">'
                "<title>{}</title></rect>"
            ).format(
                color((low + high) / 2),
                left + 0.4,
                y(number),
                max(right - left - 0.8, 0.4),
                y(0) - y(number),
                f"{low:.4g} to {high:.4g}: {number:,} of {total:,} {unit} ({ratio(number, total)})",
            )
        )
    return _join(bars)


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = high - low or 1.0
    return lambda value: start + (end - start) * (value - low) / span


def histogram(figure: Histogram) -> Markup:
    """Counts of documents by score, threshold lines on top; scores that do not survive are drawn pale."""
    edges = figure["edges"]
    low, high = edges[0], edges[-1]
    logarithmic = figure.get("logarithmic", False) and low > 0
    if logarithmic:
        scale = _scale(math.log(low), math.log(high), LEFT, WIDTH - RIGHT)
        x_ticks = _log_ticks(low, high)
    else:
        scale = _scale(low, high, LEFT, WIDTH - RIGHT)
        x_ticks = _ticks(low, high, 6)

    def x(value: float) -> float:
        inside = min(max(value, low), high)
        return scale(math.log(inside) if logarithmic else inside)

    top = max([*figure["counts"], 1])
    y = _scale(0, top, HEIGHT - BOTTOM, TOP)
    kept_low, kept_high = (*figure.get("kept", ()), None, None)[:2]

    def color(value: float) -> str:
        below = kept_low is not None and value < kept_low
        above = kept_high is not None and value > kept_high
        return "out" if below or above else "in"

    lines: list[Markup] = []
    thresholds = sorted(figure.get("thresholds", ()), key=lambda item: item["value"])
    for position, threshold in enumerate(thresholds, start=1):
        at = x(threshold["value"])
        # The last label stands right of its line and the others left, so that close lines keep theirs apart.
        leftward = at > WIDTH - 150 or (position < len(thresholds) and at > LEFT + 110)
        lines.append(
            Markup(
                '<line class="threshold" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>'
                '<text class="axis {}" x="{:.1f}" y="{}">{}</text>'
            ).format(
                at,
                at,
                TOP - 10,
                HEIGHT - BOTTOM,
                "end" if leftward else "start",
                at - 5 if leftward else at + 5,
                TOP - 8,
                f"{threshold['label']} {_tick_label(threshold['value'])}",
            )
        )
    return Markup('<svg class="plot" viewBox="0 0 {} {}" role="img">{}{}{}</svg>').format(
        WIDTH,
        HEIGHT,
        _frame(WIDTH, x, x_ticks, y, _ticks(0, top, 4), lambda value: count(round(value))),
        _bars(edges, figure["counts"], x, y, color, "documents"),
        _join(lines),
    )


def separation(figure: ReferenceHistogram) -> Markup:
    """Held-out positives and negatives by score, each as a fraction of its kind, so that both can be read."""
    edges, positives, negatives = figure["edges"], figure["positives"], figure["negatives"]
    x = _scale(edges[0], edges[-1], LEFT, WIDTH - RIGHT)
    top = max(max(counts, default=0) / max(sum(counts), 1) for counts in (positives, negatives)) or 1.0
    y = _scale(0, top, HEIGHT - BOTTOM, TOP)

    def layer(counts: Sequence[int], kind: str) -> Markup:
        whole = max(sum(counts), 1)
        return _bars(edges, counts, x, lambda number: y(number / whole), lambda _: kind, f"{kind}s")

    return Markup('<svg class="plot" viewBox="0 0 {} {}" role="img">{}{}{}</svg>').format(
        WIDTH,
        HEIGHT,
        _frame(WIDTH, x, _ticks(edges[0], edges[-1], 6), y, _ticks(0, top, 4), share),
        layer(negatives, "negative"),
        layer(positives, "positive"),
    )


def _unit_frame() -> tuple[Callable[[float], float], Callable[[float], float], Markup]:
    """Scales and frame of a figure whose both axes go from 0 to 1, the upright one in per cent."""
    x, y = _scale(0, 1, LEFT, WIDTH - RIGHT), _scale(0, 1, HEIGHT - BOTTOM, TOP)
    return x, y, _frame(WIDTH, x, _ticks(0, 1, 5), y, _ticks(0, 1, 4), share)


def threshold_yield(curve: Sequence[ThresholdShares], threshold: float | None) -> Markup:
    """What each threshold keeps: of the crawl, of references, of other pages; the one that was applied as a line."""
    x, y, frame = _unit_frame()
    series: tuple[tuple[str, str, list[tuple[float, float | None]]], ...] = (
        ("others kept", "negative", [(row["threshold"], row["false_positive_rate"]) for row in curve]),
        ("references kept", "positive", [(row["threshold"], row["recall"]) for row in curve]),
        ("pages kept", "loss", [(row["threshold"], row["kept"]) for row in curve]),
    )
    lines: list[Markup] = []
    for name, color, points in series:
        known = [(a, b) for a, b in points if b is not None]
        if known:
            lines.append(
                Markup('<g><title>{}</title><polyline class="{}" points="{}"/></g>').format(
                    name, color, " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in known)
                )
            )
    if threshold is not None:
        at = x(min(max(threshold, 0.0), 1.0))
        lines.append(
            Markup(
                '<line class="threshold" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>'
                '<text class="axis {}" x="{:.1f}" y="{}">{}</text>'
            ).format(
                at,
                at,
                TOP - 10,
                HEIGHT - BOTTOM,
                "end" if at > WIDTH - 150 else "start",
                at - 5 if at > WIDTH - 150 else at + 5,
                TOP - 8,
                f"threshold {_tick_label(threshold)}",
            )
        )
    return Markup('<svg class="plot" viewBox="0 0 {} {}" role="img">{}{}</svg>').format(
        WIDTH, HEIGHT, frame, _join(lines)
    )


def reliability(bins: Sequence[ReliabilityBin]) -> Markup:
    """The share of references among pages of about one score; on the diagonal a score means what it says."""
    x, y, frame = _unit_frame()
    diagonal = Markup('<line class="threshold" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
        x(0), x(1), y(0), y(1)
    )
    found = [
        (row["mean_score"], row["positive_fraction"], row["pages"])
        for row in bins
        if row["mean_score"] is not None and row["positive_fraction"] is not None
    ]
    most = max((pages for _, _, pages in found), default=1)
    dots = [
        Markup(
            '<circle class="positive" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"><title>{}</title></circle>'
        ).format(
            x(mean),
            y(part),
            3 + 6 * math.sqrt(pages / most),  # areas grow with the number of pages
            f"score {mean:.2f}: {share(part)} of {pages:,} pages are references",
        )
        for mean, part, pages in found
    ]
    return Markup('<svg class="plot" viewBox="0 0 {} {}" role="img">{}{}{}</svg>').format(
        WIDTH, HEIGHT, frame, diagonal, _join(dots)
    )


MAX_POINTS = 600  # a curve on the page; the table beside it holds every point


def curves(series: Sequence[Curve]) -> Markup:
    """Lines over a shared axis; long ones are thinned, their end kept."""
    width = 920
    points = [point for curve in series for point in curve.points]
    if not points:
        return _EMPTY
    x = _scale(min(p[0] for p in points), max(p[0] for p in points), LEFT, width - RIGHT)
    low, high = min(p[1] for p in points), max(p[1] for p in points)
    margin = 0.04 * (high - low or 1.0)
    y = _scale(low - margin, high + margin, HEIGHT - BOTTOM, TOP - 14)
    lines: list[Markup] = []
    for name, color, line, dotted in series:
        if not line:
            continue
        stride = -(-len(line) // MAX_POINTS)
        thinned = [*line[:-1:stride], line[-1]]
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in thinned)
        dots = [
            Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="2.4"><title>{}</title></circle>').format(
                color, x(a), y(b), f"{name}, step {a:,.0f}: {decimal(b, 3)}"
            )
            for a, b in thinned
            if len(thinned) <= 60 and not dotted
        ]
        lines.append(
            Markup('<g><title>{}</title><polyline class="{}" points="{}"/>{}</g>').format(
                f"{name}: {decimal(line[-1][1], 3)}",
                f"{color} dotted" if dotted else color,
                path,
                _join(dots),
            )
        )
    x_ticks = _ticks(min(p[0] for p in points), max(p[0] for p in points), 8)
    y_ticks = _ticks(low - margin, high + margin, 5)
    return Markup('<svg class="plot wide" viewBox="0 0 {} {}" role="img">{}{}</svg>').format(
        width, HEIGHT, _frame(width, x, x_ticks, y, y_ticks, lambda value: f"{value:.3g}"), _join(lines)
    )
