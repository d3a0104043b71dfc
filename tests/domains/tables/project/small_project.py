"""A small project whose pairs are given by hand: what the page and the later steps work on, without any matcher."""

import itertools
from pathlib import Path

import numpy as np

from domains.tables.blocking.pairs import Candidates
from domains.tables.matching.likelihood_matcher import LikelihoodMatcher
from domains.tables.project.folder import Project
from domains.tables.project.freshness import made_from_now
from domains.tables.project.results import write_result
from domains.tables.project.steps.align import align
from domains.tables.project.steps.cluster import cluster
from domains.tables.project.steps.init import init
from domains.tables.project.stored import load_table, save_graph
from domains.tables.sets.graph import PairGraph

A = """name,city,phone
Town Library,Ulm,0731 1
Old Museum,Bonn,0228 77
Book Shop Nord,Kiel,
=Evil <b>Shop</b>,Kiel,0431 9
"""
B = """name;city;phone
Town Libary;Ulm;0731 1
Old Museum;Bonn;0228 78
Book Shop Nord;Kiel;0431 5
"""
C = """name\tcity\tphone
Town Library Ulm\tULM\t0731 2
Old Museum\tBonn\t0228 78
Book Shop Süd\tKiel\t0431 6
"""
# rows: a 0-3, b 4-6, c 7-9
PAIRS = {
    (0, 4): 0.97, (0, 7): 0.8, (4, 7): 0.7,  # libraries
    (1, 5): 0.95, (1, 8): 0.96, (5, 8): 0.99,  # museums
    (2, 6): 0.9, (2, 9): 0.45, (6, 9): 0.4,  # book shops: the third is apart, and uncertain
    (3, 2): 0.2,
}  # fmt: skip


def make_inputs(folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("a.csv", A), ("b.csv", B), ("c.tsv", C)):
        (folder / name).write_text(text, "utf-8")
    return [str(folder / name) for name in ("a.csv", "b.csv", "c.tsv")]


def give_pairs(project: Project, count: int, pairs: dict[tuple[int, int], float]) -> None:
    """Results of block and match: the probabilities by hand, the matcher for the evidence of single pairs."""
    table = load_table(project)
    ends = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    graph = PairGraph.of(count, ends[:, 0], ends[:, 1], np.array(list(pairs.values())))
    with write_result(project.step_path("block"), "block", made_from_now(project, "block"), 0, 0.0) as (folder, facts):
        (folder / "pairs.json").write_text("[]")
        facts["pairs"] = len(graph)
    with write_result(project.step_path("match"), "match", made_from_now(project, "match"), 0, 0.0) as (folder, facts):
        save_graph(folder, graph)
        LikelihoodMatcher().fit(table, Candidates(count, graph.left, graph.right)).save(folder / "matcher.json")
        facts["threshold"] = 0.5


def small_project(folder: Path) -> Project:
    project, _ = init(folder / "project", make_inputs(folder / "inputs"))
    align(project)
    give_pairs(project, 10, PAIRS)
    cluster(project)
    return project


def chained_project(folder: Path, count: int) -> Project:
    """One set of ``count`` rows, each linked to the next three."""
    (folder / "big.csv").parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"thing {i},{i % 7}\n" for i in range(count))
    (folder / "big.csv").write_text(f"name,kind\n{lines}", "utf-8")
    project, _ = init(folder / "project", [str(folder / "big.csv")])
    align(project)
    near = itertools.chain.from_iterable(((i, i + k) for k in (1, 2, 3) if i + k < count) for i in range(count))
    settings = project.settings_path.read_text("utf-8").replace("average_linkage", "components")
    project.settings_path.write_text(settings, "utf-8")
    give_pairs(project, count, dict.fromkeys(near, 0.9))
    cluster(project)
    return project
