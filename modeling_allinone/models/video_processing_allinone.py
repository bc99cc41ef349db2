# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Video processor of All-in-one: files, folders, images or decoded frames -> `pixel_values`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from huggingface_hub.dataclasses import validate_typed_dict
from PIL import Image
from torch import nn
from transformers.feature_extraction_utils import BatchFeature
from transformers.image_processing_utils import get_size_dict
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, SizeDict
from transformers.processing_utils import Unpack
from transformers.utils import logging
from transformers.video_processing_utils import VideoProcessorMixin
from transformers.video_utils import VideoMetadata

from .augmentation_allinone import rand_augment
from .frame_resizing_allinone import BICUBIC, BILINEAR, resize_and_crop, resized_shape
from .frame_sampling_allinone import (
    checked_indices,
    count_at_rate,
    indices_at,
    random_indices,
    segment_bounds,
    uniform_indices,
)
from .saving_allinone import SavedWithLoader
from .video_clip_allinone import Clip
from .video_decoding_allinone import is_array, open_clip
from .video_options_allinone import (
    CALL_ONLY,
    CHOSEN_FRAMES,
    AllInOneVideoProcessorKwargs,
    check_options,
    options_of_clips,
)
from .video_sources_allinone import is_decoder, source_name

logger = logging.get_logger(__name__)

# How the original shows images (VQAv2, NLVR2, COCO, Flickr30k, co-training), as ViLT does: whole and in their shape.
IMAGE_OPTIONS = {
    "do_center_crop": False,
    "size": {"shortest_edge": 224, "longest_edge": 373},  # as 800 is to 1333
    "size_divisor": 32,
    "resample": BICUBIC,
    "image_mean": 0.5,
    "image_std": 0.5,
    "do_pad": True,
}


@dataclass
class ClipMetadata(VideoMetadata):
    """
    What transformers says of a clip, and which frames took the place of others.

    Args:
        replaced_frames (`dict[int, int]`): Damaged frames that were chosen, each with the frame that was shown.
    """

    replaced_frames: dict[int, int] = field(default_factory=dict)


