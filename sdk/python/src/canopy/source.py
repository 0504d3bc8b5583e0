"""From a Python function to one on the server: its own source, with a handler around it.

What travels is the text of the function, never a pickle of its code, so client and server need not run the same
Python. It must stand alone: what it uses of its module is imported inside it, or by `imports`.
"""
from __future__ import annotations

import ast
import base64
import builtins
import dis
import functools
import hashlib
import inspect
import json
import pickle
import textwrap
import types
from typing import Any, Callable, Dict, Generic, Optional, Set, Tuple, TypeVar

from .client import Client, Reply
from .errors import CallFailed

Result = TypeVar("Result")

_json_handler = '''
def handle(request):
    arguments, keywords = request.json()
    return {"value": %s(*arguments, **keywords)}
'''

_pickle_handler = '''
def handle(request):
    import base64, pickle, traceback
    try:
        arguments, keywords = pickle.loads(base64.b64decode(request.body))
        answer = ("value", %s(*arguments, **keywords))
    except Exception as error:
        error.remote_traceback = traceback.format_exc()
        try:
            answer = ("error", error)
            pickle.loads(pickle.dumps(answer))
        except Exception:
            raise error
    return base64.b64encode(pickle.dumps(answer)).decode()
'''


def _tree_of(text: str, name: str) -> ast.FunctionDef:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    raise ValueError(f"the source of {name} cannot be found; a lambda, or what was made by exec, has none")


def _source_of(target: Callable[..., Any]) -> str:
    """Its text from `def` on, without decorators."""
    try:
        text = textwrap.dedent(inspect.getsource(target))
    except (OSError, TypeError) as error:
        raise ValueError(f"the source of {target!r} cannot be read ({error}); put it into a file") from None
    if inspect.iscoroutinefunction(target):
        raise ValueError(f"{target.__name__} is async; call asyncio.run() inside a plain function")
    node = _tree_of(text, target.__name__)
    return "\n".join(text.splitlines()[node.lineno - 1:node.end_lineno]) + "\n"


def _names_of(code: types.CodeType) -> Set[str]:
    """The names that it looks for in its module; not those of attributes."""
    names = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_of(constant)
    return names


def _imported(imports: str) -> Set[str]:
    found = set()
    for node in ast.walk(ast.parse(imports)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return found


def _check_alone(target: Callable[..., Any], imports: str) -> None:
    code = target.__code__
    if code.co_freevars:
        raise ValueError(f"{target.__name__} uses {', '.join(code.co_freevars)} of the function around it, which does not "
                         "travel with it; hand it over as an argument")
    known = _imported(imports) | set(dir(builtins)) | {target.__name__}
    missing = sorted(name for name in _names_of(code) if name in target.__globals__ and name not in known)
    if missing:
        raise ValueError(f"{target.__name__} uses {', '.join(missing)} of its module, which does not travel with it; import "
                         'it inside the function, or say @function(imports="import …")')


class Function(Generic[Result]):
    """A function that runs here when it is called, and on the server by .remote() or an Executor."""

    def __init__(self, target: Callable[..., Result], name: Optional[str] = None, *, imports: str = "", codec: str = "json",
                 **settings: Any) -> None:
        if codec not in ("json", "pickle"):
            raise ValueError(f"codec is json or pickle, not {codec!r}")
        imports = textwrap.dedent(imports).strip() + "\n" if imports else ""
        _check_alone(target, imports)
        self.target, self.codec, self.settings = target, codec, settings
        handler = (_json_handler if codec == "json" else _pickle_handler) % target.__name__
        self.source = imports + "\n" + _source_of(target) + "\n" + handler
        digest = hashlib.sha256(self.source.encode()).hexdigest()[:12]
        self.name = name or f"default/{target.__name__.strip('_') or 'f'}-{digest}"
        functools.update_wrapper(self, target)

    def __call__(self, *arguments: Any, **keywords: Any) -> Result:
        return self.target(*arguments, **keywords)

    def deploy(self, client: Client) -> Dict[str, Any]:
        """Makes it what the server runs under its name; costs a request where it is that already."""
        return client.deploy(self.name, self.source, runtime="python", **self.settings)

    def encode(self, arguments: Tuple[Any, ...], keywords: Dict[str, Any]) -> str:
        """The input of a call."""
        if self.codec == "json":
            return json.dumps([list(arguments), keywords])
        return base64.b64encode(pickle.dumps((arguments, keywords))).decode()

    def decode(self, reply: Reply) -> Result:
        """What a call returned; with codec="pickle" what it raised is raised. Only replies of one's own function
        are given to this: a pickle can do anything."""
        if reply.status >= 400:
            raise CallFailed(f"{self.name} answered with status {reply.status}: {reply.body[:200]!r}", status=reply.status,
                             call=reply.call)
        if self.codec == "json":
            return reply.json()["value"]
        kind, value = pickle.loads(base64.b64decode(reply.body))
        if kind == "error":
            raise value
        return value

    def remote(self, *arguments: Any, client: Optional[Client] = None, **keywords: Any) -> Result:
        """One call on the server, waited for; deploys it first where that was not done by this process."""
        chosen = client or _default_client()
        ensure_deployed(self, chosen)
        return self.decode(chosen.invoke(self.name, self.encode(arguments, keywords)))


_deployed: Set[Tuple[str, str, str]] = set()  # Server, name, source.
_client: Optional[Client] = None


def _default_client() -> Client:
    global _client
    if _client is None:
        _client = Client()
    return _client


def ensure_deployed(target: "Function[Any]", client: Client) -> None:
    mark = (client.transport.url, target.name, target.source)
    if mark not in _deployed:
        target.deploy(client)
        _deployed.add(mark)


def function(name: Optional[str] = None, *, imports: str = "", codec: str = "json",
             **settings: Any) -> Callable[[Callable[..., Result]], Function[Result]]:
    """A decorator: @function("demo/add", memory="128MiB", keep_warm=4). `codec` is how arguments and results travel:
    json, or pickle, which brings exceptions back as they are. Without a name it is named after its source."""
    if callable(name):
        raise TypeError("write @function() with brackets")
    return lambda target: Function(target, name, imports=imports, codec=codec, **settings)
