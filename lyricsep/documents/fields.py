"""Dataclasses to JSON and back, checked field by field, and the JSON Schema of a dataclass.

Fields are of these types: str, int, float, bool, a dataclass, ``tuple[T, ...]``, ``dict[str, T]``, ``T | None``, and
`Any` for JSON of any kind. A field with the metadata ``omit_default`` is written only where it differs from its
default.
"""

from __future__ import annotations

import inspect
import math
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

_SURROGATES = re.compile("[\ud800-\udfff]")
_PARAMETER = re.compile(r"^(\w+(?:, \w+)*) : .*$")
_ROLE = re.compile(r"`{1,2}([^`]*)`{1,2}")
_NAMES: Mapping[Any, str] = {str: "a string", int: "an integer", float: "a finite number", bool: "true or false"}
_TYPES: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


class FieldError(Exception):
    """A field is missing, or its value is not what the document has there."""


def finite(value: float | None) -> float | None:
    """Return a number as JSON has it: None for NaN and the infinities."""
    return None if value is None or not math.isfinite(value) else value


def as_json(value: Any) -> Any:
    r"""Return a dataclass as the dicts and lists that `json.dumps` writes.

    Half characters, which stand for the bytes of a file name that is not UTF-8, become escapes (``\udce9``).
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in _written(value)}
    if isinstance(value, (tuple, list)):
        return [as_json(item) for item in value]
    if isinstance(value, Mapping):
        return {as_json(key): as_json(item) for key, item in value.items()}
    return value


def _written(value: Any) -> Iterator[Field[Any]]:
    for field in fields(value):
        if not field.metadata.get("omit_default") or getattr(value, field.name) != field.default:
            yield field


def from_json(kind: Any, value: Any, where: str = "", *, closed: bool = False) -> Any:
    """Check a JSON value against a type, and return it as that type.

    Parameters
    ----------
    kind : type
        See the module.
    value : object
        What `json.loads` or `tomllib.loads` returned.
    where : str
        The path of the value, for errors: ``lines[3].start``.
    closed : bool
        Refuse keys that the dataclass does not have; without, they are ignored.

    Raises
    ------
    FieldError
        If the value is not of that type; the message begins with the path.
    """
    if kind is Any:
        return value
    if isinstance(kind, UnionType):  # always "something or null"
        return None if value is None else from_json(get_args(kind)[0], value, where)
    if get_origin(kind) is tuple:  # always of one type and any length
        if not isinstance(value, list | tuple):
            _refuse(where, "a list", value)
        return tuple(from_json(get_args(kind)[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if get_origin(kind) is dict:
        if not isinstance(value, dict):
            _refuse(where, "an object", value)
        return {key: from_json(get_args(kind)[1], item, f"{where}.{key}") for key, item in value.items()}
    if is_dataclass(kind):
        return _read_object(kind, value, where, closed=closed)
    # JSON can hold halves of characters, which no text file can hold.
    if kind is str and isinstance(value, str) and not _SURROGATES.search(value):
        return value
    if kind in (int, bool) and type(value) is kind:
        return value
    # NaN fails the comparison; a bool is no number here.
    if kind is float and type(value) in (int, float) and abs(value) <= sys.float_info.max:
        return float(value)
    return _refuse(where, _NAMES[kind], value)


def _read_object(kind: Any, value: Any, where: str, *, closed: bool) -> Any:
    if not isinstance(value, dict):
        _refuse(where, "an object", value)
    kinds = _kinds(kind)
    if closed and (unknown := value.keys() - kinds.keys()):
        raise FieldError(f"unknown key {min(unknown)!r}")
    read = {}
    for field in fields(kind):
        path = f"{where}.{field.name}" if where else field.name
        if field.name in value:
            read[field.name] = from_json(kinds[field.name], value[field.name], path)
        elif _is_required(field):
            raise FieldError(f"{path} is missing")
    try:
        return kind(**read)
    except ValueError as error:
        raise FieldError(f"{where}: {error}" if where else str(error)) from error


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


@cache  # resolving the names takes longer than everything else
def _kinds(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _refuse(where: str, expected: str, value: object) -> NoReturn:
    got = repr(value)
    raise FieldError(f"{where}: expected {expected}, got {got if len(got) <= 60 else got[:60] + '…'}")


def json_schema(kind: type) -> dict[str, Any]:
    """Return the JSON Schema of what `as_json` writes of a dataclass; descriptions are from its docstring.

    Returns
    -------
    dict
        ``type``, ``description``, ``properties`` and ``required`` of the dataclass, and under ``$defs`` those of
        the dataclasses in it. Other keys are allowed.
    """
    definitions: dict[str, Any] = {}
    schema = _object_schema(kind, definitions)
    return schema | ({"$defs": dict(sorted(definitions.items()))} if definitions else {})


def _object_schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    kinds, described = _kinds(kind), _descriptions(kind)
    properties = {}
    for field in fields(kind):
        schema = _schema(kinds[field.name], definitions)
        if field.metadata.get("omit_default"):
            schema |= {"default": list(field.default) if isinstance(field.default, tuple) else field.default}
        if field.name in described:
            schema |= {"description": described[field.name]}
        properties[field.name] = schema
    return {
        "description": _plain(inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]),
        "type": "object",
        "properties": properties,
        "required": [field.name for field in fields(kind) if not field.metadata.get("omit_default")],
    }


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind is Any:
        return {}
    if isinstance(kind, UnionType):
        schema = _schema(get_args(kind)[0], definitions)
        if set(schema) == {"type"}:
            return {"type": [schema["type"], "null"]}
        return {"anyOf": [schema, {"type": "null"}]}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _schema(get_args(kind)[0], definitions)}
    if get_origin(kind) is dict:
        inner = _schema(get_args(kind)[1], definitions)
        return {"type": "object"} | ({"additionalProperties": inner} if inner else {})
    if is_dataclass(kind):
        name = kind.__name__  # type: ignore[union-attr]
        if name not in definitions:
            definitions[name] = {}  # it may contain itself
            definitions[name] = _object_schema(kind, definitions)
        return {"$ref": f"#/$defs/{name}"}
    return {"type": _TYPES[kind]}


def _descriptions(kind: type) -> dict[str, str]:
    """Return the texts of a numpy docstring's parameters, by name."""
    lines = inspect.cleandoc(kind.__doc__ or "").split("\n")
    found: dict[str, list[str]] = {}
    texts: list[str] = []
    for line in lines[lines.index("Parameters") + 2 :] if "Parameters" in lines else []:
        parameter = _PARAMETER.match(line)
        if parameter:
            texts = []
            found |= dict.fromkeys(parameter[1].split(", "), texts)
        elif line.startswith("    "):
            texts.append(line.strip())
        elif line.strip():
            break  # the next section
    return {name: _plain(" ".join(texts)) for name, texts in found.items() if texts}


def _plain(text: str) -> str:
    return _ROLE.sub(r"\1", text).replace("*", "")


def plain(value: object) -> object:
    """Turn dataclasses, mappings, sequences and paths into what JSON can hold."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain({field.name: getattr(value, field.name) for field in fields(value)})
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
