"""Texts that may be blank in published annotations, which is no reason to stop."""

from .annotation_files import Record


def optional_text(record: Record, name: str | int) -> str | None:
    """Text of a field without white space around it, `None` where there is no field, or a blank one.

    Args:
        record (`Record`): An entry.
        name (`str` or `int`): The field.

    Raises:
        ValueError: If the field is something else than text.
    """
    value = record.fields.get(name)
    return None if value is None or (isinstance(value, str) and not value.strip()) else record.text(name)
