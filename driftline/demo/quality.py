"""The model's progressive figures early and late in a run, from its published evaluations."""

from collections.abc import Sequence

import msgspec

from contracts.records import Evaluation


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """Progressive figures (predict, then learn), averaged over several evaluations and weighted by examples."""

    evaluations: int
    examples: int
    base_rate: float
    log_loss: float
    pr_auc: float
    rce: float
    calibration_error: float


def early_and_late(evaluations: Sequence[Evaluation]) -> tuple[Quality | None, Quality | None]:
    """The averages over the first and over the last third of the evaluations, at least one evaluation each.

    Both are None without evaluations; the second is None if there is only one.
    """
    share = max(1, len(evaluations) // 3)
    early = average(evaluations[:share])
    late = average(evaluations[-share:]) if len(evaluations) > 1 else None
    return early, late


def average(evaluations: Sequence[Evaluation]) -> Quality | None:
    """The mean of each figure over `evaluations`, weighted by examples; None without examples."""
    examples = sum(evaluation.examples for evaluation in evaluations)
    if examples == 0:
        return None

    def mean(figure: str) -> float:
        return float(sum(getattr(e, figure) * e.examples for e in evaluations) / examples)

    return Quality(
        evaluations=len(evaluations),
        examples=examples,
        base_rate=mean("base_rate"),
        log_loss=mean("log_loss"),
        pr_auc=mean("pr_auc"),
        rce=mean("rce"),
        calibration_error=mean("calibration_error"),
    )
