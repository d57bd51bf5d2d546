"""`/sdk/hubbub.js`: its types hold under `tsc --strict`, the chat page's modules under `tsc`,
and it works in Node.js against a cluster.

The suite (js/sdk.test.mjs) loads the module as an edge serves it. HUBBUB_RECORD=1 writes
`edge/web/sdk/hubbub.d.ts` anew: what `tsc` makes of the module's own comments.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.web.npm import PACKAGE
from edge.web.pages import sdk_files
from hubbub.client.verbs import COMMANDS
from tests.support.cluster import Cluster
from tests.support.requirement import missing, program

HERE = Path(__file__).parent
MODULE = HERE.parents[1] / "edge" / "web" / "sdk" / "hubbub.js"
PAGE = MODULE.parents[1] / "static"
DECLARED = MODULE.with_name("hubbub.d.ts")
TYPESCRIPT = "5.9.3"
USERS = ("js-ann", "js-ben", "js-off", "js-cut", "js-see", "js-src", "js-dev")
TESTS = 7
# Each line is refused: a wrong type, a wrong field, a missing one, a wrong use of an answer.
WRONG = """
connect({ url: 1, token: "" });
new Chat({ url: "", token: "" }).call("poll.vote", { channel: "group:x", id: 1, options: [1] });
new Chat({ url: "", token: "" }).call("poll.vote", { chanel: "group:x", id: "1", options: [1] });
new Chat({ url: "", token: "" }).call("message.edit", { channel: "group:x" });
new Chat({ url: "", token: "" }).channel("group:x").call("message.edit", { name: "" });
new Chat({ url: "", token: "" }).call("user.get", { user: "" }).then(({ nome }) => nome);
"""
RIGHT = """
async function right(/** @type {string} */ any, /** @type {Chat} */ chat) {
  await chat.call(any, { what: 1 });
  for await (const member of chat.rows("members.list", { channel: "group:x" })) member.user.trim();
  for await (const message of chat.channel("group:x").messages({ limit: 5 })) message.id.trim();
  return (await chat.channel("group:x").call("thread.get", { id: "" })).messages[0].seq.toFixed();
}
"""
# A program in TypeScript: what it may write, and what it is told not to.
TYPED = """
import { connect, Refused, type Chat } from "hubbub";
const chat: Chat = connect({ url: "https://x", token: async () => "t" });
const order = chat.channel("group:order-1");
order.subscribe((event, { offset }) => {
  if (event.t === "message.created") console.log(event.by.trim(), event.text?.trim(), offset);
  if (event.t === "member.joined") event.users.map((user) => user.trim());
  if (event.t === "heads") console.log(event.heads["group:x"]?.unread);
});
order.subscribe<{ price: number }>((tick) => tick.price.toFixed());
order.subscribe({ event: ({ t }) => t.trim(), ended: (error) => error.reason.trim() });
const sent = await order.send("hello", { silent: true, data: { order: 1 } });
console.log(sent.seq.toFixed(), sent instanceof Refused ? sent.errors["#/text"] : "");
for await (const change of chat.sync({ load: () => null, save: () => {} })) {
  for (const event of change.events) if (event.t === "poll.closed") event.by.trim();
}
for await (const hit of chat.rows("search.messages", { q: "x" })) hit.message.text?.trim();
for await (const user of chat.rows("user.query", { q: "x" })) user.name?.trim();
"""
MISTYPED = """
order.subscribe((event) => event.text);
order.subscribe((event) => event.t === "message.sent");
order.send("hello", { silence: true });
chat.rows("user.query", { query: "x" });
chat.call("sync", {}).then(({ user }) => user?.events?.[0]?.text);
"""

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(240)]


def test_its_commands_are_those_of_the_python_client() -> None:
    found = re.search(r"COMMANDS = new Set\(\s*`([^`]*)`", MODULE.read_text(encoding="utf-8"))
    assert found is not None
    assert sorted(found[1].split()) == sorted(COMMANDS)


def test_its_types_hold(tmp_path: Path) -> None:
    words = ["install", "--no-audit", "--no-fund", "--ignore-scripts", f"typescript@{TYPESCRIPT}"]
    about = '{"private": true, "type": "module"}'
    (tmp_path / "package.json").write_text(about, encoding="utf-8")
    (tmp_path / PACKAGE).write_bytes(sdk_files()[PACKAGE][0])
    done = run([program("npm"), *words, f"./{PACKAGE}"], cwd=tmp_path)
    if done.returncode:
        missing("node", f"npm install failed: {done.stderr[-500:]}")
    checked = [
        *["--noEmit", "--allowJs", "--checkJs", "--strict"],
        *["--target", "es2022", "--module", "esnext", "--lib", "es2022,dom"],
    ]
    tsc = tmp_path / "node_modules" / ".bin" / "tsc"
    broken = tmp_path / "broken.js"  # the same module and wrong calls: the only errors
    shutil.copy(MODULE.with_name("verbs.d.ts"), tmp_path)
    text = MODULE.read_text(encoding="utf-8")
    broken.write_text(text + WRONG + RIGHT, encoding="utf-8")
    done = run([str(tsc), *checked, str(MODULE), str(broken)], cwd=tmp_path)
    errors = [line for line in done.stdout.splitlines() if ": error TS" in line]
    wrong = {f"broken.js({n}," for n in wrong_lines(text, WRONG)}
    assert {line.split(",")[0] + "," for line in errors} == wrong, done.stdout
    check_page(tsc, tmp_path / "page")
    check_declarations(tsc, tmp_path / "declared")
    check_program(tsc, tmp_path)


def check_declarations(tsc: Path, folder: Path) -> None:
    """`hubbub.d.ts` is what the module says of itself."""
    making = ["--declaration", "--emitDeclarationOnly", "--allowJs", "--checkJs", "--strict"]
    making += ["--target", "es2022", "--module", "esnext", "--lib", "es2022,dom"]
    done = run([str(tsc), *making, "--outDir", str(folder), str(MODULE)])
    assert done.returncode == 0, done.stdout
    made = (folder / DECLARED.name).read_text(encoding="utf-8")
    if os.environ.get("HUBBUB_RECORD"):
        DECLARED.write_text(made, encoding="utf-8")
    assert DECLARED.read_text(encoding="utf-8") == made, "HUBBUB_RECORD=1 writes it"


def check_program(tsc: Path, folder: Path) -> None:
    """The package in a program in TypeScript, without `allowJs`, for Node.js and for a bundler."""
    file = folder / "program.ts"
    file.write_text(TYPED + MISTYPED, encoding="utf-8")
    wrong = {f"program.ts({n}," for n in wrong_lines(TYPED, MISTYPED)}
    for module, resolution in (("nodenext", "nodenext"), ("esnext", "bundler")):
        options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom"]
        options += ["--module", module, "--moduleResolution", resolution]
        done = run([str(tsc), *options, file.name], cwd=folder)
        errors = [line for line in done.stdout.splitlines() if ": error TS" in line]
        assert {line.split(",")[0] + "," for line in errors} == wrong, done.stdout


def wrong_lines(text: str, wrong: str) -> range:
    """The numbers of the lines of `wrong` behind a text."""
    first = text.count("\n") + 2
    return range(first, first + wrong.strip().count("\n") + 1)


def check_page(tsc: Path, folder: Path) -> None:
    """The chat page's modules by their inferred types: names, calls and their arguments."""
    folder.mkdir()
    for path in (*PAGE.glob("*.js"), MODULE, MODULE.with_name("verbs.d.ts")):
        if path.name != "docs.js":  # asks elements of its HTML for what their tags have
            shutil.copy(path, folder)
    options = {"noEmit": True, "allowJs": True, "checkJs": True, "lib": ["es2023", "dom"]}
    options |= {"target": "es2022", "module": "esnext", "moduleResolution": "bundler"}
    options |= {"paths": {"/static/*": ["./*"]}}
    config = folder / "tsconfig.json"
    config.write_text(json.dumps({"compilerOptions": options, "include": ["*.js"]}), "utf-8")
    done = run([str(tsc), "-p", str(config)], cwd=folder)
    assert done.returncode == 0, done.stdout


def test_it_works_in_node() -> None:
    with Cluster("--profile", "bench", edges=2) as cluster:
        tokens = {user: cluster.token(user) for user in USERS}
        done = run(
            [
                program("node"),
                *["--experimental-websocket", "--test", "--test-reporter=tap"],
                str(HERE / "js" / "sdk.test.mjs"),
            ],
            env={
                **os.environ,
                "HUBBUB_URLS": ",".join(cluster.urls),
                "HUBBUB_TOKENS": json.dumps(tokens),
            },
        )
        counts = dict(re.findall(r"^# (pass|fail) (\d+)$", done.stdout, re.M))
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{cluster.said()}"
        assert (int(counts["pass"]), int(counts["fail"])) == (TESTS, 0)


def run(
    words: list[str], cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A program's output."""
    return subprocess.run(
        words, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False
    )
