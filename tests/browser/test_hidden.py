"""Hidden conversations of the chat page: until the next message, for good, on two devices."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import Chat, Demo
from tests.browser.test_chat import bubble, enter, fresh, line, online, pane
from tests.browser.test_together import option

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LONG = "long and winding " * 100  # more than a head brings without being asked


async def hide(where: Locator, name: str, until: str) -> None:
    await enter(where, name)
    await option(where, "Hide…")
    await where.page.get_by_role("menuitem", name=until, exact=True).click()
    await expect(line(where, name)).to_have_count(0)


async def hidden(where: Locator) -> Locator:
    """The sheet with what is hidden."""
    await where.locator(".me").click()
    await where.page.get_by_role("menuitem", name="Hidden conversations").click()
    sheet = where.page.get_by_role("dialog", name="Hidden conversations")
    await expect(sheet).to_be_visible()
    return sheet


async def test_a_hidden_conversation_comes_back(chat: Chat, demo: Demo) -> None:
    short, lengthy, gone = fresh("Attic"), fresh("Loft"), fresh("Bin")
    channels = [
        demo.group(f"group:{uuid4().hex}", ["bob", "emma"], name=n) for n in (short, lengthy, gone)
    ]
    for channel in channels:
        demo.write(channel, "emma", "Before")
    desk, phone = [pane(await chat.open("/?user=bob"), "bob") for _ in range(2)]
    for where in (desk, phone):
        await online(where)
        await expect(line(where, gone)).to_be_visible()
    await hide(desk, short, "Until the next message")
    await hide(desk, lengthy, "Until the next message")
    await hide(desk, gone, "For good")
    for name in (short, lengthy, gone):
        await expect(line(phone, name)).to_have_count(0)
    await expect(desk.locator(".room .card")).to_be_visible()
    sheet = await hidden(phone)
    for name in (short, lengthy, gone):
        await expect(sheet.get_by_text(name, exact=True)).to_be_visible()
    await chat.shoot(phone.page, "hidden")
    await sheet.get_by_role("button", name="Close").click()

    # All of it stays over a reload.
    await phone.page.reload()
    await online(phone)
    await expect(line(phone, "Lobby")).to_be_visible()
    for name in (short, lengthy, gone):
        await expect(line(phone, name)).to_have_count(0)

    demo.write(channels[2], "emma", "Nobody looks")
    demo.write(channels[0], "emma", "Here again")
    demo.write(channels[1], "emma", LONG)
    for where in (desk, phone):
        await expect(line(where, short)).to_be_visible()
        await expect(line(where, lengthy)).to_be_visible()
        await expect(line(where, gone)).to_have_count(0)

    sheet = await hidden(desk)
    row = sheet.locator("li").filter(has_text=gone)
    await expect(sheet.get_by_text(short)).to_have_count(0)
    await row.get_by_role("button", name="Show again").click()
    await expect(row).to_have_count(0)
    await sheet.get_by_role("button", name="Close").click()
    for where in (desk, phone):
        await expect(line(where, gone)).to_be_visible()

    # Opening it is another way.
    await hide(phone, gone, "For good")
    sheet = await hidden(phone)
    await sheet.locator("li").filter(has_text=gone).locator(".hit").click()
    await expect(phone.locator(".room h1")).to_have_text(gone)
    await expect(bubble(phone, "Nobody looks")).to_be_visible()
    await expect(line(desk, gone)).to_be_visible()
