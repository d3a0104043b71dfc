"""Evaluators of frozen representations, and what the seeds allow one to conclude."""

from core.evaluation.clustering import ClusteringResult, cluster_agreement
from core.evaluation.feature_weights import LinearSpectralSolution, feature_weights, linear_spectral_solution
from core.evaluation.geometry import alignment, effective_rank, uniformity
from core.evaluation.informative_embedding import informative_embedding
from core.evaluation.knn import KnnEvaluator
from core.evaluation.last_layer import LastLayerResult, dfr
from core.evaluation.layers import StagedHead, layerwise_probe, stage_features
from core.evaluation.linear_probe import LinearProbe, ProbeResult
from core.evaluation.link_prediction import LinkResult, link_prediction
from core.evaluation.logistic_regression import LogisticResult, logistic_regression
from core.evaluation.proxy_task import false_negative_share, proxy_accuracy
from core.evaluation.regression import ordinality, regression_metrics
from core.evaluation.ridge import ridge_regression
from core.evaluation.significance import Interval, PairedTest, Verdict, mean_interval, paired_test
from core.evaluation.svm import CrossValidationResult, svm_cross_validation

__all__ = [
    "ClusteringResult",
    "CrossValidationResult",
    "Interval",
    "KnnEvaluator",
    "LastLayerResult",
    "LinearProbe",
    "LinearSpectralSolution",
    "LinkResult",
    "LogisticResult",
    "PairedTest",
    "ProbeResult",
    "StagedHead",
    "Verdict",
    "alignment",
    "cluster_agreement",
    "dfr",
    "effective_rank",
    "false_negative_share",
    "feature_weights",
    "informative_embedding",
    "layerwise_probe",
    "linear_spectral_solution",
    "link_prediction",
    "logistic_regression",
    "mean_interval",
    "ordinality",
    "paired_test",
    "proxy_accuracy",
    "regression_metrics",
    "ridge_regression",
    "stage_features",
    "svm_cross_validation",
    "uniformity",
]
