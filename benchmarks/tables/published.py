"""Numbers from papers beside the pair sets, with what makes them not comparable."""

from core.reporting import Published

__all__ = ["ALL_LABELS", "MATCHER_ALL_LABELS", "NO_LABELS", "PUBLISHED"]

NO_LABELS, ALL_LABELS = "SSACL, no labels", "SSACL, all labels"
MATCHER_ALL_LABELS = "the matcher, all labels"
_DITTO = {
    "structured_beer": 94.37,
    "structured_itunes_amazon": 97.06,
    "structured_fodors_zagats": 100.0,
    "structured_dblp_acm": 98.99,
    "structured_dblp_googlescholar": 95.6,
    "structured_amazon_google": 75.58,
    "dirty_dblp_acm": 99.03,
    "dirty_itunes_amazon": 95.65,
    "textual_abt_buy": 89.33,
}
_DEEPMATCHER = {
    "structured_beer": 72.7,
    "structured_itunes_amazon": 88.0,
    "structured_fodors_zagats": 100.0,
    "structured_dblp_acm": 98.4,
    "structured_dblp_googlescholar": 94.7,
    "structured_amazon_google": 69.3,
    "dirty_dblp_acm": 98.1,
    "dirty_itunes_amazon": 74.5,
    "textual_abt_buy": 62.8,
}
_REPORT = {
    "structured_dblp_googlescholar": 82.5,
    "structured_dblp_acm": 92.9,
    "structured_amazon_google": 63.2,
    "structured_itunes_amazon": 85.6,
}
_FROM_MEMORY = "quoted from memory of Li et al. 2020, arXiv 2004.00584, table 5"
_SOURCES = (
    (NO_LABELS, _REPORT, "technical report of Ji et al., clean sets",
     "SSACL of the report: frozen BERT of 110 M parameters, 30 epochs; here 8.4 M weights of hashed n-grams"),
    (ALL_LABELS, _DITTO, f"Ditto, {_FROM_MEMORY}",
     "beside SSACL with all labels stands Ditto: RoBERTa of 125 M parameters, fine-tuned; " + _FROM_MEMORY),
    (MATCHER_ALL_LABELS, _DEEPMATCHER, f"DeepMatcher, {_FROM_MEMORY}",
     "beside the matcher with all labels stands DeepMatcher: recurrent networks on fastText vectors of words; "
     + _FROM_MEMORY),
)  # fmt: skip
PUBLISHED: dict[tuple[str, str], Published] = {
    (system, dataset): Published(value, source, False, why)
    for system, values, source, why in _SOURCES
    for dataset, value in values.items()
}
"""By system and data set; F1 of the test pairs in per cent."""
