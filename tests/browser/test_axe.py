"""axe-core, a judge that is not ours, looks at the pages: both themes, a desk and a phone.

Nothing may be found, of whatever impact. axe-core comes from npm for the test alone; the pages'
strict policy needs no exception, because the script is evaluated, not loaded.
"""

from __future__ import annotations

import subprocess
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Chat, Demo
from tests.browser.test_chat import bubble, enter, fresh, online, pane
from tests.support.requirement import missing, program

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

AXE = "axe-core@4.14.1"
INSTALL_S = 60
WIDTHS = [1440, 390]
PLACES = 20  # of the chat page: each is judged, or the test ends before
# What is found, by node: [impact, rule, selector, why]; without rules: by all of them.
JUDGE = """async (rules) => {
  const options = { resultTypes: ["violations"], preload: false, ...(rules && { runOnly: rules }) };
  const { violations } = await axe.run(document, options);
  return violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ target, failureSummary }) => [impact, id, target.join(" "), failureSummary]));
}"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The judge's source."""
    target = tmp_path_factory.mktemp("axe")
    words = ["install", "--no-audit", "--no-fund", "--silent", "--ignore-scripts", AXE]
    command = [program("npm"), *words]
    try:
        done = subprocess.run(
            command, cwd=target, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
    except subprocess.TimeoutExpired:
        missing("node", f"npm install {AXE} took longer than {INSTALL_S} s")
    if done.returncode:
        missing("node", f"npm install {AXE} failed: {done.stderr[-500:]}")
    return (target / "node_modules/axe-core/axe.min.js").read_text()


class Judge:
    """One page, before axe-core."""

    def __init__(self, page: Page, source: str) -> None:
        self.page = page
        self._source = source
        self.found: list[str] = []
        self.places = 0

    async def look(self, place: str) -> None:
        """Judges what is shown now, and notes what is wrong."""
        if not await self.page.evaluate("'axe' in globalThis"):
            await self.page.evaluate(self._source)
        self.places += 1
        # of what axe-core judges, the theme changes colours alone
        await self._judge(f"{place}, light", "light", None)
        await self._judge(f"{place}, dark", "dark", ["color-contrast"])

    async def _judge(self, place: str, scheme: Any, rules: list[str] | None) -> None:
        await self.page.emulate_media(color_scheme=scheme)
        # a fade that is half way has colours of its own
        await self.page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
        for impact, rule, target, why in await self.page.evaluate(JUDGE, rules):
            self.found.append(f"{place}: {impact} {rule} {target}: {why}")

    async def sheet(self, place: str) -> None:
        """Judges an open dialog and closes it."""
        dialog = self.page.get_by_role("dialog")
        await expect(dialog).to_be_visible()
        await self.look(place)
        await dialog.get_by_role("button", name="Close").first.click()
        await expect(dialog).to_have_count(0)

    async def menu(self, opener: Locator, place: str) -> None:
        """Judges the menu behind a button and closes it."""
        await opener.click()
        await expect(self.page.get_by_role("menu")).to_be_visible()
        await self.look(place)
        await self.page.keyboard.press("Escape")
        await expect(self.page.get_by_role("menu")).to_have_count(0)


@pytest.mark.parametrize("width", WIDTHS)
async def test_the_chat_page(chat: Chat, demo: Demo, axe: str, width: int) -> None:
    name, root, said = fresh("Judged"), fresh("Who comes along?"), fresh("https://example.org/x")
    channel = demo.group(f"group:{uuid4().hex}", ["emma", "dan"], name=name)
    found = demo.write(channel, "dan", root)
    path = f"/v1/channels/{channel}/messages"
    demo.rest("POST", path, {"by": "emma", "text": fresh("I do"), "thread": found["id"]})
    demo.rest("POST", path, {"by": "emma", "text": said, "reply_to": found["id"]})
    thumb = f"{path}/{found['id']}/reactions/{quote('👍')}"
    demo.rest("PUT", thumb, {"by": "emma"})

    page = await chat.open("/", reduced_motion="reduce", width=width, height=860)
    judge = Judge(page, axe)
    await expect(page.get_by_role("link", name="side by side")).to_be_visible()
    await judge.look("start")
    await page.goto(f"{demo.url}/?user=emma")
    emma = pane(page, "emma")
    await online(emma)
    await expect(emma.locator(".channel").first).to_be_visible()
    await judge.look("list")
    await judge.menu(emma.locator(".me"), "own menu")
    for entry in (
        "Hidden conversations",
        "Saved messages",
        "Reminders",
        "Public conversations",
        "Blocked people",
        "Keys",
    ):
        await emma.locator(".me").click()
        await page.get_by_role("menuitem", name=entry).click()
        await judge.sheet(entry)
    await emma.get_by_role("button", name="New conversation").click()
    await judge.sheet("new conversation")

    await emma.get_by_role("searchbox").fill("zzzz")
    await expect(emma.get_by_text("No conversation of this name")).to_be_visible()
    await judge.look("search without a find")
    await emma.get_by_role("searchbox").fill(root)
    await expect(emma.locator("mark, .hit").first).to_be_visible()
    await judge.look("search")
    await emma.get_by_role("searchbox").fill("")

    await enter(emma, name)
    await expect(bubble(emma, said)).to_be_visible()
    await judge.look("channel")
    options = emma.get_by_role("button", name="Conversation options")
    await judge.menu(options, "options")
    for entry in ("Members", "Pinned messages"):
        await options.click()
        await page.get_by_role("menuitem", name=entry).click()
        await judge.sheet(entry)
    message = emma.locator("article.message").filter(has_text=root).first
    await message.hover()
    await judge.menu(message.get_by_role("button", name="Actions"), "message menu")
    await message.hover()
    await message.get_by_role("button", name="Actions").click()
    await page.get_by_role("menuitem", name="Reply in thread").click()
    await expect(emma.get_by_role("complementary", name="Thread")).to_be_visible()
    await judge.look("thread")
    await emma.get_by_role("button", name="Close the thread").click()
    await emma.get_by_role("button", name="New poll").click()
    await judge.sheet("new poll")
    await page.goto(f"{demo.url}/?user=emma&debug")
    await online(emma)
    await expect(page.locator(".drawer li").first).to_be_visible()
    await judge.look("drawer")
    assert judge.places == PLACES
    assert not judge.found, "\n".join(judge.found)


async def test_the_page_of_the_api(chat: Chat, axe: str) -> None:
    page = await chat.open("/docs/errors", reduced_motion="reduce", width=1440, height=860)
    judge = Judge(page, axe)
    await expect(page.locator("#rate_limited")).to_be_visible()
    await page.fill("#find", "message")  # some of all kinds of rows
    await judge.look("what was found")
    await page.fill("#find", "POST /v1/channels/{channel}/messages")
    row = page.locator("#post_channels_channel_messages")
    await row.locator("summary").click()
    await expect(row.get_by_role("button", name="Try it")).to_be_visible()
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 860})
        await judge.look(f"an operation, {width}")
    assert judge.places == 3
    assert not judge.found, "\n".join(judge.found)
