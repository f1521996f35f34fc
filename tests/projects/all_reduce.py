"""Sum one number of every rank over sockets, with nothing but what the service sets."""

import os
import socket
import time


def receive(connection):
    text = b""
    while not text.endswith(b"\n"):
        piece = connection.recv(64)
        if not piece:
            raise SystemExit("a peer has gone")
        text += piece
    return int(text)


def all_reduce(value):
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
    if rank == 0:
        with socket.create_server(address) as server:
            peers = [server.accept()[0] for _ in range(size - 1)]
        total = value + sum(receive(peer) for peer in peers)
        for peer in peers:
            peer.sendall(b"%d\n" % total)
            peer.close()
        return total
    deadline = time.monotonic() + 30
    while True:
        try:
            peer = socket.create_connection(address)
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    with peer:
        peer.sendall(b"%d\n" % value)
        return receive(peer)


print("rank", os.environ["RANK"], "sum", all_reduce(10 ** int(os.environ["RANK"])))
