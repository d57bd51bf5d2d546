"""What people see of one another in the chat page: ticks, signs, presence, reactions, answers,
names; and what they find again."""

from __future__ import annotations

import asyncio
import re
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Chat, Demo
from tests.browser.test_chat import bubble, enter, fresh, line, pane, write

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FAR = 130  # messages: more than the first pages hold
HIDDEN = re.compile("Hidden: written by somebody you block")
FOUND_MS = 15_000  # a machine under load indexes late


async def choose(where: Locator, text: str, verb: str) -> None:
    """One of a message's actions."""
    await bubble(where, text).hover()
    await bubble(where, text).get_by_role("button", name="Actions").click()
    await where.page.get_by_role("menuitem", name=verb, exact=True).click()


async def option(where: Locator, entry: str) -> None:
    """One of the opened conversation's options."""
    await where.get_by_role("button", name="Conversation options").click()
    await where.page.get_by_role("menuitem", name=entry, exact=True).click()


async def person(where: Locator, name: str, act: str) -> None:
    """What may be done with a member of the opened conversation."""
    await option(where, "Members")
    await where.page.get_by_role("dialog").get_by_role("button", name=name).click()
    await where.page.get_by_role("dialog").get_by_role("button", name=act, exact=True).click()


async def own(where: Locator, entry: str) -> None:
    """One of the entries below one's own name."""
    await where.locator(".me").click()
    await where.locator("[role^=menuitem]").filter(has_text=entry).click()


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


# Bob's conversation as if he came to it for the first time.
ANEW = """(({ session }) => {
  const { channel } = session.room;
  session.close();
  session.rooms.clear();
  session.positions.clear();
  session.open(channel);
})(hubbub.panes[1])"""


