"""Result records, and everything that is generated from them: tables, plots, pages."""

from core.reporting.environment import environment
from core.reporting.measure import measure
from core.reporting.records import Published, ResultRecord
from core.reporting.store import read_records, write_records
from core.reporting.study import Cell, CellResult, System, collect, run_cells

__all__ = [
    "Cell",
    "CellResult",
    "Published",
    "ResultRecord",
    "System",
    "collect",
    "environment",
    "measure",
    "read_records",
    "run_cells",
    "write_records",
]
