"""The chat page in Chromium against a real demo cluster: what a person does with it."""

from __future__ import annotations

import asyncio
import json
import os
import re
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, WebSocket, WebSocketRoute, expect

from tests.browser.conftest import Chat, Demo
from tests.support.requirement import program

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LINES = 360  # more than the rows that may be in the document at once
ROWS_MAX = 300
STILL_PX = 1.0
CURL_S = 10
ANSWERS_S = 10


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


async def resize(page: Page, width: int, height: int) -> None:
    await page.set_viewport_size({"width": width, "height": height})
    await page.wait_for_function(RESIZED, arg=[width, height])


async def stays(page: Page) -> None:
    """What ANCHOR marked is where it was."""
    moved, seen = await page.evaluate(MOVED)
    assert moved <= STILL_PX, seen


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
    await expect(alice.locator("> [aria-live=polite]")).to_contain_text(answer)
    await expect(alice.locator("textarea")).to_have_value("")
    for side in (alice, bob):
        await expect(bubble(side, question)).to_have_count(1)
        await expect(bubble(side, answer)).to_have_count(1)
    await chat.shoot(page, "split")
    loaded = (
        "performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/idling.js'))"
    )
    await page.wait_for_function(loaded)  # what it does: js/drafts.test.mjs


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


# Nobody looks at the page, and its notices are heard of in `told`.
UNSEEN = """() => {
  globalThis.told = [];
  Object.defineProperty(document, "hidden", { configurable: true, value: true });
  globalThis.Notification = class {
    static requestPermission() {
      told.push("asked");
      return "granted";
    }
    constructor(title, { body }) {
      told.push([title, body]);
    }
  };
}"""


TOLD = """() => new Promise((done) => {
  const look = () => (told.length > 1 ? done(told) : setTimeout(look, 20));
  look();
})"""


async def test_unread_figures_come_and_go(chat: Chat, demo: Demo) -> None:
    name = fresh("Tea")
    channel = demo.group(f"group:{uuid4().hex}", ["alice", "dan"], name=name)
    page = await chat.open("/?user=alice")
    alice = pane(page, "alice")
    await enter(alice, "Robin")
    await expect(line(alice, name).locator(".badge")).to_have_count(0)
    last = fresh("and cake")
    milk = fresh("with milk")
    for text in (fresh("Tea?"), milk, last):
        demo.write(channel, "dan", text)
    await expect(line(alice, name).locator(".badge")).to_have_text("3 unread")
    await expect(line(alice, name).locator(".last")).to_have_text(f"Dan: {last}")
    await expect(alice.locator(".channel").first).to_contain_text(name)
    # Who asked for it is told of what comes while he does not look.
    await alice.locator(".me").click()
    await page.get_by_role("menuitem", name="Notices…").click()
    await page.evaluate(UNSEEN)
    await page.get_by_role("menuitemradio", name="Notices", exact=True).click()
    last = fresh("and biscuits")
    demo.write(channel, "dan", last)
    assert await page.evaluate(TOLD) == ["asked", [name, f"Dan Okafor: {last}"]]
    await page.evaluate("delete document.hidden")

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
    # What is to be read once more is unread from there on, and read when it is opened again.
    await enter(alice, name)
    await bubble(alice, milk).hover()
    await bubble(alice, milk).get_by_role("button", name="Actions").click()
    await page.get_by_role("menuitem", name="Mark as unread").click()
    await expect(line(alice, name)).to_be_focused()
    await expect(line(alice, name).locator(".badge")).to_have_text("3 unread")
    await enter(alice, name)
    await expect(alice.locator(".line-new + article")).to_contain_text(milk)
    await expect(line(alice, name).locator(".badge")).to_have_count(0)
    async with asyncio.timeout(10):
        while not await page.evaluate(MARKED):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_history_pages_without_moving_what_is_read(chat: Chat, demo: Demo) -> None:
    name = fresh("Log")
    channel = demo.group(f"group:{uuid4().hex}", ["alice", "bob"], name=name)
    await asyncio.to_thread(demo.fill, channel, "bob", LINES)
    page = await chat.open("/?user=alice", height=700)
    alice = pane(page, "alice")
    await enter(alice, name)
    await expect(alice.locator("article.message")).not_to_have_count(0)
    # A place that nobody wants any more by the time it comes is not gone to.
    assert await page.evaluate(LATE) == [None, None]
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

    # Whatever changes above it, and however wide the log is: what begins in view stays there.
    above = await page.evaluate(ANCHOR)
    path = f"/v1/channels/{channel}/messages/{above[0]}"
    demo.rest("PATCH", path, {"by": "bob", "text": "much longer " * 60})
    await expect(bubble(alice, "much longer")).to_have_count(1)
    await stays(page)
    demo.rest("DELETE", f"/v1/channels/{channel}/messages/{above[1]}?by=bob")
    await expect(alice.locator("article.deleted")).to_have_count(1)
    await stays(page)
    await resize(page, 800, 600)
    await stays(page)
    assert await page.evaluate(NARROWED) <= STILL_PX + 1  # which it scrolls by
    await resize(page, 1440, 700)
    await stays(page)

    # Of 20,000 messages no more rows are in the document; own words lead to the end of them.
    assert await page.evaluate(MANY) <= ROWS_MAX
    await write(alice, fresh("Far down"))
    await expect(alice.locator("article.message").last).to_contain_text("Far down")
    assert await page.evaluate(BELOW) <= STILL_PX
    await page.evaluate(ANCHOR)
    await page.evaluate("hubbub.panes[0].timeline.on.act('thread', marked.row.message)")
    await expect(alice.locator(".beside textarea")).to_be_focused()
    await stays(page)
    # Where the window is full each new row puts out the oldest one, and touches no other.
    assert await page.evaluate(FULL) == [ROWS_MAX, 2, True]


