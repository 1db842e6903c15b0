"""Crawl and corpus against their peers: extraction, languages, statistics, copies, personal data, toxicity, memory,
kills.

    python -m benchmarks.corpus --json
    python -m benchmarks.corpus --only extraction copies

Each part is a module beside this one with `NAMES`, the figures it gives, and `figures()`, which measures them and
raises `Absent` where what it needs is not here. Figures are kept in benchmarks/results, a file a part.
"""

from __future__ import annotations

from benchmarks.results import parts_parser, run_parts

PARTS = ("extraction", "languages", "curation", "copies", "personal", "toxicity", "memory", "kills", "engines")


def main() -> None:
    options = parts_parser(__doc__, PARTS).parse_args()
    run_parts("corpus", options.only, as_json=options.json)


if __name__ == "__main__":
    main()
