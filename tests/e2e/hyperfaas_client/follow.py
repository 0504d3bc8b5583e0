"""follow.py ADDRESS: follows the health of a server until it is told that the server stops."""
import sys

import grpc
from messages import first

stream = grpc.insecure_channel(sys.argv[1]).unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=600)
try:
    for number, message in enumerate(stream):
        health = first(message, 1, 0)
        if number == 0:
            print("following", flush=True)
except grpc.RpcError as error:
    sys.exit(0 if error.code() == grpc.StatusCode.UNAVAILABLE and health == 2 else f"{error} {health}")
sys.exit("the stream ended without a status")