# Scrolls back and marks the first message that begins in view. Returns the ids of the two before.
ANCHOR = """async () => {
  const log = document.querySelector(".log");
  log.scrollTop -= 3000;
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
  const { top } = log.getBoundingClientRect();
  const all = [...log.querySelectorAll("article")];
  const place = all.findIndex((node) => node.getBoundingClientRect().top >= top);
  globalThis.marked = all[place];
  globalThis.markedTop = marked.getBoundingClientRect().top;
  return [all[place - 2].dataset.id, all[place - 1].dataset.id];
}"""

# How far the marked message is from where it was, in px.
MOVED = """async () => {
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
  const { log, anchor } = hubbub.panes[0].timeline;
  const { top } = log.getBoundingClientRect();
  const own = anchor.node === marked;
  const seen = { scrollY, top, scrollTop: log.scrollTop, at: anchor.at, own };
  const moved = Math.abs(marked.getBoundingClientRect().top - markedTop);
  return [marked.isConnected ? moved : 9999, seen];
}"""

# A window's new size comes to the page in steps: its height of a moment ago can still be scrolled.
RESIZED = """([width, height]) => innerWidth === width && innerHeight === height && scrollY === 0
  && document.querySelector(".panes").offsetHeight === height"""

# The same where a scroll is told in the frame that brings another width.
NARROWED = """async () => {
  const { log, root } = hubbub.panes[0].timeline;
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
  const { top } = marked.getBoundingClientRect();
  log.scrollTop += 1;
  root.style.width = "300px";
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
  const moved = Math.abs(marked.getBoundingClientRect().top - top);
  root.style.width = "";
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
  return moved;
}"""

# How far the end is below what is seen, in px.
BELOW = """(() => {
  const { log } = hubbub.panes[0].timeline;
  return log.scrollHeight - log.scrollTop - log.clientHeight;
})()"""

