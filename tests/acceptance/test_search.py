"""Search on real processes: words, scripts, filters, rights row by row, pages, a child that dies.

Whole form: HUBBUB_SEARCH_MESSAGES=20000 (default 600), over three channels.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from ops.api import Rest
from tests.support.client import Client, new_cmid
from tests.support.cluster import Cluster, wait_for
from tests.support.official import centrifuge, leave

MESSAGES = int(os.environ.get("HUBBUB_SEARCH_MESSAGES", "600"))
SEARCH = "/v1/search/messages"


def made(cluster: Cluster, channel: str, *members: str, **more: Any) -> str:
    cluster.rest("POST", "/v1/channels", {"channel": channel, "members": list(members), **more})
    return channel


def say(cluster: Cluster, channel: str, by: str, text: str, **more: Any) -> dict[str, Any]:
    body = {"by": by, "text": text, **more}
    sent: dict[str, Any] = cluster.rest("POST", f"/v1/channels/{channel}/messages", body)
    return sent


def search(cluster: Cluster, q: str = "", user: str = "", **more: Any) -> dict[str, Any]:
    """A page; as `user` by his own token, else by the server key."""
    body = {"q": q, **more}
    if not user:
        found: dict[str, Any] = cluster.rest("POST", SEARCH, body)
        return found
    return dict(Rest(cluster.urls[1], cluster.token(user)).need("POST", SEARCH, body))


def texts(page: dict[str, Any]) -> list[str]:
    return [hit["message"]["text"] for hit in page["hits"]]


def until(look: Any, expected: Any, seconds: float = 15.0) -> None:
    """Until `look()` gives what is expected."""
    wait_for(lambda: look() == expected, seconds, lambda: f"{look()} instead of {expected}")


def children(cluster: Cluster) -> dict[int, Path]:
    """The indexing child of every node: its pid, and its folder."""
    found: dict[int, Path] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if "node.search.child" in words and words[3].startswith(str(cluster.dir)):
            found[int(entry.name)] = Path(words[3])
    return found


def test_words_scripts_and_filters(cluster: Cluster) -> None:
    room = made(cluster, "group:search-words", "sw-ann", "sw-ben")
    other = made(cluster, "group:search-other", "sw-ann")
    said = [
        ("sw-ann", "Green tea, then the kettle"),
        ("sw-ben", "Crème brûlée with TEA"),
        ("sw-ann", "我在北京大学读书"),
        ("sw-ann", "東京タワーに行きました"),
        ("sw-ben", "한국어를 배우고 있어요"),
        ("sw-ben", "สวัสดีครับ ขอบคุณมาก"),
        ("sw-ben", "hello there, kettleblack"),
    ]
    sent = [say(cluster, room, by, text) for by, text in said]
    say(cluster, other, "sw-ann", "tea elsewhere", type="order")

    def found(q: str, **more: Any) -> list[int]:
        page = search(cluster, q, user="sw-ben", channels=[room, other], **more)
        numbers = [hit["message"]["seq"] for hit in page["hits"]]
        return [number - sent[0]["seq"] for number in numbers]

    until(lambda: found("tea"), [1, 0])
    until(lambda: found("hello"), [6])
    assert found("creme") == found("BRÛLÉE") == [1]
    assert found('"green tea"') == [0]
    assert found('"tea green"') == []
    assert found("tea -kettle") == [1]
    assert found("kett*") == [6, 0]
    assert found("kettle") == [0]
    assert found("北京") == found("大学") == [2]
    assert found("京") == [3, 2]
    assert found("東京タワー") == [3]
    assert found("국어") == [4]
    assert found("ขอบคุณ") == [5]
    assert found("", by="sw-ann") == [3, 2, 0]
    assert found("tea", until=sent[1]["ts"]) == [0]
    assert found("tea", since=sent[1]["ts"]) == [1]
    # As a member of both he finds both, the newest first; by the server key with anybody's rights.
    both = [
        "tea elsewhere",
        said[1][1],
        said[0][1],
    ]  # the other channel's index may be a moment behind
    until(lambda: texts(search(cluster, "tea", user="sw-ann")), both)
    assert texts(search(cluster, "tea", type="order", channels=[other])) == ["tea elsewhere"]
    as_ben = cluster.rest("GET", f"{SEARCH}?q=tea&user=sw-ben&limit=1")
    assert texts(as_ben) == [said[1][1]]
    hit = as_ben["hits"][0]
    assert hit["channel"] == room
    [[start, end]] = hit["highlights"]
    assert hit["message"]["text"][start:end] == "TEA"


def test_rights_hold_message_by_message(cluster: Cluster) -> None:
    word = "quokka"
    closed = made(cluster, "group:search-closed", "sr-ann")
    joined = made(cluster, "group:search-joined", "sr-ann", history="from_join")
    mine = made(cluster, "group:search-mine", "sr-ann", "sr-ben")
    for room in (closed, joined, mine):
        say(cluster, room, "sr-ann", f"{word} in {room}")
    cluster.rest("POST", f"/v1/channels/{joined}/members", {"users": ["sr-ben"]})
    say(cluster, joined, "sr-ann", f"{word} later")
    until(lambda: len(search(cluster, word, user="sr-ann")["hits"]), 4)
    # His list has the channel a moment after he was added.
    until(
        lambda: texts(search(cluster, word, user="sr-ben")),
        [f"{word} later", f"{word} in {mine}"],
    )
    asked = {"channels": [closed, mine, joined, "group:search-none"]}
    assert len(search(cluster, word, user="sr-ben", **asked)["hits"]) == 2
    assert len(search(cluster, word)["hits"]) == 4  # the whole app
    cluster.rest("DELETE", f"/v1/channels/{mine}/members/sr-ben")
    assert texts(search(cluster, word, user="sr-ben", **asked)) == [f"{word} later"]
    capabilities = {"deny": ["search"]}
    cluster.rest("PUT", f"/v1/channels/{joined}/capabilities/member", capabilities)
    assert search(cluster, word, user="sr-ben", **asked)["hits"] == []


def test_what_changes_is_found_as_it_is_now(cluster: Cluster) -> None:
    room = made(cluster, "group:search-edits", "se-ann", "se-ben")
    one, two, three, four = (say(cluster, room, "se-ann", f"walnut {n}") for n in range(4))
    at = f"/v1/channels/{room}/messages"
    until(lambda: len(search(cluster, "walnut")["hits"]), 4)
    cluster.rest("PATCH", f"{at}/{one['id']}", {"by": "se-ann", "text": "pecan 0"})
    cluster.rest("DELETE", f"{at}/{two['id']}?by=se-ann")
    # At once, however far the index is.
    assert texts(search(cluster, "walnut")) == ["walnut 3", "walnut 2"]
    until(lambda: texts(search(cluster, "pecan")), ["pecan 0"])
    cluster.rest("POST", f"/v1/channels/{room}/truncate", {"before_seq": four["seq"]})
    assert texts(search(cluster, "walnut")) == ["walnut 3"]
    assert three["seq"] < four["seq"]
    cluster.rest("DELETE", f"/v1/channels/{room}")
    assert search(cluster, "walnut")["hits"] == []


async def test_pages_are_one_list_while_people_go_on(cluster: Cluster) -> None:
    rooms = [f"group:search-page-{n}" for n in range(3)]
    for room in rooms:
        await asyncio.to_thread(made, cluster, room, "sp-ann")
    token = await asyncio.to_thread(cluster.token, "sp-ann")
    sent: list[str] = []
    async with Client(cluster.urls[0], token) as ann, Client(cluster.urls[1], token) as reader:

        async def speak(text: str, n: int) -> str:
            """When it was said."""
            sent.append(text)
            return str((await ann.send(rooms[n % 3], text, cmid=new_cmid()))["ts"])

        newest = ""
        for start in range(0, MESSAGES, 50):
            batch = range(start, min(start + 50, MESSAGES))
            async with asyncio.TaskGroup() as group:
                said = [group.create_task(speak(f"pumpkin {n}", n)) for n in batch]
            newest = max(newest, *(one.result() for one in said))

        async def indexed_to() -> str:
            page = await reader.rpc("search.messages", q="pumpkin", limit=1)
            return str(page.get("indexed_to", ""))

        async with asyncio.timeout(15 + MESSAGES / 200):
            while await indexed_to() < newest:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)
        expected = set(sent)
        for sort in ("time", "relevance"):
            found: list[tuple[str, str]] = []
            cursor = ""
            while True:
                page = await reader.rpc(
                    "search.messages", q="pumpkin", sort=sort, limit=50, cursor=cursor
                )
                assert "incomplete" not in page
                assert page["indexed_to"]
                found += [(hit["message"]["ts"], hit["message"]["text"]) for hit in page["hits"]]
                await speak("pumpkin again", len(sent))
                cursor = page.get("next", "")
                if not cursor or len(found) >= 2_000:
                    break
            assert len({text for _, text in found if text != "pumpkin again"}) == len(
                [text for _, text in found if text != "pumpkin again"]
            )
            if MESSAGES <= 2_000:
                assert {text for _, text in found} - {"pumpkin again"} == expected
            if sort == "time":
                assert [ts for ts, _ in found] == sorted((ts for ts, _ in found), reverse=True)


async def test_an_official_client_searches(cluster: Cluster) -> None:
    room = await asyncio.to_thread(made, cluster, "group:search-sdk", "so-ann")
    await asyncio.to_thread(say, cluster, room, "so-ann", "a walrus")
    token = await asyncio.to_thread(cluster.token, "so-ann")
    url = cluster.urls[0].replace("http", "ws") + "/connection/websocket"
    client = centrifuge().Client(url, token=token)
    await client.connect()
    try:
        async with asyncio.timeout(15):
            while True:
                result = await client.rpc("search.messages", {"q": "WALRUS"})
                if texts(result.data) == ["a walrus"]:
                    break
                await asyncio.sleep(0.05)
    finally:
        await leave(client)


def test_killed_children_and_deleted_files(cluster: Cluster) -> None:
    room = made(cluster, "group:search-killed", "sk-ann")
    first = [say(cluster, room, "sk-ann", f"ostrich {n}")["seq"] for n in range(5)]

    def found() -> list[int]:
        page = search(cluster, "ostrich", channels=[room])
        return [hit["message"]["seq"] for hit in page["hits"]]

    until(found, first[::-1])
    before = children(cluster)
    assert len(before) == 3
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    second = [say(cluster, room, "sk-ann", f"ostrich {n}")["seq"] for n in range(5)]
    until(found, [*first, *second][::-1], 30)
    assert not before.keys() & children(cluster).keys()
    for folder in before.values():
        for file in folder.iterdir():
            file.unlink()
    third = say(cluster, room, "sk-ann", "ostrich last")["seq"]
    until(found, [*first, *second, third][::-1], 30)
    until(lambda: search(cluster, "ostrich", channels=[room]).get("incomplete", False), False, 30)


def test_bad_questions_have_codes(cluster: Cluster) -> None:
    for body in ({}, {"q": '"open'}, {"q": "-only"}, {"q": "?"}, {"q": "tea", "limit": 51}):
        answer = cluster.rest_answer("POST", SEARCH, body)
        assert (answer.status, answer.body["code"]) == (400, "bad_request"), body
    many = {"q": "tea", "channels": [f"group:{n}" for n in range(101)]}
    assert cluster.rest_answer("POST", SEARCH, many).status == 422
