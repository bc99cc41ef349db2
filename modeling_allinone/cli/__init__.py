# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The command `allinone`: a file a command, each a few lines over public Python."""
