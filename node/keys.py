"""Keys of the six families. Pure; the only place that knows their bytes.

Shape, big-endian:
  stream  = u16 slot | u8 app length | app | u16 key length | key
  META    = "c"                                   → storage id: the database is this copy's
          | "m" | u16 slot                        → the slot's position (node.slot.SlotMeta)
          | "p" | u16 slot                        → what the copy promised (node.replica.Promise)
          | "t" | u16 slot | u64 term             → index of the term's first entry
          | "b" | u16 slot                        → u64 index | u64 chain: the log begins behind it
          | "s" | stream                          → the stream's floor (node.overlay)
          | "n" | u16 source slot | u16 target    → Forwards counted so far
          | "z" | u16 slot | u16 source | incarnation → highest Forward taken from it
          | "g"                                   → u64 generation | cluster id: whose it is
          | "r" | u16 slot                        → the incarnation that a restore ended
          | "d" | u16 slot | u64 ms | stream without its slot | name → empty: it falls due then
          | "q" | u16 slot | app                  → u64 users | u64 channels of the app in the slot
  LOG     = u16 slot | u64 index
  CHAN    = stream | u64 seq
  STATE   = stream | u8 table length | table | row
  OUTBOX  = u16 source slot | u16 target slot | u64 n
  DEDUP   = u32 hour | u16 slot | 16 bytes of digest
  row     = parts: 0x01 u64 (an int), 0x02 escaped UTF-8 | 0x00 0x01 (a str; 0x00 is 0x00 0xFF)

Rules: everything of a slot, of a stream, of a table is one range. Row keys sort as their parts do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import Final, TypeAlias, cast

RowKey: TypeAlias = str | int | tuple[str | int, ...]

DIGEST_BYTES: Final = 16
U32_MAX: Final = (1 << 32) - 1
U64_MAX: Final = (1 << 64) - 1
SEQ_BYTES: Final = 8

SLOTS_END: Final = 0xFFFF  # above every slot's number
_SLOT: Final = Struct(">H")
_SLOT_U64: Final = Struct(">HQ")
_PAIR: Final = Struct(">HH")
_PAIR_U64: Final = Struct(">HHQ")
_HOUR_SLOT: Final = Struct(">IH")
_U64: Final = Struct(">Q")
_INT_PART: Final = Struct(">BQ")
_INT: Final = 1
_STR: Final = 2
_STR_END: Final = b"\x00\x01"
_BETWEEN_TEXTS: Final = "\x00\x01\x02"
pack_u64: Final = _U64.pack
unpack_u64: Final = _U64.unpack_from  # (data, at) → a tuple of one: for loops
_MAX_SUFFIX: Final = b"\xff" * 9
_DUE_MS_AT: Final = 3  # behind the kind and the slot


def read_u64(data: bytes, at: int = 0) -> int:
    """The u64 at a place."""
    value: int = _U64.unpack_from(data, at)[0]
    return value


def stream_prefix(slot: int, app: str, key: str) -> bytes:
    """What all rows of one stream begin with in CHAN and STATE."""
    app_bytes, key_bytes = app.encode(), key.encode()
    return b"".join(
        (
            _SLOT.pack(slot),
            len(app_bytes).to_bytes(1, "big"),
            app_bytes,
            _SLOT.pack(len(key_bytes)),
            key_bytes,
        )
    )


def stream_prefixes(slot: int, app: str, names: Sequence[str]) -> list[bytes]:
    """The same of many streams of a slot."""
    start, pack = app_prefix(slot, app), _SLOT.pack
    return [start + pack(len(name)) + name for name in map(str.encode, names)]


def app_prefix(slot: int, app: str) -> bytes:
    """What all streams of one app in a slot begin with."""
    app_bytes = app.encode()
    return _SLOT.pack(slot) + len(app_bytes).to_bytes(1, "big") + app_bytes


def prefix_end(prefix: bytes) -> bytes:
    """A key behind every key that begins with `prefix` and goes on with anything but nine 0xFF."""
    return prefix + _MAX_SUFFIX


def parse_stream(key: bytes) -> tuple[str, str]:
    """(app, stream key) in a key of CHAN or STATE."""
    app_at = _SLOT.size + 1
    app_end = app_at + key[_SLOT.size]
    key_at = app_end + _SLOT.size
    key_end = key_at + _SLOT.unpack_from(key, app_end)[0]
    return key[app_at:app_end].decode(), key[key_at:key_end].decode()


def seq_of(chan_key: bytes) -> int:
    """The seq at the end of a CHAN key."""
    return read_u64(chan_key, len(chan_key) - SEQ_BYTES)


@lru_cache(maxsize=1_024)
def table_suffix(table: str) -> bytes:
    """What a table's rows have behind the stream's prefix."""
    name = table.encode()
    return len(name).to_bytes(1, "big") + name


# Rows of users and messages in use: a command encodes about eight keys, half of them the sender's.
@lru_cache(maxsize=16_384)
def row_suffix(key: RowKey) -> bytes:
    """The row part of a STATE key. Raises TypeError for what is no str, int or tuple of them."""
    return _suffix(key)


def row_suffixes(keys: Sequence[RowKey]) -> list[bytes]:
    """The same of many keys, which are not remembered: a large channel's would drive out all
    others."""
    if keys and type(keys[0]) is str:
        texts = cast("Sequence[str]", keys)
        if "\x00" not in "".join(texts):
            return [b"\x02%b\x00\x01" % text.encode() for text in texts]
    return [_suffix(key) for key in keys]


def _suffix(key: RowKey) -> bytes:
    if type(key) is tuple:
        return b"".join([_part(part) for part in key])
    return _part(key)


def _part(part: object) -> bytes:
    if isinstance(part, str):
        data = part.encode()
        if b"\x00" in data:
            data = data.replace(b"\x00", b"\x00\xff")
        return b"\x02" + data + _STR_END
    if isinstance(part, int):
        return _INT_PART.pack(_INT, part)
    raise TypeError(f"a row key is made of str and int, not {type(part).__name__}")


def parse_row_suffix(data: bytes) -> RowKey:
    """The row key in the row part of a STATE key."""
    if data[0] == _INT and len(data) == _INT_PART.size:
        return read_u64(data, 1)
    if data[0] != _INT and data.find(b"\x00", 1) == len(data) - len(_STR_END):
        return data[1 : -len(_STR_END)].decode()  # one plain text, as most keys are
    parts: list[str | int] = []
    at = 0
    while at < len(data):
        if data[at] == _INT:
            parts.append(read_u64(data, at + 1))
            at += _INT_PART.size
            continue
        end = data.index(_STR_END, at + 1)  # inside the text every zero is followed by 0xFF
        parts.append(data[at + 1 : end].replace(b"\x00\xff", b"\x00").decode())
        at = end + len(_STR_END)
    return parts[0] if len(parts) == 1 else tuple(parts)


def parse_text_suffixes(suffixes: Sequence[bytes]) -> list[str]:
    """The row keys in row parts that are one text each: thousands at a time."""
    joined = b"".join(suffixes)
    if not joined:
        return []
    if b"\xff" in joined:  # a zero inside a text
        return [cast(str, parse_row_suffix(suffix)) for suffix in suffixes]
    return joined[1 : -len(_STR_END)].decode().split(_BETWEEN_TEXTS)


def slot_range(slot: int) -> tuple[bytes, bytes]:
    """Everything of one slot in LOG, CHAN, STATE and OUTBOX: [start, end)."""
    return _SLOT.pack(slot), _SLOT.pack(slot + 1)


def slot_of_row(key: bytes) -> int:
    """The slot of a key of these families."""
    number: int = _SLOT.unpack_from(key)[0]
    return number


# --- META

DATABASE: Final = b"c"
GENERATION: Final = b"g"
SCRUBBED: Final = b"w"  # (slot, wall ms): the last one that was read whole
# What goes with the data of a slot.
_OF_DATA: Final = (b"m", b"t", b"b", b"s", b"n", b"z", b"r", b"d", b"q")


def meta_ranges(slot: int) -> list[tuple[bytes, bytes]]:
    """Everything of one slot in META but what its copy promised: [start, end) each."""
    start, end = slot_range(slot)
    return [(kind + start, kind + end) for kind in _OF_DATA]


def slot_meta_range() -> tuple[bytes, bytes]:
    """The positions of all slots: [start, end)."""
    return slot_meta(0), slot_meta(SLOTS_END)


def slot_of_meta(key: bytes) -> int:
    """The slot of such a key."""
    number: int = _SLOT.unpack_from(key, 1)[0]
    return number


def slot_meta(slot: int) -> bytes:
    """Where a slot's position stands."""
    return b"m" + _SLOT.pack(slot)


