"""Zones: the pinned package first and only, and their clock changes as numbers."""

from __future__ import annotations

import pickle
import struct
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import pairwise

import pytest

from scheduling.exceptions import InvalidTrigger
from scheduling.triggers import wallclock, zones
from scheduling.triggers.zones import EPOCH, timeline, zone


def seconds(text: str) -> int:
    return int((datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH).total_seconds())


def test_zones_come_from_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that has no zones, or others, makes no difference."""
    monkeypatch.setattr("zoneinfo.TZPATH", ())
    monkeypatch.setenv("PYTHONTZPATH", "")
    loaded = zones._load.__wrapped__("Asia/Shanghai")
    assert loaded.key == "Asia/Shanghai"
    assert zone("Asia/Shanghai") is zone("Asia/Shanghai")


def test_every_name_can_be_loaded() -> None:
    for name in zones.names():
        assert zone(name).key == name
    assert "Factory" not in zones.names()


def test_unknown_names_are_refused_and_not_kept() -> None:
    kept = zones._load.cache_info().currsize
    for number in range(50):
        with pytest.raises(InvalidTrigger):
            zone(f"Nowhere/{number}")
    assert zones._load.cache_info().currsize == kept


def test_span() -> None:
    new_york = timeline("America/New_York")
    span = new_york.span(seconds("2026-06-01"))
    assert span.start == seconds("2026-03-08T07:00")
    assert span.end == seconds("2026-11-01T06:00")
    assert (span.before, span.offset, span.after) == (-5 * 3600, -4 * 3600, -5 * 3600)
    assert new_york.span(span.start) == span
    assert new_york.span(span.end - 1) == span
    assert new_york.span(span.end).start == span.end


@pytest.mark.parametrize(
    "name", ["America/New_York", "Africa/Casablanca", "Asia/Gaza", "Pacific/Apia", "UTC"]
)
def test_spans_cover_time_without_holes(name: str) -> None:
    line = timeline(name)
    instant, end = seconds("1960-01-01"), seconds("2060-01-01")
    while instant < end:
        span = line.span(instant)
        assert span.start <= instant < span.end
        for probe in (span.start, instant, span.end - 1):
            assert line.offset_at(probe) == span.offset
        assert line.offset_at(span.end) == span.after
        assert line.offset_at(span.start - 1) == span.before
        instant = span.end


def written_changes(name: str) -> list[tuple[int, int]]:
    """(instant, offset) of each change of offset in a zone's file, read without zoneinfo (RFC 8536)."""
    data = resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    header = struct.Struct(">4sc15x6l")
    _magic, _version, isutc, isstd, leaps, times, types, chars = header.unpack_from(data)
    body = header.size + times * 5 + types * 6 + chars + leaps * 8 + isstd + isutc
    *_rest, times, types, _chars = header.unpack_from(data, body)
    body += header.size
    instants = struct.unpack_from(f">{times}q", data, body)
    indexes = data[body + 8 * times : body + 9 * times]
    offsets = [struct.unpack_from(">lbb", data, body + 9 * times + 6 * index)[0] for index in indexes]
    changes: list[tuple[int, int]] = []
    for instant, offset in zip(instants, offsets, strict=True):
        if not changes or changes[-1][1] != offset:
            changes.append((instant, offset))
    return changes


def test_changes_are_those_of_the_zone_files() -> None:
    """And Timeline's premise holds: changes are further apart than its probes, and smaller than its margin."""
    start, end = seconds("1900-01-01"), seconds("2037-01-01")
    for name in sorted(zones.names()):
        written = [change for change in written_changes(name) if start < change[0] <= end]
        for one, other in pairwise(written):
            assert other[0] - one[0] > 2 * zones.PROBE_SECONDS
            assert abs(other[1] - one[1]) < zones.MARGIN_SECONDS
    for name in ("Asia/Gaza", "Africa/Casablanca", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe"):
        written = [change for change in written_changes(name) if start < change[0]]
        # What follows the last one is a rule of two changes a year, which the file does not spell out.
        shifts = timeline(name).shifts(start, written[-1][0])
        assert [(shift.at, shift.after) for shift in shifts] == written


def test_limits_are_the_years_they_say() -> None:
    assert seconds("1000-01-01") == wallclock.EARLIEST
    assert seconds("9000-01-01") - 1 == wallclock.LATEST


def test_a_timeline_pickles_by_name() -> None:
    line = timeline("Asia/Shanghai")
    assert pickle.loads(pickle.dumps(line)) is line
    assert EPOCH + timedelta(seconds=line.offset_at(0)) == datetime(1970, 1, 1, 8, tzinfo=UTC)
