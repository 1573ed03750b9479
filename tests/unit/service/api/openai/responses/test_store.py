from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.openai.responses.items import InputText, MessageItem
from service.api.openai.responses.schema import ReasoningUsed, ResponseObject
from service.api.openai.responses.store import ResponseStore, StoredResponse


def stored(response_id: str, text: str = "") -> StoredResponse:
    response = ResponseObject(
        id=response_id,
        created_at=0,
        status="completed",
        instructions=None,
        max_output_tokens=None,
        metadata={},
        model="m",
        parallel_tool_calls=True,
        previous_response_id=None,
        reasoning=ReasoningUsed(None),
        store=True,
        temperature=1.0,
        tool_choice="auto",
        tools=[],
        top_logprobs=0,
        top_p=1.0,
    )
    item = MessageItem(id="i", status="completed", role="user", content=[InputText(text)])
    return StoredResponse(response, (item,))


def test_the_size_counts_what_was_given_too() -> None:
    assert stored("a", "x" * 1000).num_bytes() == stored("a").num_bytes() + 1000


def test_what_is_larger_than_all_the_room_is_not_kept() -> None:
    store = ResponseStore(max_responses=5, max_bytes=stored("a").num_bytes() + 10)
    store.put(stored("a", "x" * 11))
    assert (len(store), store.get("a")) == (0, None)
    store.put(stored("b", "x" * 10))
    assert len(store) == 1


@pytest.mark.parametrize("max_responses", [1, 3])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "get", "delete"]), st.integers(0, 6), st.integers(0, 400)
        ),
        max_size=40,
    )
)
def test_neither_bound_is_ever_passed_and_the_newest_stay(
    max_responses: int, steps: list[tuple[str, int, int]]
) -> None:
    max_bytes = 3 * stored("0").num_bytes()
    store = ResponseStore(max_responses=max_responses, max_bytes=max_bytes)
    used: dict[str, StoredResponse] = {}
    for number, (step, place, size) in enumerate(steps):
        name = f"r{number}" if step == "put" else [*used, "none"][min(place, len(used))]
        if step == "put":
            used[name] = stored(name, "x" * size)
            store.put(used[name])
        elif step == "get" and name in used:
            used[name] = used.pop(name)
            assert store.get(name) is used[name]
        elif step == "delete":
            assert store.delete(name) == (used.pop(name, None) is not None)
        while len(used) > max_responses or _size(used) > max_bytes:
            del used[next(iter(used))]
        assert len(store) == len(used)
    assert all(store.get(name) is kept for name, kept in used.items())


def _size(used: dict[str, StoredResponse]) -> int:
    return sum(kept.num_bytes() for kept in used.values())
