"""CC3M, Conceptual Captions: images of the web with their cleaned alternative texts (Sharma et al., ACL 2018)."""

from collections.abc import Iterator

from ..annotation_files import AnnotationFile
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..captioned_media import image_rows, name_by_url, read_captions

ORIGINAL_FORMAT = "tab-separated with a header: caption, file"
MAKERS_FORMAT = "tab-separated without a header: caption, URL"
FOLDERS = {"train": "training", "validation": "validation"}
MAKERS_FILES = {
    "train": AnnotationFile("Train_GCC-training.tsv", MAKERS_FORMAT),
    "validation": AnnotationFile("Validation_GCC-1.1.0-Validation.tsv", MAKERS_FORMAT),
}


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `image` and `caption`.

    In the makers' arrangement, which has URLs only, an image is called by the checksum of its URL (CRC-32 in decimal),
    as downloaders do. The pattern of images knows `split` ("training", "validation") and `image`.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train" or "validation".

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    is_makers = path.name == MAKERS_FILES[split].path
    files = read_captions(path, 0, 1, has_header=not is_makers)
    if is_makers:
        files = ((record, caption, name_by_url(url)) for record, caption, url in files)
    yield from image_rows(folder, files, lambda image: {"split": FOLDERS[split], "image": image})


READER = AnnotationReader(
    name="cc3m",
    tasks=("pretraining",),
    publisher="https://ai.google.com/research/ConceptualCaptions/download",
    splits={
        split: (AnnotationFile(f"cc3m_{word}_success_full.tsv", ORIGINAL_FORMAT), MAKERS_FILES[split])
        for split, word in FOLDERS.items()
    },
    media="{split}/{image}",
    read_rows=read_rows,
)
