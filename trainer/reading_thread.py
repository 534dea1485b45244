"""Takes a reader's steps in a thread of its own, so that fetching and decoding overlap learning."""

import threading
from concurrent.futures import ThreadPoolExecutor

from trainer.reader import POLL_S, LogReader


class ReadingThread:
    """Runs `reader.step` until `close`, or until it raises; then closes the reader."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._stopping = threading.Event()
        self._thread = ThreadPoolExecutor(1, "examples-reader")
        self._result = self._thread.submit(self._run)

    def raise_if_ended(self) -> None:
        """Raises what ended the thread, if something did."""
        if self._result.done():
            self._result.result()

    def close(self) -> None:
        """End the thread and the reader's connection."""
        self._stopping.set()
        self._thread.shutdown()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if not self._reader.step():
                    self._stopping.wait(POLL_S)
        finally:
            self._reader.close()
