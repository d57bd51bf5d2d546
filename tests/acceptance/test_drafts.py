"""A user's drawer through real processes: drafts, reminders and bookmarks on all his devices.

Small: two devices on two edges. There is no larger form.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from hubbub.base.errors import CHANNEL_NOT_FOUND
from tests.support.client import Client, ReplyError, new_cmid
from tests.support.cluster import Cluster

ROOM = "group:drawer-room"


def seen(client: Client, channel: str, kind: str) -> list[dict[str, Any]]:
    rows = [pub["data"] for pub in client.publications(channel)]
    return [row for row in rows if row.get("t") == kind]


async def test_a_draft_follows_its_user_and_goes_with_the_message(cluster: Cluster) -> None:
    user, mine = "drawer-ann", "#drawer-ann"
    cluster.rest("POST", "/v1/channels", {"channel": ROOM, "members": [user, "drawer-ben"]})
    one, two = cluster.urls
    async with (
        Client(one, cluster.token(user)) as laptop,
        Client(two, cluster.token(user)) as phone,
        Client(two, cluster.token("drawer-ben")) as ben,
    ):
        await ben.subscribe(ROOM)
        first = await laptop.rpc("draft.set", channel=ROOM, message={"text": "hel"})
        second = await laptop.rpc("draft.set", channel=ROOM, message={"text": "hello"})
        await phone.wait_until(lambda: len(seen(phone, mine, "draft.updated")) >= 2, "the draft")
        assert seen(phone, mine, "draft.updated")[-1]["message"] == {"text": "hello"}
        hidden = {"channel": "group:drawer-hidden", "members": ["drawer-ben"]}
        cluster.rest("POST", "/v1/channels", hidden)
        for nowhere in (
            "group:drawer-nowhere",
            hidden["channel"],
        ):  # it answers as if it did not exist
            with pytest.raises(ReplyError) as unknown:
                await laptop.rpc("draft.set", channel=nowhere, message={"text": "x"})
            assert unknown.value.code == CHANNEL_NOT_FOUND.code
        with pytest.raises(ReplyError) as caught:
            await phone.rpc("draft.set", channel=ROOM, message={"text": "x"}, seen=first["rev"])
        assert caught.value.code == 409
        with pytest.raises(ReplyError):
            await ben.rpc("draft.list", user=user)

        await phone.send(ROOM, "hello", draft=second["rev"])
        for device in (laptop, phone):
            await device.wait_until(lambda d=device: seen(d, mine, "draft.cleared"), "the end")
        await ben.wait_until(lambda: seen(ben, ROOM, "message.created"), "the message")
        assert "draft" not in seen(ben, ROOM, "message.created")[0]
        assert (await laptop.rpc("draft.list"))["drafts"] == []

        await laptop.rpc("draft.set", channel=ROOM, message={"text": "again"})
        await phone.send(ROOM, "something else", draft=second["rev"])
        await phone.send(ROOM, "without a word about drafts")
        await ben.wait_until(lambda: len(seen(ben, ROOM, "message.created")) >= 3, "all of them")
        drafts = (await phone.rpc("draft.list"))["drafts"]
        assert [draft["message"] for draft in drafts] == [{"text": "again"}]
        page = cluster.rest("GET", f"/v1/users/{user}/drafts")
        assert page["drafts"] == drafts
        cluster.rest("DELETE", f"/v1/users/{user}/drafts/{ROOM}")
        await phone.wait_until(lambda: len(seen(phone, mine, "draft.cleared")) >= 2, "by REST")


async def test_a_reminder_comes_to_all_devices_until_it_is_dealt_with(cluster: Cluster) -> None:
    user, mine = "drawer-cid", "#drawer-cid"
    one, two = cluster.urls
    async with (
        Client(one, cluster.token(user)) as laptop,
        Client(two, cluster.token(user)) as phone,
    ):
        at = int(time.time() * 1_000) + 1_000
        made = await laptop.rpc("reminder.create", at=at, note="milk", cmid=new_cmid())
        for device in (laptop, phone):
            await device.wait_until(lambda d=device: seen(d, mine, "reminder.fired"), "milk")
        (fired,) = seen(phone, mine, "reminder.fired")
        assert (fired["id"], fired["note"]) == (made["id"], "milk")
        soon = int(time.time() * 1_000) + 700
        await phone.rpc("reminder.snooze", id=made["id"], at=soon, cmid=new_cmid())
        await laptop.wait_until(lambda: len(seen(laptop, mine, "reminder.fired")) >= 2, "again")
        path = f"/v1/users/{user}/reminders"
        (listed,) = cluster.rest("GET", path)["reminders"]
        assert listed["fired"] is True
        cluster.rest("DELETE", f"{path}/{made['id']}")
        assert cluster.rest("GET", f"{path}?limit=5")["reminders"] == []
        late = cluster.rest_answer("POST", path, {"at": "2999-01-01T00:00:00Z", "note": "x"})
        assert late.status == 400


async def test_bookmarks_are_kept_once_and_by_folders(cluster: Cluster) -> None:
    user = "drawer-dan"
    path = f"/v1/users/{user}/bookmarks"
    cluster.rest("POST", "/v1/channels", {"channel": "group:drawer-read", "members": [user]})
    sent = cluster.rest(
        "POST", "/v1/channels/group:drawer-read/messages", {"by": user, "text": "worth it"}
    )
    of_message = {"channel": "group:drawer-read", "message": sent["id"], "folder": "reading"}
    async with Client(cluster.url, cluster.token(user)) as dan:
        kept = await dan.rpc("bookmark.add", cmid=new_cmid(), **of_message)
        again = cluster.rest("POST", path, of_message)
        assert again["id"] == kept["id"]
        cluster.rest("POST", path, {"url": "https://example.org/", "title": "An example"})
        page = cluster.rest("GET", path)
        assert page["count"] == 2
        assert [row.get("url", row.get("message")) for row in page["bookmarks"]] == [
            "https://example.org/",
            sent["id"],
        ]
        cluster.rest("PATCH", f"{path}/{kept['id']}", {"folder": "done"})
        assert cluster.rest("GET", f"/v1/users/{user}/bookmark_folders")["folders"] == {"done": 1}
        assert cluster.rest("GET", f"{path}?folder=done")["count"] == 1
        cluster.rest("DELETE", f"{path}/{kept['id']}")
        await dan.wait_until(lambda: seen(dan, f"#{user}", "bookmark.removed"), "the end")
        assert (await dan.rpc("bookmark.list"))["count"] == 1
