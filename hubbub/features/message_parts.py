"""Checks of what a message carries besides its text: attachments, mentions, its type.

They run at the edge and see no tables; whether somebody who is mentioned is a member is a matter of
`decide`.
"""

from __future__ import annotations

from typing import Final

from hubbub.base.errors import BAD_REQUEST, TOO_LARGE, TOO_MANY, Rejected
from hubbub.base.names import check_user
from hubbub.features.fields import TITLE_CHARS_MAX, check_url
from hubbub.model.message import Attachment, AttachmentKind, Thumbnail

ATTACHMENTS_MAX: Final = 30  # features.md 3: files of a message
THUMBNAILS_MAX: Final = 3  # sizes that are asked for; a fourth one is never shown
MENTIONS_MAX: Final = 100  # each is a row of an index; more people are "all"
TYPE_CHARS_MAX: Final = 64  # of the app's own type: a name, not a text
QUOTE_CHARS_MAX: Final = 200  # of a quoted text: two lines on a screen
_WITHOUT_SOURCE: Final = frozenset({AttachmentKind.LOCATION, AttachmentKind.CUSTOM})


def check_attachments(attachments: tuple[Attachment, ...]) -> None:
    """Raises Rejected: TOO_MANY, TOO_LARGE, BAD_REQUEST (with the place of the fault)."""
    if len(attachments) > ATTACHMENTS_MAX:
        raise Rejected(TOO_MANY, f"at most {ATTACHMENTS_MAX} attachments", limit=ATTACHMENTS_MAX)
    for number, attachment in enumerate(attachments):
        where = f"attachments[{number}]"
        if len(attachment.thumbnails) > THUMBNAILS_MAX:
            raise Rejected(
                TOO_MANY, f"{where}: at most {THUMBNAILS_MAX} thumbnails", limit=THUMBNAILS_MAX
            )
        _check_source(attachment, where)
        for label in (attachment.name, attachment.title, attachment.blurhash):
            _check_label(label, where)
        for place, thumbnail in enumerate(attachment.thumbnails):
            _check_source(thumbnail, f"{where}.thumbnails[{place}]")


def _check_source(part: Attachment | Thumbnail, where: str) -> None:
    if part.url:
        check_url(part.url, f"{where}.url")
    elif not part.file and not (isinstance(part, Attachment) and part.kind in _WITHOUT_SOURCE):
        raise Rejected(BAD_REQUEST, f"{where}: a url or a file is needed")
    _check_label(part.file, where)
    _check_label(part.mime, where)


def _check_label(text: str, where: str) -> None:
    if len(text) > TITLE_CHARS_MAX:
        limit = TITLE_CHARS_MAX
        raise Rejected(TOO_LARGE, f"{where}: at most {limit} characters a field", limit=limit)


def snippet(text: str) -> str:
    """The beginning of a text as a quote shows it."""
    return text if len(text) <= QUOTE_CHARS_MAX else text[: QUOTE_CHARS_MAX - 1] + "…"


def check_mentions(users: tuple[str, ...]) -> tuple[str, ...]:
    """The names without repetition, in order. Raises Rejected: BAD_REQUEST, TOO_MANY."""
    unique = tuple(dict.fromkeys(users))
    if len(unique) > MENTIONS_MAX:
        raise Rejected(TOO_MANY, f"at most {MENTIONS_MAX} mentions", limit=MENTIONS_MAX)
    for user in unique:
        check_user(user)
    return unique


def check_type(name: str) -> None:
    """Raises Rejected(TOO_LARGE) for a type of more than 64 characters."""
    if len(name) > TYPE_CHARS_MAX:
        limit = TYPE_CHARS_MAX
        raise Rejected(TOO_LARGE, f"a type has at most {limit} characters", limit=limit)
