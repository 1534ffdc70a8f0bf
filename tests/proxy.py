"""A TCP proxy that tests put between a scheduler process and its database, to take the database away."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

#: Near end, which the scheduler holds, and far end, which the database holds.
Pair = tuple[socket.socket, socket.socket]


class Proxy:
    """Forwards a port. ``cut()`` refuses and ends all connections, ``silence()`` holds them and forwards nothing."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._lock = threading.Lock()
        self._pairs: set[Pair] = set()
        self._doomed: set[Pair] = set()  # end with the database's next word, unheard
        self._delay_seconds = 0.0
        self._silent_after: int | None = None  # words of the scheduler
        self._lost: tuple[int, bool] | None = None  # every so many commits; whether they are carried out
        #: COMMITs seen since ``lose_commits``, and how many of them were lost.
        self.commits = self.lost = 0
        self._open = threading.Event()
        self._open.set()
        self._listener: socket.socket | None = None
        self._listen(0)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.set()
        self.cut()

    def cut(self) -> None:
        """The database is gone: connections end, new ones are refused."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._end_all()

    def restore(self) -> None:
        """It is back, at the same port."""
        self._open.set()
        if self._listener is None:
            self._listen(self.port)

    def silence(self) -> None:
        """Connections stand and are accepted, but nothing comes through: a black hole."""
        self._open.clear()

    def break_silence(self) -> None:
        """The black hole ends; what stood in it is dropped, as a firewall would."""
        self._end_all()
        self._open.set()

    def silence_after(self, words: int) -> None:
        """Falls silent when the scheduler has said that many more words (packets, as they come)."""
        self._silent_after = words

    def delay(self, seconds: float) -> None:
        """From now on every word, in either direction, takes that long."""
        self._delay_seconds = seconds

    def lose_commits(self, every: int, *, stored: bool) -> None:
        """From now on the answer to every so-many-th COMMIT is lost, and its connection with it.

        ``stored``: the database has carried it out; otherwise it never hears of it. 0 ends that.
        """
        self._lost = (every, stored) if every else None

    def _listen(self, port: int) -> None:
        listener = socket.create_server(("127.0.0.1", port), reuse_port=False)
        self.port: int = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        self._open.wait()
        try:
            far = socket.create_connection(self._target, 5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        pair = (near, far)
        with self._lock:
            self._pairs.add(pair)
        for source, sink in (pair, pair[::-1]):
            threading.Thread(target=self._pump, args=(source, sink, pair), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, pair: Pair) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not (self._hears(data, pair) if source is pair[0] else pair not in self._doomed):
                    break
                self._open.wait()
                if self._delay_seconds:
                    time.sleep(self._delay_seconds)
                sink.sendall(data)
        self._end(pair)

    def _hears(self, data: bytes, pair: Pair) -> bool:
        """What the scheduler says; whether the database is to hear it."""
        if self._silent_after is not None:
            self._silent_after -= 1
            if self._silent_after < 0:
                self._silent_after = None
                self.silence()
        lost = self._lost
        if lost is None or not _is_commit(data):
            return True
        every, stored = lost
        with self._lock:
            self.commits += 1
            if self.commits % every:
                return True
            self.lost += 1
            if stored:  # only one of the two speaks at a time, so the next word is the answer to this
                self._doomed.add(pair)
        return stored

    def _end_all(self) -> None:
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._end(pair)

    def _end(self, pair: Pair) -> None:
        with self._lock:
            self._pairs.discard(pair)
            self._doomed.discard(pair)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _is_commit(data: bytes) -> bool:
    """The message of PostgreSQL or of MySQL that is nothing but this statement."""
    return len(data) < 20 and data.rstrip(b"\0").upper().endswith(b"COMMIT")


def through(proxy: Proxy, url: str) -> str:
    """The database URL, by way of the proxy. In plain words: a proxy cannot read what is encrypted."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    query = "sslmode=disable" if parts.scheme == "postgres" else ""
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{proxy.port}", query=query))
