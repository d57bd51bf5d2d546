"""The page of the API in Chromium: every operation is there, one is found, opened and tried."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Chat, Demo

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_an_operation_is_found_and_tried(chat: Chat, demo: Demo) -> None:
    group = demo.group("group:docs", ["alice", "bob"])
    token = demo.rest("POST", "/v1/tokens", {"user": "alice"})["token"]
    page = await chat.open("/docs")
    await expect(page.locator("#docs")).to_have_attribute("aria-busy", "false")
    assert await page.locator(".row").count() > 40
    await page.fill("#key", token)
    await page.fill("#find", "POST /v1/channels/{channel}/messages")
    row = page.locator("#post_channels_channel_messages")
    await expect(page.locator(".row:visible").first).to_be_visible()
    await row.locator("summary").click()
    await row.get_by_label("Address").fill(f"/v1/channels/{group}/messages")
    await row.get_by_label("Body").fill('{"text": "From the page of the API"}')
    await row.get_by_role("button", name="Try it").click()
    await expect(row.locator("pre").last).to_contain_text("201 Created")
    await chat.shoot(page, "docs")
    found = demo.rest("GET", f"/v1/channels/{group}/messages")["messages"]
    assert [message["text"] for message in found] == ["From the page of the API"]


async def test_a_problem_leads_to_its_code(chat: Chat) -> None:
    page = await chat.open("/docs/errors#rate_limited")
    row = page.locator("#rate_limited")
    await expect(row).to_contain_text("429")
    # It is not behind what stays on top, and fits a phone.
    top, under = await page.evaluate("""() => {
        const [top, row] = [".top", "#rate_limited"].map((one) => document.querySelector(one));
        return [top.getBoundingClientRect().bottom, row.getBoundingClientRect().top];
    }""")
    assert under >= top
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
