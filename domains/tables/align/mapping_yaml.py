"""A column mapping as YAML that a person edits: move a column, rename a target, forbid a pair, leave a column out."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import yaml

from core.errors import UserError
from domains.tables.align.mapping import ColumnMapping, ColumnRef, Evidence, Member, Target

__all__ = ["read_mapping", "write_mapping"]

_VERSION = 1
_PARTS = ("score", "name", "value", "content", "kind")
_HEADER = """\
# Which columns of the sources become one column. Change it freely:
# - move a line under columns to another target; a target holds at most one column of each source;
# - rename a target at its name, or make a new one with name and columns;
# - forbid: a pair here is never matched again, e.g.  - [{source: a, column: x}, {source: b, column: y}]
# - left_out: a column here is in no target, e.g.  - {source: a, column: x}
# score and nearest say why and may be deleted: name, value, content and kind are in [0, 1].
"""


def write_mapping(mapping: ColumnMapping) -> str:
    """The text of a mapping; `read_mapping` gives the same mapping back."""
    lines = [_HEADER + f"version: {_VERSION}", "targets:" if mapping.targets else "targets: []"]
    for target in mapping.targets:
        lines += [f"- name: {_scalar(target.name)}", "  columns:"]
        lines += [f"  - {_flow(_member(member))}" for member in target.members]
    lines.append("forbid:" if mapping.forbidden else "forbid: []")
    lines += [f"- [{_flow(_ref(a))}, {_flow(_ref(b))}]" for a, b in mapping.forbidden]
    lines.append("left_out:" if mapping.left_out else "left_out: []")
    lines += [f"- {_flow(_ref(ref))}" for ref in mapping.left_out]
    return "\n".join(lines) + "\n"


def _scalar(value: object) -> str:
    """One value on one line; text that YAML would read as something else is quoted."""
    return _flow([value])[1:-1]


def _flow(value: object) -> str:
    return str(
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=1 << 30)
    ).strip()


def _ref(ref: ColumnRef) -> dict[str, Any]:
    return {"source": ref.source, "column": ref.column}


def _member(member: Member) -> dict[str, Any]:
    shown = _ref(member.ref)
    if member.score is not None:
        shown["score"] = member.score
    if member.nearest is not None:
        parts = {part: getattr(member.nearest, part) for part in _PARTS}
        shown["nearest"] = _ref(member.nearest.other) | {k: v for k, v in parts.items() if v is not None}
    return shown


def read_mapping(text: str, name: str = "mapping") -> ColumnMapping:
    """Read a mapping, edited or not.

    Args:
        text: YAML.
        name: file name for messages.

    Raises:
        UserError: not YAML, or not a mapping; with line and column.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        raise UserError(f"{name}:{place} not YAML ({getattr(error, 'problem', None) or error})") from error
    if root is None:
        raise UserError(f"{name} is empty; it needs version and targets")
    reader = _Reader(name)
    fields = reader.fields(root, required=("targets",), known=("version", "targets", "forbid", "left_out"))
    if "version" in fields and fields["version"].value != str(_VERSION):
        raise reader.wrong(fields["version"], f"version must be {_VERSION}, got {fields['version'].value!r}")
    targets = tuple(reader.target(node) for node in reader.items(fields["targets"]))
    forbidden = tuple(reader.pair(node) for node in reader.items(fields.get("forbid")))
    left_out = tuple(reader.left_out(node) for node in reader.items(fields.get("left_out")))
    try:
        return ColumnMapping(targets, forbidden, left_out)
    except UserError as error:  # what the lines alone do not show: a forbidden pair in one target
        raise UserError(f"{name}: {error}") from error


