# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Docstrings as transformers writes them, made into those that griffe reads; and which names users have."""

import ast
import logging
import re
import textwrap
from functools import cache
from pathlib import Path

import griffe

LOGGER = logging.getLogger("mkdocs.docstrings")
ROOT = Path(__file__).parents[2]
SECTION = re.compile(r"^(Args|Returns|Examples?):\n((?:    .*(?:\n|$)|\n(?=\n*    ))+)", re.MULTILINE)
# name (`type`, *optional*, defaults to `x`): description; several names may share it
ARGUMENT = re.compile(
    r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: \(((?:.|\n +)*?)\))?(?::\s|$)((?:.*(?:\n +.*|\n(?=\n))*))", re.MULTILINE
)
TYPES = re.compile(r"(.*?)(?:, )?(\*optional\*)?(?:, )?(?:defaults to (.*))?", re.DOTALL)
RETURNED_FIELD = re.compile(r"^(\w+) (\(.*?\):)", re.MULTILINE)
EXAMPLE = re.compile(r"^```python\n(>>>.*?)^```$|^(>>> [^\n]*\n(?:[^\n]+\n?)*)", re.MULTILINE | re.DOTALL)
REFERENCE = re.compile(r"\[`~?([\w.]+)`\](?![(\[])")


@cache
def public_names() -> dict[str, dict[str, list[str]]]:
    """By folder of the package, and by module: the names that `__init__.pyi` files export."""
    modules: dict[str, str] = {}
    # Those of the folders last: modeling_allinone itself takes some from `.datasets`, not from the module.
    for stub in sorted((ROOT / "modeling_allinone").rglob("__init__.pyi"), key=lambda path: len(path.parts)):
        package = ".".join(stub.parent.relative_to(ROOT).parts)
        for node in ast.parse(stub.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                modules |= {alias.name: f"{package}.{node.module}" for alias in node.names}
    found: dict[str, dict[str, list[str]]] = {}
    for name, module in sorted(modules.items(), key=lambda item: item[1]):
        found.setdefault(module.split(".")[1], {}).setdefault(module, []).append(name)
    return found


@cache
def paths_of_names() -> dict[str, str]:
    """The full path of each public name."""
    modules = [item for of_folder in public_names().values() for item in of_folder.items()]
    return {name: f"{module}.{name}" for module, names in modules for name in names}


class HuggingFaceDocstrings(griffe.Extension):
    """Rewrites the docstrings of public names and their methods."""

    def on_object(self, *, obj: griffe.Object, **kwargs) -> None:
        public = paths_of_names().values()
        is_shown = obj.path in public or (obj.parent is not None and obj.parent.path in public)
        if obj.docstring is None or not is_shown:
            return
        defaults: dict[str, str] = {}
        obj.docstring.value = to_google(obj.docstring.value, defaults)
        for section in obj.docstring.parsed if not obj.name.startswith("_") else ():
            for parameter in section.value if section.kind is griffe.DocstringSectionKind.parameters else ():
                if obj.is_function and parameter.name not in obj.parameters and not takes_any_name(obj):
                    LOGGER.warning("%s describes %s, which it does not take", obj.path, parameter.name)
                if parameter.value is None:  # as of `**kwargs` and of inherited fields
                    parameter.value = defaults.get(parameter.name)


def takes_any_name(function: griffe.Object) -> bool:
    """Whether a function has `**options`, of which its docstring may tell by name."""
    return any(parameter.kind is griffe.ParameterKind.var_keyword for parameter in function.parameters)


def to_google(text: str, defaults: dict[str, str]) -> str:
    """A docstring whose arguments have plain types and lines of their own, and whose references are links."""
    text = SECTION.sub(lambda section: rewrite_section(section, defaults), text)
    text = re.sub(r"^Examples?:$", "**Example**", text, flags=re.MULTILINE)
    text = EXAMPLE.sub(lambda example: f"```pycon\n{(example[1] or example[2]).strip()}\n```\n", text)
    return REFERENCE.sub(lambda reference: link_to(reference[1]), text)


def rewrite_section(section: re.Match, defaults: dict[str, str]) -> str:
    """Arguments as griffe has them; what is returned as text, as its type stands in the signature."""
    kind, body = section[1], textwrap.dedent(section[2]).strip("\n")
    if kind != "Args":
        if kind == "Returns" and RETURNED_FIELD.match(body):
            body = RETURNED_FIELD.sub(r"- `\1` \2", body)
        return f"**{kind}**\n\n{body}\n\n"
    lines = ""
    for names, types, text in ARGUMENT.findall(body):
        types, is_optional, default = re.fullmatch(TYPES, " ".join(types.split())).groups()
        types = re.sub(r"[`\[\]]", "", types)
        text = text.strip().replace("\n", "\n    ") or "…"
        for name in names.split(", "):
            if is_optional or default:
                defaults[name] = (default or "None").replace("`", "")
            lines += f"    {name}{types and f' ({types})'}: {text}\n"
    return f"Args:\n{lines}\n"


def link_to(name: str) -> str:
    """A link to a public name or one of its methods; of what has no page, the name."""
    first, _, rest = name.partition(".")
    path = paths_of_names().get(first)
    return f"[`{name}`][{path}{'.' + rest if rest else ''}]" if path else f"`{name}`"
