"""SBU captions: a million photographs of Flickr with what their owners wrote (Ordonez et al., NeurIPS 2011)."""

from collections.abc import Iterator
from pathlib import Path

from .annotation_files import AnnotationFile, read_json, read_lines
from .annotation_reader import AnnotationFolder, AnnotationReader
from .captioned_media import LeftOut, image_rows

PAIRS_FILE = AnnotationFile("annot.json", "JSON list of lists of file, caption")
LISTS_FILE = AnnotationFile("sbu-captions-all.json", "JSON object with image_urls and captions")
URLS_FILE = AnnotationFile("SBU_captioned_photo_dataset_urls.txt", "a URL a line; beside it the captions")
CAPTIONS_FILE = AnnotationFile("SBU_captioned_photo_dataset_captions.txt", "a caption a line")


def read_rows(folder: AnnotationFolder, split: str) -> Iterator[dict]:
    """Rows with `image` and `caption`.

    The pattern of images knows `image`, the last part of file or URL, and `folder`, its first four letters.

    Args:
        folder (`AnnotationFolder`): What to read from.
        split (`str`): "train", the only one.

    Yields:
        `dict`
    """
    path = folder.find_split(split)
    left_out = LeftOut("photographs without a caption")
    pairs = _read_pairs(path, folder)
    named = ((caption, file.rpartition("/")[2]) for file, caption in _with_caption(pairs, left_out))
    yield from image_rows(folder, named, left_out, lambda image: {"folder": image[:4], "image": image})


def _read_pairs(path: Path, folder: AnnotationFolder) -> Iterator[tuple[str, str]]:
    """Files or URLs with captions, from one of the three arrangements."""
    if path.name == URLS_FILE.path:
        urls, captions = (read_lines(folder.find((file,)), skips_blank=False) for file in (URLS_FILE, CAPTIONS_FILE))
    else:
        content = read_json(path)
        if path.name == PAIRS_FILE.path:
            yield from _checked_pairs(path, content)
            return
        lists = [content.get(name) for name in ("image_urls", "captions")] if isinstance(content, dict) else [None]
        if not all(isinstance(one, list) for one in lists):
            raise ValueError(f"{path} is {content!r:.80}; expected a {LISTS_FILE.format}.")
        urls, captions = lists
    if len(urls) != len(captions):
        raise ValueError(f"{path}: there are {len(urls)} URLs but {len(captions)} captions; expected as many.")
    yield from _checked_pairs(path, zip(urls, captions, strict=True))


def _checked_pairs(path: Path, pairs) -> Iterator[tuple[str, str]]:
    for number, pair in enumerate(pairs, start=1):
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(one, str) for one in pair):
            raise ValueError(f"{path}, entry {number} is {pair!r:.80}, but expected two texts, file and caption.")
        if not pair[0].strip():
            raise ValueError(f"{path}, entry {number}: the file has no name.")
        yield pair[0].strip(), pair[1].strip()


def _with_caption(pairs: Iterator[tuple[str, str]], left_out: LeftOut) -> Iterator[tuple[str, str]]:
    for file, caption in pairs:
        if caption:
            yield file, caption
        else:
            left_out.count += 1


READERS = (
    AnnotationReader(
        name="sbu",
        tasks=("pretraining",),
        publisher="https://www.cs.rice.edu/~vo9/sbucaptions",
        splits={"train": (PAIRS_FILE, LISTS_FILE, URLS_FILE)},
        media="images_train/{folder}/{image}",
        read_rows=read_rows,
    ),
)
