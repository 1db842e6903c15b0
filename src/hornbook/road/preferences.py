"""Step 9, preferences: several answers to a prompt, ranked by people, or by a program that stands in for them.

What no person ranked is marked `simulated` in every row, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from pydantic import Field

from hornbook.core.seeds import derive
from hornbook.pipeline.config import Dial, InputPath, StageConfig
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import Comparisons, Conversations, Model

if TYPE_CHECKING:
    from hornbook.conversations.raters import Rater

PAGE_RATER = "hornbook.conversations.raters:page_rater"
RANKED = {"tiny": (80, 0.2), "laptop": (3200, 0.3)}  # prompts, and the share of them held out
BEYOND = (20_000, 0.1)
CLOSED_BOOK = ("asked", "fact", "definition", "chat")  # kinds of conversation that ask for something remembered


class PreferencesConfig(StageConfig):
    """The section `[preferences]`."""

    imports: list[InputPath] = Field([], description="files of comparisons that people ranked")
    rater: str | None = Field(PAGE_RATER, description='the program that ranks what people did not: "module:function"')
    rater_data: InputPath | None = Field(None, description="the folder given to the rater; left out, the conversations")
    prompts: int = Field(3200, ge=0, description="prompts to answer and rank")
    answers: int = Field(4, ge=2, le=16, description="answers sampled for each prompt, 2 to 16")
    absent: float = Field(0.2, ge=0, le=1, description="share of prompts about what does not exist")
    open_book: float = Field(0.15, ge=0, le=1, description="share of prompts with a page to read")
    temperature: float = Field(1.0, gt=0, description="how far the answers differ")
    max_tokens: int = Field(64, ge=1, description="the longest answer")
    heldout: float = Field(0.3, ge=0, lt=1, description="share kept to judge the reward model, each ranked twice")

    @classmethod
    def defaults(cls, dial: Dial) -> dict[str, Any]:
        return dict(zip(("prompts", "heldout"), RANKED.get(dial.size, BEYOND), strict=True))

    def about_seconds(self) -> float:
        return self.prompts / 100


@stage(version=1)
def preferences(config: PreferencesConfig, sft: Model, conversations: Conversations, run: Run) -> Comparisons:
    """Write comparisons.jsonl to learn from and heldout.jsonl to judge by, whose rankings have a second one, `again`.

    What people ranked is taken as it is, and the same share of it held out. With `rater = ""` nothing else is ranked.
    Metrics: comparisons and pairs, how many are simulated, and how often the rater agrees with himself.
    """
    from hornbook.conversations.comparisons import agreement, pairs, read_comparisons
    from hornbook.conversations.rows import files_in
    from hornbook.core.jsonl import write_jsonl

    people = [row for file in files_in(config.imports) for row in read_comparisons(file)]
    rows = [*people, *(_ranked(config, sft, conversations, people, run) if config.rater else [])]
    if not rows:
        run.warn("nobody ranked anything: name a rater, or `hornbook preferences --rank`")
    held = [_is_held(config, row) for row in rows]
    heldout = [row for row, apart in zip(rows, held, strict=True) if apart]
    learned = [{key: value for key, value in row.items() if key != "again"}
               for row, apart in zip(rows, held, strict=True) if not apart]
    write_jsonl(run.out / "comparisons.jsonl", learned)
    write_jsonl(run.out / "heldout.jsonl", heldout)
    twice = [row for row in heldout if "again" in row]
    share, n = agreement([row["ranking"] for row in twice], [row["again"] for row in twice])
    run.metric(comparisons=len(learned), heldout=len(heldout), pairs=sum(len(pairs(row["ranking"])) for row in learned),
               simulated=sum(bool(row.get("simulated")) for row in rows), agreement=share if n else None,
               agreement_pairs=n, rater=config.rater)
    run.count(inputs=config.prompts, outputs=len(rows))
    return Comparisons(run.out)


def _is_held(config: PreferencesConfig, row: dict) -> bool:
    """Told by the row's own prompt, so that a ranking that is added moves no other."""
    said = "\x1e".join(message["content"] for message in row["prompt"])
    return derive(0, "heldout", said) % 1000 < 1000 * config.heldout


def _ranked(
    config: PreferencesConfig, sft: Model, conversations: Conversations, people: list[dict], run: Run
) -> Iterator[dict]:
    """Prompts answered by the model and ranked by the program; a prompt with one answer only teaches nothing.

    What people ranked is theirs, and is not ranked again.
    """
    from hornbook.conversations.comparisons import comparison, ranked
    from hornbook.conversations.raters import program_rater

    data = config.rater_data if config.rater_data is not None else conversations.path
    rate: Rater = program_rater(str(config.rater), data, derive(run.seed, "rater"))
    theirs = [row["prompt"] for row in people]
    prompts = [prompt for prompt in prompts_to_rank(config, conversations, run.seed) if prompt not in theirs]
    for number, (prompt, answers) in enumerate(zip(prompts, sampled_answers(config, sft, prompts, run), strict=True)):
        if len(answers) < 2:
            continue
        row = comparison(f"c-{number:05d}", prompt, answers, ranked(rate(prompt, answers, 0)),
                         rater=str(config.rater), rater_kind="program")
        yield row | {"again": ranked(rate(prompt, answers, 1))} if _is_held(config, row) else row


def prompts_to_rank(config: PreferencesConfig, conversations: Conversations, seed: int) -> list[list[dict]]:
    """What the conversations ask, without their answers: from memory, with a page, and about what does not exist."""
    from hornbook.conversations.formats import until_answer
    from hornbook.core.jsonl import read_jsonl

    rows = list(conversations.rows())
    pools = {"open_book": [row for row in rows if row["messages"][0]["role"] == "system"],
             "absent": list(read_jsonl(conversations.path / "invented.jsonl")),
             "closed": [row for row in rows if row["kind"] in CLOSED_BOOK and row["messages"][0]["role"] == "user"]}
    shares = {"open_book": config.open_book, "absent": config.absent}
    wanted = {name: round(share * config.prompts) for name, share in shares.items()}
    wanted["closed"] = config.prompts - sum(wanted.values())
    random = Random(derive(seed, "prompts"))
    chosen: dict[str, list[dict]] = {}
    for name, pool in pools.items():
        for row in random.sample(pool, min(wanted[name], len(pool))):
            prompt = until_answer(row["messages"])
            chosen.setdefault("\x1e".join(message["content"] for message in prompt), prompt)
    return list(chosen.values())


def sampled_answers(config: PreferencesConfig, sft: Model, prompts: Sequence[list[dict]], run: Run) -> list[list[str]]:
    """The different answers sampled for each prompt, in the order sampled, without those cut off at the length.

    A prompt that does not fit the window has none.
    """
    from hornbook.evaluation.asking import answers
    from hornbook.inference.engine import Engine
    from hornbook.inference.requests import Request, Sampling
    from hornbook.models.device import pick_dtype, use_processor

    use_processor(run.threads, compile=run.compile, warn=run.warn)
    engine = Engine(sft.load(run.device, pick_dtype(run.device)), sft.tokenizer())
    requests = [
        Request(messages=prompt, sampling=Sampling(config.temperature, max_tokens=config.max_tokens, seed=seed))
        for place, prompt in enumerate(prompts)
        for seed in (derive(run.seed, "answer", place, draw) for draw in range(config.answers))
    ]
    said: list[dict[str, None]] = [{} for _ in prompts]
    for index, completion in enumerate(answers(engine, requests)):
        if completion is not None and completion.finish_reason == "stop" and completion.text.strip():
            said[index // config.answers][completion.text.strip()] = None
    return [list(texts) for texts in said]
