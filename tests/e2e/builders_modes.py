"""The course's tests in each of its modes, local, push and pull, over each store: the data folder and a Redis of the
test's own. In push and pull the tasks run in `canopy node` processes, and nowhere else."""
import concurrent.futures
import contextlib
import shutil
import signal

from builders import COURSE, dill_folder, python, run_client
from nodes import JOIN_TIME, Node, running_on, wait_for
from world import Failure, Skip, wait_until

WORKERS = ("one", "two")


def python_flags(world, name):
    """For one process: what its tasks import as `where` says which it is."""
    folder = world.fresh_folder(f"where-{name}")
    (folder / "where.py").write_text(f"NAME = {name!r}\n")
    return f"--python={python()[0]}", f"--python-path={dill_folder(world.root)}:{COURSE}:{folder}"


TIME_LIMIT = "--builders-time-limit=10s"  # Enough for a machine that does much else, too.


class Platform:
    """What a user of the course starts: a server, and workers where the mode has any."""

    def __init__(self, world, mode, word, *flags):
        self.world, self.mode, self.word = world, mode, word
        local = mode == "local"
        self.nodes = []
        self.server = world.own_server(*python_flags(world, "server"), f"--dispatch={mode}",
                                       f"--builders-status-word={word.lower()}", TIME_LIMIT,
                                       *([] if local else ["--node-listen=127.0.0.1:0"]), *flags)
        for name in () if local else WORKERS:
            self.nodes.append(Node(world, self.server, name, *python_flags(world, name)))

    def client(self, suite, *arguments):
        return run_client(self.world, self.server, suite, self.word, *arguments)

    def run_all(self):
        if self.nodes:
            wait_for(self.server, dict.fromkeys(WORKERS, "ready"), JOIN_TIME)
        self.client("where", *([node.name for node in self.nodes] or ["server"]))
        self.client("course")
        self.client("own")
        if self.nodes:
            self.lose_a_worker()

    def lose_a_worker(self):
        tasks = self.client("leave")
        wait_until(lambda: self.nodes[0].name in running_on(self.server), "the first worker to have tasks")
        self.nodes[0].signal(signal.SIGKILL)
        self.client("left", tasks)

    def story(self):
        return "".join(f"-- {part.log.stem}\n{part.text()[-3000:]}" for part in (self.server, *self.nodes))

    def end(self):
        for node in self.nodes:
            node.end()


def tests_of_the_course(world, mode):
    """In that mode, over both stores at once. Says with which Python."""
    dill_folder(world.root)
    if not shutil.which("redis-server"):
        raise Skip("redis-server is not installed")
    redis = world.own_redis()
    with contextlib.ExitStack() as ends, concurrent.futures.ThreadPoolExecutor(2) as pool:
        platforms = {}
        # The words of the course and of FaaS Builders, each over one of them.
        for store, word, flags in (("the data folder", "COMPLETED", []), ("Redis", "COMPLETE", [f"--store={redis.url}"])):
            platforms[store] = Platform(world, mode, word, *flags)
            ends.callback(platforms[store].end)
        running = {store: pool.submit(platform.run_all) for store, platform in platforms.items()}
        for store, run in running.items():
            try:
                run.result()
            except Failure as failure:
                raise Failure(f"with {store}: {failure}\n{platforms[store].story()}") from None
    return f"with Python {python()[1]} on both sides, over the data folder and Redis"


def test_builders_tests_of_the_course_local(world):
    return tests_of_the_course(world, "local")


def test_builders_tests_of_the_course_push(world):
    return tests_of_the_course(world, "push")


def test_builders_tests_of_the_course_pull(world):
    return tests_of_the_course(world, "pull")
