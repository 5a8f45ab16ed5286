"""How many of a finite number of labels can be wrong, given how many of a stratified sample are: exact for every size.

Of E wrong labels among N, let n_h of the N_h of stratum h be drawn without replacement, and S be wrong of those drawn. In one stratum that
number is hypergeometric, and so distributed as a sum of min(n_h, E_h) independent indicators (Vatutin & Mikhailov, 1982; Ehm, "Binomial
approximation to the Poisson binomial distribution", 1991). S is therefore a sum of at most m = min(n, E) of them, with mean

    mu = sum_h n_h E_h / N_h  >=  E r,        r = min_h n_h / N_h,

however the wrong ones are spread over strata. Hoeffding ("On the distribution of the number of successes in independent trials", 1956,
theorem 4) then gives, for s <= E r - 1,

    P(S <= s)  <=  P(Binomial(m, E r / m) <= s).

That is Clopper and Pearson's bound where few of many are drawn, is close to the hypergeometric one where many are, and says "none" after a
census. Strata of proportional size (r = n / N but for rounding) can only narrow S, and cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from susx.errors import InputError

__all__ = ["most_wrong", "share_at_most"]


def share_at_most(wrong_drawn: int, wrong: int, drawn: Sequence[int], sizes: Sequence[int]) -> float:
    """Return a bound of the probability of so few wrong labels in the sample where ``wrong`` of all are.

    Args:
        wrong_drawn: s.
        wrong: E.
        drawn: n_h of each stratum.
        sizes: N_h of each stratum.
    """
    from scipy.special import (
        bdtr,
    )  # the binomial's distribution function, without what scipy.stats does around it

    mean = wrong * min(n / size for n, size in zip(drawn, sizes, strict=True))
    if wrong_drawn > mean - 1:
        return 1.0
    trials = min(sum(drawn), wrong)
    return float(bdtr(wrong_drawn, trials, min(1.0, mean / trials)))


def most_wrong(wrong_drawn: int, drawn: Sequence[int], sizes: Sequence[int], risk: float) -> int:
    """Return the number of wrong labels that is not exceeded, but with a probability of at most ``risk``.

    Raises:
        InputError: more wrong than drawn, more drawn than there are, or a risk outside (0, 1/4].

    >>> most_wrong(0, [100], [4312], 0.05)  # 2.9 %
    127
    >>> most_wrong(3, [100], [100], 0.05)  # all were looked at
    3
    """
    total, sample = sum(sizes), sum(drawn)
    if not 0 < risk <= 0.25:
        raise InputError(f"The risk of a bound lies above 0 and up to 1/4, found {risk}.")
    if not 0 <= wrong_drawn <= sample <= total or any(n > size for n, size in zip(drawn, sizes, strict=True)):
        raise InputError(
            f"A bound needs wrong <= drawn <= all labels, found {wrong_drawn} wrong of {sample} drawn of {total}."
        )
    low, high = wrong_drawn, total - (sample - wrong_drawn)  # those seen to be right are not wrong
    while low < high:  # the share falls with the number of wrong ones
        middle = (low + high + 1) // 2
        if share_at_most(wrong_drawn, middle, drawn, sizes) > risk:
            low = middle
        else:
            high = middle - 1
    return low
