# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The site of docs/ builds without a warning, has every public name and every option, and needs no other address."""

import json
import logging
import re
import sys

import pytest
import typer
from mkdocs.commands.build import build
from mkdocs.config import load_config
from page_snippets import ROOT

from modeling_allinone.cli.app import app

# What a browser loads by itself, beside links that are followed.
LOADED = re.compile(
    r"""<(?:script|img|iframe|video|source)\b[^>]*\bsrc="?([^"\s>]+)|<link\b[^>]*\bhref="?([^"\s>]+)"""
)
OUTSIDE = re.compile(r"^(?:https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site."""
    folder = tmp_path_factory.mktemp("site")
    warnings: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())
    logging.getLogger("mkdocs").addHandler(handler)
    path = [*sys.path]
    try:
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=False))
    finally:
        logging.getLogger("mkdocs").removeHandler(handler)
        sys.path[:] = path
    assert not warnings
    return folder


def test_every_public_name_has_its_place(site):
    pages = {page.stem: page.read_text(encoding="utf-8") for page in site.glob("api/*.html")}
    ids = {anchor for page in pages.values() for anchor in re.findall(r'<h\d id="([\w.]+)"', page)}
    found = {anchor.rpartition(".")[2] for anchor in ids}
    for stub in (ROOT / "modeling_allinone").rglob("__init__.pyi"):
        exported = set(re.findall(r"import \(?\s*\w+ as (\w+)", stub.read_text(encoding="utf-8")))
        assert exported and exported <= found, exported - found


def test_every_command_has_all_its_options(site):
    page = (site / "command_options.html").read_text(encoding="utf-8")
    for name, command in typer.main.get_command(app).commands.items():
        section = page.partition(f'id="allinone-{name}"')[2].partition("<h2")[0]
        missing = [
            option for one in command.params for option in one.opts if option[0] == "-" and option not in section
        ]
        assert not missing and (command.params or f"usage: allinone {name}" in section)


def test_what_explains_is_searched_and_source_is_not(site):
    index = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))["docs"]
    places = {entry["location"].partition("#")[0] for entry in index}
    assert {"index.html", "tasks/retrieval.html", "api/models.html", "command_options.html"} <= places
    assert not [place for place in places if place.endswith(".py.html")]


def test_nothing_is_loaded_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loaded = [first or second for first, second in LOADED.findall(page.read_text(encoding="utf-8"))]
        assert loaded and not [address for address in loaded if OUTSIDE.match(address)], page
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet
