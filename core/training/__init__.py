"""The engine: ``fit`` on Lightning, exact resume, run folders, artifacts, and the job that ties them together."""

from core.training.artifact import load_method, read_config, save_method
from core.training.checkpoint import ExactCheckpoint
from core.training.fit import FitResult, fit
from core.training.in_memory import train_in_memory
from core.training.job import RunResult, train
from core.training.lars import LARS
from core.training.loader import EpochLoader, full_batch, shuffled
from core.training.method import Method, MethodSettings
from core.training.online import OnlineEvaluation
from core.training.presets import preset_names, read_preset, read_yaml
from core.training.run_folder import RunFolder
from core.training.seeding import seed_everything
from core.training.settings import FitSettings, resolve_settings
from core.training.task import ReadingTask, Task, WatchedTask

__all__ = [
    "LARS",
    "EpochLoader",
    "ExactCheckpoint",
    "FitResult",
    "FitSettings",
    "Method",
    "MethodSettings",
    "OnlineEvaluation",
    "ReadingTask",
    "RunFolder",
    "RunResult",
    "Task",
    "WatchedTask",
    "fit",
    "full_batch",
    "load_method",
    "preset_names",
    "read_config",
    "read_preset",
    "read_yaml",
    "resolve_settings",
    "save_method",
    "seed_everything",
    "shuffled",
    "train",
    "train_in_memory",
]
