"""Where settings come from: file < environment < flags. The shapes stand in `settings.schema`.

Rules:
1. A file is one JSON object; its fields are those of the role's config. Unknown ones are refused.
2. `HUBBUB_<FIELD>` in upper case overrides a field. Other HUBBUB_ names belong to other tools.
3. Flags are `--field value` or `--field=value`, with dashes or underscores.
4. Whatever is wrong is said with the field, the reason and the place it came from: SettingsError.
"""

from __future__ import annotations

import json
import os
import sys
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from hubbub.settings.schema import ProcessConfig

C = TypeVar("C", bound=ProcessConfig)
EXIT_USAGE = 2


class SettingsError(ValueError):
    """A setting that cannot be used. `str()` is what its owner is shown."""

    def __init__(self, field: str, reason: str, source: str) -> None:
        super().__init__(f"{field}: {reason} (from {source})")
        self.field = field
        self.reason = reason
        self.source = source


def load(
    kind: type[C],
    path: str = "",
    *,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> C:
    """The config of one process. `environment` defaults to the process' own.

    Raises SettingsError.
    """
    values, sources = _from_file(path)
    for field in kind.__struct_fields__:
        key = f"HUBBUB_{field.upper()}"
        text = (os.environ if environment is None else environment).get(key)
        if text is not None:
            sources[field] = f"environment {key}"
            values[field] = _typed(kind, field, text, sources[field])
    for flag, text in (flags or {}).items():
        field = flag.replace("-", "_")
        if field not in kind.__struct_fields__:
            raise SettingsError(field, "there is no such setting", f"flag --{flag}")
        sources[field] = f"flag --{flag}"
        values[field] = _typed(kind, field, text, sources[field])
    return _convert(kind, values, sources, path)


def from_arguments(kind: type[C], arguments: Sequence[str]) -> C:
    """The config from a command line: `--config FILE` and flags. Raises SettingsError."""
    flags: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not name:
            raise SettingsError(word, "expected --name value", "the command line")
        if not equals:
            if not rest:
                raise SettingsError(name, "a value is missing", f"flag --{name}")
            value = rest.pop(0)
        flags[name] = value
    path = flags.pop("config", "")
    return load(kind, path, flags=flags)


def from_command_line(kind: type[C]) -> C:
    """As `from_arguments` for `python -m`: says what is wrong and exits with EXIT_USAGE."""
    try:
        return from_arguments(kind, sys.argv[1:])
    except SettingsError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(EXIT_USAGE) from None


def _from_file(path: str) -> tuple[dict[str, Any], dict[str, str]]:
    if not path:
        return {}, {}
    source = f"file {path}"
    try:
        with open(path, encoding="utf-8") as file:
            values = json.load(file)
    except OSError as error:
        raise SettingsError("config", error.strerror or str(error), source) from None
    except (ValueError, RecursionError) as error:
        raise SettingsError("config", f"not JSON: {error}", source) from None
    if not isinstance(values, dict):
        raise SettingsError("config", "not a JSON object", source)
    return values, dict.fromkeys(values, source)


def _typed(kind: type[C], field: str, text: str, source: str) -> Any:
    """A word of the environment or of a flag as a value of the field's type."""
    wanted = next(f.type for f in msgspec.structs.fields(kind) if f.name == field)
    is_list = typing.get_origin(wanted) is tuple
    value = [part.strip() for part in text.split(",") if part.strip()] if is_list else text
    try:
        return msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(field, _reason(error), source) from None


def _convert(kind: type[C], values: dict[str, Any], sources: dict[str, str], path: str) -> C:
    default = f"file {path}" if path else "the defaults"
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in values:
            raise SettingsError(field.name, "is required and missing", default)
        if field.name in values:
            _check_field(field, values[field.name], sources.get(field.name, default))
    unknown = sorted(values.keys() - set(kind.__struct_fields__))
    if unknown:
        raise SettingsError(unknown[0], "there is no such setting", sources[unknown[0]])
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:  # two fields that do not fit together
        named = next((f for f in kind.__struct_fields__ if f in str(error)), "config")
        raise SettingsError(named, _reason(error), sources.get(named, default)) from None


def _check_field(field: msgspec.structs.FieldInfo, value: Any, source: str) -> None:
    try:
        msgspec.convert(value, field.type)
    except msgspec.ValidationError as error:
        raise SettingsError(field.name, _reason(error), source) from None


def _reason(error: Exception) -> str:
    return str(error).removesuffix(" - at `$`")
