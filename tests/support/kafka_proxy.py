# kafka_proxy.py - a broker behind a proxy that delays requests of transactions, as networks do.
# SPDX-License-Identifier: Apache-2.0
import socket
import struct
import threading

from support.kafka import Cluster

# Keys of requests: https://kafka.apache.org/protocol
ADD_OFFSETS_TO_TXN, END_TXN = 25, 26


class Proxy:
    """Forwards connections to the broker that `target()` names. Each thread ends with its connection.

    hold(): the next request of this kind and transactional id waits in the proxy; `cut`: its client's
    connection is lost, so that the client asks again by another one, while what waits lives on. `answered`
    is set when the broker has answered what was cut off."""

    def __init__(self, target):
        self.target, self.lock, self.wanted = target, threading.Lock(), None
        self.events, self.late, self.answered = [], None, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        for go in self.events:
            go.set()
        self.listener.close()

    def hold(self, api, transactional_id, cut=False):
        """(event that is set when it waits here, event that sends it on)"""
        with self.lock:
            assert self.wanted is None
            held, go = threading.Event(), threading.Event()
            self.wanted = api, transactional_id.encode(), cut, held, go
            self.events.append(go)
        return held, go

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target()))
            except OSError:  # it is not there yet, or not any more
                client.close()
                continue
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._requests, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answers, args=(client, server), daemon=True).start()

    def _take(self, frame):
        """What hold() noted if this request is the one; else None."""
        with self.lock:
            if not self.wanted or struct.unpack_from(">h", frame)[0] != self.wanted[0] or self.wanted[1] not in frame:
                return None
            taken, self.wanted = self.wanted[2:], None
            return taken

    def _requests(self, client, server):
        try:
            with client.makefile("rb") as stream:
                while head := stream.read(4):
                    frame = stream.read(struct.unpack(">i", head)[0])
                    taken = self._take(frame)
                    if taken:
                        cut, held, go = taken
                        if cut:
                            client.shutdown(socket.SHUT_RDWR)
                        held.set()
                        go.wait()
                        self.late = server if cut else None
                    server.sendall(head + frame)
        except OSError:
            pass
        finally:
            try:
                server.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def _answers(self, client, server):
        try:
            while piece := server.recv(1 << 16):
                if server is self.late:
                    self.answered.set()
                else:
                    client.sendall(piece)
        except OSError:
            pass
        finally:
            client.close()


def start():
    """(cluster of one broker, the proxy before it)"""
    proxy = Proxy(lambda: cluster.nodes[0].port)
    cluster = Cluster(**{"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}"})
    return cluster.start(), proxy
