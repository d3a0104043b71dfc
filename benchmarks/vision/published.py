"""Numbers from papers beside the rows, with what makes them comparable or not."""

from core.reporting import Published

__all__ = ["PUBLISHED"]

_WHY = "ResNet-18, all 50,000 images, hundreds of epochs"
_SOLO = "solo-learn, CIFAR-10, ResNet-18, 1000 epochs, online linear probe"
_DCL = "reference code of arXiv 2110.06848, CIFAR-10, ResNet-18, 100 epochs, linear probe"
_MV = "Koromilas et al. 2025, arXiv 2507.06979, CIFAR-10, ResNet-18, 200 epochs, linear probe"


def _rows(source: str, values: dict[str, float]) -> dict[tuple[str, str], Published]:
    return {(name, "cifar10_13k"): Published(value, source, False, _WHY) for name, value in values.items()}


PUBLISHED: dict[tuple[str, str], Published] = {
    **_rows(
        _SOLO,
        {
            "SimCLR (NT-Xent)": 90.74,
            "MoCo v2": 92.94,
            "BYOL": 92.58,
            "SimSiam": 90.51,
            "Barlow Twins": 92.10,
            "VICReg": 92.07,
            "SwAV": 89.17,
        },
    ),
    **_rows(
        _DCL,
        {
            "SimCLR, batch 32": 78.3,
            "DCL, batch 32": 84.6,
            "DCL": 85.36,
            "DCLW, batch 32": 83.32,
            "DCLW": 82.7,
        },
    ),
    **_rows(_MV, {"MV-DHEL, 2 views": 87.4, "MV-DHEL, 4 views": 89.5}),
    **_rows(
        "Wu et al. 2024, arXiv 2410.18200, CIFAR-10, ResNet-18, 50 epochs, online probe",
        {"Hydra, arbitrary pairs": 90.86, "SupCon": 89.9, "arbitrary pairs without a gate": 25.3},
    ),
}
"""By system and data set."""
