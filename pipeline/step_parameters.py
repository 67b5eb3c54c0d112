"""Parameters of a step or reader from a configuration: checked against its fields, and put in place of the defaults."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mixtures.outside_yaml import shown
from pipeline.model_files import MODEL_FIELDS
from pipeline.settings import UsageError, nearest
from stages.sources.common_crawl import CommonCrawl
from stages.sources.github import Github

# Parameters of readers that the pipeline fills in: (reader, parameter) -> the way out.
FIXED: Mapping[tuple[type, str], str] = {
    (CommonCrawl, "source"): "it is the name under sources",
    (Github, "files"): "name the tables among the inputs",
    (Github, "licenses"): "name the tables among the inputs",
    (Github, "repository_languages"): "name the tables among the inputs",
}


def with_parameters(step: Any, parameters: Mapping[str, Any], where: str) -> Any:
    """The step or reader with some of its parameters replaced, each checked against the type of its field.

    `where` begins the message of the UsageError for one that is not known, not settable, or of another type or range.
    """
    fields = {f.name for f in dataclasses.fields(step)}
    hints = get_type_hints(type(step))
    values = {}
    model_field, model_setting = MODEL_FIELDS.get(type(step), ("", ""))
    for name, value in parameters.items():
        if name not in fields:
            raise UsageError(f"{where}: unknown parameter {shown(name)}; {nearest(name, fields)}")
        if name == model_field:
            raise UsageError(f"{where}.{name} cannot be set here; set {model_setting}")
        if (type(step), name) in FIXED:
            raise UsageError(f"{where}.{name} cannot be set; {FIXED[type(step), name]}")
        values[name] = _typed(value, hints[name], f"{where}.{name}")
    try:
        changed = dataclasses.replace(step, **values)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error
    # Of a rule that compares documents; 0 would be read as no window, which is all files.
    if getattr(changed, "window_files", None) == 0:
        raise UsageError(f"{where}: window_files must be at least 1; null compares all files")
    if getattr(changed, "languages", None) == ():
        raise UsageError(f"{where}: languages is empty, so nothing would be kept; name at least one")
    return changed


def _typed(value: Any, kind: Any, where: str) -> Any:
    """A value from YAML as the type of a field; UsageError when it is none of that type."""
    choices = get_args(kind)
    if get_origin(kind) is Literal:
        if value in choices:
            return value
        raise UsageError(f"{where}: expected one of {', '.join(map(str, choices))}, found {shown(value)}")
    if get_origin(kind) in (tuple, frozenset) and (choices[0] is str or get_origin(choices[0]) is Literal):
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise UsageError(f"{where}: expected a list of texts, found {shown(value)}")
        return get_origin(kind)(_typed(v, choices[0], where) for v in value)
    if get_origin(kind) in (Union, UnionType):
        if value is None and NoneType in choices:
            return None
        return _typed(value, next(choice for choice in choices if choice is not NoneType), where)
    expected = {bool: "true or false", int: "a whole number of at least 0", float: "a number", str: "a text"}
    if kind not in expected:
        raise UsageError(f"{where} cannot be set in a configuration")
    right = isinstance(value, int | float) if kind is float else isinstance(value, kind)
    if not right or (kind is not bool and isinstance(value, bool)) or (kind is int and value < 0):
        raise UsageError(f"{where}: expected {expected[kind]}, found {shown(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{where}: expected a finite number, found {shown(value)}")
    return value
