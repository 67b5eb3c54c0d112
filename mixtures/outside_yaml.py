"""YAML from outside: parsed with one line for whatever is wrong, and quoted in messages at a bounded length.

In: the content of a file or of an option. Out: what `yaml.safe_load` gives, or a ValueError. A key that stands twice
in a table is refused (YAML 1.2.2, 3.2.1.1: keys are unique), where PyYAML takes the last. Nested aliases make a value
whose text is exponentially longer than the file, so a message never holds the whole of a value.
"""

from __future__ import annotations

import re
import reprlib
from typing import Any, BinaryIO, TextIO

import yaml

MERGE = "tag:yaml.org,2002:merge"  # `<<`, whose keys may be given again
MAX_MERGED = 10_000  # tables and keys that all merges of a text repeat; nested ones multiply

# A number such as 3e-4, of the core schema of YAML 1.2.2 (10.3.2): PyYAML, of 1.1, takes it for a text.
EXPONENT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")

_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = 4
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100  # characters


class _Loader(yaml.SafeLoader):
    merged = 0

    # Typeshed takes the name of an anchor for a table, hence Any.
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A table as it is written: later, merged keys may stand beside its own."""
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
                if (key.tag, key.value) in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {shown(key.value)} stands twice", problem_mark=key.start_mark
                    )
                seen.add((key.tag, key.value))
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Counts what is to be merged into a table, before it is."""
        for key, value in node.value:
            if key.tag == MERGE:
                for table in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if isinstance(table, yaml.MappingNode):
                        self.flatten_mapping(table)
                        self.merged += 1 + len(table.value)
                    if self.merged > MAX_MERGED:
                        raise yaml.MarkedYAMLError(
                            problem=f"merges repeat over {MAX_MERGED} keys", problem_mark=key.start_mark
                        )
        super().flatten_mapping(node)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+.0123456789"))


def parse_yaml(content: str | bytes | TextIO | BinaryIO) -> object:
    """What YAML says; ValueError in one line when it is none, or holds a key twice or a value that cannot be."""
    try:
        return yaml.load(content, _Loader)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    # PyYAML's constructors raise the latter three for `!!bool x`, `!!int ''` and `!!timestamp x`.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
        raise ValueError(" ".join(str(error).split())[:400] or "a value that is none") from error


def shown(value: object) -> str:
    """A value for a message: as `repr`, but a long or nested one cut."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python writes out no number of more than some thousand digits
        return "a number of thousands of digits"
