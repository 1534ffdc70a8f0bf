"""The zone in which pages show times: the person's, else the browser's, else the installation's; UTC on hover."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from jobsite import zones
from jobsite.templatetags.jobsite import moment

AT = datetime(2026, 6, 1, 19, 0, tzinfo=UTC)
PAGE = "/admin/time-zone/"


@pytest.mark.parametrize(
    ("setting", "shown"), [("", "2026-06-01 19:00:00 UTC"), ("Asia/Shanghai", "2026-06-02 03:00:00 CST")]
)
def test_without_a_browser_and_a_choice_it_is_the_installations(
    setting: str, shown: str, settings: Any
) -> None:
    settings.JOBSITE_DISPLAY_TIME_ZONE = setting
    html = moment(AT)
    assert f">{shown}</time>" in html
    assert 'title="2026-06-01 19:00:00 UTC"' in html
    assert 'datetime="2026-06-01T19:00:00+00:00"' in html
    assert 'data-zone=""' in html  # the browser's own, where there is one


def test_the_browsers_zone_wins_over_the_installations(client: Client, settings: Any, db: None) -> None:
    settings.JOBSITE_DISPLAY_TIME_ZONE = "Asia/Shanghai"
    client.cookies[zones.BROWSER_COOKIE] = "Europe%2FBerlin"
    seen = []
    with zones.of(client.get("/admin/login/").wsgi_request):
        seen = [zones.current().key, zones.chosen()]
    assert seen == ["Europe/Berlin", ""]
    assert zones.current().key == "Asia/Shanghai"


def test_the_persons_choice_wins_over_all(admin_client: Client, settings: Any) -> None:
    settings.JOBSITE_DISPLAY_TIME_ZONE = "Asia/Shanghai"
    page = admin_client.post(PAGE, {"zone": "America/New_York"}, follow=True).content.decode()
    assert 'data-zone="America/New_York"' in page
    assert admin_client.cookies[zones.CHOSEN_COOKIE]["httponly"]
    assert zones.chosen() == ""  # outside of that request
    page = admin_client.post(PAGE, {"zone": ""}, follow=True).content.decode()
    assert 'data-zone=""' in page


@pytest.mark.parametrize("name", ["Mars/Base", "../../etc/passwd", "x" * 5000])
def test_what_is_no_zone_is_refused(name: str, admin_client: Client) -> None:
    assert admin_client.post(PAGE, {"zone": name}).status_code == 400
    admin_client.cookies[zones.CHOSEN_COOKIE] = name
    assert admin_client.get(PAGE).status_code == 200


def test_logged_out_it_asks_for_a_login(client: Client, db: None) -> None:
    assert client.get(PAGE).status_code == 302
