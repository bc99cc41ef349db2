"""WebVid: stock videos with their captions, two and a half million in the first edition (Bain et al., ICCV 2021)."""

from collections.abc import Iterator
from pathlib import Path

from ..annotation_files import AnnotationFile, read_table
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..captioned_media import CaptionedFile, read_captions, with_caption
from ..optional_text import optional_text

ORIGINAL_FORMAT = "tab-separated with a header: caption, path without '.mp4'"
MAKERS_FORMAT = "comma-separated with videoid, contentUrl, duration, page_dir, name"
FOLDERS = {"train": "train", "validation": "val"}


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `video` and `caption`.

    The pattern of videos knows `split` ("train", "val"), `path` ("page_dir/video_id"), `page_dir` and `video_id`.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train" or "validation".

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    is_makers = path.suffix == ".csv"
    files = _read_makers_captions(path) if is_makers else read_captions(path, 0, 1, has_header=True)
    for record, caption, place in with_caption(files, folder):
        page_dir, _, video_id = place.rpartition("/")
        names = {"split": FOLDERS[split], "path": place, "page_dir": page_dir, "video_id": video_id}
        yield {"video": folder.media_path(record, **names), "caption": caption, "video_id": video_id}


def _read_makers_captions(path: Path) -> Iterator[CaptionedFile]:
    for record in read_table(path, delimiter=","):
        yield record, optional_text(record, "name"), f"{record.text('page_dir')}/{record.text('videoid')}"


def _files(word: str, makers_word: str) -> tuple[AnnotationFile, ...]:
    return (
        AnnotationFile(f"webvid_{word}_success_full.tsv", ORIGINAL_FORMAT),
        AnnotationFile(f"results_2M_{makers_word}.csv", MAKERS_FORMAT),
        AnnotationFile(f"results_10M_{makers_word}.csv", MAKERS_FORMAT),
    )


READER = AnnotationReader(
    name="webvid",
    tasks=("pretraining",),
    publisher="https://github.com/m-bain/webvid",
    splits={"train": _files("training", "train"), "validation": _files("validation", "val")},
    media="{split}/{path}.mp4",
    read_rows=read_rows,
)
