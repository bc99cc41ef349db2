# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Moving shapes, a generated corpus; see [`write_moving_shapes`]."""

from collections.abc import Iterator, Sequence

from ..annotation_files import AnnotationFile, read_records
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..answer_vocabularies import AnswerVocabulary
from ..moving_shapes import ANNOTATIONS_NAME, SPLITS, read_spec
from ..moving_shapes_texts import FRAME_KINDS, MOTION_CLASSES, TIME_KINDS, answer_vocabulary, check_choice

TASKS = ("question-answering", "multiple-choice-question-answering", "multiple-choice", "retrieval", "classification")


def read_rows(
    folder: AnnotationFolder,
    split: str,
    task: str = "question-answering",
    distinct_captions: bool = False,
    kinds: Sequence[str] | None = None,
) -> Iterator[dict]:
    """Rows as [`load_moving_shapes`] describes them.

    Args:
        folder (`AnnotationFolder`): What to read from; its root is the folder given to [`write_moving_shapes`].
        split (`str`): "train", "validation" or "test".
        task (`str`, defaults to `"question-answering"`): One of `TASKS`.
        distinct_captions (`bool`, defaults to `False`): Whether to keep only the first clip of each caption, so that a
            caption has one right clip in retrieval.
        kinds (`Sequence[str]`, *optional*): Keep only questions of these kinds.

    Yields:
        `dict`

    Raises:
        ValueError: For an unknown task or kind.
        FileNotFoundError: If the split was not generated.
    """
    check_choice("task", task, TASKS)
    for kind in kinds or ():
        check_choice("kinds", kind, FRAME_KINDS + TIME_KINDS)
    level = read_spec(folder.root / split)["level"]
    clips = list(read_records(folder.find_split(split)))
    if distinct_captions:
        clips = list({clip.text("caption"): clip for clip in reversed(clips)}.values())[::-1]
    if task == "question-answering":
        folder.vocabulary = AnswerVocabulary(tuple(answer_vocabulary(level)), f"the level {level!r}")
    elif task == "classification":
        folder.vocabulary = AnswerVocabulary(MOTION_CLASSES, "the motions that there are")
    for clip in clips:
        video_id = clip.text("video_id")
        common = {
            "video": folder.media_path(clip, split=split, video=clip.text("video"), video_id=video_id),
            "caption": clip.text("caption"),
            "video_id": video_id,
        }
        for index, fields in enumerate(_task_rows(clip.fields, task, folder.vocabulary)):
            if kinds is None or fields.get("kind") in kinds:
                yield common | {"sample_id": f"{video_id}-{index}"} | fields


def _task_rows(clip: dict, task: str, vocabulary: AnswerVocabulary | None) -> Iterator[dict]:
    """The fields of a clip's rows that depend on the task."""
    if vocabulary is not None and task == "question-answering":
        for asked in clip["questions"]:
            yield asked | {"options": None, "label": vocabulary.label(asked["answer"])}
    elif task == "multiple-choice-question-answering":
        for asked in clip["questions"]:
            yield asked | {"label": asked["options"].index(asked["answer"])}
    elif task == "multiple-choice":
        # Sorted by text: an order that neither the right caption nor a random number decides.
        options = sorted([clip["caption"], *clip["wrong_captions"]])
        yield {"options": options, "answer": clip["caption"], "label": options.index(clip["caption"])}
    elif task == "retrieval":
        yield {}
    elif clip["motion"] is not None:
        yield {"answer": clip["motion"], "label": MOTION_CLASSES.index(clip["motion"])}


READER = AnnotationReader(
    name="moving_shapes",
    tasks=TASKS,
    publisher="no page (write_moving_shapes generates it)",
    splits={split: (AnnotationFile(f"{split}/{ANNOTATIONS_NAME}", "JSON lines, one a clip"),) for split in SPLITS},
    media="{split}/{video}",
    read_rows=read_rows,
    extra_columns={"kind": "string"},
)
