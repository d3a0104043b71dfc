"""The parts of the study that are more than training one method and scoring it; imported when one is run."""

from collections.abc import Mapping

__all__ = ["FURTHER", "TIMED"]

FURTHER: Mapping[str, str] = {
    "feature suppression": "benchmarks.vision.further:suppression_part",
    "regression": "benchmarks.vision.further:regression_part",
    "projection heads": "benchmarks.vision.further:heads_part",
    "transfer": "benchmarks.vision.further:transfer_part",
}
"""By name: a function from profile, seeds and folder to the cells and what runs one."""

TIMED: Mapping[str, str] = {"speed": "benchmarks.vision.timed:epoch_records"}
"""By name: a function from the profile to records of time; they want the machine to themselves."""