class AllInOneVideoProcessor(SavedWithLoader, VideoProcessorMixin):
    r"""
    Turns clips into `pixel_values` of shape `(batch, num_frames, 3, height, width)`: picks frames, decodes only
    those, resizes, crops, scales and normalises.

    The original has every frame decoded to 512 x 512 first, which loses the aspect ratio; set `decode_size=512` for
    that. Images of its image data sets (VQAv2, NLVR2, COCO, …) it shows whole, in their shape, as ViLT does;
    [`IMAGE_OPTIONS`] are the options for that.

    Args:
        num_frames (`int`, *optional*, defaults to 3):
            Frames of a clip, at least 1. A clip with fewer repeats some. A still image is always a clip of one frame.
        fps (`float`, *optional*):
            Frames to take of each second, above 0 and up to 1000, in the place of `num_frames`, as in transformers:
            `fps=2` on a clip of 3 s makes 6. What `num_frames` of one call asks for goes before `fps` of the
            processor.
        frame_sampling (`str`, *optional*, defaults to `"uniform"`):
            `"uniform"`: the middle of each of `num_frames` segments; `"random"`: a random frame of each.
        num_views (`int`, *optional*, defaults to 1):
            How often each clip is sampled, at least 1: evenly spaced offsets inside the segments, or independent draws
            with `"random"`. The views of a clip follow each other: `pixel_values` has `batch * num_views` rows.
        do_sample_frames (`bool`, *optional*, defaults to `True`): `False` keeps every frame (of the window).
        frame_rate (`float`, *optional*):
            Frames per second, above 0, that folders, lists of images and arrays hold; needed to choose their frames
            by seconds. Files carry their own times: in one call, it is refused for them.
        video_backend (`str`, *optional*, defaults to `"auto"`):
            Decoder of video files: `"pyav"`, `"decord"`, which takes longer and refuses files that it would misread,
            or `"auto"` for the one that takes least time: PyAV, today.
        on_corrupt_frame (`str`, *optional*, defaults to `"raise"`):
            What to do about a frame of a video that is damaged: `"raise"`, or `"nearest"`: the nearest whole frame of
            its segment takes its place (of the clip or its window, where no segments are sampled), which is warned
            of, and told by `replaced_frames` of the metadata.
        decode_size (`int` or `dict`, *optional*):
            Pixels, `{"height": ..., "width": ...}`: a first resize of every frame, whatever its aspect ratio.
        do_resize (`bool`, *optional*, defaults to `True`): Whether to resize to `size`.
        size (`int` or `dict`, *optional*, defaults to `{"shortest_edge": 268}`):
            Pixels: of the shorter side, or `{"height": ..., "width": ...}`. Smaller frames are enlarged. With
            `{"shortest_edge": ..., "longest_edge": ...}`, the shorter side is less where the longer one would be more.
        size_divisor (`int`, *optional*):
            Pixels: after resizing, both sides are the next lower multiples of it. Default: they stay as they are.
        resample (`int`, *optional*, defaults to 2):
            2: bilinear with antialiasing, 3: bicubic, both equal to Pillow's to the last bit; 0: true nearest
            neighbour. The original's resize of videos says nearest neighbour in its code but runs Pillow's bilinear
            filter, because its two constants are swapped: 2 reproduces its pixel values to 1e-6.
        do_center_crop (`bool`, *optional*, defaults to `True`): Whether to cut `crop_size` out of the centre.
        do_random_crop (`bool`, *optional*, defaults to `False`):
            Whether to cut it out at random instead (training); the same place in all frames of a clip.
        crop_size (`int` or `dict`, *optional*, defaults to `{"height": 224, "width": 224}`): Pixels.
        do_rand_augment (`bool`, *optional*, defaults to `False`):
            Whether to change colours and geometry at random (training), all frames of a clip alike, after the crop;
            see [`~augmentation_allinone.rand_augment`]. Texts about colours may no longer be true then.
        rand_augment_num_ops (`int`, *optional*, defaults to 2):
            Operations drawn for a clip, from 0 to 14; half of them are left out.
        rand_augment_magnitude (`float`, *optional*, defaults to 9): How strong they are, from 0 to 10.
        do_rescale (`bool`, *optional*, defaults to `True`): Whether to multiply pixels (0 to 255) by `rescale_factor`.
        rescale_factor (`float`, *optional*, defaults to 1/255): Above 0.
        do_normalize (`bool`, *optional*, defaults to `True`): Whether to subtract mean and divide by deviation.
        image_mean (`float` or `list[float]`, *optional*, defaults to ImageNet's):
            Of red, green, blue, or one for all, after scaling.
        image_std (`float` or `list[float]`, *optional*, defaults to ImageNet's):
            Of red, green, blue, or one for all, after scaling. Above 0.
        do_convert_rgb (`bool`, *optional*, defaults to `True`):
            Whether to convert grey and palette images to RGB, and transparent ones by painting them on white.
        do_pad (`bool`, *optional*, defaults to `False`):
            Whether clips of a batch may differ in height and width: they are padded with 0, at the right and at the
            bottom, to the largest, and there is a `pixel_mask`.

    Example:
        >>> import numpy as np
        >>> from modeling_allinone import AllInOneVideoProcessor

        >>> video_processor = AllInOneVideoProcessor(num_frames=3)
        >>> frames = np.zeros((16, 120, 160, 3), dtype=np.uint8)
        >>> video_processor(frames)["pixel_values"].shape
        torch.Size([1, 3, 3, 224, 224])
    """

    valid_kwargs = AllInOneVideoProcessorKwargs
    num_frames = 3
    _loaded_by = "AutoVideoProcessor"
    frame_sampling = "uniform"
    num_views = 1
    do_sample_frames = True
    video_backend = "auto"
    on_corrupt_frame = "raise"
    do_resize = True
    size = {"shortest_edge": 268}  # 1.2 times the crop
    size_divisor = None
    default_to_square = False
    resample = BILINEAR
    do_center_crop = True
    do_random_crop = False
    crop_size = {"height": 224, "width": 224}
    do_rand_augment = False
    rand_augment_num_ops = 2
    rand_augment_magnitude = 9
    do_rescale = True
    rescale_factor = 1 / 255
    do_normalize = True
    image_mean = IMAGENET_DEFAULT_MEAN
    image_std = IMAGENET_DEFAULT_STD
    do_convert_rgb = True
    do_pad = False

    def __init__(self, **kwargs: Unpack[AllInOneVideoProcessorKwargs]):
        options: dict[str, Any] = {**kwargs}
        for name in CALL_ONLY:
            if options.get(name) is not None:
                raise ValueError(f"{name} belongs to one call, not to the processor; pass it with the videos.")
        super().__init__(**options)
        self._set_attributes(**options)
        self._check_options({name: getattr(self, name, None) for name in self.valid_kwargs.__annotations__})

    @property
    def model_input_names(self) -> list[str]:  # type: ignore[override]  # a list in transformers, the same for all
        """What a batch has."""
        return ["pixel_values", "pixel_mask"] if self.do_pad else ["pixel_values"]

    @classmethod
    def from_dict(cls, video_processor_dict, **kwargs):  # type: ignore[override]  # as VideoProcessorMixin does
        """As in transformers; saved before `on_corrupt_frame` was an option, `fps` is what is now `frame_rate`."""
        if "frame_sampling" in video_processor_dict and "on_corrupt_frame" not in video_processor_dict:
            video_processor_dict = dict(video_processor_dict)
            video_processor_dict["frame_rate"] = video_processor_dict.pop("fps", None)
        return super().from_dict(video_processor_dict, **kwargs)

    def preprocess(self, videos, **kwargs: Unpack[AllInOneVideoProcessorKwargs]) -> BatchFeature:
        r"""
        Args:
            videos:
                One clip or a batch of them. A clip is a path (video, GIF, WebP, image, or folder of images sorted by
                name and number), the URL of a file (`https`, `hf`, `s3` and what else fsspec reads) or its bytes;
                `{"path": ..., "bytes": ...}` or a torchcodec `VideoDecoder`, as `datasets.Video` gives them; a PIL
                image or an array of shape `(height, width, 3)`, which makes a clip of one frame; an array `(frames,
                height, width, 3)`; a list of nothing but images (PIL, arrays with 3 axes), which makes one clip. A
                batch is a list of other clips, of lists of images (here also paths, URLs and bytes), or an array with
                5 axes. Arrays are uint8, or floating point from 0 to 1; channels may come first. Pixels of videos that
                are not square are stretched in width, and what is transparent is shown on black, as players do.
            frame_indices (`list[int]` or `list[list[int]]`, *optional*):
                Frames to take, for all clips or for each; repeats and any order are allowed. Replaces sampling.
            timestamps (`list[float]` or `list[list[float]]`, *optional*):
                Seconds at which to take the frame on screen, for all clips or for each. Replaces sampling.
            start (`float` or `list`, *optional*):
                Sample from here, seconds, for all clips or for each. As in players, seconds count from the beginning
                of the file; until the first frame appears, it is that one which is shown.
            end (`float` or `list`, *optional*):
                Sample up to here, seconds, for all clips or for each; or up to the end of the clip, if it is shorter.
            video_metadata (`VideoMetadata`, `dict` or a list of them, *optional*):
                Of folders, lists and arrays: `fps`, which is their `frame_rate`, and `total_num_frames`.
            seed (`int`, *optional*): Fixes random frames, crops and augmentation of this call.
            generator (`torch.Generator`, *optional*):
                Source of random frames, crops and augmentation, instead of a seed; torch's own by default.
            return_metadata (`bool`, *optional*):
                Whether to add `video_metadata`, a [`ClipMetadata`] for each clip, which says what was taken.
            return_tensors (`str`, *optional*, defaults to `"pt"`): `"pt"` or `"np"`.
            kwargs: Any attribute of the processor, for this call.

        Returns:
            `BatchFeature` with `pixel_values` of shape `(batch * num_views, frames, 3, height, width)`, float32; and
            with `do_pad`, `pixel_mask` of shape `(batch * num_views, height, width)`, int64: 1 for pixels, 0 for
            padding.

        Raises:
            `FileNotFoundError`: A path at which nothing lies.
            `TypeError`: An argument or a clip of a type that is not understood.
            `ValueError`: Anything else that cannot be processed; the message names the clip.
        """
        given: dict[str, Any] = {name: value for name, value in kwargs.items() if value is not None}
        options = self._resolve_options(given)
        sources = split_batch(videos)
        clips, metadata = [], []
        for place, clip_options in enumerate(options_of_clips(options, sources, "frame_rate" in given)):
            clip = _open(sources[place], place, clip_options)
            indices = self.sample_frames(clip, **clip_options)
            is_chosen = any(clip_options[name] is not None for name in CHOSEN_FRAMES)
            if is_chosen and given.get("num_frames", indices.shape[1]) != indices.shape[1]:
                raise ValueError(
                    f"{clip.name}: {indices.shape[1]} frames are chosen but num_frames is {given['num_frames']}; "
                    "leave num_frames out where frame_indices or timestamps say it."
                )
            # Repeated frames are decoded and resized once.
            wanted, place_of = np.unique(indices, return_inverse=True)
            is_replaced = options["on_corrupt_frame"] == "nearest"
            segments = _segments(clip, wanted, indices.shape[1], clip_options) if is_replaced else None
            frames = clip.read(wanted, segments)
            if clip.replaced:
                logger.warning_once(
                    f"{clip.name} has damaged frames; the nearest whole ones take their place, as on_corrupt_frame="
                    "'nearest' says. return_metadata=True tells which."
                )
            pixels = self._preprocess(frames, clip.name, clip_options)
            pixels = pixels[torch.from_numpy(place_of.reshape(indices.shape)).to(pixels.device)]
            clips.append((clip.name, {"pixel_values": pixels}))
            if options["do_pad"]:
                full = torch.ones(len(pixels), *pixels.shape[-2:], dtype=torch.int64, device=pixels.device)
                clips[-1][1]["pixel_mask"] = full
            if options["return_metadata"]:
                metadata.append(_metadata(clip, indices, frames[0]))
        data: dict[str, Any] = {key: values.flatten(0, 1) for key, values in stack_clips(clips).items()}
        if options["return_metadata"]:
            data["video_metadata"] = metadata
        return BatchFeature(
            data, tensor_type=options["return_tensors"] or "pt", skip_tensor_conversion=["video_metadata"]
        )

    def sample_frames(self, clip: Clip, **options) -> np.ndarray:
        """
        Choose frames of a clip.

        Args:
            clip ([`Clip`]): An open clip.
            options: All options of this clip, see `preprocess`; `generator` is a `np.random.Generator`.

        Returns:
            `np.ndarray` of shape `(num_views, frames)`, int64.

        Raises:
            `ValueError`: Frames or seconds outside the clip, or seconds of a clip without times.
        """
        num_frames, fps, num_views = options["num_frames"], options["fps"], options["num_views"]
        start, end = options["start"], options["end"]
        try:
            if options["frame_indices"] is not None:
                return checked_indices(options["frame_indices"], clip.total_frames)[None]
            if options["timestamps"] is not None:
                return indices_at(clip.times, clip.duration, options["timestamps"])[None]
            first, stop = clip.window(start, end)
            if not options["do_sample_frames"]:
                return np.arange(first, stop)[None].repeat(num_views, axis=0)
            if clip.is_image:
                num_frames = 1
            elif fps is not None:
                begin = max(start or 0.0, float(clip.times[0]))
                finish = clip.duration if end is None else min(end, clip.duration)
                num_frames = count_at_rate(finish - begin, fps)
            total = stop - first
            if options["frame_sampling"] == "random":
                views = [random_indices(num_frames, total, options["generator"]) for _ in range(num_views)]
            else:
                views = [uniform_indices(num_frames, total, view, num_views) for view in range(num_views)]
            return first + np.stack(views)
        except ValueError as error:
            raise ValueError(f"{clip.name}: {error}") from error

    def _preprocess(self, frames: Sequence[np.ndarray], name: str, options: Mapping[str, Any]) -> torch.Tensor:
        """Frames `(height, width, 3)` of one clip, uint8 -> `(n, 3, height, width)`, float32."""
        generator, decode_size, resample = options["generator"], options["decode_size"], options["resample"]
        if decode_size is not None:
            frames = list(resize_and_crop(frames, (decode_size.height, decode_size.width), None, resample).numpy())
        height, width = frames[0].shape[:2]
        if options["do_resize"]:
            height, width = resized_shape((height, width), options["size"], options["size_divisor"])
            if min(height, width) < 1:
                raise ValueError(
                    f"{name} has frames of {frames[0].shape[0]} x {frames[0].shape[1]} pixels (height x width), of "
                    f"which size={dict(options['size'])} and size_divisor={options['size_divisor']} leave {height} x "
                    f"{width}; cut such a strip in pieces, or give size with height and width."
                )
        crop = (0, 0, height, width)
        if options["do_center_crop"] or options["do_random_crop"]:
            crop_size = options["crop_size"]
            room = height - crop_size.height, width - crop_size.width
            if min(room) < 0:
                raise ValueError(
                    f"{name} has frames of {height} x {width} pixels (height x width) where they are cropped to "
                    f"{crop_size.height} x {crop_size.width}; enlarge size, reduce crop_size or set do_resize=True."
                )
            top, left = (round(free / 2) for free in room)
            if options["do_random_crop"]:
                top, left = generator.integers(0, np.array(room) + 1).tolist()
            crop = (top, left, crop_size.height, crop_size.width)
        pixels = resize_and_crop(frames, (height, width), crop, resample).permute(0, 3, 1, 2)
        if options["do_rand_augment"]:
            clip_generator = torch.Generator().manual_seed(int(generator.integers(2**62)))
            num_ops, magnitude = options["rand_augment_num_ops"], options["rand_augment_magnitude"]
            pixels = rand_augment(pixels, num_ops, magnitude, clip_generator)
        pixels = pixels.to(torch.float32, memory_format=torch.contiguous_format).to(options["device"])
        if options["do_rescale"]:
            pixels *= options["rescale_factor"]
        if options["do_normalize"]:
            mean, deviation = (
                torch.tensor(options[name], dtype=torch.float32, device=pixels.device).reshape(-1, 1, 1)
                for name in ("image_mean", "image_std")
            )
            pixels = pixels.sub_(mean).div_(deviation)
        return pixels

    def _resolve_options(self, given: dict[str, Any]) -> dict[str, Any]:
        """The options of a call: what is given, and the processor's own for the rest."""
        names = self.valid_kwargs.__annotations__
        if unknown := sorted(set(given) - set(names)):
            raise TypeError(
                f"{type(self).__name__} does not know {', '.join(unknown)}; "
                f"it knows {', '.join(sorted(set(names) - {'data_format'}))}."
            )
        validate_typed_dict(self.valid_kwargs, given)  # type: ignore[type-var]  # bound to a protocol no TypedDict has
        ways = [name for name in ("num_frames", "fps", *CHOSEN_FRAMES) if name in given]
        if "fps" in ways and len(ways) > 1:
            raise ValueError(f"{' and '.join(ways)} are several ways to choose frames; give one of them.")
        if {"frame_rate", "video_metadata"} <= set(given):
            raise ValueError("frame_rate and video_metadata are two ways to say the same; give one of them.")
        options = {name: getattr(self, name, None) for name in names} | given
        if ways and "fps" not in ways:
            options["fps"] = None
        options = self._standardize_kwargs(**options)
        self._check_options(options)
        return options

    def _standardize_kwargs(self, *args, decode_size=None, **kwargs) -> dict:
        if decode_size is not None and not isinstance(decode_size, SizeDict):
            decode_size = SizeDict(**get_size_dict(decode_size, default_to_square=True, param_name="decode_size"))
        return super()._standardize_kwargs(*args, **kwargs) | {"decode_size": decode_size}

    def _check_options(self, options: dict[str, Any]) -> None:
        self._validate_preprocess_kwargs(**options)
        check_options(options)