def promise(slot: int) -> bytes:
    """Where stands which term a copy has promised, and to whom."""
    return b"p" + _SLOT.pack(slot)


def log_base(slot: int) -> bytes:
    """Where stands what the log begins behind."""
    return b"b" + _SLOT.pack(slot)


def term(slot: int, number: int) -> bytes:
    """Where a term's first index stands."""
    return b"t" + _SLOT_U64.pack(slot, number)


def term_range(slot: int) -> tuple[bytes, bytes]:
    """All terms of one slot: [start, end)."""
    return term(slot, 0), term(slot, U64_MAX)


def term_of(key: bytes) -> int:
    """The term of such a key."""
    return read_u64(key, len(key) - SEQ_BYTES)


def stream_meta(prefix: bytes) -> bytes:
    """Where a stream's floor stands."""
    return b"s" + prefix


def restored(slot: int) -> bytes:
    """Where stands the incarnation that a restore ended: it must not be led on."""
    return b"r" + _SLOT.pack(slot)


def forward_count(source: int, target: int) -> bytes:
    """Where the number of Forwards of a pair stands."""
    return b"n" + _PAIR.pack(source, target)


def seen(slot: int, source: int, incarnation: bytes) -> bytes:
    """Where the highest Forward that a slot took from a source stands."""
    return b"z" + _PAIR.pack(slot, source) + incarnation


