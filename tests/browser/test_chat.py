"""The chat page in Chromium against a real demo cluster: what a person does with it."""

from __future__ import annotations

import asyncio
import re
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, WebSocket, WebSocketRoute, expect

from tests.browser.conftest import Chat, Demo

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LINES = 360  # more than the rows that may be in the document at once
ROWS_MAX = 300
STILL_PX = 1.0


def fresh(word: str) -> str:
    """A text that no other test writes."""
    return f"{word} {uuid4().hex[:8]}"


def pane(page: Page, user: str) -> Locator:
    return page.locator(f'.pane[data-user="{user}"]')


def bubble(where: Locator, text: str) -> Locator:
    return where.locator("article.message").filter(has_text=text)


def line(where: Locator, name: str) -> Locator:
    """An entry of the channel list."""
    return where.locator(".channel").filter(has=where.page.get_by_text(name, exact=True))


async def online(where: Locator) -> None:
    await expect(where).to_have_attribute("data-state", "online")


async def write(where: Locator, text: str) -> None:
    await where.locator("textarea").fill(text)
    await where.locator("textarea").press("Enter")


async def enter(where: Locator, name: str) -> None:
    """Opens a channel by its name in the list."""
    await line(where, name).click()
    await expect(where.locator(".room h1")).to_have_text(name)


async def texts(where: Locator) -> list[str]:
    return await where.locator("article.message .text").all_inner_texts()


async def test_alice_writes_to_bob_and_back(chat: Chat) -> None:
    page = await chat.open("/?split=alice,bob")
    alice, bob = pane(page, "alice"), pane(page, "bob")
    await expect(alice.locator(".room h1")).to_contain_text("Bob")
    await expect(bob.locator(".room h1")).to_contain_text("Alice")
    # What people are shown: no other test writes these.
    question, answer = (
        "Lunch at one? I found a table 🍜",
        "On my way, keep the chair by the window!",
    )

    await write(alice, question)
    await expect(bubble(bob, question)).to_be_visible()
    await expect(bubble(bob, question)).not_to_have_class(re.compile(r"\bown\b"))
    await expect(bubble(alice, question)).to_have_class(re.compile(r"\bown\b"))
    await expect(bubble(alice, question)).to_have_attribute("data-status", "stored")
    await expect(bubble(alice, question).locator(".tick")).to_have_text("Read")

    await write(bob, answer)
    await expect(bubble(alice, answer)).to_be_visible()
    await expect(alice.locator(".timeline [aria-live=polite]")).to_contain_text(answer)
    await expect(alice.locator("textarea")).to_have_value("")
    for side in (alice, bob):
        await expect(bubble(side, question)).to_have_count(1)
        await expect(bubble(side, answer)).to_have_count(1)
    await chat.shoot(page, "split")


async def test_edit_and_delete_show_on_both_sides(chat: Chat) -> None:
    page = await chat.open("/?split=alice,bob")
    alice, bob = pane(page, "alice"), pane(page, "bob")
    first, better, gone = fresh("Hafl past"), fresh("Half past"), fresh("Never mind")
    await write(alice, first)
    await expect(bubble(bob, first)).to_be_visible()

    await alice.locator("textarea").press("ArrowUp")
    await expect(alice.locator("textarea")).to_have_value(first)
    await write(alice, better)
    await expect(bubble(bob, better).locator(".edited")).to_have_text("edited")
    await expect(bubble(alice, better)).to_have_attribute("data-status", "stored")
    await expect(bubble(bob, first)).to_have_count(0)

    await write(alice, gone)
    await expect(bubble(bob, gone)).to_be_visible()
    await bubble(alice, gone).hover()
    await bubble(alice, gone).get_by_role("button", name="Actions").click()
    await page.get_by_role("menuitem", name="Delete…").click()
    await page.get_by_role("menuitem", name="Delete for everyone").click()
    for side in (alice, bob):
        await expect(bubble(side, gone)).to_have_count(0)
        await expect(side.locator("article.message").last).to_contain_text("was deleted")
    await expect(bob.locator("article.message").last.locator(".opener")).to_have_count(0)

    await page.reload()
    await expect(bubble(alice, better).locator(".edited")).to_be_visible()
    await expect(bubble(alice, gone)).to_have_count(0)


