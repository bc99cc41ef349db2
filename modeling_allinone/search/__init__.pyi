# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
from .moment_export import export_moments as export_moments
from .moments import Moment as Moment
from .moments import Window as Window
from .moments import merge_windows as merge_windows
from .results_page import write_results_page as write_results_page
from .video_index import VideoIndex as VideoIndex