# Takes in 20,000 older messages and scrolls among them. Returns the most rows there were.
MANY = """async () => {
  const { session, timeline } = hubbub.panes[0];
  const { room } = session;
  const first = room.oldestSeq - 20_000;
  const ts = "2024-01-01T00:00:00Z";
  const older = (n) => ({ id: `old ${n}`, seq: first + n, by: "bob", ts, text: `old ${n}` });
  room.messages.unshift(...Array.from({ length: 20_000 }, (_, n) => older(n)));
  let rows = 0;
  timeline.show(room.view([]), timeline.facts);
  for (const seq of [first + 12_000, room.last.seq]) {
    timeline.reveal(seq);
    for (let n = 0; n < 3; n++) {
      timeline.log.scrollTop -= 4_000;
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
      rows = Math.max(rows, timeline.log.querySelectorAll("article").length);
    }
  }
  return rows;
}"""

# Fills the window, has the focus in a message of it, and takes in one more. Returns how many rows
# there are, how many nodes came or went, and whether the focus is where it was.
FULL = """() => {
  const { session, timeline } = hubbub.panes[0];
  const { room } = session;
  const come = (count) => {
    const seq = room.head + 1;
    const ts = room.last.ts;
    const next = (n) => ({ id: `new ${seq + n}`, seq: seq + n, by: "bob", ts, text: "new" });
    room.merge(Array.from({ length: count }, (_, n) => next(n)));
    timeline.show(room.view([]), timeline.facts);
  };
  timeline.toEnd();
  come(400);
  const read = timeline.log.querySelectorAll("article")[250];
  read.focus({ preventScroll: true });
  const watch = new MutationObserver(() => {});
  watch.observe(timeline.log, { childList: true });
  come(1);
  const touched = watch.takeRecords().flatMap((one) => [...one.addedNodes, ...one.removedNodes]);
  return [timeline.log.children.length - 1, touched.length, document.activeElement === read];
}"""

# Goes far back, and to the end before that is answered. Returns where it led, and what is shown.
LATE = """async () => {
  const { reading, room } = hubbub.panes[0].session;
  const far = reading.jump(room, 2);
  reading.present();
  return [await far, reading.past];
}"""


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
    # What is loaded when it is first used says so, and comes later.
    await chloe.locator(".me").click()
    await expect(chloe.locator(".toast")).to_have_text("No connection. Try again.")

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
    await chloe.locator(".me").click()
    await expect(page.get_by_role("menu")).to_have_css("position", "absolute")
    page_of = demo.rest("GET", f"/v1/channels/{channel}/messages?limit=10")
    assert [message["text"] for message in page_of["messages"]] == [before, *theirs, *mine]


async def test_a_short_cut_is_not_shown(chat: Chat) -> None:
    page = await chat.open("/?user=emma&debug")
    emma = pane(page, "emma")
    await online(emma)
    assert await page.evaluate(SHORT_CUT) == []
    # A developer sees what goes on; tokens are nobody's.
    await expect(page.locator(".drawer header")).to_contain_text("answered in")
    frames = await page.locator(".drawer li").all_inner_texts()
    assert {"→", "←", "×"} <= {frame[0] for frame in frames}
    assert not [frame for frame in frames if "eyJ" in frame]


async def test_older_messages_are_wanted_while_nothing_is_connected(chat: Chat, demo: Demo) -> None:
    """They come with the connection; until then the page does not stand still for asking."""
    name = fresh("Cellar")
    channel = demo.group(f"group:{uuid4().hex}", ["emma", "dan"], name=name)
    await asyncio.to_thread(demo.fill, channel, "dan", LINES)
    chat.is_cut = True
    context = await chat.context()
    page = await chat.open("/?user=emma", context)
    emma = pane(page, "emma")
    await enter(emma, name)
    await expect(emma.locator("article.message").last).to_contain_text("line ")
    await context.set_offline(True)
    await page.evaluate("hubbub.panes[0].session.client.cut()")
    await page.evaluate("document.querySelector('.log').scrollTop = 0")
    async with asyncio.timeout(ANSWERS_S):
        await page.evaluate(TURNS)
    await context.set_offline(False)
    await expect(emma.locator(".top-of-history")).to_have_text("This is where it began")


