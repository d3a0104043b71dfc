"""The parts of the study; each is imported when it is run."""

from collections.abc import Mapping

__all__ = ["PARTS", "QUICK"]

_B = "benchmarks.tables"
QUICK: Mapping[str, str] = {"libraries": f"{_B}.libraries:library_records"}
"""Of the profile quick: embedded data only, which are synthetic."""
PARTS: Mapping[str, str] = {
    "matching": f"{_B}.matching:matching_records",
    "review": f"{_B}.reviewed:review_records",
    "thresholds": f"{_B}.thresholds:threshold_records",
    "sets": f"{_B}.sets:set_records",
    "one per source": f"{_B}.sets:one_per_source_records",
    "pairs": f"{_B}.pair_sets:pair_records",
    "noise": f"{_B}.pair_sets:noise_records",
    "conflicts": f"{_B}.conflicts:conflict_records",
    "stadiums": f"{_B}.stadiums:stadium_records",
    **QUICK,
    "cost": f"{_B}.cost:cost_records",
}
"""By name: a function from profile, number of seeds (None: its own) and folder of results to records."""
