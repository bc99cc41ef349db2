# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
from retrieval_fixtures import config, model, processor, rows

__all__ = ["config", "model", "processor", "rows"]
