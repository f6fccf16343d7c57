"""What the documents tell people to type must fit the interfaces. No node is needed."""

import ast
import importlib
import re

import pytest
import yaml

from support.documents import DOCUMENTS, ROOT, calls, programs, typed


def all_calls():
    for document in DOCUMENTS:
        for name, package, of, kind, request in calls(document):
            yield pytest.param(name, package, of, kind, request, id=f"{document.name}:{kind}:{request[:40]}")


@pytest.mark.parametrize(("name", "package", "of", "kind", "request_text"), list(all_calls()))
def test_a_call_in_the_documents_fits_its_type(name, package, of, kind, request_text):
    interface = getattr(importlib.import_module(f"{package}.{of}"), kind)
    asked = interface.Request if of == "srv" else interface.Goal
    # The constructor refuses fields that the request does not have, and values of another type.
    asked(**typed(asked, yaml.safe_load(request_text)))
    assert name.rsplit("/", 1)[1] == re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()


def test_every_service_is_shown_in_the_document_about_teaching():
    text = (ROOT / "docs/teaching.md").read_text(encoding="utf-8")
    for service in (ROOT / "srv").glob("*.srv"):
        assert re.sub(r"(?<!^)(?=[A-Z])", "_", service.stem).lower() in text, service.stem


def test_python_in_the_documents_is_python():
    found = [program for document in DOCUMENTS for program in programs(document)]
    assert found
    for program in found:
        ast.parse(program)


def test_the_map_names_the_rooms_that_exist():
    rooms = set(re.findall(r"^\| `([^`]+/)`", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"), re.M))
    sources = [ROOT / "src", *ROOT.glob("crates/*/src")]
    below = [folder for source in sources for folder in source.iterdir() if folder.is_dir() and folder.name != "bin"]
    programs = [folder for folder in ROOT.glob("src/bin/*") if folder.is_dir()]
    exist = {f"{folder.relative_to(ROOT)}/" for folder in [*sources, *below, *programs]}
    others = {"config/", "fuzz/", "models/", "page/", "scripts/", "tests/"}
    assert rooms == exist | others


def test_links_of_the_documents_lead_somewhere():
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.relative_to(ROOT)}: {link}"


def test_every_decision_is_in_the_index():
    folder = ROOT / "docs/decisions"
    named = re.findall(r"\]\((\d{4}-[^)]+)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert named == sorted(page.name for page in folder.glob("[0-9]*.md"))
