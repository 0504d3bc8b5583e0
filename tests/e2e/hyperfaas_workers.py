"""HyperFaaS's own parts above and below Canopy: its leaf over our worker, our leaf over its workers (hyperfaas_client/stock_*.py)."""
import signal
import subprocess
import sys

from hyperfaas import CLIENT, addresses, deploy_images, grpc_folder, hyperfaas_server, run_client
from world import RUN_TIME, START_TIME, check

from ports import free_port  # Beside the folders of the tests, where world.py looks.


def stock(world, name, *arguments, **more):
    environment = world.environment(PYTHONPATH=str(grpc_folder(world.root)), PYTHONDONTWRITEBYTECODE="1", GRPC_VERBOSITY="ERROR")
    return subprocess.Popen([sys.executable, CLIENT / name, *map(str, arguments)], env=environment, text=True, **more)


class StockWorkers:
    """Some of them, on ports that stay theirs."""

    def __init__(self, world, count, idle):
        self.world, self.idle, self.database = world, idle, ""
        self.ports = [free_port() for _ in range(count)]
        self.processes = [None] * count

    def addresses(self):
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def start(self, *which):
        for i in which or range(len(self.ports)):
            self.processes[i] = stock(self.world, "stock_worker.py", self.ports[i], self.database, self.idle,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            said = self.processes[i].stdout.readline()
            check(said == f"listening {self.ports[i]}\n", f"the worker said {said!r}")

    def pid(self, i):
        return str(self.processes[i].pid)

    def count(self, i):
        """Its containers."""
        self.processes[i].stdin.write("count\n")
        self.processes[i].stdin.flush()
        return int(self.processes[i].stdout.readline())

    def kill(self, i):
        self.processes[i].kill()
        self.processes[i].wait(START_TIME)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait(START_TIME)


def leaf_over(world, workers, *flags):
    """A server with these workers, which are started."""
    grpc_folder(world.root)
    server = world.own_server("--hyperfaas=auto", "--hyperfaas-listen=127.0.0.1:0", "--hyperfaas-database=127.0.0.1:0",
                              f"--hyperfaas-workers={workers.addresses()}", *flags)
    leaf, workers.database = addresses(server)
    workers.start()
    return server, leaf


def test_hyperfaas_our_worker_under_a_stock_leaf_case_7(world):
    _, database = addresses(hyperfaas_server(world))
    worker = world.own_server("--hyperfaas=auto", "--hyperfaas-listen=127.0.0.1:0", f"--hyperfaas-database=http://{database}")
    deploy_images(world, worker)
    leaf = stock(world, "stock_leaf.py", addresses(worker)[0], database, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said, _ = leaf.communicate(timeout=RUN_TIME)
    check(leaf.returncode == 0, f"the leaf ended with {leaf.returncode}:\n{said}")


def test_hyperfaas_our_leaf_over_stock_workers_cases_4_5_7(world):
    with StockWorkers(world, 2, idle=1) as workers:
        server, leaf = leaf_over(world, workers)
        run_client(world, leaf, "workers", *map(str, workers.ports))
        check(server.stop() == 0, "it did not end well")
        check([workers.count(i) for i in (0, 1)] == [0, 0], "instances were left on the workers")


def test_hyperfaas_a_stock_worker_is_killed_under_load_case_5(world):
    with StockWorkers(world, 2, idle=60) as workers:
        _, leaf = leaf_over(world, workers)
        function = run_client(world, leaf, "killed", workers.pid(0))
        run_client(world, leaf, "on", function, str(workers.ports[1]))
        # It is back, and alone: all that was made before serves again.
        workers.kill(1)
        workers.start(0)
        run_client(world, leaf, "on", function, str(workers.ports[0]))


def test_hyperfaas_no_stock_worker_is_there_case_5(world):
    with StockWorkers(world, 2, idle=60) as workers:
        _, leaf = leaf_over(world, workers)
        function = run_client(world, leaf, "made")
        for i in (0, 1):
            workers.kill(i)
        run_client(world, leaf, "nobody", function)
        workers.start(1)
        run_client(world, leaf, "on", function, str(workers.ports[1]))


def test_hyperfaas_a_stock_worker_that_hangs_is_lost_case_5(world):
    with StockWorkers(world, 2, idle=60) as workers:
        _, leaf = leaf_over(world, workers)
        function = run_client(world, leaf, "made")
        workers.processes[0].send_signal(signal.SIGSTOP)
        run_client(world, leaf, "hung", function, str(workers.ports[1]))
        workers.processes[0].send_signal(signal.SIGCONT)


def test_hyperfaas_what_is_deployed_here_runs_here(world):
    """And a function whose image comes later moves from the workers to here."""
    with StockWorkers(world, 1, idle=60) as workers:
        server, leaf = leaf_over(world, workers)
        function = run_client(world, leaf, "made")
        run_client(world, leaf, "on", function, str(workers.ports[0]))
        world.must("deploy", world.built("examples/echo"), "--name=hyperfaas/elsewhere", url=server.url)
        run_client(world, leaf, "on", function, "who")  # The example answers what it is sent.


def test_hyperfaas_workers_need_a_database(world):
    end = world.run("up", "--listen=127.0.0.1:0", "--hyperfaas=on", "--hyperfaas-workers=127.0.0.1:1", f"--data={world.fresh('data')}")
    check(end.returncode == 1 and "--hyperfaas-database" in end.err, f"{end.out}{end.err}")
    end = world.run("up", "--listen=127.0.0.1:0", "--hyperfaas=on", "--hyperfaas-database=127.0.0.1:0", "--hyperfaas-workers=:50051",
                    f"--data={world.fresh('data')}")
    check(end.returncode == 1 and "HOST:PORT" in end.err, f"{end.out}{end.err}")
