"""What stands on the page, section by section: plain rows for the template and charts for the browser."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hornbook.corpus.funnel import MEASURES, Rule, all_examples, flows, kept, rules
from hornbook.report import charts
from hornbook.report.figures import FIGURES, detail, held, of_step, read_figures
from hornbook.report.reading import Reading

EXAMINED = {"base": "evaluate", "SFT": "evaluate_sft", "RL": "evaluate_rl"}  # model -> the step that examined it
HIGHLIGHTS = {  # the figures that speak for a step in the table of the road
    "crawl": ("faults_refused",),
    "corpus": ("good_kept", "near_copies_found"),
    "evaluate": ("bpb", "qa_base"),
    "evaluate_sft": ("qa_sft", "refusal_right", "math_sft"),
    "reward": ("reward_accuracy",),
    "evaluate_rl": ("qa_rl", "refusal_right", "math_rl", "rl_wins", "qa_open"),
}
COMPARED = {  # kinds of question shown for every model that was asked them
    "qa": "facts from memory", "qa_wording": "in wordings never asked", "qa_unasked": "read but never asked, of four",
    "qa_open": "with the page found", "refusal_right": "refuses what does not exist",
    "refusal_wrong": "refuses what it was taught (fewer is better)", "math": "word problems",
}  # fmt: skip
CURVES = {"reward": "reward", "score": "the reward model's score", "kl": "KL, nats an answer",
          "truth": "right answers less made-up ones", "length": "tokens an answer",
          "entropy": "entropy, nats a token"}  # fmt: skip
SIDE_BY_SIDE, EXAMPLES, TELLING = 10, 3, 240


def sections(reading: Reading, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    """Everything the template shows. A section without data is empty, and the page says which step would fill it."""
    told = read_figures(reading, extra)
    return {
        "name": reading.name,
        "head": _head(reading),
        "road": _road(reading, told),
        "seconds_chart": charts.seconds([{"step": step, **row} for step, row in told["stages"].items()]),
        "refused": _refused(reading),
        "learning": [part for part in (_learning(reading, step) for step in ("pretrain", "sft", "reward")) if part],
        "scores_chart": _scores(reading),
        "answers": _side_by_side(reading),
        "practice": _practice(reading),
        "preferences": _preferences(reading),
        "conversations": reading.records["conversations"].metrics if "conversations" in reading.records else {},
        "figures": _figures(reading, told),
        "lineage": [{"step": step, "record": record} for step, record in reading.records.items()],
    }


def _head(reading: Reading) -> dict[str, Any]:
    first = next(iter(reading.records.values()))
    records = reading.records.values()
    return {
        "size": first.size, "depth": first.depth, "started": min(record.started for record in records)[:16],
        "seconds": sum(record.seconds for record in records),
        "peak_gb": max(record.peak_memory_bytes for record in records) / 1e9,
        "machine": first.machine, "versions": first.versions, "steps": len(reading.records),
    }  # fmt: skip


def _road(reading: Reading, told: dict[str, Any]) -> list[dict[str, Any]]:
    by_name = {figure.name: figure for figure in FIGURES}
    rows = []
    for step, row in told["stages"].items():
        spoken = [(by_name[name], of_step(reading, by_name[name], step, told)) for name in HIGHLIGHTS.get(step, ())]
        scores = [
            {"says": figure.says, "text": shown(figure.share, value)} for figure, value in spoken if value is not None
        ]
        rows.append({"step": step, **row, "scores": scores or _from_record(reading, step)})
    return rows


def _from_record(reading: Reading, step: str) -> list[dict[str, str]]:
    """For steps that no figure judges: what their record says of them."""
    metrics = reading.records[step].metrics
    if step == "tokens" and "train" in metrics:
        return [{"says": "bytes a token", "text": f"{metrics['train']['bytes_per_token']:.2f}"}]
    if step == "tokenizer" and "vocab_size" in metrics:
        return [{"says": "tokens in the vocabulary", "text": f"{metrics['vocab_size']:,}"}]
    losses = [row["loss"] for row in reading.rows(step, "metrics*.jsonl") if "loss" in row]
    return [{"says": "last loss", "text": f"{losses[-1]:.3f}"}] if losses else []


def _refused(reading: Reading) -> dict[str, Any]:
    """How many pages were kept, what each step let through, and for each rule how many pages and bytes it refused, with
    a few of them."""
    documents, heldout, found, told, steps = 0, 0, [], {}, []
    if "corpus" in reading.records:  # it takes the crawl's refusals into its own table
        folder = reading.artifacts["corpus"].path
        (documents, heldout), found, steps = kept(folder), rules(folder), flows(folder)
        told = all_examples(folder, EXAMPLES)
    elif "crawl" in reading.records:
        columns = ("url", "outcome", "reason", "detail")
        refused = [row for row in reading.table("crawl", "pages*.parquet", columns) if row["outcome"] != "taken"]
        pages = Counter(row["reason"] for row in refused)
        found = [Rule("crawl", reason, count, 0) for reason, count in pages.most_common()]
        told = {("crawl", reason): [row for row in refused if row["reason"] == reason][:EXAMPLES] for reason in pages}
    else:
        return {}
    fates: dict[str, tuple[int, int | None]] = {}
    fates |= {"kept to learn from": (documents, None), "kept, held out": (heldout, None)}
    groups = []
    for rule in sorted(found, key=lambda rule: -rule.pages):
        where = "not fetched" if rule.step == "crawl" else "refused"
        fates[f"{where}: {rule.reason}"] = rule.pages, rule.bytes
        examples = [_example(row) for row in told[rule.step, rule.reason]]
        groups.append({"where": where, "step": rule.step, "reason": str(rule.reason), "count": rule.pages,
                       "bytes": rule.bytes, "examples": examples})  # fmt: skip
    rows = [{"fate": fate, "pages": pages, "bytes": size, "kept": fate.startswith("kept")}
            for fate, (pages, size) in fates.items() if pages]  # fmt: skip
    personal = reading.records["corpus"].metrics.get("personal", {}) if "corpus" in reading.records else {}
    return {"chart": charts.funnel(rows), "groups": groups, "planted": reading.grade.get("by_kind", {}),
            "kept": documents + heldout, "steps": steps, "measures": MEASURES,
            "personal": {kind: count for kind, count in personal.items() if count}}  # fmt: skip


def _example(row: dict[str, Any]) -> dict[str, str]:
    text = " ".join(str(row.get("excerpt") or "").split())
    return {"url": str(row["url"] or ""), "detail": str(row.get("detail") or ""), "text": cut(text, TELLING)}


def _learning(reading: Reading, step: str) -> dict[str, Any] | None:
    """The loss of one training step, what was read how often, and what the model said on the way."""
    rows = [row for row in reading.rows(step, "metrics*.jsonl") if "loss" in row and "step" in row]
    if not rows:
        return None
    lines: list[dict[str, Any]] = []
    before = 0
    for row in rows:
        part = row.get("part") or (f"round {row['round']}" if "round" in row else step)
        if lines and part != lines[-1]["part"]:
            before = lines[-1]["tokens"]
        lines.append({"part": part, "step": row["step"], "tokens": before + row.get("tokens", row["step"]),
                      "loss": row["loss"]})  # fmt: skip
    last = [line for line in lines if line["part"] == lines[-1]["part"]]
    samples = [_sample(row, last) for row in reading.rows(step, "samples*.jsonl")]
    points = [sample for sample in samples if sample["loss"] is not None]
    shares = reading.records[step].metrics.get("mixture", {})
    mixture = [{"part": part, **share} for part, found in shares.items() for share in found]
    return {"step": step, "chart": charts.loss(lines, points), "samples": samples, "mixture": mixture}


def _sample(row: dict[str, Any], lines: list[dict[str, Any]]) -> dict[str, Any]:
    near = min(lines, key=lambda line: abs(line["step"] - row.get("step", 0)))
    prompt = str(row.get("prompt") or "")
    said = cut(str(next((row[key] for key in ("said", "text", "answer", "sample") if row.get(key)), "")), 600)
    return {"step": row.get("step"), "prompt": prompt, "said": said, "loss": near["loss"], "tokens": near["tokens"]}


def _scores(reading: Reading) -> dict[str, Any] | None:
    rows = []
    for key, says in COMPARED.items():
        for model, step in EXAMINED.items():
            score = reading.scores(step).get(key) or {}
            if score.get("value") is not None:
                low, high = score.get("interval") or (score["value"], score["value"])
                rows.append({"says": says, "model": model, "value": score["value"], "low": low, "high": high,
                             "n": score.get("n"), "chance": score.get("chance")})  # fmt: skip
    return charts.scores(rows) if rows else None


def _side_by_side(reading: Reading) -> list[dict[str, Any]]:
    """The same questions answered by every model that was examined."""
    asked: dict[str, dict[str, dict[str, Any]]] = {}
    for model, step in EXAMINED.items():
        for row in reading.rows(step, "answers*.jsonl"):
            if row.get("figure") == "fixed":
                asked.setdefault(row["id"], {})[model] = row
    models = [model for model, step in EXAMINED.items() if step in reading.records]
    whole = [rows for rows in asked.values() if all(model in rows for model in models)]
    chosen = whole[:: max(1, len(whole) // SIDE_BY_SIDE)][:SIDE_BY_SIDE]
    return [
        {
            "question": next(iter(rows.values()))["question"],
            "answers": next(iter(rows.values())).get("answers", []),
            "said": [{"model": model, "text": cut(rows[model]["said"], 300), "right": rows[model].get("right")}
                     for model in models],
        }
        for rows in chosen
    ]  # fmt: skip


def _practice(reading: Reading) -> dict[str, Any]:
    """Curves of each part of RL, and a few of the answers that were judged, early and late."""
    rows = [
        {"part": part, "step": row["step"], "measure": says, "value": row[key]}
        for part, logged in reading.parts("rl", "metrics").items() for key, says in CURVES.items()
        for row in logged if isinstance(row.get(key), int | float)
    ]
    samples = [
        {"part": part, "step": row["step"], "prompt": end_of(row["prompt"], TELLING), "said": cut(row["answer"], 300),
         "reward": row.get("reward")}
        for part, judged in reading.parts("rl", "samples").items() for row in [*judged[:2], *judged[2:][-2:]]
    ]  # fmt: skip
    return {"chart": charts.curves(rows), "samples": samples} if rows else {}


def _preferences(reading: Reading) -> dict[str, Any]:
    rows = [row for pattern in ("comparisons*.jsonl", "heldout*.jsonl") for row in reading.rows("preferences", pattern)]
    if not rows:
        return {}
    examples = [
        {
            "prompt": row["prompt"][-1]["content"],
            "ranked": [(place, cut(row["answers"][index], 300)) for place, group in enumerate(row["ranking"], 1)
                       for index in group],
            "rater": row.get("rater"), "simulated": bool(row.get("simulated")),
        }
        for row in rows[:: max(1, len(rows) // EXAMPLES)][:EXAMPLES]
    ]  # fmt: skip
    simulated = sum(bool(row.get("simulated")) for row in rows)
    return {"examples": examples, "total": len(rows), "simulated": simulated, "people": len(rows) - simulated}


def _figures(reading: Reading, told: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for figure in FIGURES:
        known = detail(reading, figure) if told["figures"][figure.name] is not None else {}
        rows.append({
            "name": figure.name, "says": figure.says, "bar": figure.bar, "n": known.get("n"),
            "value": shown(figure.share, told["figures"][figure.name]), "why": told["missing"].get(figure.name),
            "interval": [shown(figure.share, end) for end in known.get("interval") or ()],
            "held": held(figure, told["figures"]),
        })  # fmt: skip
    return rows


def shown(share: bool, value: Any) -> str:
    """A figure as a reader sees it: shares in percent, the rest with three digits that matter."""
    if value is None:
        return "–"
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    return f"{100 * value:.1f} %" if share else f"{value:,.3g}"


def cut(text: str, most: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= most else f"{text[:most].rstrip()}…"


def end_of(text: str, most: int) -> str:
    """The text, or an ellipsis and its end: what is asked stands last."""
    return text if len(text) <= most else f"…{text[-most:].lstrip()}"
