"""What people see of one another in the chat page: ticks, signs, presence, reactions, answers,
names; and what they find again."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Chat, Demo
from tests.browser.test_chat import bubble, enter, fresh, line, pane, write

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FAR = 130  # messages: more than the first pages hold
FOUND_MS = 15_000  # a machine under load indexes late


async def choose(where: Locator, text: str, verb: str) -> None:
    """One of a message's actions."""
    await bubble(where, text).hover()
    await bubble(where, text).get_by_role("button", name="Actions").click()
    await where.page.get_by_role("menuitem", name=verb, exact=True).click()


async def both(chat: Chat, demo: Demo, **more: object) -> tuple[Page, Locator, Locator, str]:
    """Alice and Bob side by side in a group of their own, whose name comes last. Frida, the third
    of it, is never there."""
    name = fresh("Porch")
    demo.rest("PUT", "/v1/users/frida", {"name": "Frida Berg"})
    demo.group(f"group:{uuid4().hex}", ["alice", "bob", "frida"], name=name)
    page = await chat.open("/?split=alice,bob", **more)
    alice, bob = pane(page, "alice"), pane(page, "bob")
    await expect(alice.locator(".room h1")).to_contain_text("Bob")
    await enter(alice, name)
    return page, alice, bob, name


async def test_ticks_signs_and_presence(chat: Chat, demo: Demo) -> None:
    _, alice, bob, name = await both(chat, demo)
    await expect(line(bob, "Alice Moreau").locator(".here-online")).to_be_visible()
    await expect(alice.locator(".about")).to_have_text("3 members, 2 online")
    text = fresh("Is the door open?")
    await write(alice, text)
    tick = bubble(alice, text).locator(".tick")
    # Bob has another conversation open: it has reached him, and he has not read it.
    await expect(tick).to_have_text("Delivered")
    await expect(line(bob, name).locator(".badge")).to_have_text("1 unread")
    await enter(bob, name)
    await expect(tick).to_have_text("Read by 1")
    await choose(alice, text, "Seen by…")
    dialog = alice.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Bob")
    await expect(dialog).not_to_contain_text("Frida")
    await alice.page.keyboard.press("Escape")

    await bob.locator("textarea").press_sequentially("Ye")
    await expect(alice.locator(".typing")).to_have_text("Bob is typing…")
    await expect(bob.locator(".typing")).to_be_empty()
    await expect(line(alice, name).locator(".last")).to_have_text("typing…")
    await write(bob, fresh("Yes"))
    await expect(alice.locator(".typing")).to_be_empty()


async def test_a_menu_stays_open_while_ticks_come(chat: Chat, demo: Demo) -> None:
    name = fresh("Menus")
    demo.group(f"group:{uuid4().hex}", ["alice", "bob"], name=name)
    alice = pane(await chat.open("/?user=alice"), "alice")
    await enter(alice, name)
    text = fresh("Look up")
    await write(alice, text)
    await bubble(alice, text).hover()
    await bubble(alice, text).get_by_role("button", name="Actions").click()
    await expect(alice.get_by_role("menuitem", name="Edit")).to_be_focused()
    bob = pane(await chat.open("/?user=bob"), "bob")
    await enter(bob, name)
    await expect(bubble(alice, text).locator(".tick")).to_contain_text("Read")
    # Not `to_be_focused`: another page is in front.
    assert await alice.page.evaluate("document.activeElement.textContent") == "Edit"
    await alice.page.keyboard.press("Escape")
    await expect(alice.get_by_role("menu")).to_have_count(0)


