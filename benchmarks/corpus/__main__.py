"""Crawl and corpus against their peers: extraction, languages, statistics, copies, personal data, toxicity, memory,
kills.

    python -m benchmarks.corpus --json
    python -m benchmarks.corpus --only extraction copies

Each part is a module beside this one with `NAMES`, the figures it gives, and `figures()`, which measures them and
raises `Absent` where what it needs is not here. Figures are kept in benchmarks/results, a file a part.
"""

from __future__ import annotations

import argparse
import json
from importlib import import_module

from benchmarks.results import Absent, figure, keep

PARTS = ("extraction", "languages", "curation", "copies", "personal", "toxicity", "memory", "kills", "engines")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object a figure, a line each")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="some of the parts")
    options = parser.parse_args()
    for part in options.only:
        module = import_module(f"benchmarks.corpus.{part}")
        try:
            found = list(module.figures())
        except Absent as absent:
            found = [figure(name, None, "", why=str(absent)) for name in module.NAMES]
        else:
            keep(f"corpus_{part}", found)
        for each in found:
            value = each["value"] if each["value"] is not None else f"absent: {each['why']}"
            print(json.dumps(each) if options.json else f"{each['figure']:28} {value} {each['unit']}", flush=True)


if __name__ == "__main__":
    main()
