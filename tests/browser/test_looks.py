"""How the chat page looks and reads: sizes, themes, names for screen readers, keyboard alone."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Chat, Demo
from tests.browser.test_chat import bubble, enter, fresh, line, online, pane, write

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CONTRAST_MIN = 4.5  # WCAG 2.2, 1.4.3
TARGET_PX_MIN = 24  # WCAG 2.2, 2.5.8
FIRST_LOAD_BYTES_MAX = 150_000

# Every visible text: [text, ratio to what lies behind it]. Colours are read through a canvas, which
# knows all notations. Source: WCAG 2.2, relative luminance and contrast ratio.
CONTRASTS = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    return [...brush.getImageData(0, 0, 1, 1).data];
  };
  const over = ([r, g, b, a], below) =>
    [r, g, b].map((part, n) => (part * a + below[n] * (255 - a)) / 255);
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      layers.unshift(rgba(getComputedStyle(at).backgroundColor));
    }
    return layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].filter((child) => child.nodeType === 3)
      .map((child) => child.data.trim()).join("");
    const text = own || node.placeholder;
    const isSeen = node.checkVisibility() && !node.closest(".spoken, script, style");
    if (!text || !isSeen || node.disabled) continue;
    const style = own ? getComputedStyle(node) : getComputedStyle(node, "::placeholder");
    const below = ground(node);
    const [one, other] = [luminance(over(rgba(style.color), below)), luminance(below)];
    found.push([text.slice(0, 40), (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)]);
  }
  return found;
}"""

# What can be used but has no name, or is too small to hit; links within a text may be small.
FAULTS = """(least) => {
  const faults = [];
  for (const node of document.querySelectorAll("button, a[href], input, textarea, [role]")) {
    if (!node.checkVisibility()) continue;
    const named = node.getAttribute("aria-label") || node.labels?.[0]?.textContent;
    const isControl = node.matches("button, a, input, textarea");
    const needsName = isControl || node.matches("[role=log], [role=menu], [role=dialog]");
    const what = node.outerHTML.slice(0, 90);
    const isNamed = named || (isControl && node.textContent.trim());
    if (needsName && !isNamed) faults.push(`no name: ${what}`);
    const { width, height } = node.getBoundingClientRect();
    if (isControl && !node.closest(".text, label") && Math.min(width, height) < least) {
      faults.push(`${width} x ${height}: ${what}`);
    }
  }
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`twice: ${id}`);
  for (const image of document.images) if (!image.hasAttribute("alt")) faults.push("no alt");
  if (!document.documentElement.lang) faults.push("no lang");
  if (!document.title) faults.push("no title");
  return faults;
}"""


async def settled(page: Page, *users: str) -> None:
    for user in users:
        await online(pane(page, user))
        # Last lines come with the first heads.
        await expect(line(pane(page, user), "Lobby").locator(".last")).to_contain_text(":")


async def check_page(page: Page) -> None:
    contrasts: list[tuple[str, float]] = await page.evaluate(CONTRASTS)
    assert len(contrasts) > 5
    assert [row for row in contrasts if row[1] < CONTRAST_MIN] == []
    assert await page.evaluate(FAULTS, TARGET_PX_MIN) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_contrast_names_and_sizes(chat: Chat, scheme: Any) -> None:
    page = await chat.open("/", color_scheme=scheme)
    await expect(page.get_by_role("link", name="side by side")).to_be_visible()
    await check_page(page)
    await chat.shoot(page, f"home-{scheme}")

    await page.get_by_role("link", name="side by side").click()
    alice, bob = pane(page, "alice"), pane(page, "bob")
    await settled(page, "alice", "bob")
    text = fresh("Look at https://example.org/x")
    await write(alice, text)
    await expect(bubble(bob, text)).to_be_visible()
    await enter(bob, "Lobby")
    await expect(bob.locator("article.message").first).to_be_visible()
    await bubble(alice, text).hover()
    await bubble(alice, text).get_by_role("button", name="Actions").click()
    await expect(page.get_by_role("menu")).to_be_visible()
    await check_page(page)
    await chat.shoot(page, f"split-{scheme}")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("menu")).to_have_count(0)

    await alice.get_by_role("button", name="New conversation").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await page.evaluate(FAULTS, TARGET_PX_MIN) == []
    await chat.shoot(page, f"dialog-{scheme}")


