"""Step 2, the corpus: text worth reading, and every page refused with its reason."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from hornbook.core.errors import InputError
from hornbook.pipeline.config import InputPath, StageConfig
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import Corpus, Pages

MANY = 0.1  # the share of pages refused as copies of pages not very like them that a person should hear of


class CorpusConfig(StageConfig):
    """The section `[corpus]`."""

    shared: ClassVar = ("blocklists",)

    preset: Literal["web", "docs", "language"] = Field(
        "docs", description="web: FineWeb's thresholds; docs: manuals, exercises; language: a small language"
    )
    languages: tuple[str, ...] = Field(("en",), description='ISO codes to keep, such as ["en", "de"]; [] for all')
    language_score: float | None = Field(None, ge=0, le=1, description="how sure the language must be, 0 to 1")
    thresholds: dict[str, tuple[float | None, float | None]] = Field(
        {}, description="least and most for columns, such as {words = [100, 50000]}"
    )
    near_copy: float = Field(0.45, gt=0, le=1, description="share of word 5-grams that makes a near copy, 0 to 1")
    personal: Literal["mask", "line", "page", "keep"] = Field(
        "mask", description="personal data: mask it, drop its lines, drop its pages, keep it"
    )
    holdout: float = Field(0.02, ge=0, lt=1, description="the share of documents kept from training")
    extraction: Literal["main", "fast"] = Field(
        "main", description="main: a page's text as Markdown; fast: plainer, several times as fast"
    )
    cpu_seconds: float = Field(10.0, gt=0, description="processor seconds for one page at most")
    judgements: list[InputPath] = Field([], description="pages judged by people, from which quality is learned")
    benchmarks: list[InputPath] = Field([], description="files of texts that no document may hold")
    benchmark_hits: Literal["refuse", "cut"] = Field(
        "refuse", description="documents that hold such a text: refuse them, or cut its passages out"
    )
    blocklists: list[InputPath] = Field(
        [], description="lists of hosts and URLs that are refused; named at the recipe's top"
    )
    earlier: list[InputPath] = Field([], description="folders of earlier corpora, whose documents are not kept again")
    paragraphs: bool = Field(False, description="whether paragraphs that an earlier document has are cut out of others")

    @field_validator("languages")
    @classmethod
    def _codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not code.isalpha() or not 2 <= len(code) <= 3 or code != code.lower() for code in value):
            raise ValueError('languages are ISO codes of two or three small letters, such as "en"')
        return tuple(sorted(set(value)))

    @field_validator("thresholds")
    @classmethod
    def _in_order(cls, value: dict[str, Any]) -> dict[str, Any]:
        for column, (low, high) in value.items():
            if low is not None and high is not None and low > high:
                raise ValueError(f"the least of {column} is above its most")
        return value

    @field_validator("earlier")
    @classmethod
    def _signed(cls, value: list[InputPath]) -> list[InputPath]:
        """The files of signatures in the folders: they alone bear on what comes out."""
        from hornbook.corpus.copies.earlier import SIGNATURES

        found = [path / SIGNATURES if path.is_dir() else path for path in value]
        for path, folder in zip(found, value, strict=True):
            if path.name != SIGNATURES or not path.exists():
                raise ValueError(
                    f"{folder} is no corpus that keeps its documents' signatures: name the folder of one corpus, such "
                    "as runs/NAME/corpus/en-3f9a1c, and make it again if it is of an earlier version of Hornbook"
                )
        return found

    def label(self) -> str | None:
        return "-".join(self.languages)[:20] or "all"

    def about_seconds(self) -> float | None:
        return 30.0


@stage(version=3)
def corpus(config: CorpusConfig, crawl: Pages, run: Run) -> Corpus:
    """Write `documents.parquet`, `heldout.parquet` and `refused.parquet`.

    Metrics: `funnel` (rows of the crawl, pages, those read now, kept, heldout, refused by reason), `personal` masked by
    kind, `seconds` by part, `pages_per_second`, `judgements` (how the model learnt from them agrees with them),
    `benchmarks` (questions, pages refused and cut, by benchmark), `paragraphs` (what was cut). Raises InputError when
    nothing is kept, and where `earlier` names a corpus of the same pages or one signed otherwise.
    """
    from hornbook.corpus.copies.decontaminate import LEAST_NGRAM
    from hornbook.corpus.copies.earlier import Origin
    from hornbook.corpus.curate import Curation, curate
    from hornbook.corpus.deduplicate import ALIKE, SEEN
    from hornbook.corpus.tagging.filters import LANGUAGE_SCORE, thresholds

    curation = Curation(
        rules=thresholds(config.preset, config.thresholds), address_words=config.preset == "web",
        languages=frozenset(config.languages),
        language_score=LANGUAGE_SCORE[config.preset] if config.language_score is None else config.language_score,
        personal=config.personal, near_copy=config.near_copy, holdout=config.holdout, extraction=config.extraction,
        cpu_seconds=config.cpu_seconds,
        judgements=tuple(config.judgements), benchmarks=tuple(config.benchmarks),
        cut_benchmarks=config.benchmark_hits == "cut", blocklists=tuple(config.blocklists),
        earlier=tuple(config.earlier), paragraphs=config.paragraphs,
    )
    pages, source = crawl.rows(), crawl.content_digest()
    for path in config.earlier:
        Origin.read(path).check(path, source, config.near_copy)
    taken = pages.column("outcome").to_pylist().count("taken")
    with run.progress("corpus", 2 * taken, "pages, read and tagged") as bar:
        funnel = curate(pages, crawl.path, run.out, run.work, curation, seed=run.seed, processes=run.threads,
                        source=source, version=corpus.version, engine=run.engine, previous=run.previous,
                        on_pages=bar.advance)
    if not funnel.kept:
        most = max(funnel.refused, key=lambda reason: funnel.refused[reason], default="no pages")
        raise InputError(
            f"none of {taken:,} pages gave a text to keep (most were refused for: {most})", where="corpus",
            fix="nothing is new since the corpora under `earlier`" if most == SEEN else
            f"look at {run.out / 'refused.parquet'}; set languages, preset or thresholds under [corpus]",
        )
    if funnel.unlike > MANY * funnel.pages:
        run.warn(
            f"{funnel.unlike:,} of {funnel.pages:,} pages were refused as near copies of pages less than {ALIKE} like "
            f"them: if they are of one template and say different things, set corpus.near_copy = {ALIKE}"
        )
    seen, new = funnel.refused.get(SEEN, 0), funnel.kept + funnel.heldout
    if seen > new:
        run.warn(f"{seen:,} pages were seen before and {new:,} are new: only these are in this corpus, so teach from "
                 "the earlier ones as well")
    for name, told in funnel.benchmarks.items():
        if told["too_short"]:
            run.warn(f"{told['too_short']:,} of {told['questions']:,} questions of {name} have fewer than "
                     f"{LEAST_NGRAM} words and were not looked for")
    seconds = sum(value for name, value in funnel.seconds.items() if "processor" not in name)
    run.metric(
        funnel={"rows": funnel.rows, "pages": funnel.pages, "read": funnel.read, "kept": funnel.kept,
                "heldout": funnel.heldout, "refused": funnel.refused},
        personal=funnel.personal, boilerplate_lines=funnel.boilerplate_lines, seconds=funnel.seconds,
        pages_per_second=round(funnel.pages / max(seconds, 1e-9), 1),
    )
    if config.benchmarks:
        run.metric(benchmarks=funnel.benchmarks)
    if config.paragraphs:
        run.metric(paragraphs=funnel.paragraphs)
    if funnel.agreement is not None:
        run.metric(judgements=asdict(funnel.agreement))
    run.count(inputs=funnel.pages, outputs=funnel.kept + funnel.heldout)
    return Corpus(run.out)
