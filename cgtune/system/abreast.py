"""Several questions side by side, gently: how many at a time, and how long to wait between them."""

from __future__ import annotations

from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    Item = TypeVar("Item")
    T = TypeVar("T")

_GLANCE_SECONDS = 0.5


class Pace(Record):
    """How gently a server is asked: at most ``concurrency`` queries at a time, and on average no more than ``load``, None: no bound.

    A load of 0.1: a query of ours runs in a tenth of the time; after each one we wait nine times as long as it took.
    """

    concurrency: int = 2
    load: float | None = None

    def threads(self) -> int:
        """How many ask side by side: no more than the load needs."""
        return self.concurrency if self.load is None else min(self.concurrency, max(1, -int(-self.load // 1)))

    def pause_seconds(self, took_seconds: float) -> float:
        """How long the thread waits that has asked for so long."""
        return 0.0 if self.load is None else took_seconds * max(0.0, self.threads() / self.load - 1)


def run_abreast(
    function: Callable[[Item], T],
    items: Sequence[Item],
    threads: int,
    *,
    watch: Callable[[], None],
    tell: Callable[[int, int], None] | None = None,
) -> list[T]:
    """What the function gives for each item, in their order. Raises what it raises first; no further item is begun then.

    ``watch`` is called now and then in this thread while nothing ends, and may raise: the threads are left behind. ``tell`` hears in this
    thread how many are done, and of how many.
    """
    import queue
    import threading

    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    ended: queue.SimpleQueue[tuple[int, list[T], BaseException | None]] = queue.SimpleQueue()
    stopped = threading.Event()
    for index in range(len(items)):
        waiting.put(index)

    def work() -> None:
        while not stopped.is_set():
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                ended.put((index, [function(items[index])], None))
            except BaseException as error:  # noqa: BLE001  # raised below, in the thread that waits for it
                ended.put((index, [], error))

    results: dict[int, T] = {}
    _start_threads(work, min(threads, len(items)))
    try:
        while len(results) < len(items):
            try:
                index, result, error = ended.get(timeout=_GLANCE_SECONDS)
            except queue.Empty:
                watch()
                continue
            if error is not None:
                raise error
            (results[index],) = result
            if tell is not None:
                tell(len(results), len(items))
    finally:
        stopped.set()
    return [results[index] for index in range(len(items))]


def _start_threads(work: Callable[[], None], most: int) -> None:
    """Let so many threads work; if none can be started (pids.max), this one."""
    import threading

    for begun in range(most):
        try:
            threading.Thread(target=work, daemon=True).start()
        except RuntimeError:  # those that there are do it all
            if not begun:
                work()
            return