async def test_unread_figures_come_and_go(chat: Chat, demo: Demo) -> None:
    name = fresh("Tea")
    channel = demo.group(f"group:{uuid4().hex}", ["alice", "dan"], name=name)
    page = await chat.open("/?user=alice")
    alice = pane(page, "alice")
    await enter(alice, "Robin")
    await expect(line(alice, name).locator(".badge")).to_have_count(0)
    last = fresh("and cake")
    for text in (fresh("Tea?"), fresh("with milk"), last):
        demo.write(channel, "dan", text)
    await expect(line(alice, name).locator(".badge")).to_have_text("3 unread")
    await expect(line(alice, name).locator(".last")).to_have_text(f"Dan: {last}")
    await expect(alice.locator(".channel").first).to_contain_text(name)

    await enter(alice, name)
    await expect(alice.locator(".line-new")).to_be_visible()
    await expect(line(alice, name).locator(".badge")).to_have_count(0)
    # The badge goes at once, the mark after a moment of looking: only then has the log to know.
    async with asyncio.timeout(10):
        # The page's policy forbids wait_for_function, which evaluates strings in it.
        while not await page.evaluate(MARKED):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await page.reload()
    await expect(line(alice, name).locator(".last")).to_have_text(f"Dan: {last}")
    await expect(line(alice, name).locator(".badge")).to_have_count(0)


async def test_history_pages_without_moving_what_is_read(chat: Chat, demo: Demo) -> None:
    name = fresh("Log")
    channel = demo.group(f"group:{uuid4().hex}", ["alice", "bob"], name=name)
    await asyncio.to_thread(demo.fill, channel, "bob", LINES)
    page = await chat.open("/?user=alice", height=700)
    alice = pane(page, "alice")
    await enter(alice, name)
    await expect(alice.locator("article.message")).not_to_have_count(0)
    moved, rows, steps = await page.evaluate(PAGE_UP)
    assert moved <= STILL_PX
    assert rows <= ROWS_MAX
    assert steps > 3
    await expect(alice.locator(".top-of-history")).to_have_text("This is where it began")
    held = await page.evaluate(
        "hubbub.panes[0].session.room.messages.map((message) => message.seq)"
    )
    assert len(held) == LINES
    assert held == sorted(set(held))

    demo.write(channel, "bob", fresh("Below"))
    await expect(alice.locator(".jump")).to_have_text("1 new")
    assert await page.evaluate("document.querySelector('.log').scrollTop") == 0
    await alice.locator(".jump").click()
    await expect(alice.locator(".jump")).to_be_hidden()
    await expect(alice.locator("article.message").last).to_contain_text("Below")
    mine = fresh("At the end")
    await alice.locator(".log").hover()
    await page.mouse.wheel(0, -3_000)
    await expect(alice.locator(".jump")).to_be_visible()
    await write(alice, mine)
    await expect(bubble(alice, mine)).to_be_in_viewport()


# What is on the screen is marked as read, and the log has answered.
MARKED = "(({room}) => room.head > 0 && room.mark === room.head)(hubbub.panes[0].session)"

# Scrolls up to the first message. Each step marks a message in view and measures how far it moved
# by what the step brought, beyond what was scrolled. Returns [worst px, most rows, steps].
PAGE_UP = """async () => {
  const log = document.querySelector(".log");
  const session = hubbub.panes[0].session;
  const settled = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
  let worst = 0, rows = 0, steps = 0;
  for (; steps < 400; steps++) {
    if (log.scrollTop === 0 && session.room.atStart && !session.reading.under.size) break;
    const frame = log.getBoundingClientRect();
    const seen = [...log.querySelectorAll("article")].find(
      (node) => node.getBoundingClientRect().top > frame.top + 200);
    const before = seen.getBoundingClientRect().top;
    const wanted = Math.min(150, log.scrollTop);
    log.scrollTop -= wanted;
    for (let n = 0; n < 100; n++) {
      await settled();
      if (!session.reading.under.size) break;
    }
    worst = Math.max(worst, Math.abs(seen.getBoundingClientRect().top - before - wanted));
    rows = Math.max(rows, log.children.length - 1);
  }
  return [worst, rows, steps];
}"""