@pytest.mark.parametrize(("width", "height"), [(360, 740), (768, 1024), (1440, 900)])
async def test_sizes(chat: Chat, width: int, height: int) -> None:
    page = await chat.open("/?user=emma", width=width, height=height)
    emma = pane(page, "emma")
    await settled(page, "emma")
    is_narrow = width < 720
    if is_narrow:
        await expect(emma.locator(".room")).to_be_hidden()
        await chat.shoot(page, f"list-{width}")
    await line(emma, "Trail run").click()
    await expect(emma.locator(".room h1")).to_have_text("Trail run")
    await expect(emma.locator("textarea")).to_be_in_viewport(ratio=1)
    await expect(emma.locator("article.message").last).to_be_in_viewport(ratio=1)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert await page.evaluate("document.documentElement.scrollHeight") <= height
    if is_narrow:
        await expect(emma.locator(".side")).to_be_hidden()
        await expect(emma.get_by_role("button", name="Back to conversations")).to_be_visible()
        assert await page.evaluate(FAULTS, TARGET_PX_MIN) == []
    await chat.shoot(page, f"room-{width}")
    if is_narrow:
        await emma.get_by_role("button", name="Back to conversations").click()
        await expect(line(emma, "Trail run")).to_be_visible()
        await expect(emma.locator(".room")).to_be_hidden()
        # So does the browser's own way back, also at once behind the other one.
        await line(emma, "Trail run").click()
        await page.evaluate("document.querySelector('.back').click()")
        await line(emma, "Robin").click()
        await expect(emma.locator(".room h1")).to_have_text("Robin")
        await page.wait_for_function("history.state === 'room'")
        await page.go_back()
        await expect(emma.locator(".room")).to_be_hidden()
        assert "user=emma" in page.url


async def test_both_panes_fit_a_narrow_window(chat: Chat) -> None:
    page = await chat.open("/?split=alice,bob", width=390, height=800)
    await settled(page, "alice", "bob")
    for user in ("alice", "bob"):
        await expect(pane(page, user).locator("textarea")).to_be_in_viewport(ratio=1)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    await chat.shoot(page, "split-390")


async def test_touch_targets_are_larger(chat: Chat) -> None:
    context = await chat.context(360, 740, has_touch=True, is_mobile=True, reduced_motion="reduce")
    page = await chat.open("/?user=emma", context)
    emma = pane(page, "emma")
    await settled(page, "emma")
    await line(emma, "Trail run").tap()
    await expect(emma.locator("textarea")).to_be_in_viewport(ratio=1)
    assert await page.evaluate(FAULTS, 44) == []
    # A long press, as the browser tells of it.
    press = (
        'new PointerEvent("contextmenu", {bubbles: true, cancelable: true, pointerType: "touch"})'
    )
    await emma.locator("article.message").last.evaluate(f"node => node.dispatchEvent({press})")
    await expect(page.get_by_role("menuitem", name="Reply", exact=True)).to_be_visible()
    assert await page.evaluate(FAULTS, 44) == []


async def test_the_keyboard_alone(chat: Chat, demo: Demo) -> None:
    name = fresh("Keys")
    channel = demo.group(f"group:{uuid4().hex}", ["emma", "dan"], name=name)
    demo.write(channel, "dan", "First")
    page = await chat.open("/?user=emma")
    emma = pane(page, "emma")
    await enter(emma, name)
    keys = page.keyboard
    await expect(emma.locator("textarea")).to_be_focused()
    text = fresh("By hand")
    await keys.type(text)
    await keys.press("Shift+Enter")
    await keys.type("and line two")
    await keys.press("Enter")
    mine = bubble(emma, text)
    await expect(mine).to_have_attribute("data-status", "stored")
    await expect(mine.locator(".text")).to_have_text(f"{text}\nand line two", use_inner_text=True)

    await emma.locator("textarea").press("Shift+Tab")
    await expect(emma.locator(".log")).to_be_focused()
    await keys.press("ArrowUp")
    await expect(mine).to_be_focused()
    await keys.press("ArrowUp")
    await expect(bubble(emma, "First")).to_be_focused()
    await keys.press("ArrowDown")
    await keys.press("Enter")
    await expect(page.get_by_role("menuitem", name="Edit")).to_be_focused()
    await keys.press("Enter")
    await expect(emma.locator("textarea")).to_be_focused()
    await keys.press("Control+A")
    await keys.type("Edited")
    await keys.press("Enter")
    await expect(bubble(emma, "Edited").locator(".edited")).to_be_visible()
    await expect(bubble(emma, "Edited")).to_have_attribute("data-status", "stored")

    await emma.locator("textarea").press("Shift+Tab")
    await keys.press("ArrowUp")
    await keys.press("Enter")
    await keys.press("ArrowDown")
    await keys.press("Enter")
    await expect(page.get_by_role("menuitem", name="Delete for everyone")).to_be_focused()
    await keys.press("Enter")
    await expect(emma.locator("article.message").last).to_contain_text("was deleted")
    await keys.press("Escape")
    await keys.press("Alt+ArrowDown")
    await expect(emma.locator(".room h1")).not_to_have_text(name)


