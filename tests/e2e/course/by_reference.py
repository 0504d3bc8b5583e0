"""Functions of a module that client and server can both import: dill sends their names alone."""


def double(number):
    return number * 2


def greet(name, greeting="Hello"):
    return f"{greeting}, {name}!"
