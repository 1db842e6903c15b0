"""report.html: one file with its charts, styles and scripts inside. It opens anywhere, and fetches nothing."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from hornbook.core.files import write_text
from hornbook.core.words import counted, duration, size
from hornbook.report.reading import Reading

NAME = "report.html"


def write_report(run_folder: Path | str, extra: dict[str, Any] | None = None) -> Path:
    """Write report.html into the run's folder and return its path.

    `extra` are figures that no file of the run holds, as for `figures`. Raises InputError where no step is done.
    """
    from hornbook.report.sections import sections

    reading = Reading(run_folder)
    path = reading.folder / NAME
    write_text(path, render(sections(reading, extra)))
    return path


def render(content: dict[str, Any], page: str = "page.html") -> str:
    """The page, by the template `page` of this folder. Everything that comes from the run is escaped; a chart is a
    picture first, and gets its tooltips from the script at the end, so that it shows without one."""
    import jinja2
    import vl_convert
    from altair import SCHEMA_VERSION
    from markupsafe import Markup

    version = ".".join(SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    specs: dict[str, dict[str, Any]] = {}

    def chart(name: str, spec: dict[str, Any]) -> Markup:
        specs[name] = spec
        picture = vl_convert.vegalite_to_svg(spec, vl_version=version)
        return Markup(f'<div class="chart" id="chart-{name}">{picture}</div>')

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"duration": duration, "counted": counted, "size": size}
    folder = files("hornbook.report")
    template = environment.from_string((folder / page).read_text("utf-8"))
    body = template.render(**content, chart=chart, style=Markup((folder / "page.css").read_text("utf-8")))
    return body.replace("<!-- scripts -->", _script(_library(version)) + _script(_drawing(specs)))


@cache
def _library(version: str) -> str:
    """Vega, Vega-Lite and vega-embed in one script of about 900 kB; making it takes three seconds."""
    import vl_convert

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=version)


def _drawing(specs: dict[str, dict[str, Any]]) -> str:
    # In a script "<" may stand only where it ends nothing: JSON says the same as \u003c.
    data = json.dumps(specs).replace("<", "\\u003c")
    return (
        f"const specs = {data};\n"
        'for (const [name, spec] of Object.entries(specs)) vegaEmbed("#chart-" + name, spec, '
        '{renderer: "svg", actions: false});'
    )


def _script(code: str) -> str:
    return f"<script>{code}</script>\n"
