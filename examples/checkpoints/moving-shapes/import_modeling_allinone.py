# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Finds the classes of this model in its package; not needed after `import modeling_allinone`."""

from modeling_allinone.hub.remote_code import find_class as __getattr__  # noqa: F401
