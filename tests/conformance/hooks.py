"""Hooks of schemathesis: its requests get ids that exist, and a file says what was answered.

Of each operation's requests the first one that is not meant to be wrong becomes a good one of the
`stage`; of the others three of four keep all that was generated but the ids in the path and who
acts. A parameter that is meant to be wrong stays so. Schemathesis picks names out of answers, too:
what would be done to the stage's own, or to apps, is done to what is made for it. HUBBUB_SEEN names
the file: one line an answer, status and operation.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote

import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.core.parameters import ParameterLocation

from hubbub.model.server_keys import APPS_PATH
from tests.conformance.stage import Stage, of_environment

_KEPT_EVERY: Final = 4  # so many requests of an operation have one with ids of nobody
_BY: Final = "ann"
DELETE_MESSAGES: Final = "POST /v1/channels/{channel}/messages/delete"


class _Seen:
    """How often each operation was asked, and the file."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked: Counter[tuple[str, bool]] = Counter()
        self.file = open(os.environ["HUBBUB_SEEN"], "a", encoding="utf-8")  # noqa: SIM115 - whole run

    def number(self, label: str, *, is_wrong: bool) -> int:
        with self.lock:
            self.asked[label, is_wrong] += 1
            return self.asked[label, is_wrong]


STAGE: Final[Stage] = of_environment()
SEEN: Final = _Seen()


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    label, meta = case.operation.label, case.meta
    if not label.partition(" ")[2].startswith("/v1/") or meta is None:
        return
    is_wrong = any(meta.is_negative_at(place) for place in ParameterLocation)
    number = SEEN.number(label, is_wrong=is_wrong)
    is_good = number == 1 and not is_wrong
    if is_good:
        good = STAGE.good(label)
        case.path_parameters = dict(good.path)
        case.query = dict(good.query)
        case.headers = {}
        if good.body is not None:
            case.body = good.body
    elif not meta.is_negative_at(ParameterLocation.PATH) and (
        number % _KEPT_EVERY or APPS_PATH in label or _names_own(case.path_parameters.values())
    ):
        case.path_parameters = dict(STAGE.path(label))
        body = case.body
        if (
            isinstance(body, dict)
            and "by" in body
            and not meta.is_negative_at(ParameterLocation.BODY)
        ):
            case.body = {**body, "by": _BY}
    if not is_good and label == DELETE_MESSAGES and _names_own(_ids(case.body)):
        case.body = STAGE.good(label).body


def _names_own(values: Iterable[object]) -> bool:
    return any(isinstance(value, str) and unquote(value) in STAGE.own for value in values)


def _ids(body: object) -> Iterable[object]:
    ids = body.get("ids") if isinstance(body, dict) else None
    return ids if isinstance(ids, list) else ()


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    with SEEN.lock:
        SEEN.file.write(f"{response.status_code} {case.operation.label}\n")
        SEEN.file.flush()
