"""Reading a transcript as it grows."""

from collections.abc import Callable

from asgiref.sync import sync_to_async

from sessions_app import changes, transcript
from sessions_app.models import Session, SessionMessage

PAGE = 100
"""Messages that are in memory at a time."""

ShowMessages = Callable[[list[SessionMessage]], None]


def show_new(session_id: str, show: ShowMessages, cursor: str = "") -> str:
    """Show the messages after the cursor, page by page, and return the new cursor."""
    while page := transcript.after(session_id, cursor, PAGE):
        show(page)
        cursor = page[-1].pk
    return cursor


async def follow(
    session: Session,
    show: ShowMessages,
    *,
    cursor: str = "",
    until: Callable[[], bool] | None = None,
    then: Callable[[], None] | None = None,
) -> None:
    """Show the messages after the cursor, then new ones as they are committed.

    Ends once `until()` was true and all that was committed before that has been shown; without
    it, never. `then()` is called each time after what was new has been shown. All of them are
    called where they may use the database.
    """
    async with changes.listen(changes.MESSAGES, changes.JOBS) as bell:
        while True:
            is_last = until is not None and await sync_to_async(until)()
            cursor = await sync_to_async(show_new)(session.pk, show, cursor)
            if then is not None:
                await sync_to_async(then)()
            if is_last:
                return
            await bell.wait()
