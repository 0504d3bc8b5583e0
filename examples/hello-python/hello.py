"""Greets, in Python."""


def handle(request):
    return f"Hello, {request.text.strip() or 'world'}!"
