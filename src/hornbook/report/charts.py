"""Rows to charts: each function gives a Vega-Lite specification with its data inside, made with Altair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Rows = Sequence[dict[str, Any]]
Spec = dict[str, Any]

WIDTH = 830  # pixels, labels included; the page's column
POINTS = 400  # a line of more is thinned
MODELS = {"base": "#8d99a6", "SFT": "#3f78b0", "RL": "#c9762b"}
KEPT, REFUSED = "#3b7d5d", "#b5533c"
FONT = "Charter, 'Iowan Old Style', Georgia, serif"


def funnel(rows: Rows) -> Spec:
    """Bars of `pages` by `fate`, `kept` or not, in their order; `bytes`, where they are known, in the tooltip."""
    import altair as alt

    colour = alt.Color("kept:N", legend=None, scale=alt.Scale(domain=[True, False], range=[KEPT, REFUSED]))
    base = alt.Chart(_data(rows)).encode(
        y=alt.Y("fate:N", sort=[row["fate"] for row in rows], title=None, axis=alt.Axis(labelLimit=280)),
        x=alt.X("pages:Q", title="pages"),
        tooltip=["fate:N", alt.Tooltip("pages:Q", format=","), alt.Tooltip("bytes:Q", format=".3s")],
    )  # fmt: skip
    numbers = base.mark_text(align="left", dx=4, color="#55606b").encode(text=alt.Text("pages:Q", format=","))
    return _finished((base.mark_bar().encode(color=colour) + numbers).properties(height=alt.Step(20)))


def loss(rows: Rows, samples: Rows = ()) -> Spec:
    """`loss` against `tokens` in one line a `part`; points where a sample was taken, its text in the tooltip."""
    import altair as alt

    x = alt.X("tokens:Q", title="tokens read", axis=alt.Axis(format="~s"))
    y = alt.Y("loss:Q", title="loss, nats a token", scale=alt.Scale(zero=False))
    parts = list(dict.fromkeys(row["part"] for row in rows))
    legend = alt.Legend(title=None) if len(parts) > 1 else None
    colour = alt.Color("part:N", sort=parts, legend=legend, scale=alt.Scale(range=list(MODELS.values())[1:]))
    chart: Any = alt.Chart(_data(thinned(rows))).mark_line(strokeWidth=1.4).encode(x=x, y=y, color=colour)
    if samples:
        points = alt.Chart(_data(samples)).mark_circle(size=70, color="#22303c", opacity=1)
        chart = chart + points.encode(x=x, y=y, tooltip=[alt.Tooltip("step:Q"), alt.Tooltip("said:N", title="it says")])
    return _finished(chart.properties(height=260))


def scores(rows: Rows) -> Spec:
    """`value` with `low` and `high` by `says`, one mark a `model`; the chance level as a tick."""
    import altair as alt

    order = list(dict.fromkeys(row["says"] for row in rows))
    base = alt.Chart(_data(rows)).encode(
        y=alt.Y("says:N", sort=order, title=None, axis=alt.Axis(labelLimit=320, grid=True, gridColor="#eee6d8")),
        color=alt.Color("model:N", sort=list(MODELS), scale=_models(), legend=alt.Legend(title=None, orient="top")),
        yOffset=alt.YOffset("model:N", sort=list(MODELS)),
    )
    percent = alt.Axis(format="%")
    whole = alt.Scale(domain=[0, 1])
    tooltip = ["says:N", "model:N", alt.Tooltip("value:Q", format=".3f"), alt.Tooltip("n:Q", format=",")]
    marks = base.mark_circle(size=90, opacity=1).encode(
        x=alt.X("value:Q", title=None, axis=percent, scale=whole), tooltip=tooltip
    )
    spans = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", scale=whole), x2="high:Q")
    chance = base.mark_tick(thickness=2, height=14).encode(x=alt.X("chance:Q", scale=whole), color=alt.value("#999"))
    return _finished((spans + chance + marks).properties(height=alt.Step(15)))


def curves(rows: Rows) -> Spec:
    """`value` against `step`, a small chart with its own scale for each `measure` of each `part`."""
    import altair as alt

    drawn = []
    for part, measure in dict.fromkeys((row["part"], row["measure"]) for row in rows):
        own = [row for row in rows if (row["part"], row["measure"]) == (part, measure)]
        chart = alt.Chart(_data(thinned(own)), title=f"{part}: {measure}").mark_line(strokeWidth=1.4)
        chart = chart.encode(
            x=alt.X("step:Q", title="step"), y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
            color=alt.value(MODELS["RL"]),
        )  # fmt: skip
        drawn.append(chart.properties(width=WIDTH // 2 - 60, height=140))
    return _finished(alt.concat(*drawn, columns=2), width=None)


def seconds(rows: Rows) -> Spec:
    """`seconds` by `step`, one bar each, in the road's order."""
    import altair as alt

    base = alt.Chart(_data(rows)).encode(
        y=alt.Y("step:N", sort=[row["step"] for row in rows], title=None), x=alt.X("seconds:Q", title="seconds"),
        tooltip=["step:N", "seconds:Q", alt.Tooltip("peak_gb:Q", title="memory, GB")],
    )  # fmt: skip
    numbers = base.mark_text(align="left", dx=4, color="#55606b").encode(text=alt.Text("seconds:Q", format=",.1f"))
    return _finished((base.mark_bar(color=MODELS["SFT"]) + numbers).properties(height=alt.Step(20)))


