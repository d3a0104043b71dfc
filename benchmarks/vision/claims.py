"""Published claims as differences between rows, with a verdict by a paired test over seeds."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.evaluation import Verdict, paired_test
from core.reporting import Cell, CellResult, Published, ResultRecord, environment

__all__ = ["CLAIMS", "Claim", "claim_records", "claims_of", "row_verdicts"]

KNN = "kNN accuracy (k=20, T=0.07)"
_OTHER = "another network, budget and data set size"


@dataclass(frozen=True)
class Claim:
    """A weighted sum of scores that the claim says is above 0.

    Attributes:
        text: the claim.
        terms: pairs of a system and a weight.
        metric: the score.
        minus: a second score that each system's is taken against; "" for none.
        value: the published difference, None where there is none.
        source: where the claim stands.
        scale: factor on the scores, 100 for accuracies.
        row: the system whose row carries the verdict; "" for none.
    """

    text: str
    terms: tuple[tuple[str, float], ...]
    source: str
    metric: str = "accuracy"
    minus: str = ""
    value: float | None = None
    scale: float = 100.0
    row: str = ""

    @property
    def unit(self) -> str:
        """Of the difference."""
        return "points" if self.scale == 100.0 else self.metric


def _above(text: str, better: str, worse: str, source: str, **rest: object) -> Claim:
    claim = Claim(text, ((better, 1.0), (worse, -1.0)), source, **({"row": better} | rest))  # type: ignore[arg-type]
    return claim


_DCL = "Yeh et al. 2022, arXiv 2110.06848; CIFAR-10 figures of the reference code"
_SOLO = "solo-learn, CIFAR-10, ResNet-18, 1000 epochs"
_MV = "Koromilas et al. 2025, arXiv 2507.06979, CIFAR-10"
_CACR = "Zheng et al. 2023, arXiv 2105.03746"
_GROCO = "Shvetsova et al. 2023, arXiv 2301.02009"
_SOGCLR = "Yuan et al. 2022, arXiv 2202.12387"
_ISOGCLR = "Qiu et al. 2023, arXiv 2305.11965"
_MOCHI = "Kalantidis et al. 2020, arXiv 2010.01028"
_HALLUCINATOR = "Wu et al. 2023, arXiv 2307.12168"
_HYDRA = "Wu et al. 2024, arXiv 2410.18200, CIFAR-10, ResNet-18, 50 epochs"
_CORE = "Zhang et al. 2021, arXiv 2102.06605, CIFAR-10, ResNet-50"
_MCL = "Zhang et al. 2024, arXiv 2402.11816"
_SUPREMIX = "Wu et al., SupReMix, arXiv 2309.16633"
_HEADS = "Xue et al. 2024, arXiv 2403.11391"
_MOCO = "Chen et al. 2020, arXiv 2003.04297"
_SIMCLR, _SIMCLR_32, _PAIRS_4 = "SimCLR (NT-Xent)", "SimCLR, batch 32", "SimCLR, 4 views in pairs"

CLAIMS: dict[str, tuple[Claim, ...]] = {
    "instance discrimination": (
        _above("SimCLR learns: above its untrained start", _SIMCLR, "untrained start", "every paper"),
        _above("DCL above NT-Xent at batch 32", "DCL, batch 32", _SIMCLR_32, _DCL, value=6.3),
        _above("DCL above NT-Xent at batch 256", "DCL", _SIMCLR, _DCL, value=2.1),
        Claim(
            "DCL gains more at batch 32 than at 256",
            (("DCL, batch 32", 1.0), (_SIMCLR_32, -1.0), ("DCL", -1.0), (_SIMCLR, 1.0)),
            _DCL,
            value=4.2,
        ),
        _above("DCLW above NT-Xent at batch 32", "DCLW, batch 32", _SIMCLR_32, _DCL, value=5.02),
        _above("DCLW above NT-Xent at batch 256", "DCLW", _SIMCLR, _DCL, value=-0.56),
        _above("CACR above NT-Xent", "CACR", _SIMCLR, _CACR),
        _above("CACR above NT-Xent, both with 4 views", "CACR, 4 views", _PAIRS_4, _CACR),
        _above("GroCo above NT-Xent in kNN", "GroCo", _SIMCLR, _GROCO, metric=KNN),
        _above("MV-InfoNCE above pairs of NT-Xent, 4 views", "MV-InfoNCE, 4 views", _PAIRS_4, _MV),
        _above("MV-DHEL above NT-Xent, 2 views", "MV-DHEL, 2 views", _SIMCLR, _MV, value=1.4),
        _above("MV-DHEL above pairs of NT-Xent, 4 views", "MV-DHEL, 4 views", _PAIRS_4, _MV, value=0.8),
        _above(
            "MV-DHEL uses more dimensions than pairs of NT-Xent, 4 views",
            "MV-DHEL, 4 views", _PAIRS_4, _MV, metric="rank of projections", scale=1.0, row="",
        ),
        Claim(
            "SogCLR loses less than NT-Xent from batch 256 to 32",
            (("SogCLR, batch 32", 1.0), ("SogCLR", -1.0), (_SIMCLR_32, -1.0), (_SIMCLR, 1.0)),
            _SOGCLR,
            row="SogCLR, batch 32",
        ),
        _above("SogCLR above NT-Xent", "SogCLR", _SIMCLR, _SOGCLR),
        _above("iSogCLR above NT-Xent", "iSogCLR", _SIMCLR, _ISOGCLR),
        _above("Barlow Twins above SimCLR", "Barlow Twins", _SIMCLR, _SOLO, value=1.36),
        _above("VICReg above SimCLR", "VICReg", _SIMCLR, _SOLO, value=1.33),
        _above("SwAV below SimCLR on small images", _SIMCLR, "SwAV", _SOLO, value=1.57, row="SwAV"),
        _above("BYOL above SimCLR", "BYOL", _SIMCLR, _SOLO, value=1.84),
        _above("MoCo v2 above SimCLR", "MoCo v2", _SIMCLR, _SOLO, value=2.2),
        _above("SimSiam below SimCLR", _SIMCLR, "SimSiam", _SOLO, value=0.23, row="SimSiam"),
        _above("MoCHi above MoCo v2", "MoCo v2 + MoCHi", "MoCo v2", _MOCHI),
        _above(
            "MoCHi lowers the proxy accuracy",
            "MoCo v2", "MoCo v2 + MoCHi", _MOCHI, metric="proxy accuracy", row="",
        ),
        _above(
            "MoCHi makes embeddings more uniform",
            "MoCo v2", "MoCo v2 + MoCHi", _MOCHI, metric="uniformity", scale=1.0, row="",
        ),
        _above("class oracle above MoCHi", "MoCo v2 + MoCHi, class oracle", "MoCo v2 + MoCHi", _MOCHI),
        _above("Hallucinator above MoCo v2", "MoCo v2 + Hallucinator", "MoCo v2", f"{_HALLUCINATOR}: +0.3 to +3.0"),
        _above("Hallucinator above SimSiam", "SimSiam + Hallucinator", "SimSiam", f"{_HALLUCINATOR}: +0.3 to +3.0"),
        *(
            claim
            for base in ("MoCo v2", "SimSiam")
            for claim in (
                _above(f"the suppressed crop helps {base}", f"{base}, suppressed crop", base, _HALLUCINATOR),
                _above(
                    f"Hallucinator above {base}, both with the suppressed crop",
                    f"{base} + Hallucinator, suppressed crop", f"{base}, suppressed crop", _HALLUCINATOR,
                ),
            )
        ),
    ),
    "long tail": (
        _above("SogCLR above NT-Xent on a long tail", "SogCLR", _SIMCLR, _SOGCLR),
        _above("iSogCLR above NT-Xent on a long tail", "iSogCLR", _SIMCLR, _ISOGCLR),
        _above("iSogCLR above SogCLR on a long tail", "iSogCLR", "SogCLR", _ISOGCLR, row=""),
        _above("CACR above NT-Xent on a long tail", "CACR", _SIMCLR, _CACR),
    ),
    "supervised": (
        _above("SupCon above cross-entropy", "SupCon", "cross-entropy", "Khosla et al. 2020, arXiv 2004.11362"),
        _above("Hydra at least on a par with SupCon", "Hydra, arbitrary pairs", "SupCon", _HYDRA, value=0.96),
        _above(
            "arbitrary pairs need the gate",
            "Hydra, arbitrary pairs", "arbitrary pairs without a gate", _HYDRA,
            row="arbitrary pairs without a gate",
        ),
        _above(
            "SupCon cannot learn from arbitrary pairs",
            "Hydra, arbitrary pairs", "SupCon fed arbitrary pairs", _HYDRA,
            value=65.56, row="SupCon fed arbitrary pairs",
        ),
        _above(
            "Hydra's features have the higher rank",
            "Hydra, arbitrary pairs", "SupCon", _HYDRA, metric="effective rank", scale=1.0, row="",
        ),
    ),
    "fine-tuning": tuple(
        _above(text, "Core-tuning", rival, _CORE, metric="classifier accuracy", value=value, row=row)
        for text, rival, value, row in (
            ("Core-tuning above plain fine-tuning", "plain fine-tuning", 2.61, "Core-tuning"),
            ("its contrast helps", "Core-tuning without contrast", None, "Core-tuning without contrast"),
            ("its mixing helps", "Core-tuning without mixing", None, "Core-tuning without mixing"),
            ("its focal weight helps", "Core-tuning without focal weight", None, "Core-tuning without focal weight"),
        )
    ),
    "feature suppression": (
        _above("MCL above one plain run, mean of both features", "MCL", "one plain run", _MCL),
        _above(
            "MCL above the ensemble of 3 plain runs", "MCL", "3 plain runs, joined", _MCL,
            row="",
        ),
        Claim(
            "two stages above one, on the picture",
            (("MCL", 1.0),), _MCL, metric="accuracy image, first 2", minus="accuracy image, first 1",
        ),
        Claim(
            "three stages above one, on the picture",
            (("MCL", 1.0),), _MCL, metric="accuracy image", minus="accuracy image, first 1",
        ),
        Claim(
            "three stages above one, on the digit",
            (("MCL", 1.0),), _MCL, metric="accuracy digit", minus="accuracy digit, first 1",
        ),
    ),
    **{
        f"regression: {dataset}": tuple(
            _above(f"SupReMix below {rival} in error", rival, "SupReMix", _SUPREMIX, metric="MAE", scale=1.0, row=row)
            for rival, row in (
                ("L1", "SupReMix"), ("SupCR (Rank-N-Contrast)", ""), ("SupReMix without mixtures", ""),
            )
        )
        for dataset in ("rotation angle", "rotation angle, imbalanced", "diabetes", "diabetes, imbalanced")
    },
    "projection heads: cifar10_13k, half": (
        Claim(
            "before the MLP head above after it, clean",
            (("MLP head", 1.0),), _HEADS, minus="accuracy post, clean", row="MLP head",
        ),
        Claim(
            "the gain before the head is larger on shifted images",
            (("MLP head", 1.0),), _HEADS,
            metric="accuracy pre - post, shifted", minus="accuracy pre - post, clean",
        ),
        _above(
            "fixed reweighting at least on a par with no head",
            "fixed reweighting", "no head", _HEADS,
        ),
        _above(
            "an MLP head above no head", "MLP head", "no head", _HEADS, row="",
        ),
    ),
    "projection heads: digits over cifar10_13k, digit dropped from a view": (
        _above(
            "the gain before the head grows where a view loses the digit",
            "MLP head, digit dropped with p = 0.9", "MLP head, digit dropped with p = 0", _HEADS,
            metric="accuracy pre - post, clean",
        ),
    ),
    "transfer": (
        _above("SimCLR transfers", "SimCLR on cifar10_13k", "untrained start", "every paper"),
        _above("MoCo v2 transfers better than SimCLR", "MoCo v2 on cifar10_13k", "SimCLR on cifar10_13k", _MOCO),
    ),
}  # fmt: skip
"""By part of the study. A verdict "not seen" means the opposite was measured."""


def claims_of(part: str, dataset: str) -> tuple[Claim, ...]:
    """The claims about one table.

    Args:
        part: of the study.
        dataset: of the table.
    """
    return CLAIMS.get(part, CLAIMS.get(f"{part}: {dataset}", ()))


def _differences(claim: Claim, results: Mapping[Cell, CellResult]) -> dict[int, float]:
    """The claim's sum for each seed that has all of its scores."""
    scores: dict[tuple[str, int], float] = {}
    for cell, result in results.items():
        if claim.metric in result.scores and claim.minus in {"", *result.scores}:
            base = result.scores[claim.minus] if claim.minus else 0.0
            scores[cell.system.name, cell.seed] = result.scores[claim.metric] - base
    seeds = sorted({seed for _, seed in scores})
    complete = [seed for seed in seeds if all((name, seed) in scores for name, _ in claim.terms)]
    return {seed: claim.scale * sum(weight * scores[name, seed] for name, weight in claim.terms) for seed in complete}


