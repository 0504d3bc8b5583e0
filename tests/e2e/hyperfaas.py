"""The gRPC of HyperFaaS as its clients use it, with a real gRPC on their side (hyperfaas_client/)."""
import functools
import pathlib
import re
import subprocess
import sys
import urllib.parse

from world import RUN_TIME, Skip, check

CLIENT = pathlib.Path(__file__).parent / "hyperfaas_client"
ANYWHERE = ["--hyperfaas-listen=127.0.0.1:0", "--hyperfaas-database=127.0.0.1:0"]


@functools.cache
def grpc_folder(root):
    """Where `make deps` has put it."""
    printed = subprocess.run([root / "tools/deps", "--print"], capture_output=True, text=True, check=True).stdout
    folder = pathlib.Path(dict(line.split("=", 1) for line in printed.splitlines())["GRPC"])
    if not (folder / "grpc").is_dir():
        raise Skip(f"there is no grpcio in {folder}; `make deps` fetches it")
    tried = subprocess.run([sys.executable, "-c", "import grpc"], env={"PYTHONPATH": str(folder)}, capture_output=True, text=True)
    if tried.returncode != 0:
        raise Skip(f"the grpcio in {folder} is for another Python: {tried.stderr.splitlines()[-1]}")
    return folder.resolve()


def run_client(world, address, suite, *arguments):
    end = subprocess.run([sys.executable, CLIENT / "client.py", address, suite, *arguments], capture_output=True, text=True,
                         timeout=RUN_TIME, env=world.environment(PYTHONPATH=str(grpc_folder(world.root)),
                                                                 PYTHONDONTWRITEBYTECODE="1", GRPC_VERBOSITY="ERROR"))
    check(end.returncode == 0, f"the suite {suite} ended with {end.returncode}:\n{end.stdout}{end.stderr[-3000:]}")
    return end.stdout.strip()


def addresses(server):
    """Where it listens besides: for gRPC, and as the database."""
    return re.findall(r"^besides\s+https?://(\S+)", server.text(), re.M)[-2:]


def deploy_images(world, server, **environment):
    for source, name in (("examples/echo", "echo"), ("examples/hello", "hello"), ("tests/e2e/functions/rest.c", "rest")):
        world.must("deploy", world.built(source), f"--name=hyperfaas/{name}", "--timeout=2m", url=server.url, **environment)


def hyperfaas_server(world, *flags):
    grpc_folder(world.root)
    server = world.own_server("--hyperfaas=auto", *ANYWHERE, *flags)
    deploy_images(world, server)
    return server


def test_hyperfaas_leaf_and_database_cases_1_2_3_4_8_11(world):
    server = hyperfaas_server(world)
    leaf, database = addresses(server)
    run_client(world, leaf, "leaf")
    run_client(world, leaf, "database", database)
    run_client(world, f"127.0.0.1:{server.port}", "leaf")  # The port of everything else.


def test_hyperfaas_upstream_client_case_10(world):
    run_client(world, addresses(hyperfaas_server(world))[0], "upstream")


def test_hyperfaas_worker_cases_6_7(world):
    """A leaf's functions are in another server's database, which the worker asks."""
    leaf, database = addresses(hyperfaas_server(world))
    worker = world.own_server("--hyperfaas=auto", "--hyperfaas-listen=127.0.0.1:0", f"--hyperfaas-database=http://{database}")
    deploy_images(world, worker)
    run_client(world, leaf, "worker", addresses(worker)[0])


def test_hyperfaas_table_of_a_worker_case_6(world):
    """As tests/worker of HyperFaaS has it: outputs, 50 instances with 100 calls each, a listener that comes back."""
    grpc_folder(world.root)
    sample = world.root / "examples/hyperfaas/hello"
    world.need_compiler(sample)
    server = world.own_server("--hyperfaas=auto", *ANYWHERE)
    world.must("deploy", world.built("examples/echo"), "--name=hyperfaas/echo", url=server.url)
    world.must("deploy", sample, url=server.url)
    run_client(world, addresses(server)[0], "table")


def test_hyperfaas_leaf_beside_worker_processes(world):
    run_client(world, addresses(hyperfaas_server(world, "--workers=2"))[0], "leaf")


def test_hyperfaas_functions_survive_a_kill_case_5(world):
    server = hyperfaas_server(world)
    function = run_client(world, addresses(server)[0], "create")
    server.kill()
    server.restart()
    run_client(world, addresses(server)[0], "call", function)


def test_hyperfaas_asks_for_a_key_where_others_do(world):
    grpc_folder(world.root)
    server = world.own_server("--hyperfaas=auto", "--auth=on", *ANYWHERE)
    run_client(world, addresses(server)[0], "keys")


