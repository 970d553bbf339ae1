"""Whether a body names a credential is told from its bytes as it is told from its fields."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm.core.secrets import is_credential_field, names_credentials

NAMES = ("authorization", "api_key", "X-Api-Key", "client-secret", "secretAccessKey", "my_password", "id_token", "JWT",
         "credentials", "passwd", "monkey", "secretary", "token_count", "keys", "max_tokens", "key", "token",
         'a":"b', "é")  # fmt: skip
VALUES = st.recursive(
    st.text(max_size=12) | st.integers() | st.none() | st.sampled_from(['"api_key":', "secret", '"']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), inner),
    max_leaves=12,
)


def names(value: Any) -> list[str]:
    """All fields' names."""
    if isinstance(value, dict):
        return [*value, *(name for inner in value.values() for name in names(inner))]
    return [name for inner in value for name in names(inner)] if isinstance(value, list) else []


@given(VALUES)
def test_no_field_is_missed(value: Any) -> None:
    """Each field that holds a credential by its name is seen in the bytes, wherever it stands."""
    if any(is_credential_field(name) for name in names(value)):
        assert names_credentials((msgspec.json.encode(value),))


@pytest.mark.parametrize("text", ["x" * 50_000, 'say "api_key": and so on', 'secret": ', "http://a:1/?key=5"])
def test_words_in_texts_are_not_fields(text: str) -> None:
    """A text that speaks of keys costs no second look."""
    assert not names_credentials((msgspec.json.encode({"content": text, "monkey": 1, "max_tokens": 5}),))