async def test_reactions_answers_and_names(chat: Chat, demo: Demo) -> None:
    page, alice, bob, name = await both(chat, demo, color_scheme="dark")
    await enter(bob, name)
    await write(alice, "Who brings the cake on Sunday?")
    await choose(bob, "Who brings", "React with 🎉")
    chip = bubble(alice, "Who brings").locator(".reaction")
    await expect(chip).to_have_text("🎉1")
    await chip.click()
    await expect(bubble(bob, "Who brings").locator(".reaction")).to_have_text("🎉2")
    await choose(alice, "Who brings", "Reactions…")
    await expect(page.get_by_role("dialog")).to_contain_text("Bob")
    await page.keyboard.press("Escape")
    await chip.click()
    await expect(chip).to_have_text("🎉1")
    await expect(chip).to_have_attribute("aria-pressed", "false")

    await choose(bob, "Who brings", "Reply")
    await expect(bob.locator(".editing")).to_contain_text("Answer to Alice")
    await bob.locator("textarea").press_sequentially("Me! @Al")
    await expect(bob.get_by_role("option")).to_have_count(1)
    await bob.locator("textarea").press("Enter")
    await expect(bob.locator("textarea")).to_have_value("Me! @Alice Moreau ")
    await bob.locator("textarea").press("Enter")
    answer = bubble(alice, "Me!")
    await expect(answer.locator(".quote")).to_contain_text("Who brings the cake")
    await expect(answer.locator(".mention.me")).to_have_text("@Alice Moreau")
    await expect(bubble(bob, "Me!").locator(".tick")).to_have_text("Read by 1")
    await choose(alice, "Me!", "Pin")
    await expect(answer.locator(".pinned")).to_be_visible()
    await chat.shoot(page, "together-dark")

    # Named where one does not look.
    await alice.get_by_role("button", name="Back").or_(line(alice, "Robin")).first.click()
    await bob.locator("textarea").press_sequentially("@Ali")
    await bob.locator("textarea").press("Enter")
    await bob.locator("textarea").press("Enter")
    await expect(line(alice, name).locator(".at")).to_have_text("@ you are mentioned")


async def test_search_leads_to_a_message_far_back(chat: Chat, demo: Demo) -> None:
    name, word = fresh("Ledger"), f"kumquat{uuid4().hex[:6]}"
    channel = demo.group(f"group:{uuid4().hex}", ["emma", "dan"], name=name)
    demo.write(channel, "dan", f"The {word} jam is in the cellar")
    await asyncio.to_thread(demo.fill, channel, "dan", FAR)
    page = await chat.open("/?user=emma", height=700)
    emma = pane(page, "emma")
    await emma.get_by_role("searchbox").fill(word)
    hit = emma.locator(".hit")
    await expect(hit).to_have_count(1, timeout=FOUND_MS)
    await expect(hit.locator("mark")).to_have_text(word)
    await chat.shoot(page, "search")
    await hit.click()
    found = bubble(emma, word)
    await expect(found).to_be_in_viewport()
    await expect(found).to_be_focused()
    await emma.get_by_role("button", name="Latest").click()
    await expect(emma.locator("article.message").last).to_contain_text("line ")
    await expect(emma.locator(".jump")).to_be_hidden()
    held = await page.evaluate("hubbub.panes[0].session.room.messages.map(({seq}) => seq)")
    assert held == list(range(held[0], held[-1] + 1))


async def test_what_one_sets_for_oneself(chat: Chat, demo: Demo) -> None:
    name = fresh("Noise")
    channel = demo.group(f"group:{uuid4().hex}", ["chloe", "dan"], name=name)
    made = demo.write(channel, "dan", "First words")
    demo.rest(
        "PATCH",
        f"/v1/channels/{channel}/messages/{made['id']}",
        {"by": "dan", "text": "Better words"},
    )
    page = await chat.open("/?user=chloe", width=390, height=844)
    chloe = pane(page, "chloe")
    await enter(chloe, name)
    await bubble(chloe, "Better words").get_by_role("button", name="edited").click()
    await expect(page.get_by_role("dialog")).to_contain_text("First words")
    await page.keyboard.press("Escape")
    await chloe.get_by_role("button", name="Conversation options").click()
    await chat.shoot(page, "options-390")
    await page.get_by_role("menuitem", name="Mute").click()
    await chloe.get_by_role("button", name="Back to conversations").click()
    await expect(line(chloe, name).locator(".icon-muted")).to_be_visible()
    await chloe.get_by_role("button", name="Colours").click()
    assert await page.evaluate("document.documentElement.dataset.theme") == "light"
    await page.reload()
    await expect(line(chloe, name).locator(".icon-muted")).to_be_visible()
    assert await page.evaluate("document.documentElement.dataset.theme") == "light"