def isoflop(rows: Rows, curves: Rows) -> Spec:
    """`loss` against `parameters`, a colour a `budget`; `curves` are the parabolas, points of the same columns."""
    import altair as alt

    x = alt.X("parameters:Q", title="parameters", scale=alt.Scale(type="log"), axis=alt.Axis(format="~s"))
    y = alt.Y("loss:Q", title="loss on held-out text, nats a token", scale=alt.Scale(zero=False))
    colour = _budgets()
    tooltip = ["budget:N", alt.Tooltip("parameters:Q", format=","), alt.Tooltip("tokens:Q", format=","),
               alt.Tooltip("loss:Q", format=".4f")]
    points = alt.Chart(_data(rows)).mark_circle(size=70, opacity=1).encode(x=x, y=y, color=colour, tooltip=tooltip)
    lines = alt.Chart(_data(curves)).mark_line(strokeWidth=1.4).encode(x=x, y=y, color=colour)
    return _finished((lines + points).properties(height=300))


def compute(rows: Rows, line: Rows, foretold: Rows) -> Spec:
    """`loss` against `flops`, both in logarithms, a colour a `budget`; the power law as a line, and the interval that
    was `foretold`, from `low` to `high`."""
    import altair as alt

    x = alt.X("flops:Q", title="FLOPs", scale=alt.Scale(type="log"), axis=alt.Axis(format=".1e"))
    logarithmic = alt.Scale(type="log", zero=False, nice=False)
    y = alt.Y("loss:Q", title="loss on held-out text, nats a token", scale=logarithmic)
    points = alt.Chart(_data(rows)).mark_circle(size=70, opacity=1).encode(x=x, y=y, color=_budgets())
    power = alt.Chart(_data(line)).mark_line(strokeWidth=1.2, strokeDash=[5, 4], color="#55606b").encode(x=x, y=y)
    span = alt.Chart(_data(foretold)).mark_rule(strokeWidth=5, opacity=0.45, color=MODELS["RL"])
    return _finished((power + span.encode(x=x, y=alt.Y("low:Q"), y2="high:Q") + points).properties(height=300))


def measures(rows: Rows) -> Spec:
    """`value` against `parameters`, a colour a `budget`, a small chart with its own scale for each `measure`."""
    import altair as alt

    drawn = []
    for measure in dict.fromkeys(row["measure"] for row in rows):
        own = alt.Chart(_data([row for row in rows if row["measure"] == measure]), title=measure)
        chart = own.mark_line(point=True, strokeWidth=1.2).encode(
            x=alt.X("parameters:Q", title="parameters", scale=alt.Scale(type="log"), axis=alt.Axis(format="~s")),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)), color=_budgets(),
        )  # fmt: skip
        drawn.append(chart.properties(width=WIDTH // 2 - 110, height=140))
    return _finished(alt.concat(*drawn, columns=2), width=None)


def thinned(rows: Rows) -> list[dict[str, Any]]:
    """At most about POINTS rows, evenly spaced, the last always among them."""
    stride = max(1, -(-len(rows) // POINTS))
    return [row for index, row in enumerate(rows) if index % stride == 0 or index == len(rows) - 1]


def _budgets() -> Any:
    import altair as alt

    return alt.Color("budget:N", sort=None, legend=alt.Legend(title="FLOPs"), scale=alt.Scale(scheme="viridis"))


def _models() -> Any:
    import altair as alt

    return alt.Scale(domain=list(MODELS), range=list(MODELS.values()))


def _data(rows: Rows) -> Any:
    import altair as alt

    return alt.InlineData(values=[dict(row) for row in rows])


def _finished(chart: Any, width: int | None = WIDTH) -> Spec:
    if width is not None:
        import altair as alt

        chart = chart.properties(width=width, autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    chart = chart.configure(font=FONT, background="transparent", padding=4)
    chart = chart.configure_view(stroke=None).configure_axis(
        labelFontSize=12, titleFontSize=12, titleFontWeight="normal", domainColor="#b8ad98", tickColor="#b8ad98",
        gridColor="#eee6d8", labelColor="#3c4650", titleColor="#55606b",
    )  # fmt: skip
    return chart.configure_title(fontSize=13, fontWeight="normal", anchor="start").to_dict()
