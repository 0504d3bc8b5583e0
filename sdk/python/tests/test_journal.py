import pathlib
import tempfile
import unittest

import support  # noqa: F401

from canopy.journal import Journal


class JournalCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "work.journal"

    def test_keeps_what_has_not_ended(self):
        journal = Journal(self.path)
        for key in "abc":
            journal.begin({"key": key, "function": "f"})
        journal.end("b")
        journal.end("unknown")
        journal.close()
        again = Journal(self.path)
        self.assertEqual([entry["key"] for entry in again.unfinished()], ["a", "c"])
        again.close()
        self.assertEqual(len(self.path.read_text().splitlines()), 2)

    def test_passes_over_a_half_written_line(self):
        self.path.write_text('{"key": "a"}\nno json\n{"key": "b"')
        journal = Journal(self.path)
        self.assertEqual([entry["key"] for entry in journal.unfinished()], ["a"])
        journal.begin({"key": "c"})
        journal.close()
        last = Journal(self.path)
        self.assertEqual([entry["key"] for entry in last.unfinished()], ["a", "c"])
        last.close()

    def test_belongs_to_one_process(self):
        journal = Journal(self.path)
        with self.assertRaisesRegex(ValueError, "in use"):
            Journal(self.path)
        journal.close()
        Journal(self.path).close()


if __name__ == "__main__":
    unittest.main()
