"""A temperature for each sample, moved by gradient steps with momentum inside bounds."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.checks import check_at_least, check_positive
from core.lasting_state import LastingState
from core.losses.sample_index import gathered_samples

__all__ = ["TemperatureState", "check_eta", "check_rho", "individual_temperature_step", "temperature_gradient"]


def check_rho(rho: float) -> None:
    """Refuse a radius of the KL ball that is negative or not finite.

    Raises:
        ValueError: with what is allowed and what came.
    """
    if not (math.isfinite(rho) and rho >= 0):
        raise ValueError(
            f"rho must be finite and >= 0, got {rho!r}; usual values are 0.1 to 0.5, or 6 with two encoders"
        )


def check_eta(eta: float) -> None:
    """Refuse a step size of the temperatures that is negative or not finite.

    Raises:
        ValueError: with what is allowed and what came.
    """
    if not (math.isfinite(eta) and eta >= 0):
        raise ValueError(f"eta, the step size of the temperatures, must be finite and >= 0, got {eta!r}")


def temperature_gradient(
    log_partition: Float[Tensor, " n"],
    log_mean: Float[Tensor, " n"],
    mean_exponent: Float[Tensor, " n"],
    rho: float,
) -> Float[Tensor, " n"]:
    """G = log s + rho - (g / s) E_p[h / t], from what the loss has at hand; see `individual_temperature_step`.

    Args:
        log_partition: log s.
        log_mean: log g, the batch's own mean of exp(h / t).
        mean_exponent: mean of h / t under p = softmax(h / t).
        rho: radius.
    """
    return log_partition + rho - (log_mean - log_partition).exp() * mean_exponent


def individual_temperature_step(
    log_partition: Float[Tensor, " n"],
    h: Float[Tensor, "n m"],
    temperature: float | Float[Tensor, " n"],
    rho: float,
) -> Float[Tensor, " n"]:
    """Gradient of iSogCLR's objective in each temperature, estimated from one batch.

    Qiu et al. 2023, arXiv 2305.11965; s_i the partition state after its update::

        G_i = log s_i + rho - mean_z exp(h_iz / t_i) / s_i h_iz / t_i

    The losses compute it without the (n, m) matrix; this is the plain form.

    Args:
        log_partition: log s.
        h: similarity of each negative minus that of the positive, in [-2, 2] for unit rows; m >= 1.
        temperature: t > 0.
        rho: radius of the KL ball, >= 0.

    Returns:
        (n,). A temperature moves against it.

    Raises:
        ValueError: no negatives, a temperature that is not positive, rho.

    Relations:
        rho - KL(softmax(h / t) || uniform) if s is the mean of exp(h / t), so it vanishes where that divergence is rho.
        The divergence is at most log m: with rho above that every temperature falls to its lower bound.

    >>> individual_temperature_step(torch.tensor([0.0]), torch.zeros(1, 4), 0.1, 0.3)  # equal negatives: KL = 0
    tensor([0.3000])
    """
    check_rho(rho)
    check_at_least("the number of negatives", h.shape[1], 1)
    scale = torch.as_tensor(temperature, dtype=h.dtype, device=h.device)
    if not bool(((scale > 0) & (scale < torch.inf)).all()):
        raise ValueError("temperature must be finite and > 0 in every row; usual values are 0.01 to 1")
    exponents = h / scale.reshape(-1, 1)
    log_mean = exponents.logsumexp(dim=1) - math.log(h.shape[1])
    mean = (torch.softmax(exponents, dim=1) * exponents).sum(dim=1)
    return temperature_gradient(log_partition, log_mean, mean, rho)


class TemperatureState(LastingState):
    """t_i of each sample and the running gradient u_i, the second memory of iSogCLR (arXiv 2305.11965).

    One visit with gradient G (clipped to +- ``grad_clip``)::

        u <- (1 - beta) u + beta G        t <- clip(t - eta u, tau_min, tau_max)

    Args:
        num_samples: samples in the data set, >= 1.
        temperature: start of every t, within the bounds.
        tau_min: least temperature, > 0.
        tau_max: greatest temperature.
        beta: weight of the new gradient, in (0, 1].
        grad_clip: > 0.

    Raises:
        ValueError: sizes or settings.

    >>> state = TemperatureState(3, temperature=0.1, tau_min=0.05, tau_max=1.0, beta=0.5, grad_clip=3.0)
    >>> state.update(torch.tensor([0, 2]), torch.tensor([-1.0, 9.0]), eta=0.03)
    >>> [round(t, 4) for t in state.temperatures.tolist()]  # up by eta / 2; down by 1.5 eta
    [0.115, 0.1, 0.055]
    """

    temperatures: Tensor
    momentum: Tensor

    def __init__(
        self,
        num_samples: int,
        *,
        temperature: float,
        tau_min: float,
        tau_max: float,
        beta: float,
        grad_clip: float,
    ) -> None:
        super().__init__()
        check_at_least("num_samples", num_samples, 1)
        check_positive("tau_min", tau_min, usual="0.005 to 0.05")
        check_positive("tau_max", tau_max, usual="0.05 to 1")
        if not tau_min <= temperature <= tau_max:
            raise ValueError(
                f"tau_min <= temperature <= tau_max is required, got {tau_min!r}, {temperature!r} and {tau_max!r}"
            )
        if not 0 < beta <= 1:
            raise ValueError(f"beta, the weight of the new gradient, must be in (0, 1], got {beta!r}")
        check_positive("grad_clip", grad_clip, usual="3 or 5")
        self.tau_min = tau_min
        self.tau_max = tau_max
        self.beta = beta
        self.grad_clip = grad_clip
        self.register_buffer("temperatures", torch.full((num_samples,), float(temperature)))
        self.register_buffer("momentum", torch.zeros(num_samples))

    def read(self, index: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Temperatures of some samples."""
        return self.temperatures[index.to(self.temperatures.device)]

    @torch.no_grad()
    def update(self, index: Int64[Tensor, " n"], gradient: Float[Tensor, " n"], *, eta: float) -> None:
        """One step of some temperatures; under several processes, of the samples of all, in every process.

        Args:
            index: positions in the data set; as many in every process.
            gradient: G of each; one that is not finite is passed over.
            eta: step size, >= 0.

        Raises:
            TypeError: an index that is not int64.
            ValueError: shapes, eta, a sample outside the data set, or one that comes twice.
        """
        check_eta(eta)
        index, gradient = gathered_samples(index, gradient, len(self.temperatures))
        index, gradient = index.to(self.temperatures.device), gradient.to(self.temperatures)
        finite = gradient.isfinite()
        index, gradient = index[finite], gradient[finite].clamp(-self.grad_clip, self.grad_clip)
        momentum = (1 - self.beta) * self.momentum[index] + self.beta * gradient
        self.momentum[index] = momentum
        self.temperatures[index] = (self.temperatures[index] - eta * momentum).clamp(self.tau_min, self.tau_max)

    def extra_repr(self) -> str:
        """Size and settings."""
        settings = ", ".join(f"{name}={getattr(self, name)}" for name in ("tau_min", "tau_max", "beta", "grad_clip"))
        return f"num_samples={len(self.temperatures)}, {settings}"
