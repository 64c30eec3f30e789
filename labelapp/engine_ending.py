"""The bridge's part that says what stopping now delivers: from the last training's counts.

The curves are those that "what if" keeps; the engine is imported inside the function.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from labelapp import engine_what_if
from labelapp.models import Project, Run


@dataclass(frozen=True)
class Ending:
    """What the run would deliver if the last training were the last: images, money, shares of X.

    `machine` labels, `audit` the labels that the check takes, `cost` the final total with all that
    is spent, `error` expected, `trained` how many images the model has seen.
    """

    machine: int
    audit: int
    cost: float
    error: float
    trained: int


def ending(run: Run, project: Project, *, audited: bool | None = None) -> Ending | None:
    """Return what stopping after the last training delivers; None before the first one.

    `audited`: under a certificate by audit, whatever the run has.
    """
    from mcal_engine import planner, types, whatif  # noqa: PLC0415

    known = engine_what_if.basis(run, project.public_id)
    if known is None:
        return None
    target = known.asked.target
    if audited:
        target = replace(target, certificate=types.CertificateKind.AUDIT)
    answer = whatif.answer(known, whatif.Asked(known.asked.prices, target))
    view = next(view for view in known.views if view.arch == answer.arch)
    config = replace(known.state.config, target=target)
    posed = replace(view.now, config=config, attempts=known.attempts)
    checks = planner.present(posed, view.drawn).audit
    return Ending(
        machine=answer.stop_machine,
        audit=checks if config.target.certificate is types.CertificateKind.AUDIT else 0,
        cost=answer.stop_cost,
        error=answer.stop_error,
        trained=view.now.trained,
    )
