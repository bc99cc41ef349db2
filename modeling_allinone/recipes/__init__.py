# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Recipes of fine-tuning and pre-training as YAML files, and suites of them."""

from pathlib import Path

RECIPES = Path(__file__).parent
SUITES = RECIPES / "suites"

__all__ = ["RECIPES", "SUITES"]
