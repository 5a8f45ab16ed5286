"""Sources that are searched by words: the queries of a class ask for the same images there, and share what is found."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from susx.images.retrieve.candidates import Candidate
from susx.images.retrieve.queries import Query

__all__ = ["search_by_subject"]


def search_by_subject(
    queries: Sequence[Query], find: Callable[[Query], Sequence[Candidate]], *, at_once: int = 1
) -> list[list[Candidate]]:
    """Return the candidates of each query: ``find`` is asked once a subject, for as many as its queries want together.

    So many subjects are asked for at once; where one fails, those under way are finished, and what they were answered is kept.

    The encoder ranks what was fetched (``choose_support``). Until then the order of the source counts: the similarity of a candidate
    is 1 for the first and falls to 1 over their number, which is no cosine.
    """
    together: dict[tuple[str, str], list[int]] = {}
    for at, query in enumerate(queries):
        together.setdefault((query.class_name, query.subject or query.class_name), []).append(at)
    results: list[list[Candidate]] = [[] for _ in queries]

    def find_all(subject: str, places: Sequence[int]) -> list[Candidate]:
        wanted = sum(queries[at].wanted for at in places)
        return list(find(dataclasses.replace(queries[places[0]], wanted=wanted, subject=subject)))

    with ThreadPoolExecutor(max(1, min(at_once, len(together)))) as pool:
        futures = [pool.submit(find_all, subject, places) for (_, subject), places in together.items()]
        try:
            answers = [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for places, candidates in zip(together.values(), answers, strict=True):
        ranked = [
            dataclasses.replace(one, similarity=1 - at / max(len(candidates), 1))
            for at, one in enumerate(candidates)
        ]
        start = 0
        for query_number in places:
            query = queries[query_number]
            end = start + query.wanted if query_number != places[-1] else len(ranked)
            results[query_number] = [
                dataclasses.replace(one, prompt=query.prompt, query=query.text) for one in ranked[start:end]
            ]
            start = end
    return results
