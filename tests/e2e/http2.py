"""HTTP/2 on the port of everything else, as curl speaks it: without TLS by prior knowledge, with TLS by ALPN."""
import json
import subprocess

from world import START_TIME, check

PRIOR = "--http2-prior-knowledge"


def curl(*arguments, data=None):
    """(what is printed, the version of HTTP, the status) of one request."""
    run = subprocess.run(["curl", "-sS", "-k", "-m", "30", "-w", "\n%{http_version} %{http_code}", *arguments], input=data,
                         capture_output=True, timeout=START_TIME, check=False)
    check(run.returncode == 0, f"curl {arguments}: {run.returncode} {run.stderr.decode(errors='replace')}")
    body, _, last = run.stdout.rpartition(b"\n")
    version, status = last.decode().split()
    return body, version, int(status)


def test_http2_by_prior_knowledge(world):
    server = world.shared_server()
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/h2", "--timeout=30s", url=server.url)
    url = f"{server.url}/function/t/h2"
    old = curl(url, "-d", "1")
    new = curl(PRIOR, url, "-d", "1")
    check(old[1] == "1.1" and new[1] == "2", f"{old} {new}")
    check(old[0] == new[0] and new[2] == 200, f"{old} {new}")


def test_http2_refuses_in_the_words_of_http1(world):
    server = world.shared_server()
    for path, status in (("/function/t/nosuch", 404), ("/v1/calls/none", 400), ("/nothing/here", 404)):
        old = curl(server.url + path)
        new = curl(PRIOR, server.url + path)
        check(old[2] == new[2] == status, f"{path}: {old} {new}")
        said = [json.loads(answer[0])["error"] for answer in (old, new)]
        check(said[0]["message"] == said[1]["message"], f"{path}: {said}")
    large = world.fresh_folder("h2") / "large"
    large.write_bytes(b"x" * (5 << 20))
    answer = curl(PRIOR, "-X", "PUT", f"{server.url}/v1/secrets/t/large", "--data-binary", f"@{large}")
    check(answer[1] == "2" and answer[2] == 413, str(answer))


def test_http2_in_tls(world):
    folder = world.fresh_folder("h2tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout",
                    folder / "key.pem", "-out", folder / "cert.pem", "-subj", "/CN=server", "-addext",
                    "subjectAltName=IP:127.0.0.1"], capture_output=True, timeout=START_TIME, check=True)
    server = world.own_server(f"--tls-cert={folder}/cert.pem", f"--tls-key={folder}/key.pem")
    url = server.url.replace("http://", "https://") + "/healthz"
    for flag, version in (("--http2", "2"), ("--http1.1", "1.1")):
        answer = curl(flag, url)
        check(answer[1:] == (version, 200) and json.loads(answer[0]) == {"status": "ok"}, f"{flag}: {answer}")
    plain = world.run("list", url=server.url.replace("https://", "http://"))
    check(plain.returncode == 1 and "CANOPY_URL begins with https://" in plain.err, plain.err)
    # A connection for all of them: they rest at the same time, and each has its answer.
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/h2", "--timeout=30s", url=server.url, SSL_CERT_FILE=str(folder / "cert.pem"))
    many = subprocess.run(["curl", "-sS", "-k", "-m", "30", "-Z", "--parallel-max", "50", "--http2", "-w", "%{http_code} %{num_connects}\n", "-o",
                           "/dev/null", "-d", "200", url.replace("/healthz", "/function/t/h2?[1-50]")], capture_output=True, text=True,
                          timeout=START_TIME, check=False)
    lines = many.stdout.split("\n")[:-1]
    check(len(lines) == 50 and all(line.startswith("200 ") for line in lines), many.stdout + many.stderr)
    check(sum(int(line.split()[1]) for line in lines) < 50, f"each request had a connection of its own:\n{many.stdout}")