async def test_ticks_signs_and_presence(chat: Chat, demo: Demo) -> None:
    page, alice, bob, name = await both(chat, demo)
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

    # What holds for who writes here is said where one writes.
    notice = bob.locator(".bounds")
    await option(alice, "Let only moderators write")
    await expect(notice).to_have_text("Only moderators can write here now")
    await expect(bob.locator("textarea")).to_be_disabled()
    await option(alice, "Let everybody write")
    await expect(notice).to_be_hidden()
    await option(alice, "Slow mode: one message in 30 s")
    await expect(notice).to_have_text("Slow mode: one message in 30 s")
    await write(bob, "Once")
    await expect(notice).to_contain_text("s left")
    await bob.locator("textarea").fill("Twice")
    await expect(bob.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    await bob.locator("textarea").fill("")
    await option(alice, "End slow mode")
    await person(alice, "Bob Tanaka", "For an hour")
    await expect(notice).to_contain_text("You are muted here until")
    # Not only who was there as it happened is told so.
    await page.evaluate(ANEW)
    await expect(notice).to_contain_text("You are muted here until")
    dialog = page.get_by_role("dialog")
    await choose(alice, "Once", "Person…")
    await dialog.get_by_role("button", name="Unmute").click()
    await expect(notice).to_be_hidden()
    # What one owner may do with another.
    await person(alice, "Bob Tanaka", "Make owner")
    await choose(alice, "Once", "Person…")
    await expect(dialog).to_contain_text("owner")
    await expect(dialog.get_by_role("button", name="Unmute")).to_have_count(0)
    await expect(dialog.get_by_role("button", name="Ban", exact=True)).to_be_visible()
    await dialog.get_by_role("button", name="Make member").click()
    await expect(dialog).to_have_count(0)

    # A public conversation is found; who asks to be let in is let in there.
    club = fresh("Club")
    public = demo.group(f"group:{uuid4().hex}", ["alice"], name=club, public=True, approval=True)
    await own(bob, "Public conversations")
    await bob.page.get_by_role("button", name=f"Ask to join: {club}").click()
    await expect(bob.page.get_by_role("dialog")).to_contain_text("Asked to join")
    await bob.page.keyboard.press("Escape")
    await enter(alice, club)
    await option(alice, "Members")
    await alice.page.get_by_role("button", name="Let Bob Tanaka in").click()
    await expect(line(bob, club)).to_be_visible()
    await alice.page.keyboard.press("Escape")
    demo.rest("DELETE", f"/v1/channels/{public}")
    await enter(alice, name)

    # What was deleted comes back.
    await choose(alice, text, "Delete…")
    await alice.page.get_by_role("menuitem", name="Delete for everyone").click()
    gone = alice.locator("article.message.deleted")
    await gone.hover()
    await gone.get_by_role("button", name="Actions").click()
    await alice.page.get_by_role("menuitem", name="Bring it back").click()
    await expect(bubble(bob, text)).to_be_visible()

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
    menu = alice.get_by_role("menu")
    await expect(menu).to_have_count(0)

    # A press elsewhere closes it, and another one on what opened it.
    await bob.page.close()
    await bubble(alice, text).get_by_role("button", name="Actions").click()
    await expect(menu).to_have_count(1)
    await alice.locator(".room h1").click()
    await expect(menu).to_have_count(0)
    for count in (1, 0, 1):
        await alice.locator(".side .me").click()
        await expect(menu).to_have_count(count)
    await alice.locator(".room h1").click()
    await expect(menu).to_have_count(0)
    # Beside a message that is higher than what is seen there is no room for it.
    await write(alice, "high " * 900)
    await bubble(alice, "high").hover()
    await bubble(alice, "high").get_by_role("button", name="Actions").click()
    for item in (menu.get_by_role("menuitem").first, menu.get_by_role("menuitem").last):
        await expect(item).to_be_in_viewport(ratio=1)


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

    # By keys alone, and back to where one was.
    await bubble(alice, "Who brings").focus()
    await page.keyboard.press("ArrowRight")
    await expect(chip).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(bubble(bob, "Who brings").locator(".reaction")).to_have_text("🎉2")
    await expect(chip).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(chip).to_have_text("🎉1")
    await page.keyboard.press("Escape")
    await expect(bubble(alice, "Who brings")).to_be_focused()

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
    await expect(answer.locator(".mention.me")).to_have_css("display", "inline")
    await expect(bubble(bob, "Me!").locator(".tick")).to_have_text("Read by 1")
    await choose(alice, "Me!", "Pin")
    await expect(answer.locator(".pinned")).to_be_visible()
    await chat.shoot(page, "together-dark")
    await choose(alice, "Me!", "Another reaction")
    palette = page.get_by_role("dialog").locator("button.emoji")  # it is loaded now
    await expect(palette.nth(0)).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(palette.nth(1)).to_be_focused()
    await chat.shoot(page, "emoji-dark")
    await page.keyboard.press("Enter")
    await expect(bubble(bob, "Me!").locator(".reaction")).to_have_text("😃1")
    await alice.locator("textarea").fill("Good ")
    await alice.get_by_role("button", name="Emoji").click()
    await page.get_by_role("dialog").get_by_role("button", name="🍰").click()
    await expect(alice.locator("textarea")).to_have_value("Good 🍰")
    await alice.locator("textarea").fill("")

    # Named where one does not look.
    await alice.get_by_role("button", name="Back").or_(line(alice, "Robin")).first.click()
    await bob.locator("textarea").press_sequentially("@Ali")
    await expect(bob.get_by_role("option")).to_have_count(1)
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
    await emma.get_by_role("searchbox").press("ArrowDown")
    await expect(hit).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await expect(emma.get_by_role("searchbox")).to_be_focused()
    await page.keyboard.press("Enter")
    found = bubble(emma, word)
    await expect(found).to_be_in_viewport()
    await expect(found).to_be_focused()
    await emma.get_by_role("button", name="Latest").click()
    await expect(emma.locator("article.message").last).to_contain_text("line ")
    await expect(emma.locator(".jump")).to_be_hidden()
    held = await page.evaluate("hubbub.panes[0].session.room.messages.map(({seq}) => seq)")
    assert held == list(range(held[0], held[-1] + 1))

    # A link to it leads there from anywhere, also where nothing of the conversation is loaded yet.
    demo.write(
        demo.group(f"group:{uuid4().hex}", ["emma", "dan"], name=fresh("Later")), "dan", "Hi"
    )
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await hit.click()
    await choose(emma, word, "Copy link")
    await expect(emma.locator(".toast")).to_have_text("Link copied")
    link = await page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{demo.url}/m/")
    await page.goto(link)
    await page.get_by_role("link", name="Emma Schneider").click()
    await expect(found).to_be_focused()
    await expect(found).to_be_in_viewport()
    await expect(emma.locator(".room h1")).to_have_text(name)
    await emma.get_by_role("button", name="Latest").click()
    await expect(emma.locator("article.message").last).to_contain_text("line ")
    held = await page.evaluate("hubbub.panes[0].session.room.messages.map(({seq}) => seq)")
    assert held == list(range(held[0], held[-1] + 1))
    # In a text as well; who may not read it is told so and stays where he is.
    await write(emma, f"See {link}")
    await bubble(emma, "See http").get_by_role("link").click()
    await expect(found).to_be_focused()
    await page.evaluate("location.hash = '#/m/group:none/abcdefgh'")
    await expect(emma.locator(".toast")).not_to_be_empty()
    await expect(emma.locator(".room h1")).to_have_text(name)


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

    # What is saved leads back to where it stands; so does a reminder, which also is told when due.
    await choose(chloe, "Better words", "Save for later")
    await expect(chloe.locator(".toast")).to_have_text("Saved")
    await choose(chloe, "Better words", "Remind me…")
    await page.get_by_role("menuitem", name="In an hour").click()
    await write(chloe, "Later words")
    await expect(bubble(chloe, "Later words")).to_have_attribute("data-status", "stored")
    await chloe.locator("textarea").fill("Much later words")
    await chloe.get_by_role("button", name="Send later").click()
    await page.get_by_role("button", name="Schedule", exact=True).click()
    await expect(chloe.locator("textarea")).to_have_value("")
    await expect(chloe.locator("textarea")).to_be_focused()
    await chloe.get_by_role("button", name="Back to conversations").click()
    await expect(line(chloe, name)).to_be_focused()
    await own(chloe, "Scheduled messages")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Much later words")
    await dialog.get_by_role("button", name="Edit…").click()
    await dialog.get_by_label("Message").fill("Better late words")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_contain_text("Better late words")
    await dialog.get_by_role("button", name="Send now").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Nothing waits")
    await page.keyboard.press("Escape")
    await expect(line(chloe, name)).to_contain_text("You: Better late words")
    soon = await page.evaluate("""async () => {
        const { session } = hubbub.panes[0];
        const { reminders } = await session.ask("reminder.list", {});
        return session.ask("reminder.snooze", { id: reminders[0].id, at: Date.now() + 900 });
    }""")
    assert soon["seq"]
    await own(chloe, "Saved messages")
    await page.get_by_role("dialog").get_by_role("button", name="Better words").click()
    await expect(bubble(chloe, "Better words")).to_be_focused()
    await expect(chloe.locator(".toast")).to_contain_text("Reminder: Better words")
    await chloe.locator(".toast").get_by_role("button", name="Show").click()
    await expect(chloe.locator(".toast")).to_be_empty()
    await expect(bubble(chloe, "Better words")).to_be_focused()

    # Who is blocked has no words here, and they come back with him.
    await choose(chloe, "Better words", "Person…")
    await page.get_by_role("dialog").get_by_role("button", name="Block").click()
    await expect(chloe.locator("article.message.system")).to_have_text(HIDDEN)
    await expect(bubble(chloe, "Later words")).to_be_visible()
    await chloe.get_by_role("button", name="Back to conversations").click()
    await own(chloe, "Blocked people")
    await page.get_by_role("dialog").get_by_role("button", name="Unblock").click()
    await expect(page.get_by_role("dialog")).to_contain_text("You block nobody.")
    await page.keyboard.press("Escape")
    await enter(chloe, name)
    await bubble(chloe, "Better words").focus()

    # Escape closes what is on top, and nothing else.
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("These keys")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(bubble(chloe, "Better words")).to_be_focused()

    await chloe.get_by_role("button", name="Back to conversations").click()
    await own(chloe, "Invisible")
    await expect(chloe.locator(".me .presence")).to_have_text("Invisible")
    await own(chloe, "Online")
    await expect(chloe.locator(".me .presence")).to_have_text("Online")
    await enter(chloe, name)
    await chloe.get_by_role("button", name="Conversation options").click()
    await chat.shoot(page, "options-390")
    await page.get_by_role("menuitem", name="Pin to the top of the list").click()
    await chloe.get_by_role("button", name="Conversation options").click()
    await page.get_by_role("menuitem", name="Mute").click()
    await chloe.get_by_role("button", name="Back to conversations").click()
    await expect(line(chloe, name).locator(".icon-muted")).to_be_visible()
    await expect(line(chloe, name).locator(".icon-pin")).to_be_visible()
    await chloe.get_by_role("button", name="Colours").click()
    assert await page.evaluate("document.documentElement.dataset.theme") == "light"
    await own(chloe, "Deutsch")
    await expect(chloe.get_by_role("searchbox")).to_have_attribute("placeholder", "Suchen")
    await expect(line(chloe, name).locator(".icon-muted")).to_be_visible()
    assert await page.evaluate("document.documentElement.dataset.theme") == "light"
    assert await page.evaluate("document.documentElement.lang") == "de"
    await enter(chloe, name)
    await expect(chloe.locator(".line-day")).to_have_text("Heute")
    await chat.shoot(page, "german-390")
    # What the server refuses is said in it, too.
    await page.evaluate(f"location.hash = '#/m/group:none/{made['id']}'")
    await expect(chloe.locator(".toast")).to_have_text("Diese Unterhaltung gibt es nicht")
