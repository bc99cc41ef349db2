# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
from .video_index import VideoIndex as VideoIndex