async def test_a_tab_that_is_closed_at_once_loses_nothing(chat: Chat, demo: Demo) -> None:
    name, text = fresh("Closed"), fresh("Just in time")
    channel = demo.group(f"group:{uuid4().hex}", ["emma", "dan"], name=name)
    context = await chat.context()
    page = await chat.open("/?user=emma", context)
    await enter(pane(page, "emma"), name)
    kept = await page.evaluate(SEND_AND_LOOK, text)
    assert [(entry["text"], box) for entry, box in kept] == [(text, text)]
    await page.close()

    # Two tabs find it; both send it, and the channel has it once.
    tabs = [await context.new_page() for _ in range(2)]
    for tab in tabs:
        chat.watch(tab)
        await tab.add_init_script(KEPT_BACK)
    for tab in tabs:
        await tab.goto(f"{demo.url}/?user=emma")
        await enter(pane(tab, "emma"), name)
        await expect(bubble(pane(tab, "emma"), text)).to_have_attribute("data-status", "waiting")
    assert demo.rest("GET", f"/v1/channels/{channel}/messages")["messages"] == []
    async with asyncio.TaskGroup() as both:
        for tab in tabs:
            both.create_task(tab.evaluate("hubbub.release()"))
    for tab in tabs:
        await expect(bubble(pane(tab, "emma"), text)).to_have_attribute("data-status", "stored")
        await expect(bubble(pane(tab, "emma"), text)).to_have_count(1)
    found = demo.rest("GET", f"/v1/channels/{channel}/messages")["messages"]
    assert [message["text"] for message in found] == [text]
    assert await tabs[0].evaluate(KEPT) == []


async def test_what_one_tab_discards_no_other_sends(chat: Chat, demo: Demo) -> None:
    name, text, after = fresh("Regret"), fresh("Not this"), fresh("But this")
    channel = demo.group(f"group:{uuid4().hex}", ["emma", "dan"], name=name)
    context = await chat.context()
    await context.add_init_script(KEPT_BACK)
    first = await chat.open("/?user=emma", context)
    await enter(pane(first, "emma"), name)
    await write(pane(first, "emma"), text)
    second = await chat.open("/?user=emma", context)
    await enter(pane(second, "emma"), name)
    await expect(bubble(pane(second, "emma"), text)).to_be_visible()
    await first.evaluate(DISCARD)
    for tab in (first, second):
        await expect(bubble(pane(tab, "emma"), text)).to_have_count(0)
    await second.evaluate("hubbub.release()")
    await write(pane(second, "emma"), after)
    await expect(bubble(pane(second, "emma"), after)).to_have_attribute("data-status", "stored")
    found = demo.rest("GET", f"/v1/channels/{channel}/messages")["messages"]
    assert [message["text"] for message in found] == [after]


# What the storage has, and [entry, what the box says] at the moment when an entry is stored.
KEPT = (
    """() => Object.keys(localStorage).filter((name) => name.startsWith("hubbub.outbox.emma."))"""
)
SEND_AND_LOOK = """(text) => {
  const { outbox } = hubbub.panes[0].session;
  outbox.online(false);
  const box = document.querySelector("textarea");
  const kept = [];
  const { setItem } = Storage.prototype;
  Storage.prototype.setItem = function (name, value) {
    setItem.call(this, name, value);
    if (name.startsWith("hubbub.outbox.")) kept.push([JSON.parse(value), box.value]);
  };
  box.value = text;
  box.form.requestSubmit();
  if (box.value !== "") throw new Error("the box is not empty");
  return kept;
}"""
# The outbox of this page says nothing until `hubbub.release()`.
KEPT_BACK = """(() => {
  let given;
  Object.defineProperty(globalThis, "hubbub", {
    configurable: true,
    get: () => given,
    set: (value) => {
      given = value;
      let panes = [];
      Object.defineProperty(given, "panes", {
        get: () => panes,
        set: (made) => {
          panes = made;
          for (const { session: { outbox } } of made) {
            const online = outbox.online.bind(outbox);
            outbox.online = () => {};
            given.release = () => online(true);
          }
        },
      });
    },
  });
})()"""
DISCARD = """() => {
  const { outbox } = hubbub.panes[0].session;
  for (const cmid of [...outbox.entries.keys()]) outbox.discard(cmid);
}"""


