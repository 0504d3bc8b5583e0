# What a call costs with numpy imported.
import numpy


def handle(request):
    return "hello"