def split_batch(videos) -> list:
    """
    The clips of a batch; one clip makes a batch of one.

    Args:
        videos: As in [`AllInOneVideoProcessor.preprocess`].

    Returns:
        `list`: What [`open_clip`] takes, one for each clip.

    Raises:
        `ValueError`: An empty batch.

    Example:
        >>> split_batch("clip.mp4"), split_batch(["a.mp4", "b.mp4"])
        (['clip.mp4'], ['a.mp4', 'b.mp4'])
    """
    if is_array(videos) and videos.ndim == 5:
        videos = list(videos)
    if isinstance(videos, Sequence) and not isinstance(videos, str | bytes | bytearray | memoryview):
        videos = list(videos)  # such as a column of a data set
    if not isinstance(videos, list):
        return [videos]
    if not videos:
        raise ValueError("videos is an empty list; expected at least one clip.")
    if is_list_of_images(videos):
        return [videos]
    return [video[0] if _is_nested(video) else video for video in videos]


def is_list_of_images(videos: Sequence) -> bool:
    """Whether a list holds nothing but images, which make one clip."""
    return all(isinstance(video, Image.Image) or (is_array(video) and video.ndim == 3) for video in videos)


def as_row(clip: Any) -> dict[str, Any]:
    """A row as it is, and a clip that is given on its own as one: an image is one frame, which is not repeated."""
    if isinstance(clip, Mapping) and not (clip and set(clip) <= {"path", "bytes"}):
        return dict(clip)
    return {"image" if is_list_of_images([clip]) else "video": clip}


