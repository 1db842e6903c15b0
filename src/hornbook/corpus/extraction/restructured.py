"""reStructuredText as Markdown, by docutils: headings, paragraphs, lists, tables, code. Nothing is read but the text.

Sphinx's roles and directives are taken for what they are by their form: what a directive is called about is a heading,
what stands in it is under that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from hornbook.core.errors import MissingExtraError
from hornbook.corpus.extraction.faults import Check, PageFault

Node = Any  # docutils' own types do not tell elements from text
MAX_LINE = 10_000  # docutils looks for markup in a line with expressions that are quadratic in its length
_NAME = r"([a-zA-Z][\w:+.-]{0,60}?)"
_DIRECTIVE = re.compile(rf"^[ \t]*\.\. {_NAME}::(?:\s|$)", re.MULTILINE)
_ROLE = re.compile(rf":{_NAME}:`|`:{_NAME}:")
_SILENT = frozenset({
    "audit-event", "contents", "currentmodule", "date", "default-domain", "highlight", "image", "index",
    "literalinclude", "meta", "module", "moduleauthor", "program", "py:currentmodule", "py:module", "role",
    "sectionauthor", "tabularcolumns", "toctree",
})  # fmt: skip
_CODE = frozenset({"code", "code-block", "sourcecode", "doctest", "testcode", "testoutput", "productionlist", "prompt"})
_WITH_LANGUAGE = frozenset({"code", "code-block", "sourcecode"})
_STYLE = re.compile(r"[a-z][a-z0-9 -]*")  # what the directive class is given where it names a style and no class
_OURS = frozenset({  # where docutils has one of this name, ours is taken
    "class", "code", "code-block", "sourcecode", "contents", "image", "meta", "date", "role",
})  # fmt: skip
_PLAIN = frozenset({"only", "glossary", "centered", "rst-class", "hlist", "tabs", "cssclass", "impl-detail"})
_LABELS = {
    "versionadded": "New in version {}", "versionchanged": "Changed in version {}",
    "deprecated": "Deprecated since version {}", "deprecated-removed": "Deprecated since version {}, removed in {}",
    "seealso": "See also", "availability": "Availability",
}  # fmt: skip
_CALLS = frozenset({"func", "meth", "cfunc"})
_LITERAL = frozenset({
    "func", "meth", "class", "mod", "data", "attr", "exc", "const", "obj", "file", "program", "command", "option",
    "envvar", "keyword", "samp", "kbd", "token", "macro", "type", "member", "var", "source", "regexp", "makevar",
    "expr",
})  # fmt: skip
_TARGET = re.compile(r"^(.+?)\s*<[^<>]*>$", re.DOTALL)
_DROPPED = (
    "comment", "target", "substitution_definition", "system_message", "raw", "image", "figure", "pending", "meta",
    "footnote_reference", "decoration", "docinfo",
)  # fmt: skip


def read_restructured(text: str, check: Check) -> str:
    """The Markdown of a reStructuredText page; `check` is called at every line that docutils takes up.

    Files are never included, raw HTML never passed on, whatever the text asks for. Raises PageFault for a line longer
    than MAX_LINE, MissingExtraError without docutils. Source: docutils' reStructuredText Markup Specification.
    """
    try:
        from docutils import frontend, utils
        from docutils.parsers.rst import Parser
        from docutils.transforms.references import Substitutions
    except ImportError:
        raise MissingExtraError.named("docutils", "documents") from None
    if any(len(line) > MAX_LINE for line in text.splitlines()):
        raise PageFault("too big", f"a line of more than {MAX_LINE:,} characters")
    _register(text)
    settings = frontend.get_default_settings(Parser())
    settings.file_insertion_enabled = settings.raw_enabled = False
    settings.report_level = settings.halt_level = 5
    settings.syntax_highlight = "none"
    settings.line_length_limit = MAX_LINE
    document = utils.new_document("page", settings)
    document.note_source = lambda source, offset: check()
    Parser().parse(text, document)
    Substitutions(document).apply()
    markdown = "\n\n".join(_blocks(document, 1))
    return markdown.encode("utf-8", "replace").decode("utf-8")  # "unicode:: 0xD800" makes half a character


def _register(text: str) -> None:
    """Make docutils know the directives and roles of this text that it does not know, and forget those of the last."""
    from docutils.parsers.rst import directives, roles
    from docutils.parsers.rst.languages import en

    generic, role = _generic()
    found = {name.lower() for name in _DIRECTIVE.findall(text)}
    for name in found - (en.directives.keys() - _OURS):
        directives.register_directive(name, generic)
    for name in {(before or after).lower() for before, after in _ROLE.findall(text)} - en.roles.keys():
        roles.register_local_role(name, role)


@cache
def _generic() -> tuple[type, Callable]:
    """A directive and a role that do what can be done for any."""
    from docutils import nodes
    from docutils.parsers.rst import Directive, directives

    class AnyOptions(dict):
        def __bool__(self) -> bool:
            return True

        def __getitem__(self, name: str) -> Callable:
            return directives.unchanged

    class Generic(Directive):
        has_content = final_argument_whitespace = True
        optional_arguments = 1
        option_spec = AnyOptions()

        def run(self) -> list:
            name, argument = self.name.lower(), (self.arguments or [""])[0]
            if name in _SILENT:
                return []
            if name in _CODE:
                code = "\n".join(self.content) or argument
                language = argument.split()[:1] if self.content and name in _WITH_LANGUAGE else []
                return [nodes.literal_block(code, code, classes=["code", *language])]
            content = nodes.Element()
            self.state.nested_parse(self.content, self.content_offset, content)
            if name in _PLAIN or (name == "class" and _STYLE.fullmatch(argument)):
                return content.children
            if name in _LABELS:
                label = _LABELS[name]
                words = [*argument.split(None, label.count("{}")), "", "", ""]
                inline, _ = self.state.inline_text(words[label.count("{}")], self.lineno)
                label = label.format(*words) + (": " if inline or content.children else ".")
                return [nodes.paragraph("", "", nodes.Text(label), *inline), *content.children]
            terms = [nodes.term("", line.strip().rstrip("\\")) for line in argument.split("\n") if line.strip()]
            item = nodes.definition_list_item("", *terms, nodes.definition("", *content.children))
            return [nodes.definition_list("", item)] if terms else content.children

    def role(name: str, rawtext: str, text: str, *rest: object, **more: object) -> tuple[list, list]:
        kind = name.rpartition(":")[2].lower()
        titled = _TARGET.match(text)
        text = titled[1] if titled else text.lstrip("!")
        if text.startswith("~"):
            text = text.rpartition(".")[2]
        if kind in _CALLS and not titled and not text.endswith(")"):
            text += "()"
        return [nodes.literal(rawtext, text) if kind in _LITERAL else nodes.inline(rawtext, text)], []

    return Generic, role


def _blocks(node: Node, level: int) -> list[str]:
    """The blocks of what stands in a node; `level` is that of the next heading."""
    return [block for child in node.children for block in _block(child, level) if block.strip()]


def _block(node: Node, level: int) -> list[str]:
    from docutils import nodes

    name = node.tagname
    if name in _DROPPED:
        return []
    if name == "section":
        title, *_ = node.children
        return [_heading(_line(title), level), *_blocks(nodes.Element("", *node.children[1:]), level + 1)]
    if name in ("literal_block", "doctest_block", "math_block"):
        text = node.astext().strip("\n")
        fence = "```" if "```" not in text else "````"
        language = "pycon" if name == "doctest_block" else "".join(node.get("classes", [])[1:2])
        return [f"{fence}{language}\n{text}\n{fence}"]
    if name in ("bullet_list", "enumerated_list"):
        return ["\n".join(_items(node, level))]
    if name == "definition_list":
        return [block for item in node.children for block in _definition(item, "term", "definition", level)]
    if name == "option_list":
        return [block for item in node.children for block in _definition(item, "option_group", "description", level)]
    if name == "field_list":
        return [block for field in node.children for block in _labelled(f"{_line(field[0])}: ", field[1], level)]
    if name in ("footnote", "citation"):
        label = node[0].astext() if node.children and node[0].tagname == "label" else ""
        return _labelled(f"[{label}] " if label else "", node, level)
    if name == "table":
        return _table(node)
    if name == "line_block":
        return ["\n".join(line for line in (_line(line) for line in node.findall(nodes.line)) if line)]
    if name == "label":
        return []
    if isinstance(node, nodes.Admonition) and name != "admonition":
        return [name.capitalize(), *_blocks(node, level)]
    if isinstance(node, nodes.TextElement):
        return [_line(node)]
    return _blocks(node, level)


def _heading(text: str, level: int) -> str:
    return f"{'#' * min(level, 6)} {text}" if text else ""


def _definition(item: Node, term: str, body: str, level: int) -> list[str]:
    """Terms as headings, as the HTML of the same page gives them."""
    terms = [_heading(_line(child), level) for child in item.children if child.tagname == term]
    return [*filter(None, terms), *(b for c in item.children if c.tagname == body for b in _blocks(c, level + 1))]


def _labelled(label: str, body: Node, level: int) -> list[str]:
    first, *rest = _blocks(body, level) or [""]
    return [label + first, *rest]


def _items(node: Node, level: int) -> list[str]:
    lines: list[str] = []
    for number, item in enumerate(node.children, node.get("start", 1)):
        mark = f"{number}. " if node.tagname == "enumerated_list" else "- "
        first, *rest = "\n".join(_blocks(item, level)).split("\n")
        lines += [mark + first, *("  " + line if line else "" for line in rest)]
    return lines


def _table(node: Node) -> list[str]:
    from docutils import nodes

    rows = [[_line(entry).replace("|", "\\|") for entry in row] for row in node.findall(nodes.row)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    head = next(iter(node.findall(nodes.thead)), None)
    if head is not None and lines:
        lines.insert(len(head.children), "|" + "---|" * len(head[0].children))
    titles = [_line(title) for title in node.children if title.tagname == "title"]
    return [*titles, "\n".join(lines)]


def _line(node: Node) -> str:
    """All text of a node on one line, code in backticks."""
    return " ".join("".join(_pieces(node)).split())


def _pieces(node: Node) -> Iterator[str]:
    for child in node.children:
        if child.tagname == "#text":
            yield child.astext()
        elif child.tagname == "literal" and "`" not in child.astext():
            yield f"`{child.astext()}`"
        elif child.tagname not in _DROPPED:
            block = child.tagname in ("paragraph", "list_item", "line")
            yield from (" ", *_pieces(child), " ") if block else _pieces(child)
