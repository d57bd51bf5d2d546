"""`/openapi.json` is complete, and nothing in it points nowhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from edge.web.app_rows import APP_ROWS
from edge.web.docs import recorded
from edge.web.documents import openapi, said
from hubbub.base.errors import all_errors
from hubbub.features.registry import REGISTRY
from tests.edge.stage import EdgeStage
from tests.edge.web.rest import api_of, serve

TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}


def test_paths_are_spelled_in_one_way() -> None:
    """Nouns and verbs in snake_case; a state has the name that the answer shows (ADR 0040)."""
    paths = {row.path for row in [*REGISTRY.routes, *api_of(EdgeStage()).own_rows()]}
    for path in paths:
        assert re.fullmatch(r"/v1(/([a-z]+(_[a-z]+)*|{\w+}))+", path), path


def made() -> dict[str, Any]:
    document = openapi(REGISTRY, api_of(EdgeStage()).own_rows(), recorded())
    return json.loads(json.dumps(document))


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def test_every_route_is_in_the_document_and_nothing_else() -> None:
    rows = {(row.path, row.method.lower()) for row in REGISTRY.routes} | {
        ("/v1/tokens", "post"),
        ("/v1/guests", "post"),
        ("/v1/batch", "post"),
        ("/v1/limits", "get"),
        *((row.path, row.method.lower()) for row in APP_ROWS),
    }
    found = {(path, method) for path, verbs in made()["paths"].items() for method in verbs}
    assert found == rows
    count = len(REGISTRY.routes) + 4 + len(APP_ROWS)
    assert count == len(rows), "no two rows share a method and path"


def test_a_route_names_the_rpc_that_is_the_same() -> None:
    document = made()
    said = {
        (method.upper(), path): operation["x-rpc"]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "x-rpc" in operation
    }
    assert said["POST", "/v1/channels/{channel}/messages"] == "message.send"
    assert said["PATCH", "/v1/users/{user}/channels/{channel}"] == "channel.set_mine"
    of_socket = {"channel.open", "mark.delivered", "presence.get", "presence.watch"}
    of_socket |= {"receipts.get", "receipts.watch", "screen.set", "member.remove"}
    assert REGISTRY.verbs.keys() - set(said.values()) == of_socket
    # what the rpc takes, the route takes, too: in its path, its query or its body
    for (method, path), verb in said.items():
        operation = document["paths"][path][method.lower()]
        names = {row["name"] for row in operation["parameters"]}
        if body := operation.get("requestBody"):
            names |= body["content"]["application/json"]["schema"]["properties"].keys()
        fields = {row.encode_name for row in msgspec.structs.fields(REGISTRY.verbs[verb].shape)}
        assert fields - names <= {"by", "user", "cmid"}, verb


async def test_it_is_served() -> None:
    async with serve() as rest:
        response, body = await rest.call("GET", "/openapi.json", headers={})
        assert response.content_type == "application/json"
        assert body == made()
        assert body["openapi"].startswith("3.1")


def test_every_reference_has_its_schema() -> None:
    document = made()
    schemas = document["components"]["schemas"]
    refs = {node["$ref"] for node in walk(document) if "$ref" in node}
    assert refs
    for ref in refs:
        prefix, _, name = ref.rpartition("/")
        assert prefix == "#/components/schemas"
        assert name in schemas, ref


def test_schemas_use_the_types_of_json_schema() -> None:
    for node in walk(made()["components"]["schemas"]):
        kind = node.get("type")
        if isinstance(kind, str):
            assert kind in TYPES
        properties = node.get("properties")
        if isinstance(properties, dict) and isinstance(node.get("required"), list):
            assert set(node["required"]) <= set(properties)


def test_parameters_and_bodies_share_the_fields_of_a_shape() -> None:
    for path, verbs in made()["paths"].items():
        in_path = set(re.findall(r"{(\w+)}", path))
        for method, operation in verbs.items():
            parameters = {p["name"]: p for p in operation["parameters"]}
            assert {n for n, p in parameters.items() if p["in"] == "path"} == in_path
            assert all(p["required"] for p in parameters.values() if p["in"] == "path")
            content = operation.get("requestBody", {}).get("content", {})
            assert bool(content) == (method in ("post", "put", "patch"))
            if content:
                body = content["application/json"]["schema"]
                assert not in_path & set(body["properties"])
                assert set(body["required"]) <= set(body["properties"])
            refused = operation["responses"]["default"]["content"]
            assert list(refused) == ["application/problem+json"]
    operations = [op["operationId"] for verbs in made()["paths"].values() for op in verbs.values()]
    assert len(set(operations)) == len(operations)


def test_problems_name_every_code() -> None:
    codes = made()["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert codes == [row.name for row in all_errors()]


def test_what_a_route_says_of_itself_is_not_cut_off() -> None:
    """A summary of one line is its first sentence; `description` has all of it, from its start."""
    routes = [route for verbs in made()["paths"].values() for route in verbs.values()]
    for route in routes:
        assert re.search(r"[.!?]\Z", route["summary"]), route["summary"]
        assert route.get("description", route["summary"]).startswith(route["summary"])
    history = made()["paths"]["/v1/channels/{channel}/messages"]["get"]
    assert history["summary"] == "A page of messages.", "the verb introduces what asks"
    for field in ("at", "by", "type"):
        assert f"`{field}`" in history["description"]


def test_a_sentence_ends_where_another_begins() -> None:
    assert said("One\n    line, e.g. this.") == {"summary": "One line, e.g. this."}
    assert said("no end") == {"summary": "no end"}
    assert said("First. `x`: more.") == {"summary": "First.", "description": "First. `x`: more."}


def test_nothing_stops_a_generator_of_clients() -> None:
    """openapi-python-client 0.29 refuses a whole document for one `items: false`, and drops shapes
    whose titles are the same; a dot in a name ends a name in most languages."""
    document = made()
    assert not [node for node in walk(document) if node.get("items") is False]
    schemas = document["components"]["schemas"]
    titles = [schema["title"] for schema in schemas.values() if "title" in schema]
    assert len(set(titles)) == len(titles)
    assert [name for name in schemas if not re.fullmatch(r"\w+", name)] == []


# JSON of the app's own, which no type of ours can tell.
FREE = {"data", "info", "message", "metadata", "schema", "settings", "value", "body"}


def test_what_answers_hold_is_typed() -> None:
    """Whatever is raw to the server, which passes it on as it is, has its shape for clients."""
    document = made()
    waiting = [
        content["schema"]
        for verbs in document["paths"].values()
        for operation in verbs.values()
        for response in operation["responses"].values()
        for content in response["content"].values()
    ]
    seen, untyped = set[str](), set[str]()
    while waiting:
        schema = waiting.pop()
        if ref := schema.get("$ref"):
            name = ref.rpartition("/")[2]
            if name not in seen:
                seen.add(name)
                waiting.append(document["components"]["schemas"][name])
            continue
        for key, inner in schema.get("properties", {}).items():
            if key not in FREE and untyped_parts(inner):
                untyped.add(f"{schema.get('title')}.{key}")
            waiting.append(inner)
        more = schema.get("additionalProperties")
        items = [schema["items"]] if "items" in schema else []
        waiting += items + ([more] if isinstance(more, dict) else [])
        waiting += [*schema.get("anyOf", ()), *schema.get("allOf", ())]
    assert untyped == set()
    assert {"FoundMessage", "FoundUser", "Head", "ChannelSnapshot", "UserSnapshot"} <= seen
    assert {"Event", "MessageCreated", "GoneChannel", "Figures"} <= seen


def untyped_parts(schema: dict[str, Any]) -> bool:
    """Whether anything may stand there, or in a list or table of it."""
    if not schema.keys() - {"default", "description"}:
        return True
    inner = [schema[key] for key in ("items", "additionalProperties") if key in schema]
    return "$ref" not in schema and any(untyped_parts(part) for part in inner if part is not False)


def test_messages_in_answers_are_typed() -> None:
    schemas = made()["components"]["schemas"]
    for name in ("HistoryPage", "ThreadPage", "MessagesFound"):
        rows = schemas[name]["properties"]["messages"]
        assert rows["items"] == {"$ref": "#/components/schemas/Message"}, name
