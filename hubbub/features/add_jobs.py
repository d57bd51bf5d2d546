"""Adding thousands of members at once: a job that the channel's stream carries through.

Rules:
1. An errand brings the names in parts of at most PART_USERS; each is a row. With the last part the
   job begins: one part an entry, each entry a row that falls due and sets the next one. So it goes
   on after any failure, and no part is done twice.
2. A part makes as many Forwards as it has new members, all to other streams: the next one falls due
   PACE_MS later, so that what others ask goes on in between. Where a node has no room the part is
   proposed again, later each time; where a part of the errand finds none, it is sent again.
3. A part that is refused (a full channel) ends the job; what was added stays, and the job says
   why.
4. `jobs.get` tells how far it is. The last JOBS_MAX jobs of a channel are remembered.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, NOT_FOUND, TOO_MANY, Rejected
from hubbub.base.names import check_user
from hubbub.features.contract import (
    Command,
    Context,
    Due,
    EdgeContext,
    Effect,
    Errand,
    Event,
    EventKind,
    Feature,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Steps,
    Table,
    Tables,
    Verb,
)
from hubbub.features.fields import PLURAL_BYTES_MAX, check_chat_channel
from hubbub.features.members import joined_events
from hubbub.features.publication import rfc3339
from hubbub.features.standing import (
    MEMBERS,
    channel_row,
    refuse_direct,
    require_not_banned,
    require_room,
    require_standing,
)
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require
from hubbub.wire.codec import encode_json
from hubbub.wire.shapes import Json

USERS_MAX: Final = 10_000
PART_USERS: Final = 1_000
# 10,000 members in 5 s: half floods a small machine's slots, double makes people wait.
PACE_MS: Final = 500
TRIES_MAX: Final = 5  # of one part that the errand sends
JOBS_MAX: Final = 20
JOB_CHARS: Final = 24

State = Literal["collecting", "running", "done", "failed"]


class AddPart(Command, frozen=True):
    """One part of a job's names; the edge sends them one behind the other."""

    TAG = "member.add_part"

    channel: str
    job: str
    part: int
    parts: int
    users: tuple[str, ...]


class RunPart(Command, frozen=True):
    """Falls due: add the next part."""

    TAG = "member.run_part"

    channel: str
    job: str


class PartStored(Event, frozen=True):
    """These names wait."""

    TAG = "job.part_stored"
    KIND = EventKind.SILENT

    job: str
    part: int
    parts: int
    users: tuple[str, ...]


class PartDone(Event, frozen=True):
    """So many of the part were added; the others were members already. `error`: why it ended."""

    TAG = "job.part_done"
    KIND = EventKind.SILENT

    job: str
    part: int
    added: int
    error: str = ""


class JobRow(Struct, frozen=True, array_like=True, gc=False):
    """`stored`, `done`: parts so far."""

    created_ms: int
    by: str
    parts: int
    stored: int = 0
    done: int = 0
    total: int = 0
    added: int = 0
    error: str = ""


class AddJobRequest(Struct, frozen=True):
    """Whom to add, without asking them."""

    channel: str
    users: tuple[str, ...]
    cmid: str = ""
    by: str = ""


class JobRequest(Struct, frozen=True):
    """Which job of which channel."""

    channel: str
    job: str


class JobInfo(Struct, frozen=True, omit_defaults=True):
    """How far a job is. `total`: names that came; `added`: who was no member before."""

    job: str
    state: State
    created: str
    parts: int
    done: int
    total: int
    added: int
    error: str = ""


class JobStarted(Struct, frozen=True):
    """Ask `jobs.get` how far it is."""

    job: str


JOBS: Final[Table[str, JobRow]] = Table("jobs", str, JobRow)
PARTS: Final[Table[tuple[str, int], tuple[str, ...]]] = Table(
    "jobs.parts", tuple[str, int], tuple[str, ...]
)


def check_part(cmd: AddPart, _: EdgeContext) -> AddPart:
    check_chat_channel(cmd.channel)
    for user in cmd.users:
        check_user(user)
    return cmd


def decide_part(cmd: AddPart, tables: Tables, ctx: Context) -> list[Event]:
    row = require_standing(Action.ADD, tables, ctx)
    refuse_direct(row.kind)
    job = tables[JOBS].get(cmd.job)
    if job is not None and (job.stored >= job.parts or job.stored >= cmd.part):
        return []  # asked again
    if cmd.part != (1 if job is None else job.stored + 1) or not cmd.part <= cmd.parts:
        raise Rejected(BAD_REQUEST, "parts come one behind the other")
    if not 0 < len(cmd.users) <= PART_USERS:
        raise Rejected(TOO_MANY, f"at most {PART_USERS} users a part", limit=PART_USERS)
    return [PartStored(job=cmd.job, part=cmd.part, parts=cmd.parts, users=cmd.users)]


