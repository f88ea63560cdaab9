"""Whether a JSON Schema takes less than another one: a field gone, one more required, a type or a bound narrower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

__all__ = ["narrowed"]

Schema = Mapping[str, JsonValue]
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_FIXED = ("pattern", "format", "multipleOf", "uniqueItems")


def narrowed(then: JsonValue, now: JsonValue, then_shared: Schema, now_shared: Schema) -> str | None:
    """Where and how `now` takes less than `then`, as `.lines[].sku is required`; None where it takes all of it.

    The last two are the definitions that the two refer to.
    """
    return _Comparison(then_shared, now_shared).narrower(_table(then), _table(now), "")


class _Comparison:
    def __init__(self, then: Schema, now: Schema) -> None:
        self._then, self._now = then, now
        self._met: set[tuple[str, str]] = set()

    def narrower(self, then: Schema, now: Schema, at: str) -> str | None:
        """Where `now` takes less. A definition that refers to itself is looked at once."""
        names = str(then.get("$ref", "")), str(now.get("$ref", ""))
        if any(names):
            if names in self._met and all(names):
                return None
            self._met.add(names)
        then, now = _found(then, self._then), _found(now, self._now)
        olds, news = _kinds(then, self._then), _kinds(now, self._now)
        for old in olds:
            told = [self._kind(old, new, at) for new in news]
            if None not in told:
                # The one of the same type says what is narrower in it; where there is none, the type is gone.
                same = [text for text, new in zip(told, news, strict=True) if new.get("type") == old.get("type")]
                return same[0] if same else f"{at} no longer takes {old.get('type', 'anything')}"
        return None

    def _kind(self, old: Schema, new: Schema, at: str) -> str | None:
        type_, other = old.get("type"), new.get("type")
        if other is not None and type_ != other and not (type_ == "integer" and other == "number"):
            return f"{at} no longer takes {type_ or 'anything'}"
        words = _words(new)
        if words is not None:
            gone = [word for word in _words(old) or ["anything"] if word not in words]
            if gone:
                return f"{at} no longer takes {gone[0]!r}"
        return (
            _bounded(old, new, at)
            or self._fields(old, new, at)
            or self._inner(old, new, "items", f"{at}[]")
            or self._inner(old, new, "additionalProperties", f"{at}.*")
        )

    def _fields(self, old: Schema, new: Schema, at: str) -> str | None:
        before, after = _table(old.get("properties")), _table(new.get("properties"))
        for name in before:
            if name not in after:
                return f"{at}.{name} is gone"
        for name in _list(new.get("required")):
            if name not in _list(old.get("required")):
                return f"{at}.{name} is required"
        for name, schema in before.items():
            less = self.narrower(_table(schema), _table(after[name]), f"{at}.{name}")
            if less is not None:
                return less
        return None

    def _inner(self, old: Schema, new: Schema, word: str, at: str) -> str | None:
        """What is in a list, or under names that the schema does not know."""
        after = new.get(word, True)
        if after is True or (word == "additionalProperties" and old.get("type") != "object"):
            return None
        before = old.get(word, True)
        if after is False:
            return None if before is False else f"{at} is refused"
        return None if before is False else self.narrower(_table(before), _table(after), at)


def _bounded(old: Schema, new: Schema, at: str) -> str | None:
    for word in _LOWER + _UPPER:
        bound, before = new.get(word), old.get(word)
        if isinstance(bound, int | float):
            wider = isinstance(before, int | float) and (before >= bound if word in _LOWER else before <= bound)
            if not wider:
                return f"{at} is bound by {word} {bound}"
    for word in _FIXED:
        if word in new and new[word] != old.get(word):
            return f"{at} is bound by {word} {new[word]}"
    return None


def _kinds(schema: Schema, shared: Schema) -> list[Schema]:
    """The alternatives of a schema, each of one type at most."""
    several = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(several, list):
        return [kind for one in several for kind in _kinds(_found(_table(one), shared), shared)]
    types = schema.get("type")
    if isinstance(types, list):
        return [{**schema, "type": one} for one in types]
    return [schema]


def _words(schema: Schema) -> list[JsonValue] | None:
    """The values that alone are taken; None where any is."""
    if "const" in schema:
        return [schema["const"]]
    words = schema.get("enum")
    return words if isinstance(words, list) else None


def _found(schema: Schema, shared: Schema) -> Schema:
    """The schema, or the definition that it refers to."""
    name = schema.get("$ref")
    if not isinstance(name, str):
        return schema
    return _table(shared.get(name.rpartition("/")[2]))


def _table(value: JsonValue) -> Schema:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> Sequence[JsonValue]:
    return value if isinstance(value, list) else ()
