"""First step: read the inputs, keep them byte for byte, and say what is in them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter

from core.atomic import make_folder
from core.errors import OperationError, UserError
from core.progress import watched
from domains.tables.data.locate import Location, locate, unique_names
from domains.tables.data.profile import candidate_keys, profile
from domains.tables.data.read import Source, read_source
from domains.tables.data.rejects import write_rejects
from domains.tables.project.folder import Project
from domains.tables.project.freshness import input_file, input_state, made_from_now
from domains.tables.project.results import StepRecord, hash_file, write_result
from domains.tables.project.settings import ProjectSettings, SourceSettings, write_settings

__all__ = ["init", "load_sources"]


def init(path: str | Path, sources: Sequence[str] = (), *, seed: int = 0, name: str = "") -> tuple[Project, StepRecord]:
    """Make a project, or read the inputs of an existing one again.

    Every file is copied to ``raw/`` as it is, under the beginning of its SHA-256, and the copy is read; of a database
    the table is kept as it was read. Decisions, ids and mapping of an existing project stay.

    Args:
        path: the folder.
        sources: files, folders, wildcards and addresses of databases; none for an existing project, whose
            ``project.yaml`` names them.
        seed: of all draws.
        name: shown to people; by default that of the folder.

    Returns:
        The project, and the record of the step; ``facts["sources"]`` has rows, columns, what was guessed, notes.

    Raises:
        UserError: nothing to read, an input that cannot be read, sources for a project that has some already.
        OperationError: the folder cannot be written.
    """
    start = perf_counter()
    project = Project(Path(path))
    if project.settings_path.exists():
        if sources:
            raise UserError(
                f"{path} is a project already; change its inputs in {project.settings_path} and run init without any"
            )
        settings = project.settings
    else:
        settings = _new_settings(project, sources, seed, name)
    for source in settings.sources:
        if not input_file(source.path).is_file():
            raise UserError(f"the input {source.name!r} is not there any more: {source.path}")
    make_folder(project.raw_path)
    read, inputs = [], {}
    for source in watched(settings.sources, "reading", len(settings.sources)):
        kept, state = _keep(project, source)
        inputs[source.name] = state
        read.append(_read(source, kept))
    if not project.settings_path.exists():
        write_settings(project.settings_path, settings)
    record = _write(project, read, inputs, start)
    project.log("init", sources={one.name: len(one) for one in read}, seconds=record.seconds)
    return project, record


def _new_settings(project: Project, sources: Sequence[str], seed: int, name: str) -> ProjectSettings:
    if not sources:
        raise UserError(f"{project.path} is no project yet, so init needs inputs: files, folders or database addresses")
    if project.path.is_file():
        raise UserError(f"{project.path} is a file; a project is a folder")
    places = [place for spec in sources for place in locate(spec)]
    named = zip(places, unique_names(places), strict=True)
    found = tuple(SourceSettings(one, _absolute(place), sheet=place.sheet or "") for place, one in named)
    return ProjectSettings(name or project.path.resolve().name, found, seed)


def _absolute(place: Location) -> str:
    """The word for a place that means the same from every folder."""
    full = str(place.path.expanduser().resolve())
    if place.database is None:
        return full
    system, _, rest = place.spec.partition("://")
    return f"{system}:///{full}" + (f"?{rest.partition('?')[2]}" if "?" in rest else "")


def _keep(project: Project, source: SourceSettings) -> tuple[str, dict[str, object]]:
    """Copy the input as it is; returns what to read, and what is recorded."""
    original = input_file(source.path)
    digest = hash_file(original)
    state: dict[str, object] = {"path": source.path, "sha256": digest, **(input_state(source.path) or {})}
    if "://" in source.path:
        return source.path, state
    kept = project.raw_path / f"{digest[:16]}-{original.name}"
    if not kept.exists():
        temporary = kept.with_name(f".{kept.name}.{os.getpid()}.part")
        try:
            shutil.copyfile(original, temporary)
            if hash_file(temporary) != digest:
                raise OperationError(f"{original} changed while it was read; run init again")
            temporary.chmod(0o444)
            os.replace(temporary, kept)
        except OSError as error:
            raise OperationError(f"cannot copy {original} to {kept}: {error.strerror or error}") from error
        finally:
            temporary.unlink(missing_ok=True)
    state["kept"] = str(kept.relative_to(project.path))
    return str(kept), state


def _read(source: SourceSettings, kept: str) -> Source:
    found = read_source(
        kept,
        name=source.name,
        encoding=source.encoding or None,
        delimiter=source.delimiter or None,
        sheet=source.sheet or None,
        header=source.header,
        fill_short_rows=source.fill_short_rows,
    )
    return replace(found, origin=source.path)


def _write(project: Project, read: Sequence[Source], inputs: dict[str, dict[str, object]], since: float) -> StepRecord:
    lines = len(project.decisions.read()[0])
    made_from = made_from_now(project, "init") | {f"the input {n}": str(one["sha256"]) for n, one in inputs.items()}
    with write_result(project.step_path("init"), "init", made_from, lines, since) as (folder, facts):
        profiles = {}
        for number, source in enumerate(read):
            source.frame.to_parquet(folder / f"source-{number}.parquet")
            profiles[source.name] = profile(source)
        shown = {name: [asdict(column) for column in columns] for name, columns in profiles.items()}
        (folder / "profile.json").write_text(json.dumps(shown, ensure_ascii=False, indent=1), "utf-8")
        write_rejects(read, folder / "rejects.csv")
        facts["inputs"] = inputs
        facts["sources"] = [
            {
                "name": source.name,
                "path": source.origin,
                "rows": len(source),
                "columns": source.frame.shape[1],
                "rejected": len(source.rejects),
                "keys": candidate_keys(profiles[source.name]),
                "guessed": {what: asdict(guess) for what, guess in source.guess.items()},
                "notes": list(source.notes),
            }
            for source in read
        ]
    record = project.finished("init")
    return record


def load_sources(project: Project) -> list[Source]:
    """The inputs as they were read.

    Args:
        project: after `init`.

    Raises:
        UserError: init was not run.
    """
    record = project.finished("init")
    return [
        Source(one["name"], project.read_frame("init", f"source-{number}.parquet").astype("string"), origin=one["path"])
        for number, one in enumerate(record.facts["sources"])
    ]
