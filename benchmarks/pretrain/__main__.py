"""Models and pretraining against their peers: speed, memory, quality, plans, exchange, kills, many processes, scaling.

    python -m benchmarks.pretrain --nanochat PATH --json
    python -m benchmarks.pretrain --only speed ranks

Each part is a module beside this one with `NAMES`, the figures it gives, and `figures()`, which measures them and
raises `Absent` where what it needs is not here. nanochat is read from a checkout (`--nanochat`, or HORNBOOK_NANOCHAT);
nothing of it is copied. Figures are kept in benchmarks/results, a file a part.
"""

from __future__ import annotations

import argparse
import json
import os
from importlib import import_module

from benchmarks.results import Absent, figure, keep

PARTS = ("speed", "share", "quality", "plan", "baselines", "scaling", "longer", "exchange", "ranks", "kills")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object a figure, a line each")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="some of the parts")
    parser.add_argument("--nanochat", default=os.environ.get("HORNBOOK_NANOCHAT"), help="a checkout of nanochat")
    options = parser.parse_args()
    if options.nanochat:
        os.environ["HORNBOOK_NANOCHAT"] = options.nanochat
    for part in options.only:
        module = import_module(f"benchmarks.pretrain.{part}")
        try:
            found = list(module.figures())
        except Absent as absent:
            found = [figure(name, None, "", why=str(absent)) for name in module.NAMES]
        else:
            keep(f"pretrain_{part}", found)
        for each in found:
            value = each["value"] if each["value"] is not None else f"absent: {each['why']}"
            print(json.dumps(each) if options.json else f"{each['figure']:28} {value} {each['unit']}", flush=True)


if __name__ == "__main__":
    main()
