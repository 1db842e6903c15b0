"""Whether a Ray cluster of two nodes gives the bytes that this machine's own processes give."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from benchmarks.corpus.memory import write_crawl
from benchmarks.results import Absent, figure
from hornbook.core.digest import digest_file

NAMES = ("ray_equal",)
PAGES = 1000
CURATION = """
import json, os, sys, time
from pathlib import Path
from hornbook.pipeline.run import Run
from hornbook.road.artifacts import Pages
from hornbook.road.corpus import CorpusConfig, corpus

if __name__ == "__main__":
    crawl, folder, engine = sys.argv[1:]
    nodes = 1
    if engine == "ray":
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        cluster.add_node(num_cpus=1)
        os.environ["RAY_ADDRESS"] = cluster.address
        nodes = len(cluster.list_all_nodes())
    began = time.perf_counter()
    corpus(CorpusConfig(languages=()), Pages(crawl), Run(folder, engine=engine))
    print(json.dumps({"seconds": time.perf_counter() - began, "nodes": nodes}))
"""


def figures() -> Iterator[dict]:
    """The same crawl curated by both, each in a process of its own; every file compared."""
    if find_spec("ray") is None:
        raise Absent("pip install 'hornbook[ray]'")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_crawl(folder / "crawl", PAGES)
        script = folder / "curate.py"
        script.write_text(CURATION)
        said, digests = {}, {}
        for engine in ("local", "ray"):
            out = folder / engine
            command = [sys.executable, str(script), str(folder / "crawl"), str(out), engine]
            printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
            said[engine] = json.loads(printed.splitlines()[-1])
            files = sorted(path for path in (out / "out").rglob("*") if path.is_file())
            digests[engine] = {str(path.relative_to(out)): digest_file(path) for path in files}
    yield figure(
        "ray_equal", digests["local"] == digests["ray"], "", n=len(digests["local"]), pages=PAGES,
        nodes=said["ray"]["nodes"], seconds={engine: round(each["seconds"], 1) for engine, each in said.items()},
    )
