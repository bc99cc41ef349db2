# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
What mkdocs is told beside mkdocs.yml: pages that are written by code, and links that work on a code host, too.

A page may link to any file or folder of the repository by its relative path; the site shows it on a page of its own.
"""

import posixpath
import re
from pathlib import Path

from command_options import describe_commands
from docstrings import link_to, public_names
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")
NAMED = re.compile(r"\[(?:docs/)?\w+\.md\]\(([\w./]+\.md)(#[\w-]+)?\)")  # a page by the name of its file
FENCE = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
PUBLIC_NAME = re.compile(r"(?<!\[)`(\w*[A-Z_]\w*)`")
FORMULA = re.compile(r"^\$\$(.+)\$\$$", re.MULTILINE)
ROOT_PAGES = ("CONTRIBUTING.md", "CHANGELOG.md")  # shown without being linked
# Pages of the site, by their paths in it, that show files of the repository.
SHOWN: dict[str, str] = {}


def on_config(config: MkDocsConfig) -> None:
    """Generated pages have their places beside the written ones."""
    config.nav.append({"API": [f"api/{folder}.md" for folder in public_names()]})
    config.nav.append({"Project": [uri_of(path) for path in ROOT_PAGES]})


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the API and of commands, and those of linked files that lie outside of docs/."""
    written = [file for file in files.documentation_pages() if file.inclusion.is_included()]
    for folder, modules in public_names().items():
        files.append(File.generated(config, f"api/{folder}.md", content=write_api_page(folder, modules)))
    files.append(File.generated(config, "command_options.md", content=describe_commands()))
    waiting = [link for file in written for link in links_of(f"docs/{file.src_uri}", file.content_string)]
    waiting += ROOT_PAGES
    SHOWN.clear()
    while waiting:
        path = waiting.pop()
        uri = uri_of(path)
        if uri in SHOWN or path.startswith("docs/") or not (ROOT / path).exists():
            continue  # what is missing is an error of mkdocs
        SHOWN[uri], content = path, show(path)
        in_nav = InclusionLevel.INCLUDED if path in ROOT_PAGES else InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, uri, content=content, inclusion=in_nav))
        if path.endswith(".md"):
            waiting += links_of(path, content)
        elif (ROOT / path).is_dir():
            waiting += links_of(f"{path}/README.md", content)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """
    Links of the repository become those of the site, and public names lead to their place in the API; formulas become
    MathML, which browsers draw by themselves.
    """
    uri = page.file.src_uri
    path = SHOWN.get(uri, f"docs/{uri}")
    if (ROOT / path).is_dir():
        path = f"{path}/README.md"

    def link_of_site(link: re.Match) -> str:
        target = uri_of(posixpath.normpath(posixpath.join(posixpath.dirname(path), link[2])))
        return f"{link[1]}{posixpath.relpath(target, posixpath.dirname(uri) or '.')}{link[3]}"

    if uri.startswith("api/"):
        return markdown
    markdown = FORMULA.sub(
        lambda formula: f'<div class="formula">{convert(formula[1], display="block")}</div>', markdown
    )
    markdown = NAMED.sub(
        lambda link: f"[{title_of(posixpath.join(posixpath.dirname(path), link[1]))}]({link[1]}{link[2] or ''})",
        markdown,
    )
    markdown = LINK.sub(link_of_site, markdown)
    parts = FENCE.split(markdown)  # prose and code in turn
    parts[::2] = [PUBLIC_NAME.sub(lambda name: link_to(name[1]), prose) for prose in parts[::2]]
    return "".join(parts)


def title_of(path: str) -> str:
    """What a page is about, in few words."""
    heading = (ROOT / path).read_text(encoding="utf-8").partition("\n")[0]
    return re.split("[:,]", heading.lstrip("# "))[0]


def links_of(path: str, text: str) -> list[str]:
    """The files and folders of the repository that a page links to."""
    return [posixpath.normpath(posixpath.join(posixpath.dirname(path), link[2])) for link in LINK.finditer(text)]


def uri_of(path: str) -> str:
    """Where the site has a file or folder of the repository."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"repository/{path}" if path.endswith(".md") else f"repository/{path}.md"


def show(path: str) -> str:
    """The page about a file or folder of the repository: itself, its text, or a list."""
    file = ROOT / path
    if path.endswith(".md"):
        return file.read_text(encoding="utf-8")
    unsearched = "---\nsearch: {exclude: true}\n---\n"  # where it would hide pages that explain
    if file.is_dir():
        names = sorted(child.name for child in file.iterdir() if child.name[0] not in "._")
        return f"{unsearched}# {path}/\n\n" + "".join(f"- [{name}]({name})\n" for name in names)
    language = {".py": "python", ".yaml": "yaml"}.get(file.suffix, "text")
    return f"{unsearched}# {file.name}\n\n`{path}`\n\n`````{language}\n{file.read_text(encoding='utf-8')}\n`````\n"


def write_api_page(folder: str, modules: dict[str, list[str]]) -> str:
    """A page of the API: what a folder of the package has for users, by module."""
    text = f"# {folder}\n\n::: modeling_allinone.{folder}\n    options: {{members: false, "
    text += "show_root_heading: false, show_root_toc_entry: false}\n"
    for module, names in modules.items():
        text += f"\n## {module.rpartition('.')[2]}\n"
        text += "".join(f"\n::: {module}.{name}\n" for name in names)
    return text