def decide_run(cmd: RunPart, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    job = tables[JOBS].get(cmd.job)
    if job is None or job.error or job.done >= job.parts:
        return []
    part = job.done + 1
    users = tables[PARTS].get((cmd.job, part)) or ()
    new = tuple(user for user in users if tables[MEMBERS].get(user) is None)
    try:
        row = channel_row(tables)
        require_not_banned(new, row, tables, ctx)
        require_room(len(new), tables, ctx)
    except Rejected as refusal:
        return [PartDone(job=cmd.job, part=part, added=0, error=refusal.error.name)]
    done = PartDone(job=cmd.job, part=part, added=len(new))
    return [*joined_events(row, new, tables), done]


def apply_stored(event: PartStored, meta: Meta, tables: Tables) -> None:
    job = tables[JOBS].get(event.job)
    if job is None:
        _forget_oldest(tables)
        job = JobRow(meta.ts_ms, meta.by, event.parts)
    total = job.total + len(event.users)
    tables[JOBS].put(event.job, replace(job, stored=event.part, total=total))
    tables[PARTS].put((event.job, event.part), event.users)


def apply_done(event: PartDone, _: Meta, tables: Tables) -> None:
    job = tables[JOBS].get(event.job)
    if job is None:
        return
    new = replace(job, done=event.part, added=job.added + event.added, error=event.error)
    tables[JOBS].put(event.job, new)
    last = job.parts if event.error else event.part
    _forget_parts(event.job, range(event.part, last + 1), tables)


def effects_stored(event: PartStored, meta: Meta, _: Tables) -> list[Effect]:
    return [_due(event.job, meta, 0)] if event.part == event.parts else []


def effects_done(event: PartDone, meta: Meta, tables: Tables) -> list[Effect]:
    job = tables[JOBS].get(event.job)
    goes_on = job is not None and not job.error and job.done < job.parts
    return [_due(event.job, meta, PACE_MS if event.added else 0)] if goes_on else []


def _due(job: str, meta: Meta, wait_ms: int) -> Due:
    return Due(meta.ts_ms + wait_ms, f"job:{job}", RunPart(channel=meta.key, job=job))


def _forget_oldest(tables: Tables) -> None:
    jobs = tables[JOBS].scan(limit=JOBS_MAX)
    if len(jobs) < JOBS_MAX:
        return
    over = [(row.created_ms, name) for name, row in jobs if _state(row) in ("done", "failed")]
    oldest = min(over or [(row.created_ms, name) for name, row in jobs])[1]
    parts = tables[JOBS].get(oldest)
    if parts is not None:
        _forget_parts(oldest, range(1, parts.parts + 1), tables)
    tables[JOBS].delete(oldest)


def _forget_parts(job: str, parts: Iterable[int], tables: Tables) -> None:
    for part in parts:
        if tables[PARTS].get((job, part)) is not None:
            tables[PARTS].delete((job, part))


def _state(job: JobRow) -> State:
    if job.error:
        return "failed"
    if job.stored < job.parts:
        return "collecting"
    return "done" if job.done >= job.parts else "running"


def run_get(request: JobRequest, tables: Tables, ctx: Context) -> JobInfo:
    require_standing(Action.ADD, tables, ctx)
    job = tables[JOBS].get(request.job)
    if job is None:
        raise Rejected(NOT_FOUND, "no such job, or a long time ago")
    return JobInfo(
        job=request.job,
        state=_state(job),
        created=rfc3339(job.created_ms),
        parts=job.parts,
        done=job.done,
        total=job.total,
        added=job.added,
        error=job.error,
    )


def turn_get(request: JobRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(check_chat_channel(request.channel), "jobs.get", request)


def turn_add(request: AddJobRequest, ctx: EdgeContext) -> Errand:
    check_chat_channel(request.channel)
    users = tuple(dict.fromkeys(request.users))
    if not 0 < len(users) <= USERS_MAX:
        raise Rejected(TOO_MANY, f"1 to {USERS_MAX} users a job", limit=USERS_MAX)
    for user in users:
        check_user(user)
    parts = list(_parts(users))
    # The same request asked again is the same job.
    named = request.cmid.encode() if request.cmid else ctx.entropy
    job = blake2b(named + request.channel.encode(), digest_size=JOB_CHARS // 2).hexdigest()

    def steps() -> Steps:
        for number, part in enumerate(parts, 1):
            yield from _sent(
                AddPart(
                    by=request.by,
                    channel=request.channel,
                    job=job,
                    part=number,
                    parts=len(parts),
                    users=part,
                )
            )
        return encode_json(JobStarted(job))

    return Errand(steps)


def _sent(part: AddPart) -> Steps:
    """Send it, again where there was no room for it just now: a part is taken once."""
    for left in reversed(range(TRIES_MAX)):
        try:
            answer: Json = yield part
            return answer
        except Rejected as refusal:
            if not refusal.error.temporary or not left:
                raise
    raise AssertionError("the last try returns or raises")


def _parts(users: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """In parts that fit into one event, as many names and bytes as it may have."""
    part: list[str] = []
    size = 0
    for user in users:
        if part and (len(part) == PART_USERS or size + len(user) + 3 > PLURAL_BYTES_MAX):
            yield tuple(part)
            part, size = [], 0
        part.append(user)
        size += len(user) + 3
    yield tuple(part)


FEATURE: Final = Feature(
    name="add_jobs",
    tables=(JOBS, PARTS),
    check={AddPart: check_part},
    decide={AddPart: decide_part, RunPart: decide_run},
    apply={PartStored: apply_stored, PartDone: apply_done},
    effects={PartStored: effects_stored, PartDone: effects_done},
    queries=(QueryRow("jobs.get", JobRequest, run_get),),
    verbs=(
        Verb("member.add_job", AddJobRequest, turn_add, JobStarted, "Add up to 10,000 members."),
        Verb("jobs.get", JobRequest, turn_get, JobInfo, "How far a job is."),
    ),
    routes=(
        Route(
            "POST",
            "/v1/channels/{channel}/members/jobs",
            AddJobRequest,
            turn_add,
            JobStarted,
            status=201,
            doc="Add up to 10,000 members; a job does it.",
        ),
        Route("GET", "/v1/channels/{channel}/jobs/{job}", JobRequest, turn_get, JobInfo),
    ),
)
