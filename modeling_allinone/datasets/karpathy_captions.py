"""What COCO and Flickr30k captions share: the files in which Karpathy and Fei-Fei (CVPR 2015) partitioned them."""

from collections.abc import Iterator, Sequence

from .annotation_files import Record, read_listed_records
from .annotation_reader import AnnotationFolder
from .caption_choice import caption_rows

FORMAT = "JSON object whose images have filename, split, sentences (raw), for COCO filepath"


def read_karpathy_rows(
    folder: AnnotationFolder, split: str, parts: Sequence[str], caption_mode: str | None = None
) -> Iterator[dict]:
    """Rows of images with their captions, five or more each; `video_id` is the image's number.

    Args:
        folder (`AnnotationFolder`): What to read from; its pattern knows `image` (file) and, for COCO, `folder`.
        split (`str`): The split.
        parts (`Sequence[str]`): Which parts of the file belong to it.
        caption_mode (`str`, *optional*): See [`caption_rows`]; by default "list" for the training split and "each" for
            others, where every caption is a query.

    Yields:
        `dict`
    """
    mode = ("list" if split == "train" else "each") if caption_mode is None else caption_mode
    for record in read_listed_records(folder.find_split(split), "images"):
        if record.text("split") not in parts:
            continue
        names = {"image": record.text("filename")}
        if "filepath" in record:
            names["folder"] = record.text("filepath")
        row = {
            "image": folder.media_path(record, **names),
            "video_id": record.text("cocoid" if "cocoid" in record else "imgid"),
        }
        yield from caption_rows(row, _captions(record), split, mode)


def _captions(record: Record) -> list[str]:
    sentences = record.value("sentences")
    if not isinstance(sentences, list) or not sentences or not all(isinstance(one, dict) for one in sentences):
        raise record.error(f"field 'sentences' is {sentences!r:.80}, but expected a list of objects with raw.")
    return [Record(sentence, record.path, record.place).text("raw") for sentence in sentences]