async def test_a_cut_heals_with_nothing_lost_or_doubled(chat: Chat, demo: Demo) -> None:
    name = fresh("Train")
    channel = demo.group(f"group:{uuid4().hex}", ["chloe", "dan"], name=name)
    chat.is_cut = True
    context = await chat.context()
    frames: list[str] = []

    def hear(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: frames.append(str(frame)))

    context.on("page", lambda page: page.on("websocket", hear))
    page = await chat.open("/?user=chloe", context)
    chloe = pane(page, "chloe")
    await enter(chloe, name)
    before = fresh("Boarding")
    await write(chloe, before)
    await expect(bubble(chloe, before)).to_have_attribute("data-status", "stored")

    await page.context.set_offline(True)
    await page.evaluate("hubbub.panes[0].session.client.cut()")
    mine = [fresh("Tunnel one"), fresh("Tunnel two")]
    for text in mine:
        await write(chloe, text)
        await expect(bubble(chloe, text)).to_have_attribute("data-status", "waiting")
    theirs = [fresh("Are you there?"), fresh("Hello?")]
    for text in theirs:
        demo.write(channel, "dan", text)
    await expect(chloe.locator(".bar")).to_have_text("Offline · 2 waiting to be sent")

    frames.clear()
    await page.context.set_offline(False)
    for text in mine:
        await expect(bubble(chloe, text)).to_have_attribute("data-status", "stored")
    await online(chloe)
    await expect(chloe.locator(".bar")).to_be_hidden()
    assert await texts(chloe) == [before, *theirs, *mine]
    # Resumed from its position, not loaded again.
    assert any('"recovered":true' in frame and theirs[0] in frame for frame in frames)
    assert not any('"messages":' in frame for frame in frames)
    page_of = demo.rest("GET", f"/v1/channels/{channel}/messages?limit=10")
    assert [message["text"] for message in page_of["messages"]] == [before, *theirs, *mine]


async def test_a_short_cut_is_not_shown(chat: Chat) -> None:
    page = await chat.open("/?user=emma")
    emma = pane(page, "emma")
    await online(emma)
    assert await page.evaluate(SHORT_CUT) == []


# Cuts the connection, waits until it is back, and returns what the bar said meanwhile.
SHORT_CUT = """async () => {
  const bar = document.querySelector(".bar");
  const { client } = hubbub.panes[0].session;
  const said = [];
  const observer = new MutationObserver(() => said.push(bar.textContent));
  observer.observe(bar, { childList: true });
  client.cut();
  if (client.state === "online") said.push("not cut");
  while (client.state !== "online") await new Promise((done) => setTimeout(done, 20));
  return said;
}"""


async def test_unsent_messages_survive_a_reload(chat: Chat, demo: Demo) -> None:
    name = fresh("Attic")
    channel = demo.group(f"group:{uuid4().hex}", ["dan", "emma"], name=name)
    chat.is_cut = True
    context = await chat.context()
    page = await chat.open("/?user=dan", context)
    dan = pane(page, "dan")
    await enter(dan, name)
    await expect(dan.locator(".top-of-history")).to_contain_text("No messages yet")
    await context.set_offline(True)
    await page.evaluate("hubbub.panes[0].session.client.cut()")
    text = fresh("Kept")
    await write(dan, text)
    await expect(bubble(dan, text)).to_have_attribute("data-status", "waiting")
    await page.evaluate("hubbub.panes[0].session.stop()")
    await context.set_offline(False)
    await page.reload()
    await enter(dan, name)
    await expect(bubble(dan, text)).to_have_attribute("data-status", "stored")
    page_of = demo.rest("GET", f"/v1/channels/{channel}/messages?limit=10")
    assert [message["text"] for message in page_of["messages"]] == [text]


