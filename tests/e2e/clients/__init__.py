"""Programs that use the service through clients of others, each in the client's own language."""

import pytest

pytest.register_assert_rewrite("tests.e2e.clients.python_openai")
