# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""MSR-VTT: 10,000 clips with 20 captions each (Xu et al., CVPR 2016), for retrieval in the four usual partitions.

| partition | trains on | tests on |
|---|---|---|
| 1k-A (Yu et al., ECCV 2018), the original's | 9,000 clips | 1,000, one caption each |
| 7k (Miech et al., ICCV 2019) | 7,010: the makers' training and validation split | the 1,000 of 1k-A |
| 1k-B (Miech et al., arXiv 2018) | 6,656 | 1,000 others |
| full, the makers' | 6,513, and 497 to validate | 2,990 |

Each shares no clip between training and test, but their clips are the same: a model that was trained on one partition
has seen clips on which others test. Only the full one has a validation split.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from ..annotation_files import AnnotationFile, Record, read_fields, read_listed_records, read_table
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..common_rows import caption_rows
from ..pickled_integers import read_pickled_integers

LISTS = "high-quality/structured-symlinks"
MAKERS_TRAIN = AnnotationFile(
    "train_val_videodatainfo.json", "JSON object of videos (video_id, split) and sentences (video_id, caption)"
)
MAKERS_TEST = AnnotationFile("test_videodatainfo.json", MAKERS_TRAIN.format)
CAPTION_FILES = (
    AnnotationFile("annotation/MSR_VTT.json", "JSON object of annotations (image_id, caption)"),
    AnnotationFile("MSRVTT_data.json", "JSON object of sentences (video_id, caption)"),
    MAKERS_TRAIN,
)
CAPTION_INDEX = AnnotationFile(f"{LISTS}/jsfusion_val_caption_idx.pkl", "pickled index of a caption for each video")
TEST_1K_A_FILES = (
    AnnotationFile("MSRVTT_JSFUSION_test.csv", "comma-separated with video_id, sentence"),
    AnnotationFile(f"{LISTS}/val_list_jsfusion.txt", "a video id a line; beside it jsfusion_val_caption_idx.pkl"),
)
LIST_FORMAT = "a video id a line"
TABLE_FORMAT = "comma-separated with video_id"


def _list_file(name: str) -> AnnotationFile:
    """A list of Frozen in Time's."""
    return AnnotationFile(f"{LISTS}/{name}.txt", LIST_FORMAT)


TRAIN_7K_FILE = AnnotationFile("MSRVTT_train.7k.csv", TABLE_FORMAT)
FULL_FILES = {
    "train": (_list_file("train_list_full"), MAKERS_TRAIN),
    "validation": (_list_file("val_list_full"), MAKERS_TRAIN),
    "test": (_list_file("test_list_full"), MAKERS_TEST),
}


def read_rows(folder: AnnotationFolder, split: str, caption_mode: str | None = None) -> Iterator[dict]:
    """Rows with `captions`, or `caption` where there is one.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "test" or, for the full partition, "validation".
        caption_mode (`str`, *optional*): "list", "first" or "each", see [`caption_rows`]; the test split of 1k-A and
            7k has one caption for each video in any case.

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    videos = read_videos(path, split)
    if path.name == "MSRVTT_JSFUSION_test.csv":
        captions = {video_id: [record.text("sentence")] for video_id, record in videos.items()}
    else:
        captions = read_captions(folder, videos)
        if path.name == "val_list_jsfusion.txt":
            captions = _pick_captions(folder, captions, list(videos))
    for video_id, record in videos.items():
        row = {"video": folder.media_path(record, video_id=video_id), "video_id": video_id}
        yield from caption_rows(row, captions[video_id], split, caption_mode)


def read_captions(folder: AnnotationFolder, videos: Mapping[str, Record]) -> dict[str, list[str]]:
    """Captions of some videos, each in the order of the file.

    Args:
        folder (`AnnotationFolder`): What to read from.
        videos (`Mapping[str, Record]`): The entries that name the videos, by video.

    Raises:
        ValueError: If a video has none.
    """
    path = folder.find(CAPTION_FILES)
    captions = dict(_read_captions(path))
    if path.name == MAKERS_TRAIN.path and not captions.keys() >= videos.keys():
        captions |= _read_captions(folder.find((MAKERS_TEST,)))
    unknown = [video_id for video_id in videos if video_id not in captions]
    if unknown:
        raise videos[unknown[0]].error(
            f"{unknown[0]!r} ({len(unknown)} such) has no caption in {folder.files[-1]}; expected at least one."
        )
    return captions


def _read_captions(path: Path) -> dict[str, list[str]]:
    """Captions of each video, in the order of the file."""
    captions: dict[str, list[str]] = {}
    for record in read_listed_records(path, "annotations", "sentences"):
        video_id = record.text("image_id" if "image_id" in record else "video_id")
        captions.setdefault(video_id, []).append(record.text("caption"))
    return captions


def read_videos(path: Path, split: str) -> dict[str, Record]:
    """The entries that name the videos of a split, by video, in the order of the file.

    Args:
        path (`pathlib.Path`): A list, a table, or the makers' file, which says of each video in which split it is.
        split (`str`): The split.
    """
    if path.suffix == ".txt":
        videos = ((record.text(0), record) for record in read_fields(path, 1, LIST_FORMAT))
    elif path.suffix == ".csv":
        videos = ((record.text("video_id"), record) for record in read_table(path, delimiter=","))
    else:
        makers_split = "validate" if split == "validation" else split
        records = read_listed_records(path, "videos")
        videos = ((record.text("video_id"), record) for record in records if record.text("split") == makers_split)
    return dict(videos)


def _pick_captions(
    folder: AnnotationFolder, captions: dict[str, list[str]], video_ids: list[str]
) -> dict[str, list[str]]:
    """The one caption of each test video that the index names, by video or in the order of the videos."""
    path = folder.find((CAPTION_INDEX,))
    index = read_pickled_integers(path)
    if isinstance(index, list):
        if len(index) != len(video_ids):
            raise ValueError(f"{path} has {len(index)} numbers for {len(video_ids)} videos; expected as many.")
        index = dict(zip(video_ids, index, strict=True))
    picked = {}
    for video_id in video_ids:
        number = index.get(video_id)
        if number is None or not 0 <= number < len(captions[video_id]):
            raise ValueError(
                f"{path} has caption {number} for {video_id!r}, which has {len(captions[video_id])}; "
                "expected the index of one of them."
            )
        picked[video_id] = [captions[video_id][number]]
    return picked


_reader = partial(
    AnnotationReader,
    tasks=("retrieval",),
    publisher="https://github.com/m-bain/frozen-in-time",
    media="videos/all/{video_id}.mp4",
    read_rows=read_rows,
)
PARTITION_1K_A = _reader(
    name="msrvtt_retrieval",
    splits={
        "train": (_list_file("train_list_jsfusion"), AnnotationFile("MSRVTT_train.9k.csv", TABLE_FORMAT)),
        "test": TEST_1K_A_FILES,
    },
    validates_on_test=True,
)
PARTITION_7K = _reader(
    name="msrvtt_retrieval_7k",
    splits={"train": (TRAIN_7K_FILE,), "test": TEST_1K_A_FILES},
    validates_on_test=True,
)
PARTITION_1K_B = _reader(
    name="msrvtt_retrieval_1k_b",
    splits={"train": (_list_file("train_list_miech"),), "test": (_list_file("test_list_miech"),)},
    validates_on_test=True,
)
PARTITION_FULL = _reader(name="msrvtt_retrieval_full", splits=FULL_FILES)