async def test_a_killed_edge_comes_back_under_the_same_page(chat: Chat, demo: Demo) -> None:
    chat.is_cut = True
    page = await chat.open("/?split=chloe,dan")
    chloe, dan = pane(page, "chloe"), pane(page, "dan")
    await online(chloe)
    await online(dan)
    await expect(chloe.locator(".room h1")).to_contain_text("Dan")
    demo.kill_edge(0)
    text = fresh("Through the restart")
    await write(chloe, text)
    await expect(bubble(dan, text)).to_be_visible(timeout=40_000)
    await expect(bubble(chloe, text)).to_have_attribute("data-status", "stored")
    for side in (chloe, dan):
        await online(side)
        await expect(bubble(side, text)).to_have_count(1)


async def test_a_cut_while_the_agreed_conversation_opens_is_made_good(chat: Chat) -> None:
    """Story: an edge died right after the page came up, and "connection lost" stayed for ever."""
    chat.is_cut = True
    asked: list[str] = []

    def between(client: WebSocketRoute) -> None:
        server = client.connect_to_server()

        async def pass_on(message: str | bytes) -> None:
            if "channel.open" in str(message):
                asked.append(str(message))
                if len(asked) == 1:
                    await client.close(code=3001, reason="shutdown")
                    return
            server.send(message)

        client.on_message(pass_on)

    context = await chat.context()
    await context.route_web_socket("**/connection/websocket", between)
    page = await chat.open("/?split=alice,bob", context)
    for side, other in (("alice", "Bob"), ("bob", "Alice")):
        await expect(pane(page, side).locator(".room h1")).to_contain_text(other)
        await expect(pane(page, side).locator("article.message")).not_to_have_count(0)
    assert len(asked) == 3, "two panes, and one of them once more"


async def test_a_refused_message_says_why_and_can_be_discarded(chat: Chat, demo: Demo) -> None:
    name = fresh("Gone")
    channel = demo.group(f"group:{uuid4().hex}", ["emma", "alice"], name=name)
    page = await chat.open("/?user=emma")
    emma = pane(page, "emma")
    await enter(emma, name)
    text = fresh("Too late")
    await page.evaluate(REFUSE_NEXT)
    await write(emma, text)
    failed = bubble(emma, text)
    await expect(failed).to_have_attribute("data-status", "failed")
    await expect(failed).to_contain_text("Not sent: a message needs a text, data or an attachment")
    await failed.get_by_role("button", name="Try again").click()
    await expect(bubble(emma, text)).to_have_attribute("data-status", "stored")

    await page.evaluate(REFUSE_NEXT)
    await write(emma, fresh("Drop me"))
    await bubble(emma, "Drop me").get_by_role("button", name="Discard").click()
    await expect(bubble(emma, "Drop me")).to_have_count(0)
    page_of = demo.rest("GET", f"/v1/channels/{channel}/messages?limit=10")
    assert [message["text"] for message in page_of["messages"]] == [text]


# Empties the text of the next send on its way, which the real server then refuses.
REFUSE_NEXT = """() => {
  const { client } = hubbub.panes[0].session;
  const send = client.socket.send.bind(client.socket);
  client.socket.send = (frame) => {
    const command = JSON.parse(frame.split("\\n")[0]);
    if (command.rpc?.method !== "message.send") return send(frame);
    command.rpc.data.text = " ";
    client.socket.send = send;
    send(JSON.stringify(command));
  };
}"""


