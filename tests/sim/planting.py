"""How a bug is planted: some words of a function's source are replaced, and put back afterwards.

The code object of the function itself is exchanged, so that it does not matter who imported it.
An edit whose words are not in the source, exactly once, is an error: a table of mutants that no
longer apply proves nothing.
"""

from __future__ import annotations
import __future__

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import getsource
from textwrap import dedent
from types import CodeType, FunctionType
from typing import Any, NamedTuple


class Edit(NamedTuple):
    """Replace `old` by `new` in the source of a function."""

    function: Any
    old: str
    new: str


@contextmanager
def planted(edits: Sequence[Edit]) -> Iterator[None]:
    """The edits hold inside. Raises ValueError if one does not apply."""
    functions = {_function(edit.function) for edit in edits}
    before = {function: function.__code__ for function in functions}
    after = {
        function: _mutated(function, [e for e in edits if _function(e.function) is function])
        for function in functions
    }
    try:
        for function, code in after.items():
            function.__code__ = code
        yield
    finally:
        for function, code in before.items():
            function.__code__ = code


def _function(function: Any) -> FunctionType:
    found = function.fget if isinstance(function, property) else function
    assert isinstance(found, FunctionType)
    return found


def _mutated(function: FunctionType, edits: Sequence[Edit]) -> CodeType:
    source = dedent(getsource(function))
    for edit in edits:
        if source.count(edit.old) != 1:
            raise ValueError(f"{function.__qualname__} has not exactly one {edit.old!r}")
        source = source.replace(edit.old, edit.new)
    source = source.removeprefix("@property\n")
    flags = __future__.annotations.compiler_flag
    code = compile(source, function.__code__.co_filename, "exec", flags, dont_inherit=True)
    names: dict[str, Any] = {}
    exec(code, function.__globals__, names)
    mutated: CodeType = names[function.__name__].__code__
    return mutated
