"""The engine and its server against their peers: speed, equality, streams, clients, the gate.

    python -m benchmarks.inference
    python -m benchmarks.inference --only decode streams --minutes 5

Each part is a module beside this one with `NAMES`, the figures it gives, and `figures()`, which measures them and
raises `Absent` where what it needs is not here. Figures are kept in benchmarks/results, a file a part.
"""

from __future__ import annotations

import os

from benchmarks.results import parts_parser, run_parts

PARTS = ("decode", "equalities", "batching", "smollm2", "streams", "gate")


def main() -> None:
    parser = parts_parser(__doc__, PARTS)
    parser.add_argument("--minutes", type=float, default=5, help="how long the streams go on")
    options = parser.parse_args()
    os.environ["HORNBOOK_BENCHMARK_MINUTES"] = str(options.minutes)
    run_parts("inference", options.only, as_json=options.json)


if __name__ == "__main__":
    main()