def _verdict(found: Mapping[int, float]) -> Verdict:
    return paired_test(list(found.values()), [0.0] * len(found)).verdict


def _tables(results: Mapping[Cell, CellResult]) -> dict[str, dict[Cell, CellResult]]:
    tables: dict[str, dict[Cell, CellResult]] = {}
    for cell, result in results.items():
        tables.setdefault(cell.dataset, {})[cell] = result
    return tables


def row_verdicts(part: str, results: Mapping[Cell, CellResult]) -> dict[tuple[str, str], Verdict]:
    """The verdict that each row carries, by system and data set."""
    found: dict[tuple[str, str], Verdict] = {}
    for dataset, table in _tables(results).items():
        for claim in claims_of(part, dataset):
            differences = _differences(claim, table)
            if claim.row and len(differences) > 1:
                found[claim.row, dataset] = _verdict(differences)
    return found


def claim_records(part: str, profile: str, results: Mapping[Cell, CellResult]) -> list[ResultRecord]:
    """One record per claim: the difference over seeds, the published one beside it, the verdict."""
    where = environment()
    records = []
    for dataset, table in _tables(results).items():
        methods = {cell.system.name: cell.system.method for cell in table}
        commit = min(result.commit for result in table.values())
        for claim in claims_of(part, dataset):
            found = _differences(claim, table)
            if len(found) < 2:
                continue
            values = list(found.values())
            terms = [list(term) for term in claim.terms]
            records.append(
                ResultRecord.over(
                    values,
                    system=claim.text,
                    domain="vision",
                    dataset=f"{dataset}: claims",
                    split=part,
                    method=methods[claim.terms[0][0]],
                    metric="difference",
                    seeds=found,
                    higher_is_better=True,
                    published=Published(claim.value, claim.source, False, _OTHER),
                    verdict=_verdict(found),
                    profile=profile,
                    settings={"metric": claim.metric, "minus": claim.minus, "unit": claim.unit, "terms": terms},
                    **{**where, "commit": commit},
                )
            )
    return records
