"""Evaluators of frozen representations, and what the seeds allow one to conclude."""

from core.evaluation.clustering import ClusteringResult, cluster_agreement
from core.evaluation.geometry import alignment, effective_rank, uniformity
from core.evaluation.knn import KnnEvaluator
from core.evaluation.layers import layerwise_probe
from core.evaluation.linear_probe import LinearProbe, ProbeResult
from core.evaluation.link_prediction import LinkResult, link_prediction
from core.evaluation.logistic_regression import LogisticResult, logistic_regression
from core.evaluation.significance import Interval, PairedTest, Verdict, mean_interval, paired_test
from core.evaluation.svm import CrossValidationResult, svm_cross_validation

__all__ = [
    "ClusteringResult",
    "CrossValidationResult",
    "Interval",
    "KnnEvaluator",
    "LinearProbe",
    "LinkResult",
    "LogisticResult",
    "PairedTest",
    "ProbeResult",
    "Verdict",
    "alignment",
    "cluster_agreement",
    "effective_rank",
    "layerwise_probe",
    "link_prediction",
    "logistic_regression",
    "mean_interval",
    "paired_test",
    "svm_cross_validation",
    "uniformity",
]
