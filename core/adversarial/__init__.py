"""Perturbations of inputs and embeddings: FGM, FGSM, PGD, VAT, FreeLB, SMART, SiFT, behind one interface.

``perturb(closure, x)`` moves x to where the closure is larger; ``loss(forward, x, reference)`` is what to train on.
"""

from core.adversarial.adversary import Adversary
from core.adversarial.fgm import FGM
from core.adversarial.fgsm import FGSM
from core.adversarial.free_lb import FreeLB
from core.adversarial.pgd import PGD
from core.adversarial.same_dropout import SameDropout
from core.adversarial.sift import SiFT
from core.adversarial.smart import SMART
from core.adversarial.vat import VAT

__all__ = ["FGM", "FGSM", "PGD", "SMART", "VAT", "Adversary", "FreeLB", "SameDropout", "SiFT"]
