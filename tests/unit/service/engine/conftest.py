from __future__ import annotations

import pytest

from service.engine.runner import Runner
from service.runtime.providers import CPU
from service.runtime.sessions import physical_cores, share_threads
from service.store.packages import Package
from service.text.tokenizer import Tokenizer

NUM_SLOTS = 8
SLOT_LENGTH = 400

TEXT = (
    "A retort is a glass vessel with a long neck, used since the days of the alchemists to distil "
    "liquids. It is heated from below, and what rises in it is led away, cooled and gathered. "
) * 12


@pytest.fixture(scope="session")
def text_token_ids(smollm2_package: Package) -> list[int]:
    """Some hundred tokens of English."""
    tokenizer = Tokenizer(smollm2_package.folder / "tokenizer.json")
    token_ids = tokenizer.encode(TEXT, add_bos=False)
    assert len(token_ids) > SLOT_LENGTH
    return token_ids


@pytest.fixture(scope="session")
def shared_threads(smollm2_package: Package, smollm2_fp32_package: Package) -> None:
    """After both exports: sessions with threads of their own are refused from now on."""
    share_threads(physical_cores())


@pytest.fixture(scope="session")
def runner(smollm2_package: Package, shared_threads: None) -> Runner:
    """The default model. Its slots are never cleaned: what is left in them must not matter."""
    return _runner(smollm2_package, NUM_SLOTS)


@pytest.fixture(scope="session")
def fp32_runner(smollm2_fp32_package: Package, shared_threads: None) -> Runner:
    return _runner(smollm2_fp32_package, 3)


def _runner(package: Package, num_slots: int) -> Runner:
    return Runner(
        package.folder, package.manifest, CPU, num_slots=num_slots, slot_length=SLOT_LENGTH
    )
