"""What an audit promises, in words."""

from __future__ import annotations

from susx.labelling.audit import Audit, Promise, Statement

__all__ = ["sentences"]


def sentences(drawn: Audit, made: Promise) -> list[str]:
    """Return what an audit promises, a sentence or a class each; nothing before the first answer."""
    level = f"with {100 * drawn.level:g} % confidence"
    if not made.answered:
        return []
    lines = [f"{made.answered} of {made.asked} answered, {made.wrong} of those wrong."]
    if drawn.error is not None and made.released is not None:
        lines.append(
            f"T{_of(made.released)[1:]} can be released: at most {100 * drawn.error:g} % of them are wrong, {level} ({_seen(made, made.released)})."
        )
    elif drawn.error is not None:
        lines.append(f"No label can be released at an error of {100 * drawn.error:g} % {level}.")
    else:
        lines += [
            f"Of {_of(region)} at least {100 * region.least_right:.1f} % are right, {level} ({_seen(made, region)})."
            for region in made.regions
        ]
        if len(made.regions) > 1:
            lines.append("These hold together: choose any.")
    if made.by_class and made.answered:
        lines.append(f"By class, of the {len(drawn.labels):,} audited, all of these together {level}:")
        lines += [
            f"  {one.name}: at least {100 * one.least_right:.1f} % of {one.labels:,} ({one.wrong} wrong of {one.looked_at})"
            for one in made.by_class
        ]
    if drawn.number > 1:
        lines.append(
            f"This is audit {drawn.number}; what it and the earlier ones promise holds together {level}."
        )
    return lines


def _seen(made: Promise, region: Statement) -> str:
    what = "wrong" if made.answered == made.asked else "wrong or without an answer"
    return f"{region.wrong} {what} of {region.looked_at} looked at"


def _of(region: Statement) -> str:
    return f"the {region.labels:,} labels with a confidence of {region.threshold:.3f} and above"
