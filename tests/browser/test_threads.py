"""Threads of the chat page: beside a conversation, from both ends, by hand and by keyboard."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Chat, Demo
from tests.browser.test_chat import bubble, enter, fresh, pane, write
from tests.browser.test_looks import FAULTS, TARGET_PX_MIN, check_page
from tests.browser.test_together import choose

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def panel(where: Locator) -> Locator:
    return where.locator(".beside")


def begun(demo: Demo) -> tuple[str, str, str]:
    """(name, channel, text) of a group of Chloé and Dan with one message. She has read all else."""
    name, text = fresh("Attic"), fresh("Who has the ladder?")
    channel = demo.group(f"group:{uuid4().hex}", ["chloe", "dan"], name=name)
    demo.write(channel, "chloe", text)
    seeded = "/v1/channels/group:launch/threads/read_all"
    demo.rest("POST", seeded, {"by": "chloe", "upto": 1_000_000})
    return name, channel, text


async def test_a_thread_from_both_ends(chat: Chat, demo: Demo) -> None:
    name, _, first = begun(demo)
    chloe_page = await chat.open("/?user=chloe", color_scheme="dark")
    dan_page = await chat.open("/?user=dan", width=390, height=844)
    chloe, dan = pane(chloe_page, "chloe"), pane(dan_page, "dan")
    for side in (chloe, dan):
        await enter(side, name)

    await choose(dan, first, "Reply in thread")
    await expect(panel(dan).get_by_role("heading")).to_have_text("Thread")
    await expect(bubble(panel(dan), first)).to_be_visible()
    await expect(panel(dan).locator("textarea")).to_be_focused()
    # It covers the phone: nothing behind it can be reached.
    assert await dan.locator(".room > .composer").evaluate("node => node.inert")
    assert await dan_page.evaluate(FAULTS, TARGET_PX_MIN) == []
    reply = fresh("Behind the door")
    await write(panel(dan), reply)
    await expect(bubble(panel(dan), reply)).to_have_attribute("data-status", "stored")

    # It stands in the thread alone, and its first message says so to everybody.
    await expect(bubble(dan.locator(".room > .timeline"), reply)).to_have_count(0)
    into = bubble(chloe, first).get_by_role("button", name="1 reply")
    await expect(chloe.locator(".own-list .badge")).to_have_text("1 unread")
    await into.click()
    await expect(bubble(panel(chloe), reply)).to_be_visible()
    await expect(chloe.locator(".own-list .badge")).to_have_count(0)
    assert not await chloe.locator(".room > .composer").evaluate("node => node.inert")
    await check_page(chloe_page)
    await chat.shoot(chloe_page, "thread-dark")

    await panel(chloe).get_by_text("Also send to the conversation").click()
    shared = fresh("Found it, thanks")
    await write(panel(chloe), shared)
    await expect(bubble(dan.locator(".room > .timeline"), shared)).to_have_count(1)
    await expect(bubble(panel(dan), shared)).to_be_visible()
    await expect(bubble(panel(dan), shared)).to_be_in_viewport()
    await expect(panel(dan).locator(".line-replies")).to_have_text("2 replies")
    await dan_page.keyboard.press("Escape")
    await expect(panel(dan)).to_be_hidden()
    await expect(bubble(dan.locator(".room > .timeline"), first)).to_be_focused()


async def test_the_list_of_ones_own_threads(chat: Chat, demo: Demo) -> None:
    name, channel, first = begun(demo)
    page: Page = await chat.open("/?user=chloe")
    chloe = pane(page, "chloe")
    await enter(chloe, name)
    await choose(chloe, first, "Reply in thread")
    reply, later = fresh("Mine"), fresh("Dan's")
    await write(panel(chloe), reply)
    await expect(bubble(panel(chloe), reply)).to_have_attribute("data-status", "stored")
    await page.keyboard.press("Escape")
    await enter(chloe, "Lobby")
    root = demo.rest("GET", f"/v1/channels/{channel}/messages?limit=5")["messages"][0]["id"]
    body = {"by": "dan", "text": later, "thread": root}
    demo.rest("POST", f"/v1/channels/{channel}/messages", body)

    await expect(chloe.locator(".own-list .badge")).to_have_text("1 unread")
    await chloe.get_by_role("button", name="Threads").click()
    row = panel(chloe).get_by_role("button").filter(has_text=first)
    await expect(row).to_contain_text(f"{name} · 2 replies")
    await expect(row.locator(".badge")).to_have_text("1 unread")
    await check_page(page)
    await row.press("Enter")
    await expect(chloe.locator(".room h1")).to_have_text(name)
    await expect(bubble(panel(chloe), later)).to_be_visible()
    await expect(panel(chloe).locator("textarea")).to_be_focused()

    # What leads to a reply leads into its thread.
    reply_id = await bubble(panel(chloe), later).get_attribute("data-id")
    demo.rest("PUT", f"/v1/channels/{channel}/messages/{reply_id}/pin", {"by": "chloe"})
    await page.keyboard.press("Escape")
    await chloe.get_by_role("button", name="Conversation options").click()
    await page.get_by_role("menuitem", name="Pinned messages").click()
    await page.get_by_role("dialog").get_by_role("button").filter(has_text=later).click()
    await expect(bubble(panel(chloe), later)).to_be_focused()

    # Who does not follow any more hears nothing of it.
    await panel(chloe).get_by_role("button", name="Following").click()
    await expect(panel(chloe).get_by_role("button", name="Follow", exact=True)).to_be_visible()
    await enter(chloe, "Lobby")
    await expect(panel(chloe)).to_be_hidden()
