"""MSR-VTT: 10,000 clips with 20 captions each (Xu et al., CVPR 2016), for retrieval in the three usual partitions.

"1k-A" (Yu et al., ECCV 2018), which the original uses, trains on 9,000 clips and tests on 1,000 with one caption each;
"7k" (Miech et al., ICCV 2019) trains on 7,010; the full one is that of the makers. The first two have no validation
split.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .annotation_files import AnnotationFile, read_lines, read_listed_records, read_table
from .annotation_reader import ORIGINAL_VALIDATION, AnnotationFolder, AnnotationReader
from .caption_choice import caption_rows
from .pickled_integers import read_pickled_integers

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
CAPTION_INDEX_FILES = (
    AnnotationFile(f"{LISTS}/jsfusion_val_caption_idx.pkl", "pickled index of a caption for each video"),
)
TEST_1K_FILES = (
    AnnotationFile("MSRVTT_JSFUSION_test.csv", "comma-separated with video_id, sentence"),
    AnnotationFile(f"{LISTS}/val_list_jsfusion.txt", "a video id a line; beside it jsfusion_val_caption_idx.pkl"),
)


def _list_file(name: str) -> AnnotationFile:
    return AnnotationFile(f"{LISTS}/{name}.txt", "a video id a line")


def read_rows(folder: AnnotationFolder, split: str, caption_mode: str | None = None) -> Iterator[dict]:
    """Rows with `captions`, or `caption` where there is one.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", "test", for the full partition "validation", for the others "original_validation",
            which is the test split.
        caption_mode (`str`, *optional*): "list", "first" or "each", see [`caption_rows`]; the test split of 1k-A has
            one caption for each video in any case.

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    if path.name == "MSRVTT_JSFUSION_test.csv":
        captions = {record.text("video_id"): [record.text("sentence")] for record in read_table(path, delimiter=",")}
        video_ids = list(captions)
    else:
        captions = _read_captions(folder)
        video_ids = _read_video_ids(path, split)
        unknown = [video_id for video_id in video_ids if video_id not in captions]
        if unknown:
            raise ValueError(
                f"{path} names {unknown[0]!r} ({len(unknown)} such), which has no caption in {folder.files[-1]}."
            )
        if path.name == "val_list_jsfusion.txt":
            captions = _pick_captions(folder, captions, video_ids)
    for video_id in video_ids:
        row = {"video": folder.media_path(video_id=video_id), "video_id": video_id}
        yield from caption_rows(row, captions[video_id], split, caption_mode)


def _read_captions(folder: AnnotationFolder) -> dict[str, list[str]]:
    """Captions of all videos, each in the order of the file."""
    paths = [folder.find(CAPTION_FILES)]
    if paths[0].name == MAKERS_TRAIN.path:
        paths.append(folder.find((MAKERS_TEST,)))
    captions: dict[str, list[str]] = {}
    for path in paths:
        for record in read_listed_records(path, "annotations", "sentences"):
            video_id = record.text("image_id" if "image_id" in record else "video_id")
            captions.setdefault(video_id, []).append(record.text("caption"))
    return captions


def _read_video_ids(path: Path, split: str) -> list[str]:
    """Videos of a split, each once, in the order of the file."""
    if path.suffix == ".txt":
        video_ids = read_lines(path)
    elif path.suffix == ".csv":
        video_ids = [record.text("video_id") for record in read_table(path, delimiter=",")]
    else:
        makers_split = "validate" if split == "validation" else split
        records = read_listed_records(path, "videos")
        video_ids = [record.text("video_id") for record in records if record.text("split") == makers_split]
    return list(dict.fromkeys(video_ids))


def _pick_captions(
    folder: AnnotationFolder, captions: dict[str, list[str]], video_ids: list[str]
) -> dict[str, list[str]]:
    """The one caption of each test video that the index names, by video or in the order of the videos."""
    path = folder.find(CAPTION_INDEX_FILES)
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
READERS = (
    _reader(
        name="msrvtt_retrieval",
        splits={
            "train": (
                _list_file("train_list_jsfusion"),
                AnnotationFile("MSRVTT_train.9k.csv", "comma-separated with video_id"),
            ),
            "test": TEST_1K_FILES,
            ORIGINAL_VALIDATION: TEST_1K_FILES,
        },
    ),
    _reader(
        name="msrvtt_retrieval_7k",
        splits={
            "train": (
                _list_file("train_list_miech"),
                AnnotationFile("MSRVTT_train.7k.csv", "comma-separated with video_id"),
            ),
            "test": (_list_file("test_list_miech"),),
            ORIGINAL_VALIDATION: (_list_file("test_list_miech"),),
        },
    ),
    _reader(
        name="msrvtt_retrieval_full",
        splits={
            "train": (_list_file("train_list_full"), MAKERS_TRAIN),
            "validation": (_list_file("val_list_full"), MAKERS_TRAIN),
            "test": (_list_file("test_list_full"), MAKERS_TEST),
        },
    ),
)
