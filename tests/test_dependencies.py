"""What is linked into the programs: under which terms, and from where."""

import json
import re
import subprocess

import pytest

from support.documents import ROOT

# Permissive, or weak copyleft by file: a program under Apache-2.0 may be linked from all of them.
ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-1-Clause", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
    "CC0-1.0", "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "MPL-2.0", "NCSA", "Unicode-3.0", "Unlicense", "Zlib",
}  # fmt: skip


@pytest.fixture(scope="module")
def packages():
    command = ["cargo", "metadata", "--locked", "--offline", "--all-features", "--format-version", "1"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if found.returncode:
        # Packages of features that nobody has built here are not on this machine.
        command.remove("--offline")
        found = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return json.loads(found.stdout)["packages"]


def may_be_used(expression):
    """An SPDX expression; `A/B` is an old way to write `A OR B`."""
    words = {"OR": "or", "AND": "and"}

    def truth(found):
        return words.get(found[0], str(found[0] in ALLOWED))

    read = re.sub(r"[\w.+-]+(?: WITH [\w.+-]+)?", truth, expression.replace("/", " OR "))
    # Nothing is left but True, False, or, and, brackets.
    return bool(expression) and eval(read, {"__builtins__": {}})


def test_spdx_expressions_are_read():
    assert may_be_used("MIT OR GPL-3.0") and may_be_used("Apache-2.0/MIT") and may_be_used("(MIT OR ISC) AND Zlib")
    assert not may_be_used("(MIT OR ISC) AND GPL-3.0") and not may_be_used("")
    assert not may_be_used("GPL-3.0") and not may_be_used("MIT AND GPL-3.0")


def test_every_dependency_may_be_linked_into_a_program_under_apache_2_0(packages):
    refused = {f"{package['name']} {package['version']}": package["license"] for package in packages
               if not may_be_used(package["license"] or "")}  # fmt: skip
    assert not refused


def test_every_dependency_comes_from_the_registry_or_this_repository(packages):
    registry = "registry+https://github.com/rust-lang/crates.io-index"
    assert {package["source"] for package in packages} <= {registry, None}


def features(package):
    """What cargo compiles for a package alone: lines of crate, version and features."""
    command = ["cargo", "tree", "--locked", "-p", package, "-e", "normal,build", "--prefix", "none", "-f", "{p} [{f}]"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    return {re.sub(r" \((\*|proc-macro)\)", "", line) for line in found.stdout.splitlines() if line}


def test_what_node_and_facelab_share_is_compiled_once():
    node, facelab = features("face_attributes"), features("facelab")

    def names(lines):
        return {line.rsplit(" [", 1)[0] for line in lines}

    again = {line for line in facelab - node if line.rsplit(" [", 1)[0] in names(node)}
    assert not again, "engine and vision name the features that one of the two asks for alone"
