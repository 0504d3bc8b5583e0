"""A collector of OpenTelemetry, and what it is told of calls."""
import http.server
import json
import threading

from world import check, wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


class Collector:
    """Keeps the spans that it was sent, by their names; answers with `status`."""

    def __init__(self):
        self.spans, self.requests, self.status = [], [], 200
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests.append((self.path, dict(self.headers)))
                if collector.status == 200:
                    for resource in json.loads(body)["resourceSpans"]:
                        for scope in resource["scopeSpans"]:
                            collector.spans += scope["spans"]
                self.send_response(collector.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of_call(self, call):
        """The three spans of a call, by their names."""
        def whole():
            return [span for span in self.spans if attribute(span, "faas.invocation_id") == call]
        wait_until(lambda: len(whole()) == 1, f"the spans of call {call}")
        root = whole()[0]
        return root, {span["name"]: span for span in self.spans if span.get("parentSpanId") == root["spanId"]}

    def end(self):
        self.server.shutdown()
        self.server.server_close()


def attribute(span, name):
    for found in span["attributes"]:
        if found["key"] == name:
            return next(iter(found["value"].values()))
    return None


def deploy(server):
    source = b"export default { async fetch(request) { return new Response(request.headers.get('traceparent')) } }"
    status, _, body = server.request("PUT", "/v1/functions/t/see", {"Content-Type": "text/javascript"}, source)
    check(status in (200, 201), f"deploying it was answered {status} {body}")


def test_a_collector_is_told_of_calls(world):
    collector = Collector()
    server = world.own_server(f"--otlp-endpoint={collector.url}", "--otlp-header=X-Token: a secret")
    deploy(server)

    status, headers, seen = server.request("POST", "/function/t/see", {}, b"{}")
    check(status == 200, f"the call was answered {status} {seen}")
    root, pieces = collector.of_call(headers["X-Call-Id"])
    check(root["name"] == "t/see" and root["kind"] == 2 and "parentSpanId" not in root, f"{root}")
    check(attribute(root, "http.response.status_code") == "200", f"{root}")
    check(set(pieces) == {"queue", "run"}, f"{pieces}")
    times = [int(span[key]) for span in (root, pieces["queue"], pieces["run"])
             for key in ("startTimeUnixNano", "endTimeUnixNano")]
    check(times[0] == times[2] <= times[3] == times[4] <= times[5] == times[1], f"{times}")
    check(seen.decode() == f"00-{root['traceId']}-{pieces['run']['spanId']}-01", f"the function saw {seen}")
    path, sent = collector.requests[0]
    check(path == "/v1/traces" and sent["X-Token"] == "a secret" and sent["Content-Type"] == "application/json", f"{sent}")

    # One that belongs to a trace already, and a durable one.
    parent = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    _, headers, seen = server.request("POST", "/function/t/see", parent, b"{}")
    root, pieces = collector.of_call(headers["X-Call-Id"])
    check((root["traceId"], root["parentSpanId"]) == (TRACE, PARENT), f"{root}")
    check(seen.decode() == f"00-{TRACE}-{pieces['run']['spanId']}-01", f"the function saw {seen}")
    _, _, answer = server.request("POST", "/async-function/t/see", parent, b"{}")
    call = json.loads(answer)["id"]
    root, _ = collector.of_call(call)
    check(root["kind"] == 5 and root["parentSpanId"] == PARENT, f"{root}")

    # Whoever asks for none gets none, and the function sees what was sent.
    quiet = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
    _, headers, seen = server.request("POST", "/function/t/see", quiet, b"{}")
    check(seen.decode() == quiet["traceparent"], f"the function saw {seen}")
    untold = headers["X-Call-Id"]
    _, headers, _ = server.request("POST", "/function/t/see", {}, b"{}")
    collector.of_call(headers["X-Call-Id"])
    check(all(attribute(span, "faas.invocation_id") != untold for span in collector.spans), "it was told of")

    # What waits when the server ends is told.
    _, headers, _ = server.request("POST", "/function/t/see", {}, b"{}")
    server.stop()
    collector.of_call(headers["X-Call-Id"])
    collector.end()


def test_a_collector_that_is_away_is_no_loss_to_calls(world):
    collector = Collector()
    collector.status = 503
    server = world.own_server(f"--otlp-endpoint={collector.url}")
    deploy(server)
    _, headers, _ = server.request("POST", "/function/t/see", {}, b"{}")
    wait_until(lambda: collector.requests, "the first attempt")
    collector.status = 200
    collector.of_call(headers["X-Call-Id"])
    wait_until(lambda: b'canopy_traces_total{outcome="exported"} 1' in server.request("GET", "/metrics")[2],
               "the metric of what was told")
    collector.end()
    status, _, _ = server.request("POST", "/function/t/see", {}, b"{}")
    check(status == 200, f"with nobody to tell a call was answered {status}")


def test_a_wrong_collector_is_refused_at_once(world):
    end = world.run("up", "--listen=127.0.0.1:0", f"--data={world.fresh_folder('data')}", "--otlp-endpoint=collector")
    check(end.returncode == 1 and "http://127.0.0.1:4318" in end.err, f"{end.out}{end.err}")
    end = world.run("up", "--listen=127.0.0.1:0", f"--data={world.fresh_folder('data')}",
                    "--otlp-endpoint=http://127.0.0.1:1", "--otlp-header=secret-word")
    check(end.returncode == 1 and "Name: value" in end.err and "secret-word" not in end.err, f"{end.out}{end.err}")
