"""`/asyncapi.json` has every rpc method and every event that clients see; all references hold."""

from __future__ import annotations

import json
from typing import Any

from edge.web.asyncapi import asyncapi
from hubbub.features.contract import Event, EventKind
from hubbub.features.registry import REGISTRY
from hubbub.features.signs import INNER, SIGNS
from tests.edge.web.rest import serve
from tests.edge.web.test_documents import walk


def made() -> dict[str, Any]:
    return json.loads(json.dumps(asyncapi(REGISTRY)))


def test_every_verb_is_an_operation_with_request_and_answer() -> None:
    document = made()
    assert set(document["operations"]) == {*REGISTRY.verbs, "publish"}
    for name in REGISTRY.verbs:
        operation = document["operations"][name]
        assert operation["summary"]
        request = document["components"]["messages"][f"{name}.request"]["payload"]
        assert set(request["required"]) <= set(request["properties"])


def test_what_it_says_is_not_cut_off() -> None:
    messages = made()["components"]["messages"]
    for message in messages.values():
        assert message["summary"].endswith((".", "!", "?")), message["summary"]
    created = messages["message.created"]
    assert created["summary"] == "A message."
    assert created["description"].endswith("`thread`: the id of the thread's first message.")


def test_events_are_those_that_clients_see() -> None:
    seen = {
        tag
        for tag, event in REGISTRY.events.items()
        if event.KIND is not EventKind.SILENT and not event.BARE and tag not in INNER
    }
    assert set(made()["channels"]["events"]["messages"]) == {*seen, *REGISTRY.signs, *SIGNS}
    assert "heads" in SIGNS  # and what clients of real processes hear: tests/support/documented
    assert "message.created" in seen


def test_what_leaders_tell_by_themselves_is_there_too() -> None:
    """No command makes these, so the registry does not list them."""
    waiting, found = list(Event.__subclasses__()), set[str]()
    while waiting:
        event = waiting.pop()
        waiting += event.__subclasses__()
        is_seen = event.KIND is not EventKind.SILENT and not event.BARE
        if event.__module__.startswith("hubbub.") and getattr(event, "TAG", "") and is_seen:
            found.add(event.TAG)
    assert found - INNER <= set(made()["channels"]["events"]["messages"])
    assert {"poll.counted", "thread.updated", "receipts.moved"} <= found


def test_every_reference_leads_somewhere() -> None:
    document = made()
    for node in walk(document):
        if "$ref" in node:
            place = document
            for part in node["$ref"].removeprefix("#/").split("/"):
                place = place[part]


async def test_it_and_the_page_are_served() -> None:
    async with serve() as rest:
        response, body = await rest.call("GET", "/asyncapi.json", headers={})
        assert response.content_type == "application/json"
        assert body == made()
        for path in ("/docs", "/docs/errors"):
            async with rest.session.get(path) as page:
                assert page.status == 200
                assert "default-src 'none'" in page.headers["Content-Security-Policy"]
                assert "/static/docs.js" in await page.text()
