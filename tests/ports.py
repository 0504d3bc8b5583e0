"""Ports for what has to be known before it listens, or has to come back where it was."""
import random
import socket


def free_port():
    """One below those that the kernel gives to whoever asks for any: else a test beside this one may have it meanwhile."""
    while True:
        port = random.randrange(10_000, 32_768)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
