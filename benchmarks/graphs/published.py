"""Numbers from papers, with what makes them comparable or not."""

from core.reporting import Published

__all__ = ["PUBLISHED"]

_TABLE_1 = "Hou et al. 2022, arXiv 2205.10803, table 1"
_TABLE_2 = "Hou et al. 2022, arXiv 2205.10803, table 2"
_SAME = "public split, linear probe; 20 seeds there"
_OWN = "quoted there from the method's own paper, whose probe differs"
_SVM = "10-fold SVM, 5 seeds there"
_QUOTED_SVM = "quoted there; the released code picks the epoch by test folds"


def _node(value: float, comparable: bool = True) -> Published:
    return Published(value, _TABLE_1, comparable, _SAME if comparable else _OWN)


def _graph(value: float, comparable: bool = True) -> Published:
    return Published(value, _TABLE_2, comparable, _SVM if comparable else _QUOTED_SVM)


PUBLISHED: dict[tuple[str, str], Published] = {
    ("GraphMAE", "cora"): _node(84.2),
    ("DGI", "cora"): _node(82.3, comparable=False),
    ("BGRL", "cora"): _node(82.7, comparable=False),
    ("supervised GCN", "cora"): Published(
        81.5, "Kipf and Welling 2017, arXiv 1609.02907, table 2", False, "they stop early on the validation part"
    ),
    ("supervised GAT", "cora"): Published(
        83.0, "Velickovic et al. 2018, arXiv 1710.10903, table 2", False, "they stop early on the validation part"
    ),
    ("GraphMAE", "IMDB-BINARY"): _graph(75.52),
    ("GraphMAE", "PROTEINS"): _graph(75.30),
    ("GraphMAE", "MUTAG"): _graph(88.19),
    ("GraphMAE", "NCI1"): _graph(80.40),
    **dict.fromkeys(
        (("GraphMAE (5 epochs)", "NCI1"), ("GraphMAE (5 epochs), mean pooling", "NCI1")),
        Published(80.40, _TABLE_2, False, "300 epochs there, 5 here"),
    ),
    ("InfoGraph", "IMDB-BINARY"): _graph(73.03, comparable=False),
    ("InfoGraph", "PROTEINS"): _graph(74.44, comparable=False),
    ("InfoGraph", "MUTAG"): _graph(89.01, comparable=False),
    ("InfoGraph", "NCI1"): _graph(76.20, comparable=False),
    ("GraphCL", "IMDB-BINARY"): _graph(71.14, comparable=False),
    ("GraphCL", "PROTEINS"): _graph(74.39, comparable=False),
    ("GraphCL", "MUTAG"): _graph(86.80, comparable=False),
    ("GraphCL", "NCI1"): _graph(77.87, comparable=False),
}
"""By system and data set."""
