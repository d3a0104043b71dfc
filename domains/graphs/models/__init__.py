"""Graph encoders, and the sparse operations under them."""

from domains.graphs.models.adjacency import Adjacency
from domains.graphs.models.aggregate import aggregate, edge_softmax
from domains.graphs.models.encoder import Conv, GraphEncoder, make_layer
from domains.graphs.models.features import SparseFeatures, TokenMasked, mask_features, to_features
from domains.graphs.models.gat import GATConv
from domains.graphs.models.gcn import GCNConv, SAGEConv
from domains.graphs.models.gin import GINConv, LinearLayer
from domains.graphs.models.pooling import Pooling, pool

__all__ = [
    "Adjacency",
    "Conv",
    "GATConv",
    "GCNConv",
    "GINConv",
    "GraphEncoder",
    "LinearLayer",
    "Pooling",
    "SAGEConv",
    "SparseFeatures",
    "TokenMasked",
    "aggregate",
    "edge_softmax",
    "make_layer",
    "mask_features",
    "pool",
    "to_features",
]
