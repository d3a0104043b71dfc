"""``counterpoint <domain> evaluate MODEL_DIR ...``: score saved models under the domain's protocol."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from core.cli.parser import CommandParser
from core.errors import UserError
from core.plugins import Domain
from core.registry import resolve

__all__ = ["run_evaluate"]


def run_evaluate(domain: Domain, words: Sequence[str]) -> int:
    """Score one or more saved models; prints a table.

    Raises:
        UserError: not a model folder, or data that does not fit the model.
    """
    parser = CommandParser(
        f"counterpoint {domain.name} evaluate",
        "score saved models under the domain's protocol; each on the data it was trained on, or all on --data",
        f"counterpoint {domain.name} evaluate runs/first",
    )
    parser.add_argument("models", type=str, nargs="+", help="model folders, or run folders that hold one")
    parser.add_argument("--data", type=str, default=None, help="catalogue name or path")
    parser.add_argument(
        "--seed", type=int | None, default=None, help="of the probe and of random splits (default: the run's own)"
    )
    if "-h" in words or "--help" in words:
        print(parser.format_help())
        return 0
    chosen = parser.read(words)
    from core.training import ReadingTask, load_method, resolve_settings

    task = resolve(domain.task)()
    registry = resolve(domain.methods)
    scores: dict[str, dict[str, float]] = {}
    for folder in chosen.models:
        method = load_method(folder, registry)
        config = _metadata(Path(folder)).get("config", {})
        evaluation = resolve_settings(task.evaluation_settings, (f"metadata of {folder}", config.get("evaluate", {})))
        if isinstance(task, ReadingTask):
            stored = config.get("read", {}) if chosen.data is None else {}  # a table of labels goes with its own data
            task.reading = resolve_settings(task.read_settings, (f"metadata of {folder}", stored))
        data = task.load(chosen.data if chosen.data is not None else config.get("data"))
        seed = chosen.seed if chosen.seed is not None else config.get("fit", {}).get("seed", 0)
        scores[folder] = task.evaluate(method, data, evaluation, seed)
    metrics = list(dict.fromkeys(metric for one in scores.values() for metric in one))
    table = Table("model", *metrics)
    for folder, one in scores.items():
        table.add_row(folder, *(f"{one[m]:.4f}" if m in one else "" for m in metrics))
    Console(width=max(80, 20 * (len(metrics) + 1))).print(table)
    return 0


def _metadata(folder: Path) -> dict[str, Any]:
    path = folder / "metadata.json"
    path = path if path.is_file() else folder / "model" / "metadata.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); give --data, or train the model again") from error
    return content
