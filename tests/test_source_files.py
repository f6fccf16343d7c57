"""Source files are small, and no two Rust files of a crate use each other, but a folder's mod.rs and what is in it."""

import re

import pytest

from conftest import ROOT

# Bytes that are read in one go.
LARGEST = 15 * 1024
WRITTEN = [*ROOT.glob("crates/**/*.rs"), *ROOT.glob("src/**/*.rs"), *ROOT.glob("fuzz/*/*.rs"), *ROOT.glob("launch/*.py")]
WRITTEN += [*ROOT.glob("scripts/**/*.py"), *ROOT.glob("tests/**/*.py")]
SOURCES = sorted([ROOT / "src", *ROOT.glob("crates/*/src")])


def modules(root):
    """Every file by its path as a module; tests are left out."""
    found = {}
    for file in root.rglob("*.rs"):
        parts = file.relative_to(root).with_suffix("").parts
        if "tests" not in file.name and parts[0] != "bin":
            found[parts[:-1] if parts[-1] in ("mod", "lib", "main") else parts] = file
    return found


def words(text):
    """`a::b` and what stands between braces after it, as paths from the crate's root or from the folder above."""
    for start, path, members in re.findall(r"\b(crate|super)((?:::\w+)*)(?:::\{((?:[^{}]|\{[^{}]*\})*)\})?", text):
        names = [name for name in path.split("::") if name]
        yield start, names
        for first, second in re.findall(r"(\w+)(?:::(\w+))?", members):
            yield start, [*names, first, *filter(None, [second])]


def uses(module, file, known):
    """The modules that a file uses, but those that it lies in and those that lie in it."""
    text = re.sub(r"//.*", "", file.read_text().split("#[cfg(test)]\nmod tests")[0])
    for start, names in words(text):
        path = tuple(names)
        if start == "super":
            # Of a file, and of a folder's mod.rs, it is the folder that it lies in.
            above = module[:-1]
            while path[:1] == ("super",):
                above, path = above[:-1], path[1:]
            path = above + path
        used = next((path[:length] for length in range(len(path), 0, -1) if path[:length] in known), None)
        if used and used != module[: len(used)] and module != used[: len(module)]:
            yield used


def circles(edges):
    """Pairs of modules that reach each other."""
    reached = {}
    for start in edges:
        open_, seen = [start], set()
        while open_:
            for used in edges[open_.pop()] - seen:
                seen.add(used)
                open_.append(used)
        reached[start] = seen
    return sorted("::".join(a) + " and " + "::".join(b) for a in edges for b in reached[a] if a < b and a in reached[b])


@pytest.mark.parametrize("root", SOURCES, ids=lambda root: str(root.relative_to(ROOT)))
def test_no_two_files_use_each_other(root):
    known = modules(root)
    edges = {module: set(uses(module, file, known)) for module, file in known.items()}
    assert any(edges.values()), "no file uses another: they are not read as they are written"
    assert circles(edges) == []


def test_a_circle_is_found():
    assert circles({("a",): {("b",)}, ("b",): {("c",)}, ("c",): {("a",)}, ("d",): {("a",)}}) == ["a and b", "a and c", "b and c"]


def test_no_source_file_is_larger_than_15_kb():
    assert len(WRITTEN) > 300
    assert [str(file.relative_to(ROOT)) for file in WRITTEN if file.stat().st_size > LARGEST] == []
