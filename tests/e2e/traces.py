"""A collector of OpenTelemetry, and what it is told of calls."""
import http.server
import json
import re
import threading

import tree
from world import Skip, check, wait_until

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
        """The span of a call, and those beneath it by their names."""
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


def check_parts(world, server, collector, call, wanted):
    """Spans, record and `canopy calls show` have these parts of a call, which are all of its time. Returns the spans."""
    root, pieces = collector.of_call(call)
    check(set(pieces) == set(wanted), f"the spans are {list(pieces)}, and not {wanted}")
    at, took = int(root["startTimeUnixNano"]), {}
    for name in wanted:
        begun, ended = (int(pieces[name][key]) for key in ("startTimeUnixNano", "endTimeUnixNano"))
        check(begun == at <= ended, f"{name} is from {begun} to {ended}, and what is before it ends at {at}")
        at, took[name] = ended, ended - begun
    check(at == int(root["endTimeUnixNano"]), f"the call ends at {root['endTimeUnixNano']}, and its last part at {at}")

    usage = json.loads(server.request("GET", f"/v1/calls/{call}?wait=60s")[2])["usage"]
    kept = {name: usage[f"{name}_seconds"] for name in ("queue", "hop", "start", "run")}
    check((kept["hop"] is not None) == ("hop" in wanted) and (kept["start"] > 0) == ("start" in wanted), f"{usage}")
    check({name: round(kept[name] * 1e9) for name in wanted} == took, f"the record has {usage}, and the spans {took}")
    check(usage["cold"] == ("start" in wanted), f"{usage}")

    shown = world.must("calls", "show", call, url=server.url).out
    lines = re.findall(r"^(?:timeline| {8}) +(queue|hop|start|run) +\+", shown, re.M)
    check(lines == wanted, f"the timeline has {lines}, and not {wanted}:\n{shown}")
    return pieces


def traced_server(world, collector, *flags):
    """With one core, so that a function which was called once is warm."""
    server = world.own_server("--cores=1", f"--otlp-endpoint={collector.url}", *flags)
    deploy(server)
    return server


def call_of(server):
    status, headers, body = server.request("POST", "/function/t/see", {}, b"{}")
    check(status == 200, f"the call was answered {status} {body}")
    return headers["X-Call-Id"]


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
    check({"queue", "run"} <= set(pieces), f"{pieces}")
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


def test_a_call_in_the_server_itself_has_no_hop(world):
    if any(flag.startswith("--workers") for flag in world.up_flags):
        raise Skip("all servers have worker processes")
    collector = Collector()
    server = traced_server(world, collector)
    check_parts(world, server, collector, call_of(server), ["queue", "start", "run"])
    check_parts(world, server, collector, call_of(server), ["queue", "run"])
    _, _, answer = server.request("POST", "/async-function/t/see", {}, b"{}")
    check_parts(world, server, collector, json.loads(answer)["id"], ["queue", "run"])
    collector.end()


def test_a_call_in_a_worker_process_has_a_hop(world):
    collector = Collector()
    server = traced_server(world, collector, "--workers=1")
    for wanted in (["queue", "hop", "start", "run"], ["queue", "hop", "run"]):
        pieces = check_parts(world, server, collector, call_of(server), wanted)
        check(attribute(pieces["hop"], "canopy.node") == "worker-1", f"{pieces['hop']}")
    collector.end()


def test_a_call_below_a_balancer_has_a_hop_that_names_its_node(world):
    collector = Collector()
    server = traced_server(world, collector, "--node-listen=127.0.0.1:0", "--dispatch=push")
    with tree.tree(world, server, {"": ["leaf"], "leaf": ["one"]}):
        for wanted in (["queue", "hop", "start", "run"], ["queue", "hop", "run"]):
            pieces = check_parts(world, server, collector, call_of(server), wanted)
            check(attribute(pieces["hop"], "canopy.node") == "leaf/one", f"{pieces['hop']}")
        _, _, answer = server.request("POST", "/async-function/t/see", {}, b"{}")
        call = json.loads(answer)["id"]
        check_parts(world, server, collector, call, ["queue", "hop", "run"])
    # It is kept with its parts.
    server.kill()
    server.restart()
    usage = json.loads(server.request("GET", f"/v1/calls/{call}")[2])["usage"]
    check(usage["hop_seconds"] is not None and usage["start_seconds"] == 0, f"{usage}")
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
