from __future__ import annotations

import io

import pytest

from export.decoder.context import warn_of_long_context, with_context
from export.decoder.families import read_spec
from export.decoder.rope import rope_tables
from export.errors import ExportError
from export.progress import Progress, Style
from tests.tiny_decoders import CONFIGS, WINDOW

LONG = read_spec(CONFIGS["phi3 with longrope"])
SLIDING = read_spec(CONFIGS["mistral"])


@pytest.mark.parametrize(("asked", "served"), [(None, 32), (20, 20), (33, 33), (64, 64)])
def test_a_longrope_serves_the_length_of_its_first_factors_unless_asked_for_more(
    asked: int | None, served: int
) -> None:
    assert with_context(LONG, asked).context_length == served


def test_one_list_of_factors_holds_for_all_that_is_served() -> None:
    rope = LONG.attention.layers[0].rope
    assert rope is not None
    assert rope.long is not None
    short, long = (rope_tables(rope, 8, context)[0] / rope.magnitude for context in (32, 33))
    for tables, factors in ((short, rope.factors), (long, rope.long.factors)):
        assert tables[7, -1] == pytest.approx(
            _cosine(7 * rope.theta ** (-14 / 16) / factors[-1]), abs=1e-6
        )


def _cosine(angle: float) -> float:
    return 1 - angle**2 / 2 + angle**4 / 24


@pytest.mark.parametrize("asked", [0, -1, 65])
def test_a_context_the_model_does_not_have_is_refused(asked: int) -> None:
    with pytest.raises(ExportError, match=f"a context of {asked} tokens .* this model has 64"):
        with_context(LONG, asked)


@pytest.mark.parametrize(("context", "window"), [(64, WINDOW), (6, WINDOW), (WINDOW, None)])
def test_a_window_that_no_sequence_leaves_is_none(context: int, window: int | None) -> None:
    layers = with_context(SLIDING, context).attention.layers
    assert {layer.window for layer in layers} == {window}


def test_serving_less_than_trained_is_said_with_the_remedy() -> None:
    output = io.StringIO()
    progress = Progress(output, Style.LINES)
    warn_of_long_context(SLIDING, with_context(SLIDING, None), progress)
    assert output.getvalue() == ""
    warn_of_long_context(LONG, with_context(LONG, None), progress)
    assert "up to 32 of the 64 tokens" in output.getvalue()
    assert "--context 64" in output.getvalue()
