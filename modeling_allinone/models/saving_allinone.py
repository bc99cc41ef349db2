# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Saving with what makes transformers ask for this package where it is not imported, instead of guessing without."""

from pathlib import Path
from typing import Any, ClassVar

LOADER = "import_modeling_allinone"

_LOADER_CODE = '''\
# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Finds the classes of this model in its package; not needed after `import modeling_allinone`."""

from modeling_allinone.hub.remote_code import find_class as __getattr__  # noqa: F401
'''

# Transformers finds by lines of this form, wherever they stand in a file, what else is to be saved with its code. So
# any model that is saved with its code brings every class that an Auto class can make of its weights, and pipelines.
# The lines are not run, as what they name imports this module.
_SAVED_WITH_CODE = """
from .modeling_masked_lm_allinone import AllInOneForMaskedLM
from .modeling_multiple_choice_allinone import AllInOneForMultipleChoice
from .modeling_pretraining_allinone import AllInOneForPreTraining
from .modeling_question_answering_allinone import AllInOneForVideoQuestionAnswering
from .modeling_sequence_classification_allinone import AllInOneForSequenceClassification
from .modeling_video_classification_allinone import AllInOneForVideoClassification
from .pipelines_allinone import VideoQuestionAnsweringPipeline
"""


class SavedWithLoader:
    """
    What configuration and processors have so that the folders they are saved to load with `trust_remote_code=True`
    where this package is installed but not imported, and fail with a message that names it where it is not installed.

    Their `auto_map` names a file of a few lines, which is written beside them; unless they are saved with their code
    (see [`~hub.remote_code.saving_code`]).
    """

    _auto_class: Any  # which transformers declares in each class in another way
    _loaded_by: ClassVar[str]
    auto_map: dict[str, str]

    def save_pretrained(self, save_directory, *args, **kwargs):
        """Save as transformers does; see there for the arguments."""
        self._name_loader(Path(save_directory))
        return super().save_pretrained(save_directory, *args, **kwargs)

    def _name_loader(self, directory: Path):
        """Write the file, and name it in `auto_map`; what else that names stays if it is there."""
        if self._auto_class is not None:
            return
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{LOADER}.py").write_text(_LOADER_CODE, encoding="utf-8")
        named = vars(self).get("auto_map") or {}
        kept = {key: name for key, name in named.items() if (directory / f"{name.split('.')[0]}.py").is_file()}
        self.auto_map = {**kept, self._loaded_by: f"{LOADER}.{type(self).__name__}"}

    def _get_files_timestamps(self, working_dir):
        """When the files of a folder were written, by which transformers finds what is new, to push it to the Hub."""
        written = super()._get_files_timestamps(working_dir)
        return {name: time for name, time in written.items() if name != f"{LOADER}.py"}
