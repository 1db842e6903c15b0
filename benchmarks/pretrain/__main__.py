"""Models and pretraining against their peers: speed, memory, quality, plans, exchange, kills, many processes, scaling.

    python -m benchmarks.pretrain --nanochat PATH --json
    python -m benchmarks.pretrain --only speed ranks

Each part is a module beside this one with `NAMES`, the figures it gives, and `figures()`, which measures them and
raises `Absent` where what it needs is not here. nanochat is read from a checkout (`--nanochat`, or HORNBOOK_NANOCHAT);
nothing of it is copied. Figures are kept in benchmarks/results, a file a part.
"""

from __future__ import annotations

import os

from benchmarks.results import parts_parser, run_parts

PARTS = ("speed", "share", "quality", "plan", "baselines", "scaling", "longer", "exchange", "ranks", "kills", "h100")


def main() -> None:
    parser = parts_parser(__doc__, PARTS)
    parser.add_argument("--nanochat", default=os.environ.get("HORNBOOK_NANOCHAT"), help="a checkout of nanochat")
    options = parser.parse_args()
    if options.nanochat:
        os.environ["HORNBOOK_NANOCHAT"] = options.nanochat
    run_parts("pretrain", options.only, as_json=options.json)


if __name__ == "__main__":
    main()
