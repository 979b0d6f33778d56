"""Row ids: UUIDv7 text, increasing within a process, so that ids sort in order of arrival."""

from uuid import UUID

import uuid_utils


def new_id() -> str:
    return str(uuid_utils.uuid7())


def new_id_after(floor: str | None) -> str:
    """An id that sorts after `floor`, even if the clock was set back since `floor` was made."""
    candidate = new_id()
    if floor is None or candidate > floor:
        return candidate
    try:
        return str(UUID(int=UUID(floor).int + 1))
    except ValueError:  # an imported id of another kind: nothing to continue from
        return candidate


def id_right_after(floor: str) -> str:
    """An id that sorts after `floor` and before all that were made after it."""
    try:
        return str(UUID(int=UUID(floor).int + 1))
    except ValueError:  # an imported id of another kind
        return f"{floor}+"
