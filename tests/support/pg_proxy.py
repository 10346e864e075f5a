# pg_proxy.py - a TCP proxy in front of PostgreSQL that loses answers, as networks do.
# SPDX-License-Identifier: Apache-2.0
import socket
import threading
import time


class Proxy:
    """Forwards connections to 127.0.0.1:`port`. Each thread ends with its connection.

    lose_commits: of so many further COMMITs of a transaction that wrote `table` the server's answer
    is dropped and the connection cut, after the server has committed. delay_s: what each piece
    waits in either direction."""

    def __init__(self, port, table=b"UPDATE chatmill.sink_offset"):
        self.table = table
        self.target, self.lose_commits, self.lost, self.delay_s = port, 0, 0, 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            doomed = threading.Event()  # the next answer is to be lost
            doomed.wrote = False
            for source, sink, is_client in ((client, server, True), (server, client, False)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pump, args=(source, sink, is_client, doomed),
                                 daemon=True).start()

    def _takes_commit(self, data, doomed):
        # A simple query is the whole message: 'Q', its length, the text.
        with self.lock:
            doomed.wrote |= self.table in data
            if self.lose_commits and doomed.wrote and data.startswith(b"Q") and data[5:] == b"COMMIT\0":
                self.lose_commits -= 1
                self.lost += 1
                return True
        return False

    def _pump(self, source, sink, is_client, doomed):
        try:
            while data := source.recv(1 << 16):
                if self.delay_s:
                    time.sleep(self.delay_s)
                if is_client and self._takes_commit(data, doomed):
                    doomed.set()
                if not is_client and doomed.is_set():
                    break
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()