def _is_nested(video) -> bool:
    """Whether a clip stands in a list of its own, as others group clips by text; files may be images."""
    if not isinstance(video, list | tuple) or len(video) != 1:
        return False
    return isinstance(video[0], list | tuple) or is_decoder(video[0]) or (is_array(video[0]) and video[0].ndim == 4)


def stack_clips(clips: Sequence[tuple[str, Mapping[str, torch.Tensor]]]) -> dict[str, torch.Tensor]:
    """
    Make a batch of clips; those with a `pixel_mask` may differ in height and width, and are padded with 0 at the right
    and at the bottom.

    Args:
        clips (sequence of pairs):
            What to call each clip, and its `pixel_values` of shape `(..., frames, 3, height, width)` and perhaps
            `pixel_mask` of shape `(..., height, width)`.

    Returns:
        `dict`: The same, with one more axis, B, before the others.

    Raises:
        `ValueError`: Clips of different shape, which the message names.

    Example:
        >>> wide = {"pixel_values": torch.ones(1, 3, 2, 3), "pixel_mask": torch.ones(2, 3)}
        >>> high = {"pixel_values": torch.ones(1, 3, 4, 1), "pixel_mask": torch.ones(4, 1)}
        >>> batch = stack_clips([("a.jpg", wide), ("b.jpg", high)])
        >>> batch["pixel_values"].shape, batch["pixel_mask"][1, 0]
        (torch.Size([2, 1, 3, 4, 3]), tensor([1., 0., 0.]))
    """
    first_name, first = clips[0][0], clips[0][1]["pixel_values"].shape
    for name, clip in clips:
        shape = clip["pixel_values"].shape
        if shape[:-2] != first[:-2]:
            raise ValueError(
                f"{name} gives {shape[-4]} frames but {first_name} gives {first[-4]}; clips of a batch need "
                "as many. Process images and clips, or clips kept whole, in batches of their own."
            )
        if shape != first and "pixel_mask" not in clip:
            raise ValueError(
                f"{name} gives {shape[-2]} x {shape[-1]} pixels (height x width) but {first_name} gives "
                f"{first[-2]} x {first[-1]}; set do_pad=True, do_center_crop=True or size with height and width."
            )
    if len(clips) == 1:  # without a copy
        return {key: values[None] for key, values in clips[0][1].items()}
    height, width = (max(clip["pixel_values"].shape[axis] for _, clip in clips) for axis in (-2, -1))
    return {key: torch.stack([_padded(clip[key], height, width) for _, clip in clips]) for key in clips[0][1]}


