"""The line that is drawn on the server: its scale, its holes, its limit."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from instances.admin.chart import HEIGHT, WIDTH, Scale, chart

GIB = 2**30
FIRST = date(2026, 6, 1)


def days(*totals: int | None) -> list[tuple[date, int | None]]:
    return [(FIRST + timedelta(days=number), total) for number, total in enumerate(totals)]


@pytest.mark.parametrize(
    ("highest", "words"),
    [
        (0, ["1 B", "0"]),
        (7, ["8 B", "6 B", "4 B", "2 B", "0"]),
        (1023, ["1500 B", "1000 B", "500 B", "0"]),
        (473 * GIB, ["500 GiB", "400 GiB", "300 GiB", "200 GiB", "100 GiB", "0"]),
        (2 * 1024 * GIB, ["2.0 TiB", "1.5 TiB", "1.0 TiB", "0.5 TiB", "0"]),
        (3000 * 2**50, ["3000 PiB", "2000 PiB", "1000 PiB", "0"]),
    ],
)
def test_the_scale_has_whole_steps_in_one_unit(highest: int, words: list[str]) -> None:
    scale = Scale.up_to(highest)
    assert scale.top_bytes >= highest
    assert scale.words() == words


def test_a_hole_parts_the_line_and_a_lone_day_is_a_dot() -> None:
    drawn = chart(days(0, 5 * GIB, None, 10 * GIB, None, None, 10 * GIB, 10 * GIB))
    assert drawn
    assert [len(points.split()) for points in drawn.lines] == [2, 2]
    assert drawn.lines[0].split()[0] == f"0.0,{HEIGHT}.0"
    assert [x for x, _y in drawn.dots] == [round(3 * WIDTH / 7, 1)]
    assert drawn.lines[1].split()[1] == f"{WIDTH}.0,0.0"
    assert [spot.text for spot in drawn.spots][1:3] == ["2026-06-02: 5.0 GiB", "2026-06-03: –"]
    assert (drawn.dates[0], drawn.dates[-1]) == (FIRST, FIRST + timedelta(days=7))


def test_a_limit_in_sight_is_drawn_and_one_far_away_is_not() -> None:
    near, far = (chart(days(8 * GIB, 9 * GIB), limit) for limit in (10 * GIB, 19 * GIB))
    assert near
    assert far
    assert (near.limit, far.limit) == (0.0, None)


def test_nothing_known_and_one_day() -> None:
    assert chart(days(None, None)) is None
    one = chart(days(5))
    assert one
    assert (one.dots, one.lines, one.dates) == ([(0.0, 0.0)], [], [FIRST])
