"""Drafts of the chat page over two devices, and polls, through a real cluster."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import Chat, Demo
from tests.browser.test_chat import bubble, enter, fresh, line, online, pane, write
from tests.browser.test_looks import check_page
from tests.browser.test_together import choose

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def box(where: Locator) -> Locator:
    return where.locator(".room > .composer textarea")


async def test_a_draft_follows_its_writer_to_another_device(chat: Chat, demo: Demo) -> None:
    name, other = fresh("Cellar"), fresh("Shed")
    for room in (name, other):
        demo.group(f"group:{uuid4().hex}", ["emma", "bob"], name=room)
    # Each context has a storage of its own: another device.
    desk, phone = [pane(await chat.open("/?user=emma"), "emma") for _ in range(2)]
    await enter(desk, name)
    await enter(phone, other)
    text = fresh("The jam is in the")
    await box(desk).press_sequentially(text)
    await expect(line(phone, name).locator(".last")).to_have_text(f"Draft: {text}")
    await enter(phone, name)
    await expect(box(phone)).to_have_value(text)

    # Without a connection it stays, over a reload, and is told when there is one again.
    chat.is_cut = True
    await desk.page.context.set_offline(True)
    await desk.evaluate("() => hubbub.panes[0].session.client.cut()")
    await box(desk).fill(f"{text} cellar")
    await expect(desk).not_to_have_attribute("data-state", "online")
    await desk.page.context.set_offline(False)
    await desk.page.reload()
    await online(desk)
    await expect(box(phone)).to_have_value(f"{text} cellar")

    await write(phone.locator(".room > .composer"), f"{text} cellar, mostly")
    await expect(bubble(phone, "mostly")).to_have_attribute("data-status", "stored")
    await enter(desk, name)
    await expect(bubble(desk, "mostly")).to_be_visible()
    await expect(box(desk)).to_have_value("")
    rows = demo.rest("GET", "/v1/users/emma/drafts")["drafts"]
    assert [row for row in rows if text in row["message"].get("text", "")] == []


async def test_a_poll_from_its_question_to_its_result(chat: Chat, demo: Demo) -> None:
    name, question = fresh("Lounge"), fresh("Where to?")
    demo.group(f"group:{uuid4().hex}", ["dan", "emma"], name=name)
    dan = pane(await chat.open("/?user=dan"), "dan")
    emma = pane(await chat.open("/?user=emma", color_scheme="dark"), "emma")
    for side in (dan, emma):
        await enter(side, name)
    await dan.get_by_role("button", name="New poll").click()
    dialog = dan.page.get_by_role("dialog", name="New poll")
    await dialog.get_by_label("Question").fill(question)
    await dialog.get_by_label("Option 1").fill("Hills")
    await dialog.get_by_label("Option 2").fill("Sea")
    await expect(dialog.get_by_label("Option 3")).to_be_visible()
    await dialog.get_by_label("Others may add options").check()
    await check_page(dan.page)
    await dialog.get_by_role("button", name="Create poll").click()
    await expect(dialog).to_have_count(0)

    poll = bubble(emma, question)
    await poll.get_by_role("button", name="Hills").click()
    await expect(poll.get_by_role("button", name="Hills: 1 vote, 100 %")).to_be_visible()
    sea = poll.get_by_role("button", name="Sea")
    await sea.press("Enter")
    await expect(sea).to_have_attribute("aria-pressed", "true")
    await expect(sea).to_be_focused()
    await expect(bubble(dan, question).get_by_role("button", name="Sea: 1 vote")).to_be_visible()
    await check_page(emma.page)
    # It takes no more room than was kept for it while it was loaded.
    await expect(poll.get_by_label("One more option")).to_be_visible()
    kept = "box => parseFloat(getComputedStyle(box).minHeight) - box.offsetHeight"
    assert await poll.locator(".poll").evaluate(kept) >= 0
    await chat.shoot(emma.page, "poll-dark")

    await bubble(dan, question).get_by_role("button", name="Who?").click()
    votes = dan.page.get_by_role("dialog", name="Votes")
    await expect(votes).to_contain_text("Emma Schneider")
    await dan.page.keyboard.press("Escape")
    # What one chose is known again after a reload; whose poll it is ends it.
    await emma.page.reload()
    await enter(emma, name)
    await expect(sea).to_have_attribute("aria-pressed", "true")
    await choose(dan, question, "End the poll…")
    await dan.page.get_by_role("menuitem", name="End it for everyone").click()
    await expect(poll.locator(".poll-foot")).to_contain_text("Final result")
    await expect(sea).to_be_disabled()
