"""Bookmarks: messages and links that a user keeps for himself, in folders if he likes.

Rules:
1. A bookmark lives in the user's own stream; its id is that of its `bookmark.added` event. The same
   message or link is kept once: asked again, the answer names the first one.
2. It says where the thing is, and holds nothing of its content. A message is there when it is kept
   (`drawer`); whether the user may still see it is found out when he opens it.
3. At most `BOOKMARKS_MAX`; a folder exists while something is in it.

Long because five verbs over three orders of the same rows are that many shapes and pages.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, NOT_FOUND, TOO_LARGE, TOO_MANY, Rejected
from hubbub.base.ids import message_seq
from hubbub.features.contract import (
    Context,
    Decision,
    Done,
    EdgeContext,
    Errand,
    Event,
    Feature,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Table,
    Tables,
    Verb,
)
from hubbub.features.drawer import (
    AsksUser,
    OfUser,
    Place,
    call_own,
    put_in,
    require_reader,
    require_writer,
    turn_own,
)
from hubbub.features.fields import (
    check_chat_channel,
    check_limit,
    check_title,
    check_url,
    require_something,
)
from hubbub.features.publication import rfc3339
from hubbub.features.standing import ONLY
from hubbub.wire.codec import encode_json

BOOKMARKS_MAX: Final = 10_000
NOTE_CHARS_MAX: Final = 1_000
FOLDER_CHARS_MAX: Final = 100
PAGE_MAX: Final = 100


class AddBookmark(OfUser, frozen=True, kw_only=True):
    """A message (`channel`, `message`), or a link (`url`)."""

    TAG = "bookmark.add"

    channel: str = ""
    message: str = ""
    url: str = ""
    title: str = ""
    note: str = ""
    folder: str = ""


class UpdateBookmark(OfUser, frozen=True, kw_only=True):
    """Change what is given."""

    TAG = "bookmark.update"

    id: str
    title: str | UnsetType = UNSET
    note: str | UnsetType = UNSET
    folder: str | UnsetType = UNSET


class RemoveBookmark(OfUser, frozen=True, kw_only=True):
    """Keep it no more."""

    TAG = "bookmark.remove"

    id: str


class BookmarkAdded(Event, frozen=True):
    """It is kept. Its id is the event's own."""

    TAG = "bookmark.added"

    channel: str = ""
    message: str = ""
    url: str = ""
    title: str = ""
    note: str = ""
    folder: str = ""


class _OfBookmark(Event, frozen=True):
    """An event of a bookmark: `id` names it."""

    TAG = ""

    id: str
    bookmark_seq: int

    def ref_seq(self) -> int:
        return self.bookmark_seq

    def ref_id(self) -> str:
        return self.id


class BookmarkUpdated(_OfBookmark, frozen=True):
    """Title, note and folder as they are from now on."""

    TAG = "bookmark.updated"

    title: str = ""
    note: str = ""
    folder: str = ""


class BookmarkRemoved(_OfBookmark, frozen=True):
    """It is gone."""

    TAG = "bookmark.removed"


class BookmarkRow(Struct, frozen=True, array_like=True, gc=False):
    """Either channel and message, or url."""

    id: str
    ts_ms: int
    channel: str = ""
    message: str = ""
    url: str = ""
    title: str = ""
    note: str = ""
    folder: str = ""


BOOKMARKS: Final[Table[int, BookmarkRow]] = Table("bookmarks", int, BookmarkRow)
TARGETS: Final[Table[tuple[str, str], int]] = Table("bookmarks.targets", tuple[str, str], int)
FOLDERS: Final[Table[tuple[str, int], int]] = Table("bookmarks.folders", tuple[str, int], int)
FOLDER_SIZES: Final[Table[str, int]] = Table("bookmarks.folder_sizes", str, int)
COUNT: Final[Table[int, int]] = Table("bookmarks.count", int, int)


