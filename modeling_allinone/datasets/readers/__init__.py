# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""A module for each public data set, with its [`AnnotationReader`]s; one that is put here is found."""