async def test_a_frame_is_copied_as_curl(chat: Chat, demo: Demo) -> None:
    """The line asks over REST, as the same user, what the socket was asked."""
    program("curl")
    name, text = fresh("Shell"), fresh("It's 'quoted' & said")
    channel = demo.group(f"group:{uuid4().hex}", ["emma", "dan"], name=name)
    context = await chat.context(permissions=["clipboard-read", "clipboard-write"])
    page = await chat.open("/?user=emma&debug", context)
    emma = pane(page, "emma")
    await enter(emma, name)
    await write(emma, text)
    await expect(bubble(emma, text)).to_have_attribute("data-status", "stored")
    drawer = page.locator(".drawer")
    token = demo.rest("POST", "/v1/tokens", {"user": "emma"})["token"]

    async def copied(verb: str) -> str:
        await drawer.get_by_role("button", name=f"Copy as curl: {verb}", exact=True).last.click()
        await expect(drawer.locator(".copied")).to_contain_text("token of emma")
        line: str = await page.evaluate("navigator.clipboard.readText()")
        await page.evaluate("document.querySelector('.copied').textContent = ''")
        assert "eyJ" not in line
        return line

    sent = await copied("message.send")
    assert sent.startswith(f"curl -X POST '{demo.url}/v1/channels/")
    for verb, line in [
        ("message.send", sent),
        ("block.list", await copied("block.list")),
        ("mark.read", await copied("mark.read")),
    ]:
        script = f"{line} --fail-with-body --silent --show-error"
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", script, env={**os.environ, "TOKEN": token}, stdout=-1, stderr=-1
        )
        async with asyncio.timeout(CURL_S):
            said, wrong = await process.communicate()
        assert process.returncode == 0, f"{verb}: {line}\n{said.decode()}{wrong.decode()}"
        if verb == "message.send":  # with its cmid: the server has it already
            assert json.loads(said)["dup"] is True
    stored = demo.rest("GET", f"/v1/channels/{channel}/messages")["messages"]
    assert [message["text"] for message in stored] == [text]

    button = drawer.get_by_role("button", name="Copy as curl: screen.set", exact=True).last
    await button.click()
    await expect(drawer.locator(".copied")).to_have_text("REST has no such thing: screen.set")


# Cuts the connection, waits until it is back, and returns what the bar said meanwhile.
# Some turns of the page's loop, with what it draws in each.
TURNS = """async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((done) => setTimeout(done, 20));
}"""
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
    await page.evaluate(FILL_OUTBOX)
    await write(dan, "One too many")
    await expect(dan.locator(".toast")).to_contain_text("Too much waits to be sent")
    await expect(dan.locator("textarea")).to_have_value("One too many")
    await page.evaluate(EMPTY_OUTBOX)
    await dan.locator("textarea").fill("")
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


FILL_OUTBOX = """() => {
  const { outbox } = hubbub.panes[0].session;
  while (!outbox.isFull) outbox.add({ kind: "send", channel: "group:elsewhere", text: "waits" });
}"""
EMPTY_OUTBOX = """() => {
  const { outbox } = hubbub.panes[0].session;
  for (const { cmid } of outbox.of("group:elsewhere")) outbox.discard(cmid);
}"""

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
