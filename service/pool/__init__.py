"""Which models are loaded: each at its first use, once, for as long as it is wanted and fits."""

from service.pool.lease import Lease
from service.pool.models import ModelPool

__all__ = ["Lease", "ModelPool"]
