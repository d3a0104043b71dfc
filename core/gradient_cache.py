"""Large batches through a small memory: encode in chunks, score all rows together, encode again for the gradient."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from core.checks import check_at_least

__all__ = ["GradientCache"]


class GradientCache:
    """Gradients of one big batch with the activations of one chunk.

    Gao et al. 2021, arXiv 2101.06983: (1) encode every chunk without graph, (2) backward of the loss as far as the
    embeddings, (3) encode every chunk again, with the random state it had, and go on backward from there. Exact, at the
    price of a second forward pass, for encoders that treat rows one by one. BatchNorm does not, so it is refused while
    it trains.

    Args:
        encoders: one for all inputs, or one for each; wrapped in DDP they synchronise once a step.
        loss: takes the embeddings of the whole batch, an argument for each input; its own parameters get their gradient
            too.
        chunk: rows encoded at a time, >= 1.
        generators: every generator that the encoders draw from besides torch's default ones.

    Raises:
        ValueError: a chunk below 1.

    >>> from core.losses import NTXentLoss
    >>> encoder = nn.Linear(3, 2)
    >>> loss = GradientCache(encoder, NTXentLoss(), chunk=2).step(torch.eye(3), 1 - torch.eye(3))
    >>> encoder.weight.grad.shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        encoders: nn.Module | Sequence[nn.Module],
        loss: Callable[..., Tensor],
        *,
        chunk: int,
        generators: Sequence[torch.Generator] = (),
    ) -> None:
        check_at_least("chunk", chunk, 1)
        self.encoders = [encoders] if isinstance(encoders, nn.Module) else list(encoders)
        self.loss = loss
        self.chunk = chunk
        self.generators = list(generators)

    def step(self, *inputs: Shaped[Tensor, "n ..."]) -> Float[Tensor, ""]:
        """Add the gradient of one batch to every parameter's ``.grad`` and return the loss, detached.

        Args:
            *inputs: the batch, row by row; one tensor for each argument of the loss.

        Raises:
            ValueError: more or fewer inputs than encoders, or BatchNorm in training mode.
        """
        encoders = self.encoders * len(inputs) if len(self.encoders) == 1 else self.encoders
        if len(encoders) != len(inputs) or not inputs:
            raise ValueError(
                f"there are {len(self.encoders)} encoders, which must be 1 or one for each input, got {len(inputs)}"
            )
        _refuse_batch_statistics(self.encoders)
        work = [
            (place, encoder, chunk)
            for place, (encoder, x) in enumerate(zip(encoders, inputs, strict=True))
            for chunk in x.split(self.chunk)
        ]
        states = []
        parts: list[list[Tensor]] = [[] for _ in inputs]
        with torch.no_grad():
            for place, encoder, chunk in work:
                states.append(self._random_state(chunk.device))
                parts[place].append(encoder(chunk))
        # Autocast keeps the weights it has cast, here without a graph: the second pass would lose their gradient.
        torch.clear_autocast_cache()
        leaves = [torch.cat(part).requires_grad_() for part in parts]
        value = self.loss(*leaves)
        value.backward()

        cached = [leaf.grad if leaf.grad is not None else torch.zeros_like(leaf) for leaf in leaves]
        pieces = [piece for grad in cached for piece in grad.split(self.chunk)]
        last = {id(encoder): index for index, (_, encoder, _) in enumerate(work)}
        after = self._random_state(inputs[0].device)
        for index, ((_, encoder, chunk), state, piece) in enumerate(zip(work, states, pieces, strict=True)):
            self._restore(state, chunk.device)
            with _unsynchronised(encoder, index != last[id(encoder)]):
                torch.autograd.backward(encoder(chunk), piece)
        self._restore(after, inputs[0].device)
        return value.detach()

    def _random_state(self, device: torch.device) -> list[Tensor]:
        own = [] if device.type == "cpu" else [torch.get_device_module(device).get_rng_state(device)]
        return [torch.get_rng_state(), *(g.get_state() for g in self.generators), *own]

    def _restore(self, state: list[Tensor], device: torch.device) -> None:
        torch.set_rng_state(state[0])
        for generator, kept in zip(self.generators, state[1:], strict=False):
            generator.set_state(kept)
        if device.type != "cpu":
            torch.get_device_module(device).set_rng_state(state[-1], device)


def _refuse_batch_statistics(encoders: Sequence[nn.Module]) -> None:
    for encoder in encoders:
        for name, module in encoder.named_modules():
            if isinstance(module, _BatchNorm) and module.training:
                raise ValueError(
                    f"BatchNorm {name!r} would see chunks instead of the batch, and count them twice; use LayerNorm or "
                    "GroupNorm, or put it into eval mode"
                )


def _unsynchronised(encoder: nn.Module, wanted: bool) -> AbstractContextManager[None]:
    if wanted and isinstance(encoder, DistributedDataParallel):
        return encoder.no_sync()
    return nullcontext()
