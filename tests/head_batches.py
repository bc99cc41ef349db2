"""What each head reads, made of texts (B, L) and clips (B, T, 3, H, W): for tests that go over all of them."""

import torch


def make_batch(kind: str, texts: dict[str, torch.Tensor], clips: torch.Tensor) -> dict[str, torch.Tensor]:
    """
    Args:
        kind (`str`): `"joint"`, a text beside each clip; `"text"`, `"video"` or `"image"` alone or with a text;
            `"prompt"`, one text for all clips; `"texts"`, three for each; `"answers"`, three answers and rationales;
            `"two clips"` for each text.
        texts (`dict`): `input_ids` and `attention_mask`.
        clips (`torch.Tensor`)

    Returns:
        `dict`: Inputs of a model.
    """
    video = {"pixel_values": clips}
    several = {name: torch.stack([text, text.flip(0), text], dim=1) for name, text in texts.items()}
    both = {f"{part}_{name}": text for part in ("answer", "rationale") for name, text in several.items()}
    return {
        "joint": texts | video,
        "text": texts,
        "video": video,
        "image": texts | {"pixel_values": clips[:, 0]},
        "prompt": {name: text[:1] for name, text in texts.items()} | video,
        "texts": several | video,
        "answers": both | video,
        "two clips": texts | {"pixel_values": torch.stack([clips, clips.flip(-1)], dim=1)},
    }[kind]
