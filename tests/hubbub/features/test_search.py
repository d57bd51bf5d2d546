"""Search as a feature: what is asked, what is shown to whom, and where a page goes on."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    PERMISSION_DENIED,
    TOO_LARGE,
    TOO_MANY,
    UNKNOWN_CHANNEL,
    Rejected,
)
from hubbub.features.capabilities import SetRoleCapabilities
from hubbub.features.channels import UpdateChannel
from hubbub.features.contract import QueryCall, SearchCall, SearchFound
from hubbub.features.forward import SendForwarded
from hubbub.features.list_index import Index
from hubbub.features.members import AddMembers
from hubbub.features.messages import DeleteMessage, EditMessage, SendMessage
from hubbub.features.publication import rfc3339
from hubbub.features.retention import TruncateChannel
from hubbub.features.search import (
    CHANNELS_MAX,
    PAGE_MAX,
    SearchLink,
    SearchRequest,
    current_document,
    turn_link,
    turn_search,
)
from hubbub.model.channel import HistoryRule
from hubbub.model.member import Role
from hubbub.model.message import Attachment, AttachmentKind, Forwarded
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.search import SHOWN, Criteria, SearchHit, ShownRequest
from hubbub.wire.shapes import Viewer
from tests.support.playbook import START_MS, Playbook, walk

X = "group:x"


def book(**more: Any) -> Playbook:
    return Playbook(X, owner="ann", members=("ben",), **more)


def send(at: Playbook, user: str, text: str, **more: Any) -> int:
    at.do(user, SendMessage(channel=X, text=text, **more))
    return at.outcome.seq


def shown(
    at: Playbook, seqs: list[int], q: str = "tea", user: str = "ben", **more: Any
) -> list[dict[str, Any]]:
    authority = more.pop("authority", "client")
    request = ShownRequest(tuple(seqs), Criteria(q, **more))
    hits = at.query(user, SHOWN, request, authority=authority)["hits"]
    return [hit["hit"] for hit in hits]


def edge_context(user: str = "ben", authority: str = "client") -> Any:
    return Playbook("#ben").edge_context(Viewer(user, authority))


# --- what is shown


def test_nothing_is_found_of_whom_the_viewer_blocks() -> None:
    at = book()
    seqs = [send(at, "ann", "green tea"), send(at, "ben", "black tea")]
    origin = Forwarded(channel=X, id="m", by="ann")
    at.do("ben", SendForwarded(channel=X, forwarded=origin, text="green tea"))
    seqs.append(at.outcome.seq)
    request = ShownRequest(tuple(seqs), Criteria("tea"))
    for blocks, found in (((), seqs), (("ann",), seqs[1:2])):
        hits = at.query("ben", SHOWN, request, blocks=blocks)["hits"]
        assert [hit["seq"] for hit in hits] == found


def test_a_hit_is_the_message_as_history_shows_it_with_its_places() -> None:
    at = book()
    seq = send(at, "ann", "Green tea, and tea")
    [hit] = shown(at, [seq])
    assert hit["channel"] == X
    assert hit["message"] == at.shown(seq)
    text = hit["message"]["text"]
    assert [text[a:b] for a, b in hit["highlights"]] == ["tea", "tea"]


def test_what_does_not_fit_any_more_is_not_shown() -> None:
    at = book()
    gone, edited, kept = (send(at, "ann", f"tea {n}") for n in range(3))
    ids = {seq: at.shown(seq)["id"] for seq in (gone, edited)}
    at.do("ann", DeleteMessage(channel=X, id=ids[gone]))
    at.do("ann", EditMessage(channel=X, id=ids[edited], text="milk"))
    seqs = [gone, edited, kept, 99, 0]
    assert [hit["message"]["seq"] for hit in shown(at, seqs)] == [kept]
    seqs.append(at.tables.head_seq)  # the edit itself, which is no message
    assert [hit["message"]["seq"] for hit in shown(at, seqs, "milk")] == [edited]
    assert [hit["message"]["seq"] for hit in shown(at, seqs, "", by="ann")] == [edited, kept]
    at.tables.set_floor(kept)
    assert [hit["message"]["seq"] for hit in shown(at, seqs)] == [kept]
    at.do("ann", TruncateChannel(channel=X, before_seq=0))
    assert shown(at, seqs) == []


def test_filters_are_looked_at_once_more() -> None:
    at = book()
    file = Attachment(kind=AttachmentKind.FILE, url="https://x.org/a", name="plan.pdf")
    plain = send(at, "ann", "tea")
    rich = send(at, "ben", "tea", type="order", attachments=(file,))
    seqs = [plain, rich]
    many: tuple[dict[str, Any], ...] = ({"by": "ben"}, {"type": "order"}, {"attached": True})
    for wanted in many:
        assert [hit["message"]["seq"] for hit in shown(at, seqs, **wanted)] == [rich]
    [hit] = shown(at, seqs, "plan")  # in the name of a file, so nothing of the text is marked
    assert (hit["message"]["seq"], hit["highlights"]) == (rich, [])


def test_who_may_not_read_or_search_is_refused() -> None:
    at = book()
    seq = send(at, "ann", "tea")
    with pytest.raises(Rejected) as refused:
        shown(at, [seq], user="eve")
    assert refused.value.error is CHANNEL_NOT_FOUND
    assert len(shown(at, [seq], user="", authority="server")) == 1
    at.do("ann", SetRoleCapabilities(channel=X, role=Role.MEMBER, deny=("search",)))
    with pytest.raises(Rejected) as refused:
        shown(at, [seq])
    assert refused.value.error is PERMISSION_DENIED


def test_a_newcomer_finds_nothing_from_before() -> None:
    at = book()
    at.do("ann", UpdateChannel(channel=X, history=HistoryRule.FROM_JOIN))
    early = send(at, "ann", "tea early")
    at.do("ann", AddMembers(channel=X, users=("new",)), authority="server")
    late = send(at, "ann", "tea late")
    assert [h["message"]["seq"] for h in shown(at, [early, late], user="new")] == [late]


# --- what is indexed


def test_a_document_is_what_the_message_is_now() -> None:
    at = book()
    seq = send(at, "ann", "tea")
    mid = at.shown(seq)["id"]
    document = current_document(seq, at.tables)
    assert document is not None
    assert (document.text, document.by, document.ts_ms) == ("tea", "ann", START_MS)
    at.do("ann", EditMessage(channel=X, id=mid, text="milk"))
    document = current_document(seq, at.tables)
    assert document is not None
    assert document.text == "milk"
    at.do("ann", DeleteMessage(channel=X, id=mid))
    assert current_document(seq, at.tables) is None
    assert current_document(1, at.tables) is None  # no message
    at.assert_replay_equal()


# --- requests


def test_a_user_searches_the_channels_of_his_list() -> None:
    rows = ["group:a", "group:b"]
    found = SearchFound([SearchHit((0, 9, X, 3), b'{"channel":"x"}')], (0, 9, X, 3), 1_000, False)
    errand = turn_search(SearchRequest("tea"), edge_context())
    index, call, answer = walk(errand, encode_json(Index(rows)), found)
    assert isinstance(index, QueryCall)
    assert (index.key, index.name) == ("#ben", "user.channel_index")
    assert isinstance(call, SearchCall)
    assert (call.keys, call.criteria, call.viewer) == (
        ("group:a", "group:b"),
        Criteria("tea"),
        Viewer("ben"),
    )
    page = decode_json(answer, dict[str, Any])  # type: ignore[arg-type]
    assert (page["hits"], page["indexed_to"]) == ([{"channel": "x"}], "1970-01-01T00:00:01.000Z")
    assert "incomplete" not in page
    again = turn_search(SearchRequest("tea", cursor=page["next"]), edge_context())
    _, call = walk(again, encode_json(Index(rows)))
    assert isinstance(call, SearchCall)
    assert call.before == (0, 9, X, 3)


def test_who_has_no_channels_has_searched_all_of_them() -> None:
    context = edge_context()
    _, answer = walk(turn_search(SearchRequest("tea"), context), encode_json(Index([])))
    page = decode_json(answer, dict[str, Any])  # type: ignore[arg-type]
    assert page == {"hits": [], "indexed_to": rfc3339(context.now_ms)}


def test_named_channels_are_asked_at_once() -> None:
    request = SearchRequest("tea", channels=("group:a", "group:a", "open:b"))
    [call] = walk(turn_search(request, edge_context()))
    assert isinstance(call, SearchCall)
    assert call.keys == ("group:a", "open:b")


def test_a_server_key_searches_everything_or_as_a_user() -> None:
    [call] = walk(turn_search(SearchRequest("tea"), edge_context("", "server")))
    assert isinstance(call, SearchCall)
    assert (call.keys, call.viewer.authority) == (None, "server")
    request = SearchRequest("tea", user="ben")
    errand = turn_search(request, edge_context("", "server"))
    _, call = walk(errand, encode_json(Index(["group:a"])))
    assert isinstance(call, SearchCall)
    assert (call.keys, call.viewer) == (("group:a",), Viewer("ben"))
    with pytest.raises(Rejected) as refused:
        turn_search(SearchRequest("tea", user="ann"), edge_context())
    assert refused.value.error is PERMISSION_DENIED


def test_by_relevance_the_first_page_fixes_the_time() -> None:
    context = edge_context()
    request = SearchRequest("tea", channels=(X,), sort="relevance")
    found = SearchFound([], (5, 9, X, 3), 1_000, True)
    call, answer = walk(turn_search(request, context), found)
    assert isinstance(call, SearchCall)
    assert (call.criteria.is_ranked, call.criteria.until_ms) == (True, context.now_ms + 1)
    page = decode_json(answer, dict[str, Any])  # type: ignore[arg-type]
    assert page["incomplete"] is True
    later = edge_context()
    request = SearchRequest("tea", channels=(X,), sort="relevance", cursor=page["next"])
    [again] = walk(turn_search(request, later))
    assert isinstance(again, SearchCall)
    assert (again.before, again.criteria.until_ms) == ((5, 9, X, 3), context.now_ms + 1)
    with pytest.raises(Rejected):
        turn_search(SearchRequest("tea", cursor=page["next"]), later)  # another order
    for until_ms, wanted in ((5_000, 5_000), (context.now_ms + 9_000, context.now_ms + 1)):
        request = SearchRequest("tea", channels=(X,), sort="relevance", until=rfc3339(until_ms))
        [asked] = walk(turn_search(request, context))
        assert isinstance(asked, SearchCall)
        assert asked.criteria.until_ms == wanted


def test_a_link_is_the_same_request() -> None:
    link = SearchLink(q="tea", channel=X, attachments=True, since="2026-01-01T00:00:00Z", limit=5)
    [call] = walk(turn_link(link, edge_context()))
    assert isinstance(call, SearchCall)
    assert (call.keys, call.limit, call.criteria.attached) == ((X,), 5, True)
    assert call.criteria.since_ms == 1_767_225_600_000


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (SearchRequest(), BAD_REQUEST),
        (SearchRequest('"open'), BAD_REQUEST),
        (SearchRequest("tea", limit=PAGE_MAX + 1), BAD_REQUEST),
        (SearchRequest("tea", limit=0), BAD_REQUEST),
        (SearchRequest("tea", by="a b"), BAD_REQUEST),
        (SearchRequest("tea", type="t" * 65), TOO_LARGE),
        (SearchRequest("tea", channels=("#ann",)), UNKNOWN_CHANNEL),
        (SearchRequest("tea", since="yesterday"), BAD_REQUEST),
        (SearchRequest("tea", cursor="x"), BAD_REQUEST),
        (SearchRequest(by="ann", sort="relevance"), BAD_REQUEST),
        (
            SearchRequest("tea", channels=tuple(f"group:{n}" for n in range(CHANNELS_MAX + 1))),
            TOO_MANY,
        ),
    ],
)
def test_what_cannot_be_asked(request_: SearchRequest, error: Any) -> None:
    with pytest.raises(Rejected) as refused:
        turn_search(request_, edge_context())
    assert refused.value.error is error


@pytest.mark.parametrize(
    ("fields", "criteria"),
    [
        ({"by": "ann"}, Criteria("", by="ann")),
        ({"type": "t"}, Criteria("", type="t")),
        ({"attachments": True}, Criteria("", attached=True)),
        ({"q": "tea", "until": rfc3339(5_000)}, Criteria("tea", until_ms=5_000)),
    ],
)
def test_one_of_them_is_enough(fields: dict[str, Any], criteria: Criteria) -> None:
    channels = tuple(f"group:{n}" for n in range(CHANNELS_MAX))
    [call] = walk(turn_search(SearchRequest(channels=channels, **fields), edge_context()))
    assert isinstance(call, SearchCall)
    assert (call.criteria, call.keys) == (criteria, channels)
    index = walk(turn_link(SearchLink(**fields), edge_context()))[0]
    assert isinstance(index, QueryCall), "without a channel all of his"
