"""A small curve without axes, drawn on the server: the browser needs nothing for it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from jobsite.templatetags.jobsite import size

WIDTH, HEIGHT, MARGIN = 120, 28, 2


def sparkline(values: Sequence[int | None]) -> SafeString | str:
    """Sizes in bytes, oldest first, as an SVG; a None is a gap. Says first and last size to those who cannot see it."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    lowest, highest = min(known), max(known)
    spread = (highest - lowest) or 1
    step = (WIDTH - 2 * MARGIN) / max(len(values) - 1, 1)

    def height(value: int) -> float:
        part = (value - lowest) / spread if highest > lowest else 0.5
        return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * part

    runs = []
    for is_gap, stretch in groupby(enumerate(values), key=lambda entry: entry[1] is None):
        if not is_gap:
            runs.append([(MARGIN + at * step, height(value)) for at, value in stretch if value is not None])
    lines = format_html_join(
        "",
        '<polyline points="{}"/>',
        ((" ".join(f"{x:.1f},{y:.1f}" for x, y in run),) for run in runs if len(run) > 1),
    )
    dots = format_html_join(
        "",
        '<circle cx="{}" cy="{}" r="1.5"/>',
        ((f"{run[0][0]:.1f}", f"{run[0][1]:.1f}") for run in runs if len(run) == 1),
    )
    words = _("from %(first)s to %(last)s") % {"first": size(known[0]), "last": size(known[-1])}
    return format_html(
        '<svg class="sparkline" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
        "<title>{}</title>{}{}</svg>",
        WIDTH, HEIGHT, WIDTH, HEIGHT, words, words, lines, dots,
    )  # fmt: skip