def test_hyperfaas_ends_in_time_case_16(world):
    """With a stream open, and nothing else to do."""
    grpc_folder(world.root)
    server = world.own_server("--hyperfaas=auto", *ANYWHERE)
    follower = subprocess.Popen([sys.executable, CLIENT / "follow.py", addresses(server)[0]], stdout=subprocess.PIPE, text=True,
                                env=world.environment(PYTHONPATH=str(grpc_folder(world.root)), GRPC_VERBOSITY="ERROR"))
    check(follower.stdout.readline() == "following\n", "the follower did not begin")
    check(server.stop() == 0, "it did not end well")
    check(follower.wait(RUN_TIME) == 0, f"the follower was not told: {follower.stdout.read()}")


def test_hyperfaas_says_what_does_not_fit(world):
    end = world.run("up", "--listen=127.0.0.1:0", "--hyperfaas-listen=127.0.0.1:0", f"--data={world.fresh('data')}")
    check(end.returncode == 1 and "--hyperfaas=auto" in end.err, f"{end.out}{end.err}")
    end = world.run("up", "--listen=127.0.0.1:0", "--hyperfaas=on", "--hyperfaas-listen=50050", f"--data={world.fresh('data')}")
    check(end.returncode == 1 and "--hyperfaas-listen=50050: the port is missing" in end.err, f"{end.out}{end.err}")


SAMPLES = ("hello", "echo", "simul", "sleep", "crash", "bfs", "bfs-json", "thumbnailer", "thumbnailer-json")


def run_samples(world, names, *flags):
    """The samples of HyperFaaS, in Go, from one source for all."""
    grpc_folder(world.root)
    folder = world.root / "examples" / "hyperfaas"
    world.need_compiler(folder)
    server = world.own_server("--hyperfaas=auto", *ANYWHERE)
    for name in names:
        world.must("deploy", folder / name, *flags, url=server.url)
    end = subprocess.run([sys.executable, CLIENT / "samples.py", addresses(server)[0], *names], capture_output=True, text=True,
                         timeout=RUN_TIME, env=world.environment(PYTHONPATH=str(grpc_folder(world.root)),
                                                                 PYTHONDONTWRITEBYTECODE="1", GRPC_VERBOSITY="ERROR"))
    check(end.returncode == 0, f"samples.py ended with {end.returncode}:\n{end.stdout}{end.stderr[-3000:]}")


def test_hyperfaas_samples_as_webassembly_case_3(world):
    run_samples(world, SAMPLES)


def test_hyperfaas_samples_as_containers_case_9(world):
    world.need_containers()
    run_samples(world, [name for name in SAMPLES if name != "sleep"], "--runtime=container")


def deploy_container(world, server, folder, name, settings, memory="64MiB", **more):
    """An image of that program, which the server is told no more of than `settings`."""
    world.need_compiler(folder)
    image = world.fresh(f"{name}.tar")
    world.must("build", "--container", folder, "-o", image)
    query = urllib.parse.urlencode({"memory": memory, "container": settings, **more})
    status, _, body = server.request("PUT", f"/v1/functions/hyperfaas/{name}?{query}", {"Content-Type": "application/x-tar"},
                                     image.read_bytes())
    check(status == 201, f"{status} {body!r}")


def test_hyperfaas_function_containers_case_9(world):
    """Containers that a worker of HyperFaaS would start: gRPC on port 50052, and FUNCTION_ID."""
    world.need_containers()
    grpc_folder(world.root)
    server = world.own_server("--hyperfaas=auto", *ANYWHERE)
    deploy_container(world, server, world.root / "examples/hyperfaas/echo", "contained", "{contract: grpc}")
    run_client(world, addresses(server)[0], "contained")


def test_hyperfaas_functions_that_end_when_idle_cases_4_9(world):
    """They end by themselves: no call fails for it, and a leaf hears TIMEOUT."""
    world.need_containers()
    grpc_folder(world.root)
    server = world.own_server("--hyperfaas=auto", *ANYWHERE)
    deploy_container(world, server, world.root / "tests/e2e/functions/brief", "brief", "{contract: grpc}")
    run_client(world, addresses(server)[0], "brief")
    check("by itself" not in server.text(), f"it was taken for a failure:\n{server.text()}")


def test_hyperfaas_functions_that_signal_cases_9_10(world):
    """They say that they are ready; one whose word gets lost is taken as ready all the same."""
    world.need_containers()
    grpc_folder(world.root)
    server = world.own_server("--hyperfaas=auto", *ANYWHERE)
    folder = world.root / "tests/e2e/functions/signal"
    settings = "{contract: grpc, ready: signal, start: 60s}"
    deploy_container(world, server, folder, "signal", settings)
    deploy_container(world, server, folder, "silent", settings, env="SILENT=1")
    run_client(world, addresses(server)[0], "signal")
