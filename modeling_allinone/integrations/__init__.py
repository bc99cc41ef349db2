# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What other libraries want where a model as it is does not do: a form to save, a wrapper, an exporter."""
