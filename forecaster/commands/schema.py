"""``forecaster schema``: the JSON Schema of the configuration."""

from __future__ import annotations

import json
from argparse import Namespace

from forecaster.config import schema


def run(_: Namespace) -> int:
    """Print it."""
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
    return 0