class Bookmark(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One bookmark."""

    id: str
    ts: str
    channel: str = ""
    message: str = ""
    url: str = ""
    title: str = ""
    note: str = ""
    folder: str = ""


class BookmarksRequest(AsksUser, frozen=True):
    """`folder`: only what is in it. `before`: the id of the last one of the page before."""

    folder: str = ""
    before: str = ""
    limit: int = PAGE_MAX


class BookmarksPage(Struct, frozen=True):
    """The newest first. `count`: of all, or of the folder. `next`: empty at the end."""

    bookmarks: list[Bookmark]
    count: int
    next: str = ""


class FoldersRequest(AsksUser, frozen=True):
    """`after`: the last folder of the page before."""

    after: str = ""
    limit: int = PAGE_MAX


class FoldersPage(Struct, frozen=True):
    """Folder → how many bookmarks are in it. `next`: empty at the end."""

    folders: dict[str, int]
    next: str = ""


def check_add(cmd: AddBookmark, ctx: EdgeContext) -> AddBookmark:
    if bool(cmd.url) == bool(cmd.message) or bool(cmd.channel) != bool(cmd.message):
        raise Rejected(BAD_REQUEST, "a bookmark is of a message in a channel, or of a url")
    if cmd.message:
        check_chat_channel(cmd.channel)
        message_seq(cmd.message)
    else:
        check_url(cmd.url)
    _check_texts(cmd.title, cmd.note, cmd.folder)
    return turn_own(cmd, ctx)


def turn_add(cmd: AddBookmark, ctx: EdgeContext) -> AddBookmark | Errand:
    cmd = check_add(cmd, ctx)
    return put_in(cmd, Place(cmd.channel, cmd.message)) if cmd.message else cmd


def check_update(cmd: UpdateBookmark, ctx: EdgeContext) -> UpdateBookmark:
    message_seq(cmd.id)
    require_something(cmd.title, cmd.note, cmd.folder)
    _check_texts(*(text or "" for text in (cmd.title, cmd.note, cmd.folder)))
    return turn_own(cmd, ctx)


def check_remove(cmd: RemoveBookmark, ctx: EdgeContext) -> RemoveBookmark:
    message_seq(cmd.id)
    return turn_own(cmd, ctx)


def _check_texts(title: str, note: str, folder: str) -> None:
    check_title(title)
    for name, text, limit in (
        ("note", note, NOTE_CHARS_MAX),
        ("folder", folder, FOLDER_CHARS_MAX),
    ):
        if len(text) > limit:
            raise Rejected(TOO_LARGE, f"a {name} has at most {limit} characters", limit=limit)


def decide_add(cmd: AddBookmark, tables: Tables, ctx: Context) -> Decision:
    require_writer(cmd.user, ctx)
    seq = tables[TARGETS].get(_target(cmd))
    old = tables[BOOKMARKS].get(seq) if seq is not None else None
    if seq is not None and old is not None:
        known = {"seq": seq, "id": old.id, "ts": rfc3339(old.ts_ms)}
        return Decision([], encode_json(known))
    if (tables[COUNT].get(ONLY) or 0) >= BOOKMARKS_MAX:
        raise Rejected(TOO_MANY, f"at most {BOOKMARKS_MAX} bookmarks", limit=BOOKMARKS_MAX)
    return Decision(
        [
            BookmarkAdded(
                channel=cmd.channel,
                message=cmd.message,
                url=cmd.url,
                title=cmd.title,
                note=cmd.note,
                folder=cmd.folder,
            )
        ]
    )


def decide_update(cmd: UpdateBookmark, tables: Tables, ctx: Context) -> list[Event]:
    require_writer(cmd.user, ctx)
    seq, row = _find(cmd.id, tables)
    title, note, folder = (
        old if isinstance(new, UnsetType) else new
        for new, old in ((cmd.title, row.title), (cmd.note, row.note), (cmd.folder, row.folder))
    )
    if (title, note, folder) == (row.title, row.note, row.folder):
        return []
    return [BookmarkUpdated(id=row.id, bookmark_seq=seq, title=title, note=note, folder=folder)]


def decide_remove(cmd: RemoveBookmark, tables: Tables, ctx: Context) -> list[Event]:
    require_writer(cmd.user, ctx)
    seq, row = _find(cmd.id, tables)
    return [BookmarkRemoved(id=row.id, bookmark_seq=seq)]


def _find(mid: str, tables: Tables) -> tuple[int, BookmarkRow]:
    seq = message_seq(mid)
    row = tables[BOOKMARKS].get(seq)
    if row is None or row.id != mid:
        raise Rejected(NOT_FOUND, "no such bookmark")
    return seq, row


def _target(thing: AddBookmark | BookmarkAdded | BookmarkRow) -> tuple[str, str]:
    return thing.channel, thing.message or thing.url


def apply_added(event: BookmarkAdded, meta: Meta, tables: Tables) -> None:
    row = BookmarkRow(
        meta.id,
        meta.ts_ms,
        event.channel,
        event.message,
        event.url,
        event.title,
        event.note,
        event.folder,
    )
    tables[BOOKMARKS].put(meta.seq, row)
    tables[TARGETS].put(_target(event), meta.seq)
    tables[COUNT].put(ONLY, (tables[COUNT].get(ONLY) or 0) + 1)
    _enter(row.folder, meta.seq, tables)


def apply_updated(event: BookmarkUpdated, _: Meta, tables: Tables) -> None:
    row = tables[BOOKMARKS].get(event.bookmark_seq)
    if row is None:
        return
    if row.folder != event.folder:
        _leave(row.folder, event.bookmark_seq, tables)
        _enter(event.folder, event.bookmark_seq, tables)
    changed = replace(row, title=event.title, note=event.note, folder=event.folder)
    tables[BOOKMARKS].put(event.bookmark_seq, changed)


def apply_removed(event: BookmarkRemoved, _: Meta, tables: Tables) -> None:
    row = tables[BOOKMARKS].get(event.bookmark_seq)
    if row is None:
        return
    tables[BOOKMARKS].delete(event.bookmark_seq)
    tables[TARGETS].delete(_target(row))
    tables[COUNT].put(ONLY, (tables[COUNT].get(ONLY) or 1) - 1)
    _leave(row.folder, event.bookmark_seq, tables)


def _enter(folder: str, seq: int, tables: Tables) -> None:
    if folder:
        tables[FOLDERS].put((folder, seq), 1)
        tables[FOLDER_SIZES].put(folder, (tables[FOLDER_SIZES].get(folder) or 0) + 1)


def _leave(folder: str, seq: int, tables: Tables) -> None:
    if not folder:
        return
    tables[FOLDERS].delete((folder, seq))
    left = (tables[FOLDER_SIZES].get(folder) or 1) - 1
    if left:
        tables[FOLDER_SIZES].put(folder, left)
    else:
        tables[FOLDER_SIZES].delete(folder)


def run_list(request: BookmarksRequest, tables: Tables, ctx: Context) -> BookmarksPage:
    require_reader(ctx)
    check_limit(request.limit, PAGE_MAX)
    before = message_seq(request.before) if request.before else tables.head_seq + 1
    folder = request.folder
    if folder:
        keys = tables[FOLDERS].scan(after=(folder, before), limit=request.limit, reverse=True)
        seqs = [key[1] for key, _ in keys if key[0] == folder]
        count = tables[FOLDER_SIZES].get(folder) or 0
    else:
        rows = tables[BOOKMARKS].scan(after=before, limit=request.limit, reverse=True)
        seqs = [seq for seq, _ in rows]
        count = tables[COUNT].get(ONLY) or 0
    found = [row for seq in seqs if (row := tables[BOOKMARKS].get(seq)) is not None]
    page = [_shown(row) for row in found]
    return BookmarksPage(page, count, page[-1].id if len(page) == request.limit else "")


def _shown(row: BookmarkRow) -> Bookmark:
    return Bookmark(
        id=row.id,
        ts=rfc3339(row.ts_ms),
        channel=row.channel,
        message=row.message,
        url=row.url,
        title=row.title,
        note=row.note,
        folder=row.folder,
    )


def run_folders(request: FoldersRequest, tables: Tables, ctx: Context) -> FoldersPage:
    require_reader(ctx)
    check_limit(request.limit, PAGE_MAX)
    rows = tables[FOLDER_SIZES].scan(after=request.after or None, limit=request.limit)
    return FoldersPage(dict(rows), rows[-1][0] if len(rows) == request.limit else "")


def turn_list(request: BookmarksRequest, ctx: EdgeContext) -> QueryCall:
    return call_own("bookmark.list", request, ctx)


def turn_folders(request: FoldersRequest, ctx: EdgeContext) -> QueryCall:
    return call_own("bookmark.folders", request, ctx)


_OF_USER: Final = "/v1/users/{user}/bookmarks"
_ONE: Final = _OF_USER + "/{id}"

FEATURE: Final = Feature(
    name="bookmarks",
    tables=(BOOKMARKS, TARGETS, FOLDERS, FOLDER_SIZES, COUNT),
    check={AddBookmark: check_add, UpdateBookmark: check_update, RemoveBookmark: check_remove},
    decide={AddBookmark: decide_add, UpdateBookmark: decide_update, RemoveBookmark: decide_remove},
    apply={
        BookmarkAdded: apply_added,
        BookmarkUpdated: apply_updated,
        BookmarkRemoved: apply_removed,
    },
    queries=(
        QueryRow("bookmark.list", BookmarksRequest, run_list),
        QueryRow("bookmark.folders", FoldersRequest, run_folders),
    ),
    verbs=(
        Verb("bookmark.add", AddBookmark, turn_add, Done, "Keep a message or a link."),
        Verb("bookmark.update", UpdateBookmark, turn_own, Done, "Change title, note, folder."),
        Verb("bookmark.remove", RemoveBookmark, turn_own, Done, "Keep it no more."),
        Verb("bookmark.list", BookmarksRequest, turn_list, BookmarksPage, "A page of them."),
        Verb("bookmark.folders", FoldersRequest, turn_folders, FoldersPage, "The folders."),
    ),
    routes=(
        Route("POST", _OF_USER, AddBookmark, turn_add, Done, status=201),
        Route("GET", _OF_USER, BookmarksRequest, turn_list, BookmarksPage),
        Route("PATCH", _ONE, UpdateBookmark, turn_own, Done),
        Route("DELETE", _ONE, RemoveBookmark, turn_own, Done),
        Route(
            "GET", "/v1/users/{user}/bookmark_folders", FoldersRequest, turn_folders, FoldersPage
        ),
    ),
)
