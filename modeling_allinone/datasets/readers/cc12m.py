"""CC12M, Conceptual 12M: images of the web with their alternative texts (Changpinyo et al., CVPR 2021)."""

from collections.abc import Iterator

from ..annotation_files import AnnotationFile
from ..annotation_reader import AnnotationFolder, AnnotationReader
from ..captioned_media import image_rows, name_by_url, read_captions

ORIGINAL_FORMAT = "tab-separated with a header: caption, file"
MAKERS_FILE = AnnotationFile("cc12m.tsv", "tab-separated without a header: URL, caption")


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `image` and `caption`.

    In the makers' arrangement, which has URLs only, an image is called by the checksum of its URL (CRC-32 in decimal),
    as downloaders do. The pattern of images knows `image`, the file without its folders.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train" or, in the original's arrangement, "validation" or "test".

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    if path.name == MAKERS_FILE.path:
        files = read_captions(path, 1, 0, has_header=False)
        files = ((record, caption, name_by_url(url)) for record, caption, url in files)
    else:
        files = read_captions(path, 0, 1, has_header=True)
        files = ((record, caption, file.rpartition("/")[2]) for record, caption, file in files)
    yield from image_rows(folder, files, lambda image: {"image": image})


READER = AnnotationReader(
    name="cc12m",
    tasks=("pretraining",),
    publisher="https://github.com/google-research-datasets/conceptual-12m",
    splits={
        "train": (AnnotationFile("train.tsv", ORIGINAL_FORMAT), MAKERS_FILE),
        "validation": (AnnotationFile("val.tsv", ORIGINAL_FORMAT),),
        "test": (AnnotationFile("test.tsv", ORIGINAL_FORMAT),),
    },
    media="{image}",
    read_rows=read_rows,
)
