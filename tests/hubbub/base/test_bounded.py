"""Caches with a bound."""

from __future__ import annotations

from hubbub.base.bounded import BoundedCache


def test_a_cache_keeps_what_was_used_last() -> None:
    cache: BoundedCache[str, int] = BoundedCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("b"), cache.get("a"), cache.get("c"), len(cache)) == (None, 1, 3, 2)
    cache.put("a", 4)
    assert cache.pop("a") == 4
    assert cache.pop("a") is None
    assert len(cache) == 1


def test_many_at_once_are_the_same_as_one_by_one() -> None:
    one: BoundedCache[str, int] = BoundedCache(3)
    many: BoundedCache[str, int] = BoundedCache(3)
    for keys in ("ab", "bc", "ca", "ade", "f", "abcd"):
        assert many.get_many(keys) == [one.get(key) for key in keys]
        many.put_many({key: len(keys) for key in keys})
        for key in keys:
            one.put(key, len(keys))
        assert [many.peek(key) for key in "abcdef"] == [one.peek(key) for key in "abcdef"]
        assert len(many) == len(one)


def test_a_cache_drops_what_a_predicate_names() -> None:
    cache: BoundedCache[int, str] = BoundedCache(4)
    for number in range(4):
        cache.put(number, str(number))
    cache.discard_if(lambda key, value: key > 2 or value == "0")
    assert [cache.get(number) for number in range(4)] == [None, "1", "2", None]
