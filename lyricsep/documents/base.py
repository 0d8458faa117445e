"""What all documents share: a schema name, a version, and how old versions are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from lyricsep.documents.fields import FieldError, as_json, from_json, json_schema
from lyricsep.errors import DatasetError


@dataclass(frozen=True)
class Document:
    """Base of the dataclasses that are written as JSON files.

    A subclass sets `SCHEMA`, the newest `VERSION`, and `REMEDY`, what to do about a file that cannot be read; where
    the version is above 1, it also defines `upgraded`.
    """

    SCHEMA: ClassVar[str]
    VERSION: ClassVar[int]
    REMEDY: ClassVar[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the document as the dicts and lists of its JSON, with ``schema`` and ``version`` first."""
        return {"schema": self.SCHEMA, "version": self.VERSION, **as_json(self)}

    def to_json(self) -> str:
        """Return the JSON, indented and ended by a line break; raise a `ValueError` if a number is not finite."""
        return json.dumps(self.as_dict(), ensure_ascii=False, allow_nan=False, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, *, name: str = "document") -> Self:
        """Read the JSON of this version or of an older one.

        Parameters
        ----------
        text : str
            What `to_json` returned.
        name : str
            What errors call the document: its path.

        Raises
        ------
        DatasetError
            If the text is not such a document; the message names the field.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{name}: not JSON ({error})", hint=cls.REMEDY) from error
        return cls.from_dict(document, name=name)

    @classmethod
    def from_dict(cls, document: object, *, name: str = "document") -> Self:
        """Read what `json.loads` returned of the JSON; see `from_json`."""
        schema, version = cls.identify(document)
        if schema != cls.SCHEMA or type(version) is not int or not 1 <= version <= cls.VERSION:
            raise DatasetError(
                f"{name}: schema and version are {(schema, version)}, expected {(cls.SCHEMA, cls.VERSION)}",
                hint=f"{cls.REMEDY}, or update lyricsep",
            )
        try:
            if version < cls.VERSION:
                document = cls.upgraded(document, version)
            read: Self = from_json(cls, document)
        except FieldError as error:
            raise DatasetError(f"{name}: {error}", hint=cls.REMEDY) from error
        return read

    @classmethod
    def identify(cls, document: object) -> tuple[object, object]:
        """Return the schema and the version that a document states; None where it does not."""
        return (document.get("schema"), document.get("version")) if isinstance(document, dict) else (None, None)

    @classmethod
    def upgraded(cls, document: Any, version: int) -> Mapping[str, Any]:
        """Return a document of an older version in the form of the newest."""
        return dict(document)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of the newest version."""
        schema = json_schema(cls)
        name = cls.SCHEMA.partition("/")[2]
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:{cls.SCHEMA.replace('/', ':')}:{cls.VERSION}",
            "title": f"lyricsep {name}, version {cls.VERSION}",
            **schema,
            "properties": {
                "schema": {"const": cls.SCHEMA},
                "version": {"const": cls.VERSION},
                **schema["properties"],
            },
            "required": ["schema", "version", *schema["required"]],
        }
