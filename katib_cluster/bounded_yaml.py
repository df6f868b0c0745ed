"""YAML from anybody, read within bounds: PyYAML's own are those of the machine.

A few lines of anchors, aliases and merges can stand for any number of values, and PyYAML makes them all before anybody
could count. So they are counted while the text is parsed, each alias for as much as its anchor.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import IO, Any, TypeAlias

import yaml

from katib_suggestion.errors import shown

MAX_BYTES = 1_000_000
"""Longest text, in UTF-8; Kubernetes keeps no resource larger than about that."""
MAX_VALUES = 20_000
"""Most values that a text may stand for, keys included; an Experiment or a KatibConfig has some hundreds."""
MAX_DEPTH = 50
"""Most levels of lists and mappings inside each other, as they are written."""

_PLAIN_TAGS = [f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")]
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
_NOT_KUBERNETES = frozenset({"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"})


class UnreadableYaml(yaml.YAMLError):
    """A text is no YAML that is read here.

    Args:
        where: the place, as a user would look for it, such as ``line 3``.
        value: what stands there.
        allowed: what may stand there, as the end of a sentence.
    """

    def __init__(self, where: str, value: object, allowed: str) -> None:
        self.where, self.value, self.allowed = where, value, allowed
        super().__init__(f"{where}: {shown(value)} is not allowed: {allowed}")


_KUBERNETES_ALONE = (
    ("tag:yaml.org,2002:bool", re.compile("[yYnN]$"), "yYnN"),
    ("tag:yaml.org,2002:float", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"), "-+.0123456789"),
    ("tag:yaml.org,2002:int", re.compile("[-+]?0o[0-7]+$"), "-+0"),
)
"""What kubectl, which reads YAML as Go does, takes for another value than a text, and PyYAML does not."""

_Resolvers: TypeAlias = dict[str, list[tuple[str, re.Pattern[str]]]]


def _with_kubernetes_own(resolvers: _Resolvers) -> _Resolvers:
    """Add to what tells values without a tag apart, each by its first letter."""
    found = {first: list(listed) for first, listed in resolvers.items()}
    for tag, pattern, letters in _KUBERNETES_ALONE:
        for letter in letters:
            found.setdefault(letter, []).append((tag, pattern))
    return found


class Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: what JSON can say, no key twice, and neither dates nor numbers of base 60.

    Raises, while it reads:
        UnreadableYaml: the text stands for more than is allowed, a key is no text or stands twice, or a scalar is not
            what its tag says.
        yaml.YAMLError: the text is no YAML, or has a tag that is not plain.
    """

    yaml_implicit_resolvers = _with_kubernetes_own(
        {
            first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NOT_KUBERNETES]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }
    )
    yaml_constructors = {  # noqa: RUF012
        tag: yaml.SafeLoader.yaml_constructors[tag] for tag in [*_PLAIN_TAGS, None]
    }
    bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._num_values = 0
        self._depth = 0
        self._values_of: dict[yaml.Node, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Parse a node, and count the values that it stands for."""
        where = f"line {self.peek_event().start_mark.line + 1}"  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            anchored = super().compose_node(parent, index)
            if anchored not in self._values_of:
                raise UnreadableYaml(where, "an alias", "its anchor must not stand around it")
            self._count(self._values_of[anchored], where)
            return anchored
        before = self._num_values
        self._count(1, where)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadableYaml(where, "a value inside others", f"at most {MAX_DEPTH} levels")
        node = super().compose_node(parent, index)
        self._depth -= 1
        assert node is not None
        self._values_of[node] = self._num_values - before
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Parse a mapping, and check its keys."""
        # Not when the value is made: by then a merge may have brought keys that are meant to be overridden.
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == _MERGE:
                continue
            where = f"line {key.start_mark.line + 1}"
            if key.tag != _TEXT:
                written = key.value if isinstance(key, yaml.ScalarNode) else f"a {key.id}"
                raise UnreadableYaml(where, written, "a key must be a text; put it in quotes")
            if key.value in seen:
                raise UnreadableYaml(where, key.value, "the key stands twice in one mapping")
            seen.add(key.value)
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put in what a mapping merges: its own keys come before merged ones, of which the earlier before the later.

        PyYAML's own depends on its version: 6.0.4 takes keys for the same by where their text lies in memory.
        """
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if key.tag != _MERGE:
                own[key.value] = key, value
                continue
            for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(source, yaml.MappingNode):
                    where = f"line {source.start_mark.line + 1}"
                    raise UnreadableYaml(where, source.value, "<< merges a mapping or a list of mappings")
                self.flatten_mapping(source)
                merged = {pair[0].value: pair for pair in source.value} | merged
        node.value = list((merged | own).values())

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """Find the tag of a node that has none."""
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        return _TEXT if tag in _NUMBERS and ":" in value else tag

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Make the value of a node."""
        try:
            if node.tag in _NUMBERS and ":" in node.value:
                raise ValueError(node.value)
            return super().construct_object(node, deep)
        except (ValueError, OverflowError, KeyError, IndexError) as error:
            # PyYAML lets through what int, float and its table of truths say to a text that an explicit tag names so.
            where = f"line {node.start_mark.line + 1}"
            raise UnreadableYaml(where, node.value, f"it cannot be read as {node.tag}") from error

    def _count(self, num_values: int, where: str) -> None:
        self._num_values += num_values
        if self._num_values > MAX_VALUES:
            allowed = f"at most {MAX_VALUES} values, those that aliases stand for included"
            raise UnreadableYaml(where, "a text that large", allowed)


class Dumper(yaml.SafeDumper):
    """Writes a text so that Kubernetes reads it as one: in quotes where it would be a number or a truth."""

    yaml_implicit_resolvers = _with_kubernetes_own(yaml.SafeDumper.yaml_implicit_resolvers)


@contextlib.contextmanager
def reading(text: str) -> Iterator[Loader]:
    """Read a text: within, the loader's errors are all of YAML.

    Raises:
        UnreadableYaml: the text is too long; or see `Loader`.
        yaml.YAMLError: see `Loader`.
    """
    if len(text) > MAX_BYTES:
        raise UnreadableYaml("text", f"{len(text)} characters", f"at most {MAX_BYTES}")
    loader = Loader(text)
    try:
        yield loader
    except (ValueError, OverflowError) as error:  # of escapes and directives whose numbers PyYAML does not check
        raise UnreadableYaml(f"line {loader.line + 1}", str(error), "it must be YAML") from error
    finally:
        loader.dispose()


def text_of(file: IO[bytes], name: str) -> str:
    """Read a text, but no more of it than shows that it is too long.

    Raises:
        UnreadableYaml: it is too long, or no text.
    """
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UnreadableYaml(name, "its content", f"at most {MAX_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UnreadableYaml(name, "its content", "it must be text in UTF-8") from error
