"""Parts of a YAML text replaced where they stand; every other byte, comments included, stays as it is."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from katib_cluster import bounded_yaml
from katib_cluster.errors import InvalidConfiguration


def mapping_of(text: str, what: str) -> yaml.MappingNode:
    """Read a text as one YAML document that is a mapping, and return its node.

    Args:
        text: to read.
        what: the text is, for the message.

    Raises:
        InvalidConfiguration: it is something else.
    """
    try:
        with bounded_yaml.reading(text) as loader:
            node = loader.get_single_node()
    except yaml.YAMLError as error:
        raise InvalidConfiguration(what, f"it is not one YAML document: {' '.join(str(error).split())}") from error
    if not isinstance(node, yaml.MappingNode):
        raise InvalidConfiguration(what, "it is no mapping")
    return node


def at(node: yaml.MappingNode, *path: str) -> yaml.Node | None:
    """Return the node at a path of keys; None where there is none."""
    found: yaml.Node | None = node
    for key in path:
        if not isinstance(found, yaml.MappingNode):
            return None
        found = next((value for name, value in found.value if name.value == key), None)
    return found


def value_of(text: str) -> Any:
    """Return what a text that `mapping_of` has read says, as plain values.

    Raises:
        InvalidConfiguration: an explicit tag asks for what is not plain.
    """
    try:
        with bounded_yaml.reading(text) as loader:
            return loader.get_single_data()
    except yaml.YAMLError as error:
        raise InvalidConfiguration("configuration", " ".join(str(error).split())) from error


def list_item(fields: Mapping[str, Any], column: int) -> str:
    """Write a mapping as an item of a block list whose dashes stand in a column."""
    lines = yaml.dump(dict(fields), Dumper=_Dumper, sort_keys=False, width=1000).splitlines(keepends=True)
    indent = " " * column
    return "".join(indent + ("- " if number == 0 else "  ") + line for number, line in enumerate(lines))


def lines_of(node: yaml.Node) -> tuple[int, int]:
    """The first line of a node, and the one after its last: without the comments that follow it."""
    return node.start_mark.line, max(_ends(node))


def _ends(node: yaml.Node) -> Iterator[int]:
    block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    if not block:
        # A block scalar ends where the next line begins.
        yield node.end_mark.line + (1 if node.end_mark.column else 0)
        return
    yield node.start_mark.line + 1
    for child in node.value:
        for part in child if isinstance(child, tuple) else (child,):
            yield from _ends(part)


class _Dumper(bounded_yaml.Dumper):
    """Writes lists as people do, indented below their key, and nothing as an alias."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True