def _open(source, place: int, options: Mapping[str, Any]) -> Clip:
    """Open a clip of a batch with its options, and see whether it is what the caller says of it."""
    is_one = isinstance(source, list | tuple) and len(source) == 1
    clip = open_clip(
        source,
        # An image in a list of its own has its name.
        (source_name(source[0]) if is_one else None) or f"videos[{place}]",
        options["video_backend"],
        options["frame_rate"],
        options["input_data_format"],
        options["do_convert_rgb"],
        options["on_corrupt_frame"],
    )
    stated = options["video_metadata"].get("total_num_frames")
    if stated not in (None, clip.total_frames):
        raise ValueError(
            f"{clip.name} has {clip.total_frames} frames, but total_num_frames of its video_metadata is {stated}; "
            "give the rate of the frames that are left as frame_rate."
        )
    return clip


def _segments(clip: Clip, wanted: np.ndarray, num_frames: int, options: Mapping[str, Any]) -> np.ndarray:
    """First and last frame (n, 2) of what each frame stands for: its segment, or else the window or the clip."""
    is_chosen = any(options[name] is not None for name in CHOSEN_FRAMES)
    first, stop = (0, clip.total_frames) if is_chosen else clip.window(options["start"], options["end"])
    if is_chosen or not options["do_sample_frames"] or num_frames >= stop - first:
        return np.array([[first, stop - 1]] * len(wanted))
    segments = first + segment_bounds(num_frames, stop - first)
    return segments[np.searchsorted(segments[:, 0], wanted, side="right") - 1]


def _padded(values: torch.Tensor, height: int, width: int) -> torch.Tensor:
    if values.shape[-2:] == (height, width):
        return values
    return nn.functional.pad(values, (0, width - values.shape[-1], 0, height - values.shape[-2]))


def _metadata(clip: Clip, indices: np.ndarray, frame: np.ndarray) -> ClipMetadata:
    return ClipMetadata(
        total_num_frames=clip.total_frames,
        fps=clip.mean_frame_rate if clip.has_times else None,
        height=frame.shape[0],
        width=frame.shape[1],
        duration=clip.duration if clip.has_times else None,
        video_backend=clip.backend,
        frames_indices=indices.reshape(-1).tolist(),
        replaced_frames=dict(clip.replaced),
    )


__all__ = ["IMAGE_OPTIONS", "AllInOneVideoProcessor", "split_batch", "stack_clips"]
