"""Integrable sets: which rows are the same thing, given a probability for each of some pairs.

Light to import: a method loads what it needs when it is used.
"""

from core.registry import Registry

__all__ = ["SET_METHODS"]

SET_METHODS = Registry("set method")
_S = "domains.tables.sets"
SET_METHODS.register(
    "average_linkage", f"{_S}.linkage:average_linkage",
    paper="Sokal and Michener 1958", summary="merge while the mean over all pairs of two sets is above the threshold",
)  # fmt: skip
SET_METHODS.register(
    "components", f"{_S}.components:components",
    paper="Ji et al. 2024, arXiv 2412.00324", summary="whatever is linked by a chain; the baseline, chains its errors",
)  # fmt: skip
SET_METHODS.register(
    "complete_linkage", f"{_S}.linkage:complete_linkage",
    paper="Sorensen 1948", summary="merge while every pair of two sets is above the threshold",
)  # fmt: skip
SET_METHODS.register(
    "correlation", f"{_S}.correlation:correlation",
    paper="Bansal et al. 2004; Keuper et al. 2015", summary="agree with the log-odds: greedy merges, then single moves",
)  # fmt: skip
SET_METHODS.register(
    "cliques", f"{_S}.cliques:cliques",
    paper="Bron and Kerbosch 1973", summary="the largest set in which all are linked, then the next",
)  # fmt: skip
SET_METHODS.register(
    "louvain", f"{_S}.modularity:louvain",
    paper="Blondel et al. 2008, arXiv 0803.0476", summary="communities of high modularity, inside each component",
)  # fmt: skip
SET_METHODS.register(
    "label_propagation", f"{_S}.label_propagation:label_propagation",
    paper="Raghavan et al. 2007, arXiv 0709.2938", summary="each row takes the label that weighs most around it",
)  # fmt: skip
SET_METHODS.register(
    "girvan_newman", f"{_S}.girvan_newman:girvan_newman",
    paper="Newman and Girvan 2004, arXiv cond-mat/0308217", summary="cut the busiest links, keep the best cut; slow",
)  # fmt: skip
SET_METHODS.register(
    "spectral", f"{_S}.spectral:spectral",
    paper="Ng et al. 2001", summary="k-means on eigenvectors, as many as the eigengap says, inside each component",
)  # fmt: skip
SET_METHODS.register(
    "gnn", f"{_S}.gnn:gnn",
    paper="Kipf and Welling 2016, arXiv 1609.02907", summary="a graph network weighs the links, then average linkage",
)  # fmt: skip
SET_METHODS.register(
    "leiden", f"{_S}.igraph_methods:leiden",
    paper="Traag et al. 2019, arXiv 1810.08473", summary="Louvain with connected communities; needs igraph",
)  # fmt: skip
SET_METHODS.register(
    "infomap", f"{_S}.igraph_methods:infomap",
    paper="Rosvall and Bergstrom 2008, arXiv 0707.0609", summary="shortest description of a random walk; needs igraph",
)  # fmt: skip
