"""What the checks of deploy/ have found, said as it is found."""
import contextlib


class Report:
    def __init__(self):
        self.passed = self.skipped = self.failed = 0

    def say(self, what):
        print(f"   {what}", flush=True)

    def skip(self, name, why):
        self.skipped += 1
        print(f"-- {name}: skipped: {why}", flush=True)

    def fail(self, name, why):
        self.failed += 1
        print(f"!! {name}: {why}", flush=True)

    @contextlib.contextmanager
    def trying(self, name):
        """Passed, unless what is inside raises or has failed something itself."""
        before = self.failed
        try:
            yield
        except Exception as error:  # Whatever it is, the other checks are still to be made.
            self.fail(name, f"{type(error).__name__}: {error}")
        else:
            if self.failed == before:
                self.passed += 1
                print(f"ok {name}", flush=True)
