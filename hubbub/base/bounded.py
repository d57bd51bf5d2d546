"""A map with a bound: what was not used for longest makes room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Least recently used map of at most `items_max` entries; the oldest makes room."""

    __slots__ = ("_items", "items_max")

    def __init__(self, items_max: int) -> None:
        self._items: OrderedDict[K, V] = OrderedDict()
        self.items_max = items_max

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: K) -> V | None:
        """The value, which becomes the most recently used one; None if absent."""
        value = self._items.get(key)
        if value is not None:
            self._items.move_to_end(key)
        return value

    def get_many(self, keys: Sequence[K]) -> list[V | None]:
        """As `get`, of each of these keys."""
        items = self._items
        found, use = list(map(items.get, keys)), items.move_to_end
        for key, value in zip(keys, found, strict=True):
            if value is not None:
                use(key)
        return found

    def peek(self, key: K) -> V | None:
        """The value, used no more recently for that; None if absent."""
        return self._items.get(key)

    def put(self, key: K, value: V) -> None:
        """Insert or replace."""
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > self.items_max:
            self._items.popitem(last=False)

    def put_many(self, values: Mapping[K, V]) -> None:
        """As `put`, of each of them."""
        items = self._items
        items.update(values)
        for key in values:
            items.move_to_end(key)
        while len(items) > self.items_max:
            items.popitem(last=False)

    def pop(self, key: K) -> V | None:
        """Remove and return; None if absent."""
        return self._items.pop(key, None)

    def clear(self) -> None:
        """Remove everything."""
        self._items.clear()

    def discard_if(self, is_gone: Callable[[K, V], bool]) -> None:
        """Drop what a predicate names; looks at everything."""
        for key in [key for key, value in self._items.items() if is_gone(key, value)]:
            del self._items[key]
