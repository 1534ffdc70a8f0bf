"""The addresses of the pages outside the admin, under /scheduler/."""

from __future__ import annotations

from django.urls import path, re_path

from scheduling.views import (
    board,
    doctor,
    forecast,
    function_fields,
    groups,
    home,
    nodes,
    pools,
    preview,
    queues,
    verbs,
)

urlpatterns = [
    path("", board.show, name="board"),
    path("cards/", board.part, name="board-cards"),
    path("reload/", board.reload, name="board-reload"),
    path("now/", home.now, name="home-now"),
    path("days/", home.days, name="home-days"),
    path("forecast/", forecast.show, name="forecast"),
    path("forecast/part/", forecast.part, name="forecast-part"),
    path("function-fields/", function_fields.show, name="function_fields"),
    path("schedule-preview/", preview.show, name="schedule_preview"),
    re_path(r"^groups/(?P<group_id>[0-9]{1,18})/(?P<verb>pause|resume)/$", groups.act, name="group-verb"),
    re_path(r"^pools/(?P<pool_id>[0-9]{1,18})/(?P<verb>pause|resume)/$", pools.act, name="pool-verb"),
    path("doctor/", doctor.show, name="doctor"),
    path("doctor/run/", doctor.run, name="doctor-run"),
    path("queues/", queues.show, name="queues"),
    re_path(
        r"^queues/(?P<name>[a-z0-9][a-z0-9_.-]{0,49})/(?P<verb>pause|resume)/$", queues.act, name="queue-verb"
    ),
    path("nodes/<uuid:node_id>/drain/", nodes.drain, name="node-drain"),
    re_path(
        rf"^tasks/(?P<task_id>[0-9]+)/(?P<verb>{'|'.join(verbs.VERBS)})/$",
        verbs.act,
        name="task-verb",
    ),
]
