from __future__ import annotations

from pathlib import Path

import pytest

from service.api.field_table import TABLES, Columns, field_table

README = Path(__file__).parents[4] / "README.md"


@pytest.mark.parametrize("columns", TABLES, ids=lambda columns: "-".join(columns))
def test_the_readme_shows_the_table_of_fields(columns: Columns) -> None:
    """`python -m service.api.field_table` prints what belongs there."""
    assert field_table(columns) in README.read_text("utf-8")


def test_a_row_tells_what_is_done_where() -> None:
    rows = field_table(TABLES[0]).splitlines()
    assert "| `echo` | – | yes |  |" in rows
    assert "| `store` | no effect | – | any value is accepted |" in rows
    assert "| `prediction` | refused | – | but for null |" in rows