class _Reader:
    """Turns YAML nodes into a mapping and knows the line of everything it read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.columns: dict[ColumnRef, yaml.Node] = {}
        self.targets: dict[str, yaml.Node] = {}

    def wrong(self, node: yaml.Node, message: str) -> UserError:
        mark = node.start_mark
        return UserError(f"{self.name} line {mark.line + 1}, column {mark.column + 1}: {message}")

    def fields(self, node: yaml.Node, *, required: Sequence[str], known: Sequence[str]) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self.wrong(node, f"expected {', '.join(required)} with values, got {_kind(node)}")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            word = str(key.value)
            if word not in known:
                near = difflib.get_close_matches(word, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise self.wrong(key, f"unknown key {word!r}{hint} allowed: {', '.join(known)}")
            if word in found:
                raise self.wrong(key, f"{word!r} stands twice here; keep one")
            found[word] = value
        for word in required:
            if word not in found:
                raise self.wrong(node, f"{word!r} is missing here")
        return found

    def items(self, node: yaml.Node | None) -> list[yaml.Node]:
        if node is None or (isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")):
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self.wrong(node, f"expected a list (lines that begin with -), got {_kind(node)}")
        return list(node.value)

    def text(self, node: yaml.Node) -> str:
        """Any scalar as it is written: a column may be called 2012 or yes."""
        if not isinstance(node, yaml.ScalarNode):
            raise self.wrong(node, f"expected text, got {_kind(node)}")
        return str(node.value)

    def number(self, node: yaml.Node | None) -> float | None:
        if node is None:
            return None
        try:
            value = float(self.text(node))
        except ValueError:
            raise self.wrong(node, f"expected a number in [0, 1], got {node.value!r}") from None
        if not 0 <= value <= 1:
            raise self.wrong(node, f"expected a number in [0, 1], got {node.value}")
        return value

    def target(self, node: yaml.Node) -> Target:
        fields = self.fields(node, required=("name", "columns"), known=("name", "columns"))
        name = self.text(fields["name"])
        if not name.strip():
            raise self.wrong(fields["name"], "a target needs a name")
        if name in self.targets:
            raise self.wrong(fields["name"], f"target {name!r} stands in line {_line(self.targets[name])} already")
        self.targets[name] = fields["name"]
        members: list[Member] = []
        nodes = self.items(fields["columns"])
        if not nodes:
            raise self.wrong(fields["name"], f"target {name!r} has no columns; give it one or delete it")
        for one in nodes:
            member = self.member(one)
            same = [m.ref for m in members if m.ref.source == member.ref.source]
            if same:
                raise self.wrong(one, f"target {name!r} holds {same[0].column!r} of the same source; move one of them")
            members.append(member)
        return Target(name, tuple(members))

    def member(self, node: yaml.Node) -> Member:
        known = ("source", "column", "score", "nearest")
        fields = self.fields(node, required=("source", "column"), known=known)
        ref = self.place(node, ColumnRef(self.text(fields["source"]), self.text(fields["column"])))
        nearest = None
        if "nearest" in fields:
            its = self.fields(
                fields["nearest"], required=("source", "column", "score"), known=("source", "column", *_PARTS)
            )
            score, *parts = (self.number(its.get(part)) for part in _PARTS)
            assert score is not None  # required
            nearest = Evidence(ColumnRef(self.text(its["source"]), self.text(its["column"])), score, *parts)
        return Member(ref, self.number(fields.get("score")), nearest)

    def place(self, node: yaml.Node, ref: ColumnRef) -> ColumnRef:
        if ref in self.columns:
            raise self.wrong(node, f"column {ref} stands in line {_line(self.columns[ref])} already")
        self.columns[ref] = node
        return ref

    def ref(self, node: yaml.Node) -> ColumnRef:
        fields = self.fields(node, required=("source", "column"), known=("source", "column"))
        return ColumnRef(self.text(fields["source"]), self.text(fields["column"]))

    def left_out(self, node: yaml.Node) -> ColumnRef:
        return self.place(node, self.ref(node))

    def pair(self, node: yaml.Node) -> tuple[ColumnRef, ColumnRef]:
        both = self.items(node)
        if len(both) != 2:
            raise self.wrong(node, f"expected two columns, got {len(both)}")
        return self.ref(both[0]), self.ref(both[1])


def _kind(node: yaml.Node) -> str:
    names = {yaml.MappingNode: "keys with values", yaml.SequenceNode: "a list", yaml.ScalarNode: f"{node.value!r}"}
    return names[type(node)]


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