async def test_new_group_and_direct_message(chat: Chat) -> None:
    page = await chat.open("/?split=dan,emma")
    dan, emma = pane(page, "dan"), pane(page, "emma")
    await expect(dan.locator(".room h1")).to_contain_text("Emma")
    name = fresh("Book club")
    await dan.get_by_role("button", name="New conversation").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Emma").check()
    await expect(dialog.get_by_role("button", name="Start chat")).to_be_enabled()
    await dialog.get_by_label("Bob").check()
    await dialog.get_by_label("Group name").fill(name)
    await dialog.get_by_role("button", name="Create group").click()
    await expect(dan.locator(".room h1")).to_have_text(name)
    await expect(dan.locator(".about")).to_contain_text("3 members")
    await enter(emma, name)
    hello = fresh("Chapter one")
    await write(emma, hello)
    await expect(bubble(dan, hello)).to_be_visible()
    await expect(bubble(dan, hello).locator(".author")).to_contain_text("Emma")

    await emma.get_by_role("button", name="New conversation").click()
    await dialog.get_by_label("Bob").check()
    await dialog.get_by_role("button", name="Start chat").click()
    await expect(emma.locator(".room h1")).to_contain_text("Bob")


async def test_an_invitation_is_accepted_and_a_removal_is_said(chat: Chat, demo: Demo) -> None:
    name = fresh("Choir")
    channel = demo.group(f"group:{uuid4().hex}", ["alice"], name=name)
    demo.write(channel, "alice", "Welcome")
    demo.rest("POST", f"/v1/channels/{channel}/invites", {"user": "emma", "by": "alice"})
    page = await chat.open("/?user=emma")
    emma = pane(page, "emma")
    await expect(line(emma, name).locator(".last")).to_have_text("You are invited")
    await enter(emma, name)
    await emma.get_by_role("button", name="Join").click()
    await expect(bubble(emma, "Welcome")).to_be_visible()
    demo.rest("DELETE", f"/v1/channels/{channel}/members/emma")
    await expect(emma.locator(".card")).to_contain_text("no longer a member")
    await expect(line(emma, name)).to_have_count(0)


async def test_what_people_write_is_only_text(chat: Chat, demo: Demo) -> None:
    name = "<b>Ünï</b> \u202e" + "W" * 80
    channel = demo.group(f"group:{uuid4().hex}", ["bob", "alice"], name=name)
    for text in (
        "<img src=x onerror=alert(1)><script>alert(2)</script>",
        "x" * 3_000,
        "مرحبا، كيف حالك؟ https://example.org/a?b=c.",
        "javascript:alert(1) \u202e evil \u2066 nested",
        "日本語と絵文字 👩‍👩‍👧‍👦 line\nbreaks\n\nkept",
    ):
        demo.write(channel, "alice", text)
    page = await chat.open("/?user=bob", width=360, height=740)
    bob = pane(page, "bob")
    await bob.locator(".channel").first.click()
    await expect(bob.locator("article.message")).to_have_count(5)
    assert await bob.locator(".text :not(a)").count() == 0
    assert await bob.locator(".text a").evaluate_all("links => links.map(link => link.href)") == [
        "https://example.org/a?b=c"
    ]
    assert await bob.locator("h1 b").count() == 0
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    wide = await bob.locator(".log").evaluate("log => log.scrollWidth - log.clientWidth")
    assert wide == 0
    await chat.shoot(page, "hostile")


async def test_a_token_signs_in_where_there_are_no_demo_people(chat: Chat, demo: Demo) -> None:
    token = demo.rest("POST", "/v1/tokens", {"user": "alice"})["token"]
    context = await chat.context()
    chat.is_cut = True
    await context.route("**/demo/people", lambda route: route.abort())
    page = await chat.open("/", context)
    await expect(page.get_by_role("alert")).to_contain_text("did not answer")
    await context.unroute("**/demo/people")
    await context.route(
        "**/demo/people", lambda route: route.fulfill(status=200, json={"people": None})
    )
    await page.reload()
    await page.get_by_label("Connection token").fill("nonsense")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("not a connection token")
    await page.get_by_label("Connection token").fill(token)
    await page.get_by_role("button", name="Sign in").click()
    await online(pane(page, "alice"))
    await expect(pane(page, "alice").locator(".channel")).not_to_have_count(0)
