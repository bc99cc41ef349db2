"""Flickr30k captions in Karpathy's partition (Young et al., TACL 2014; Karpathy and Fei-Fei, CVPR 2015)."""

from collections.abc import Iterator

from ..annotation_files import AnnotationFile
from ..annotation_reader import ORIGINAL_VALIDATION, AnnotationFolder, AnnotationReader
from ..karpathy_captions import FORMAT, read_karpathy_rows

FILES = (AnnotationFile("karpathy/dataset_flickr30k.json", FORMAT), AnnotationFile("dataset_flickr30k.json", FORMAT))
PARTS = {"train": ("train",), "validation": ("val",), "test": ("test",), ORIGINAL_VALIDATION: ("test",)}


def read_rows(folder: AnnotationFolder, split: str, caption_mode: str | None = None) -> Iterator[dict]:
    """Rows with `captions`, or `caption`; see [`read_karpathy_rows`]. The original trains on the validation split too.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train" (29,000 images), "validation" (1,014), "test" (1,000), or "original_validation", which
            is the test split.
        caption_mode (`str`, *optional*): "list", "first" or "each", see [`caption_rows`]; by default "list" for the
            training split and "each" for others, where every caption is a query.

    Yields:
        `dict`
    """
    yield from read_karpathy_rows(folder, split, PARTS[split], caption_mode)


READER = AnnotationReader(
    name="flickr30k",
    tasks=("retrieval", "pretraining"),
    publisher="https://cs.stanford.edu/people/karpathy/deepimagesent",
    splits=dict.fromkeys(PARTS, FILES),
    media="flickr30k-images/{image}",
    read_rows=read_rows,
)