def due(slot: int, at_ms: int, app: str, key: str, name: str) -> bytes:
    """Where stands that something of a stream falls due at a time."""
    app_bytes, key_bytes = app.encode(), key.encode()
    return b"".join(
        (
            b"d",
            _SLOT_U64.pack(slot, at_ms),
            len(app_bytes).to_bytes(1, "big"),
            app_bytes,
            _SLOT.pack(len(key_bytes)),
            key_bytes,
            name.encode(),
        )
    )


def usage(slot: int, app: str) -> bytes:
    """Where stands how many users and channels of an app are in a slot."""
    return b"q" + _SLOT.pack(slot) + app.encode()


def usage_range(slot: int) -> tuple[bytes, bytes]:
    """What stands of all apps in a slot: [start, end)."""
    start, end = slot_range(slot)
    return b"q" + start, b"q" + end


def usage_app(key: bytes) -> str:
    """The app in such a key."""
    return key[1 + _SLOT.size :].decode()


def due_ms(key: bytes) -> int:
    """The time in such a key."""
    return read_u64(key, _DUE_MS_AT)


def parse_due(key: bytes) -> tuple[str, str, str]:
    """(app, stream key, name) in such a key."""
    at = _DUE_MS_AT + SEQ_BYTES + 1
    app_end = at + key[at - 1]
    key_at = app_end + _SLOT.size
    key_end = key_at + _SLOT.unpack_from(key, app_end)[0]
    return key[at:app_end].decode(), key[key_at:key_end].decode(), key[key_end:].decode()


def due_range(slot: int, after: bytes = b"") -> tuple[bytes, bytes]:
    """Whatever falls due in a slot behind a key (none: all of it): [start, end)."""
    start, end = slot_range(slot)
    return after + b"\x00" if after else b"d" + start, b"d" + end


# --- LOG, OUTBOX, DEDUP


def log(slot: int, index: int) -> bytes:
    """The key of an entry."""
    return _SLOT_U64.pack(slot, index)


def log_index(key: bytes) -> int:
    """The index at the end of such a key."""
    return read_u64(key, len(key) - SEQ_BYTES)


def outbox(source: int, target: int, n: int) -> bytes:
    """The key of a Forward."""
    return _PAIR_U64.pack(source, target, n)


def parse_outbox(key: bytes) -> tuple[int, int, int]:
    """(source slot, target slot, n)."""
    source, target, n = _PAIR_U64.unpack(key)
    return source, target, n


def dedup(hour: int, slot: int, digest: bytes) -> bytes:
    """The key of an answer."""
    return _HOUR_SLOT.pack(hour, slot) + digest


def dedup_range(hour: int, slot: int) -> tuple[bytes, bytes]:
    """All answers of one slot and hour: [start, end)."""
    start = _HOUR_SLOT.pack(hour, slot)
    return start, start + b"\xff" * (DIGEST_BYTES + 1)


def dedup_hour(key: bytes) -> int:
    """The hour of such a key."""
    hour: int = _HOUR_SLOT.unpack_from(key)[0]
    return hour


def dedup_digest(app: str, user: str, key: str, cmid: str) -> bytes:
    """Who asked what, under which id: 16 bytes."""
    text = f"{app}\0{user}\0{key}\0{cmid}"
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()
