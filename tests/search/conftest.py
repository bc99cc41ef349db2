# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
from browser_fixtures import browser
from retrieval_fixtures import broken, config, model, processor, rows

__all__ = ["broken", "browser", "config", "model", "processor", "rows"]