async def test_a_reader_hears_new_messages_of_others_once(chat: Chat, demo: Demo) -> None:
    name = fresh("Voices")
    channel = demo.group(f"group:{uuid4().hex}", ["dan", "emma"], name=name)
    demo.write(channel, "emma", "Old")
    page = await chat.open("/?user=dan")
    dan = pane(page, "dan")
    await enter(dan, name)
    await expect(bubble(dan, "Old")).to_be_visible()
    live = dan.locator("> [aria-live=polite]")
    await expect(live).to_be_empty()
    await write(dan, "Mine")
    await expect(bubble(dan, "Mine")).to_have_attribute("data-status", "stored")
    await expect(live).to_be_empty()
    demo.write(channel, "emma", "New")
    await expect(live).to_have_text("Emma Schneider: New")
    await expect(dan.get_by_role("log")).to_have_attribute("aria-live", "off")
    await dan.locator(".me").click()
    await page.get_by_role("menuitem", name="Read out…").click()
    await page.get_by_role("menuitemradio", name="Only those that name you").click()
    demo.write(channel, "emma", "To all")
    await expect(bubble(dan, "To all")).to_be_visible()
    await expect(live).to_have_text("Emma Schneider: New")
    body = {"by": "emma", "text": "To you", "mentions": ["dan"]}
    demo.rest("POST", f"/v1/channels/{channel}/messages", body)
    await expect(live).to_have_text("Emma Schneider: To you")


async def test_the_first_load_is_small_and_its_policy_strict(chat: Chat, demo: Demo) -> None:
    context = await chat.context()
    sizes: dict[str, int] = {}
    policies: set[str] = set()
    page = await context.new_page()
    chat.watch(page)
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer))
    await page.goto(f"{demo.url}/?split=alice,bob")
    await settled(page, "alice", "bob")
    for answer in answers:
        sizes[answer.url] = len(await answer.body())
        if answer.url.rstrip("/").endswith((":" + demo.url.rpartition(":")[2], "alice,bob")):
            policies.add(answer.headers["content-security-policy"])
    assert all(url.startswith(demo.url) for url in sizes)
    assert sum(sizes.values()) <= FIRST_LOAD_BYTES_MAX
    assert len(policies) == 1
    assert "unsafe" not in policies.pop()


async def test_less_motion_on_request(chat: Chat) -> None:
    page = await chat.open("/?user=emma", width=360, height=740, reduced_motion="reduce")
    await settled(page, "emma")
    room = page.locator(".room")
    assert await room.evaluate("node => getComputedStyle(node).transitionDuration") == "0s"


async def test_two_tabs_of_one_person_agree(chat: Chat, demo: Demo) -> None:
    name = fresh("Twice")
    demo.group(f"group:{uuid4().hex}", ["bob", "chloe"], name=name)
    context = await chat.context()
    tabs = [await chat.open("/?user=bob", context) for _ in range(2)]
    for tab in tabs:
        await enter(pane(tab, "bob"), name)
    words = [fresh("one"), fresh("two")]
    for tab, text in zip(tabs, words, strict=True):
        await write(pane(tab, "bob"), text)
        await expect(bubble(pane(tab, "bob"), text)).to_have_attribute("data-status", "stored")
    for tab in tabs:
        await expect(bubble(pane(tab, "bob"), words[1])).to_be_visible()
        shown = await pane(tab, "bob").locator("article.message .text").all_inner_texts()
        assert shown == words
