"""The service backend against every way in which a kNN service fails: a diagnosis, never a JSON error."""

import threading

import pytest
import requests

from susx.config import RetrievalConfig
from susx.errors import ConfigError, MismatchError, RetrievalError
from susx.images.retrieve import open_backend, queries_for
from susx.images.retrieve.backends.outages import check_answer, fault_of
from susx.images.retrieve.backends.pacing import Breaker, RateLimit
from susx.images.retrieve.backends.service import ServiceBackend
from susx.records import Prompt
from susx.testing.encoders import WordEncoder
from susx.testing.http_knn import ScriptedKnn

QUERY = queries_for("cat", [Prompt("cat", "A photo of a cat.", "photo", 0)], None, 5, over_fetch=2)


def backend(knn, **changes):
    options = {"timeout": 30, "attempts": 3, "rate_limit": 1000, "backoff": 0.01} | changes
    return ServiceBackend(knn.url, None, WordEncoder(), **options)


def test_an_embedding_query_goes_out_and_results_come_back():
    """The query carries our embedding, the listed index, no aesthetic weight; results become candidates."""
    with ScriptedKnn("ok") as knn:
        ((found,),) = backend(knn).search(QUERY)
    (sent,) = knn.queries
    assert len(sent["embedding_input"]) == 32
    assert sent["text"] is None
    assert sent["indice_name"] == "demo"
    assert (sent["num_images"], sent["aesthetic_score"], sent["deduplicate"]) == (10, "", False)
    assert (found.url, found.similarity, found.nsfw) == ("http://example.org/3.jpg", 0.31, "UNLIKELY")


def test_a_text_query_leaves_the_encoding_to_the_service():
    """Text queries carry the sentence and no embedding."""
    with ScriptedKnn("ok") as knn:
        backend(knn, query="text").search(QUERY)
    assert knn.queries[0]["text"] == "A photo of a cat."
    assert knn.queries[0]["embedding_input"] is None


@pytest.mark.parametrize(
    ("behaviour", "match", "asked"),
    [
        ("html", "web page, not with results", 1), ("malformed", "malformed JSON", 1), ("object", "not a list", 1),
        ("404", "HTTP 404", 1), ("502", "HTTP 502 with a web page", 3), ("429", "fewer requests: HTTP 429", 3),
        ("500", "retrieval.index_name", 3), ("hang", "did not answer within 0.5 s", 3), ("drip", "did not answer within 0.5 s", 3), ("drop", "broke", 3),
        ("empty", "empty list", 1), ("flood", "more than 128 MiB in one answer", 1), ("nested", "malformed JSON", 1),
    ],
)  # fmt: skip
def test_every_failure_is_diagnosed(behaviour, match, asked):
    """Each failure names the service and the trouble; only 429, 5xx, timeouts and drops are tried again."""
    patience = 0.5 if "0.5 s" in match else 30  # a busy machine may take a second for 128 MiB
    with ScriptedKnn(behaviour) as knn:
        with pytest.raises(RetrievalError, match=match) as caught:
            backend(knn, timeout=patience).search(QUERY)
        assert len(knn.queries) == asked
        assert knn.url in str(caught.value)


def test_passing_trouble_is_survived():
    """A 503, a 429 and a dropped connection before an answer do no harm."""
    with ScriptedKnn("503", "429", "drop", "ok") as knn:
        assert backend(knn, attempts=4).search(QUERY)[0]
        assert len(knn.queries) == 4


def test_an_open_breaker_asks_nobody():
    """After a failure the next search fails at once with the same diagnosis, without a request."""
    with ScriptedKnn("malformed") as knn:
        for _ in range(2):
            with pytest.raises(RetrievalError, match="malformed"):
                backend(knn).search(QUERY)
        assert len(knn.queries) == 1


def test_a_breaker_lets_one_try_after_its_time():
    """After the cool-down one caller may try while the others still fail fast; success closes it."""
    now = [0.0]
    breaker = Breaker(10, clock=lambda: now[0])
    breaker.failed("down")
    assert breaker.diagnosis() == "down"
    now[0] = 11
    assert (breaker.diagnosis(), breaker.diagnosis()) == ("", "down")
    breaker.succeeded()
    assert breaker.diagnosis() == ""


def test_the_rate_limit_spaces_calls_over_threads():
    """Slots reserved by several threads are one interval apart."""
    limit = RateLimit(10, clock=lambda: 5.0)
    slots = []
    threads = [threading.Thread(target=lambda: slots.append(limit.reserve())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(round(slot, 6) for slot in slots) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]


def test_the_public_service_is_known_to_be_down():
    """Failures at knn.laion.ai name its outage and the ways around it."""
    fault = fault_of(requests.ConnectTimeout("timed out"), "https://knn.laion.ai/knn-service", 5)
    assert "down since late 2023" in str(fault)
    assert "susx index build" in str(fault)
    with pytest.raises(Exception, match="late 2023"):
        check_answer(200, {}, b"<html>sorry</html>", "https://knn.laion.ai/knn-service")


def test_nothing_listening_is_said_so():
    """A refused connection says that nothing listens there."""
    with ScriptedKnn("ok") as knn:
        url = knn.url
    with pytest.raises(RetrievalError, match="Nothing listens"):
        ServiceBackend(url, None, WordEncoder(), attempts=1, rate_limit=1000).search(QUERY)


def test_an_index_of_another_encoder_is_refused():
    """A service that says which encoder built its index is refused when it is not ours."""
    with ScriptedKnn("ok", manifest={"encoder": "theirs", "digest": "f" * 64}) as knn:
        with pytest.raises(MismatchError, match=r"'theirs'.*'word-encoder'"):
            backend(knn).search(QUERY)
        assert not knn.queries


def test_settings_are_checked():
    """No URL, a URL that is none and an ambiguous index are named before anything is sent."""
    with pytest.raises(ConfigError, match=r"retrieval\.url"):
        open_backend(RetrievalConfig(backend="service"), WordEncoder())
    with pytest.raises(ConfigError, match="http://HOST"):
        ServiceBackend("localhost:1234", None, WordEncoder())
    with ScriptedKnn("ok", indices=["a", "b"]) as knn, pytest.raises(ConfigError, match="a, b"):
        backend(knn).search(QUERY)
