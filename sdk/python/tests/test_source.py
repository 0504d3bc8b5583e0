import math
import unittest

import support  # noqa: F401: finds the package.

from canopy import Function, function

FACTOR = 3


@function("demo/add")
def add(a, b=2):
    return a + b


def uses_its_module(a):
    return a * FACTOR


def uses_an_import(a):
    return math.sqrt(a)


def speaks_of_an_attribute(a):
    return a.math.FACTOR


async def waits():
    return 1


def run(made, *arguments, **keywords):
    """As the server does: with nothing but the source."""
    space = {}
    exec(made.source, space)  # noqa: S102: that is what a server does with it.

    class Request:
        body = made.encode(arguments, keywords).encode()

        def json(self):
            import json
            return json.loads(self.body)

    return space["handle"](Request())


class Source(unittest.TestCase):
    def test_runs_here_and_stands_alone(self):
        self.assertEqual(add(1), 3)
        self.assertEqual(run(add, 1), {"value": 3})
        self.assertEqual(run(add, 1, b=5), {"value": 6})
        self.assertNotIn("@function", add.source)
        self.assertEqual(add.name, "demo/add")
        self.assertEqual(add.__name__, "add")

    def test_a_name_is_made_of_the_source(self):
        made = Function(speaks_of_an_attribute)
        self.assertRegex(made.name, r"^default/speaks_of_an_attribute-[0-9a-f]{12}$")
        self.assertEqual(made.name, Function(speaks_of_an_attribute).name)
        self.assertNotEqual(made.name, Function(speaks_of_an_attribute, codec="pickle").name)

    def test_what_does_not_travel_is_named(self):
        with self.assertRaisesRegex(ValueError, "FACTOR"):
            Function(uses_its_module)
        with self.assertRaisesRegex(ValueError, "math"):
            Function(uses_an_import)
        around = 1
        with self.assertRaisesRegex(ValueError, "around"):
            def inner():
                return around
            Function(inner)
        for odd in (waits, eval("lambda: 1"), len):
            with self.assertRaises((ValueError, AttributeError)):
                Function(odd)
        with self.assertRaisesRegex(TypeError, "brackets"):
            function(add)
        with self.assertRaisesRegex(ValueError, "codec"):
            Function(speaks_of_an_attribute, codec="yaml")

    def test_imports_go_with_it(self):
        made = Function(uses_an_import, imports="import math")
        self.assertEqual(run(made, 4), {"value": 2.0})

    def test_pickles_bring_values_and_exceptions_back(self):
        from canopy import Reply
        made = Function(uses_an_import, imports="import math", codec="pickle")

        def answer(*arguments):
            return made.decode(Reply(200, {}, run(made, *arguments).encode(), ""))

        self.assertEqual(answer(9), 3.0)
        with self.assertRaises(TypeError):
            answer("nine")
        with self.assertRaises(ValueError) as caught:
            answer(-1)
        self.assertIn("uses_an_import", caught.exception.remote_traceback)


if __name__ == "__main__":
    unittest.main()
