"""YAML to a plain document."""

import pytest
import yaml

from katib_cluster import bounded_yaml
from katib_local.manifest import document
from katib_suggestion.errors import InvalidExperiment

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)
"""A few hundred characters that stand for a hundred million values."""

MERGE_BOMB = "a: &a {x: 1, z: 2}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 20)}]}}\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)
"""The same by merges, which leave two values, but only once all have been made."""


def test_yaml_as_kubernetes_reads_it() -> None:
    read = document.read("---\na: 1\nb: {c: [x, 2024-01-01, 1.5, true, null]}\n---\n")
    assert read == {"a": 1, "b": {"c": ["x", "2024-01-01", 1.5, True, None]}}


def test_anchors_and_merges() -> None:
    assert document.read("a: &a {x: 1, z: 2}\nb: {<<: *a, z: 3}\n")["b"] == {"x": 1, "z": 3}


def test_a_mapping_that_overrides_a_merge_is_merged_itself() -> None:
    text = "a: &a {x: 1}\nb: {c: {d: &d {<<: *a, x: 2}}}\ne: {<<: *d}\n"
    assert document.read(text) == {"a": {"x": 1}, "b": {"c": {"d": {"x": 2}}}, "e": {"x": 2}}


def test_of_merged_mappings_the_earlier_comes_first_and_ones_own_keys_before_all() -> None:
    text = "a: &a {one: 1, two: 1}\nb: &b {one: 2, two: 2, three: 2}\nc: {two: 3, <<: [*a, *b]}\n"
    assert document.read(text)["c"] == {"one": 1, "two": 3, "three": 2}


def test_what_is_no_mapping_cannot_be_merged() -> None:
    with pytest.raises(InvalidExperiment, match=r"^line 2: 'x' is not allowed: << merges a mapping or a list of map"):
        document.read("a: 1\nb: {<<: [x]}\n")


def test_a_time_of_day_and_an_equals_sign_are_texts_as_in_kubernetes() -> None:
    assert document.read("a: [12:30, 1:02.5, =]\n") == {"a": ["12:30", "1:02.5", "="]}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("y", True), ("Y", True), ("n", False), ("N", False), ("yes", True), ("off", False), ("'y'", "y"),
        ("yy", "yy"), ("1e3", 1000.0), ("-2.5E-3", -0.0025), (".5e1", 5.0), ("1e", "1e"), ("'1e3'", "1e3"),
        ("0o17", 15), ("0o8", "0o8"),
    ],
)  # fmt: skip
def test_words_and_numbers_are_those_of_kubectl(written: str, value: object) -> None:
    read = document.read(f"a: {written}\n")["a"]
    assert (read, type(read)) == (value, type(value))
    # What is written is read as it was meant.
    assert document.read(yaml.dump({"a": value}, Dumper=bounded_yaml.Dumper)) == {"a": value}
    assert document.read(yaml.dump({"a": written}, Dumper=bounded_yaml.Dumper)) == {"a": written}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", ["line 3", "'a'", "twice"]),
        ("a:\n  b: 1\n  b: 2\n", ["line 3", "'b'", "twice"]),
        ("1: a\n", ["line 1", "1", "put it in quotes"]),
        ("yes: a\n", ["line 1", "yes", "put it in quotes"]),
        ("? [a]\n: b\n", ["line 1", "a sequence", "a key must be a text"]),
        (f"? 0x{'f' * 4000}\n: a\n", ["line 1", "0xfff", "put it in quotes"]),
        ("a: 1\n---\nb: 1\n", ["several YAML documents", "one Experiment"]),
        ("", ["no YAML document"]),
        ("- a\n", ["mapping"]),
        ("a: [\n", ["it must be YAML"]),
        ("a: !!python/object/apply:os.system [ls]\n", ["it must be YAML"]),
        ("a: .nan\n", ["a", "nan", "finite"]),
        ("a: [.inf]\n", ["a[0]", "inf", "finite"]),
        ("a: !!set {x}\n", ["line 1", "2002:set", "it must be YAML"]),
        ("a: !!binary aGk=\n", ["line 1", "2002:binary", "it must be YAML"]),
        ("a: &a [*a]\n", ["line 1", "an alias", "must not stand around it"]),
        ("a: " + "[" * 2000 + "]" * 2000, ["levels"]),
        (BOMB, ["line 5", "at most 20000 values"]),
        (f"- &a [{'x, ' * 400}]\n" + f"- &b [{'*a, ' * 400}]\n", ["line 2", "at most 20000 values"]),
        (MERGE_BOMB, ["line 4", "at most 20000 values"]),
        ("a: &a {<<: *a}\n", ["line 1", "an alias", "must not stand around it"]),
        ("a:\n" + "---\n" * 30_000, ["line 2", "at most 20000 values"]),
        ("a: " + "x" * 1_000_001, ["1000004 characters", "at most 1000000"]),
        ("a: !!int 1" + ":59" * 100_000, ["line 1", "'1:59:59", "2002:int"]),
        (f"%YAML 1.{'1' * 5000}\n---\na: 1\n", ["line 1", "5000 digits", "it must be YAML"]),
        ('\na: "\\UFFFFFFFF"\n', ["line 2", "it must be YAML"]),
        ('\na: "\\U00110000"\n', ["line 2", "it must be YAML"]),
        (f"\na: {'1' * 5000}\n", ["line 2", "111", "cannot be read as tag:yaml.org,2002:int"]),
        ("a: !!int abc\n", ["line 1", "'abc'", "2002:int"]),
        ("a: !!int ''\n", ["line 1", "''", "2002:int"]),
        ("a: !!float x\n", ["line 1", "'x'", "2002:float"]),
        ("a: !!bool abc\n", ["line 1", "'abc'", "2002:bool"]),
        ("y: 1\n", ["line 1", "y", "a key must be a text"]),
        ("a: !!map abc\n", ["line 1", "expected a mapping node", "it must be YAML"]),
        ("a: !!timestamp 2020-13-45\n", ["line 1", "timestamp", "it must be YAML"]),
        ("a: !!timestamp abc\n", ["line 1", "timestamp", "it must be YAML"]),
        (f"a: {{b: [1{'0' * 400}]}}\n", ["a.b[0]", "0x", "an integer of at most 1.8e+308"]),
        (f"a: 0x{'f' * 4000}\n", ["a", "0xfff", "an integer of at most"]),
        (f"0x{'f' * 4000}\n", ["manifest", "0xfff", "an integer of at most"]),
        ('a: {b: ["x\\0y"]}\n', ["a.b[0]", r"'x\x00y'", "no NUL"]),
        ('a: {b: "\\ud800"}\n', ["a.b", r"'\ud800'", "surrogate"]),
        ('a: {"\\udfff": b}\n', ["a: ", r"'\udfff'", "surrogate"]),
    ],
)
def test_refused(text: str, words: list[str]) -> None:
    with pytest.raises(InvalidExperiment) as refusal:
        document.read(text)
    message = str(refusal.value)
    assert [word for word in words if word not in message] == [], message
    assert "\n" not in message
