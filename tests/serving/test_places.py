from __future__ import annotations

import pytest

from soritune.serving.faults import RequestError
from soritune.serving.places import Places


def refusal(places: Places, client: str) -> tuple[int, str, dict[str, str]]:
    with pytest.raises(RequestError) as caught, places.taken(client):
        pass
    return caught.value.status, caught.value.code, caught.value.headers


def test_places_are_limited_together_and_by_client_and_given_back() -> None:
    places = Places("requests", 2, 1)
    with places.taken("a"):
        assert refusal(places, "a") == (429, "too-many-requests", {"Retry-After": "1"})
        with places.taken("b"):
            assert refusal(places, "c") == (503, "busy", {"Retry-After": "1"})
        with pytest.raises(ValueError, match="inside"), places.taken("b"):
            raise ValueError("inside")
        with places.taken("c"):
            pass
    with places.taken("a"), places.taken("b"):
        pass


def test_without_a_limit_per_client_one_may_have_all() -> None:
    places = Places("streams", 3)
    with places.taken("a"), places.taken("a"), places.taken("a"):
        assert refusal(places, "b")[1] == "busy"
