"""Loading: from a target such as `app.py:shout` or `package.module:name` to a model that can be started."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import msgspec
from msgspec import Struct

from leveret.errors import ModelLoadError
from leveret.model import cog, where
from leveret.model.declare import Options, default_options, options_of
from leveret.model.schema import Inputs, UnfitType, output_schema
from leveret.model.signature import HEALTHCHECK, PREDICT, SETUP, read
from leveret.model.where import Target


class Model(Struct, frozen=True, kw_only=True):
    """A model that is loaded but not yet started: nothing of the user's has run but the import."""

    target: Target
    options: Options
    version: str
    description: str
    inputs: Inputs
    output_schema: bytes
    streams: bool
    asynchronous: bool
    context: str | None
    """The parameter that takes the Context, or the list of them."""

    def start(self) -> Target:
        """What is called for each run: the function, or `predict` of an instance that is set up."""
        predict, setup = self._made()
        setup()
        return predict

    async def start_asynchronously(self) -> Target:
        """The same for a model that is asynchronous, as its setup may be too."""
        predict, setup = self._made()
        done = setup()
        if inspect.isawaitable(done):
            await done
        return predict

    def _made(self) -> tuple[Target, Callable[[], object]]:
        """What is called for each run, and what has to be called before."""
        if not inspect.isclass(self.target):
            return self.target, _nothing
        instance = self.target()
        return getattr(instance, PREDICT), getattr(instance, SETUP, _nothing)

    def healthcheck(self, predict: Target) -> Target | None:
        """What tells whether the instance is healthy whose `predict` this is; None if it has no such method."""
        instance: object = getattr(predict, "__self__", None)
        healthcheck: Target | None = getattr(instance, HEALTHCHECK, None) if inspect.isclass(self.target) else None
        return healthcheck

    @property
    def checks(self) -> bool:
        """Whether it can tell whether it is healthy."""
        return inspect.isclass(self.target) and hasattr(self.target, HEALTHCHECK)


def load(target: str) -> Model:
    """The model that `file.py`, `file.py:name`, `package.module` or `package.module:name` names.

    Without a name it is the only one that `@model` marks there. A folder with a cog.yaml is a target, too. Raises
    ModelLoadError.
    """
    if (Path(target) / cog.MANIFEST).is_file():
        return _cog(Path(target).resolve())
    place, _, name = target.partition(":")
    module = _from_file(Path(place)) if place.endswith(".py") else _from_module(place)
    chosen = _named(module, name) if name else _only(module, place)
    return _model(chosen, options_of(chosen) or default_options(chosen), module)


def _cog(folder: Path) -> Model:
    """The predictor in a folder of Cog, which becomes the working directory: such predictors read their files there."""
    said = cog.manifest(folder)
    os.chdir(folder)
    module = _from_file(said.file)
    predictor = _named(module, said.name)
    options = msgspec.structs.replace(default_options(predictor), name=said.model)
    if (most := cog.concurrency(predictor, said)) > 1:
        options = msgspec.structs.replace(options, concurrency=most)
    return _model(cog.adapted(predictor), options, module)


def _model(target: Target, options: Options, module: ModuleType) -> Model:
    signature = read(target, batched=options.batch is not None)
    if options.concurrency is not None and not signature.asynchronous:
        reason = "@model: concurrency means nothing unless the model is `async def`; use more model processes, or batch"
        raise ModelLoadError(where=where.of(target), reason=reason)
    names = [one.name for one in signature.inputs]
    for name in options.batch_key:
        if name not in names:
            reason = f"@model: batch_key names {name!r}, but the inputs are {', '.join(names)}"
            raise ModelLoadError(where=where.of(target), reason=reason)
    try:
        inputs = Inputs(options.name, signature.inputs)
    except UnfitType as error:
        raise ModelLoadError(where=where.of(target), reason=str(error)) from error
    output = output_schema(signature.returns, streams=signature.streams)
    return Model(
        target=target,
        options=options,
        version=_version(options.name, _file(module).read_bytes(), inputs.schema, output),
        description=inspect.cleandoc(target.__doc__ or ""),
        inputs=inputs,
        output_schema=output,
        streams=signature.streams,
        asynchronous=signature.asynchronous,
        context=signature.context,
    )


def _version(name: str, *parts: bytes) -> str:
    """The id of what these make together. Clients ask for it without the name, so it belongs to one model alone."""
    return hashlib.sha256(b"\0".join([name.encode(), *parts])).hexdigest()


def _from_file(path: Path) -> ModuleType:
    file = path.resolve()
    if not file.is_file():
        raise ModelLoadError(where=str(path), reason="there is no such file; check the path, or name a module")
    if file.stem in sys.modules:
        reason = f"a module named {file.stem} is loaded already; give the file a name of its own"
        raise ModelLoadError(where=f"{path}:1", reason=reason)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ModelLoadError(where=f"{path}:1", reason="this is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    sys.modules[file.stem] = module  # as an import does: dataclasses and pickle look it up there
    try:
        spec.loader.exec_module(module)
    except ModelLoadError:
        raise
    except BaseException as error:
        raise _import_failed(error, otherwise=where.line(path)) from error
    return module


def _from_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ModelLoadError(where=name, reason="a target is a file, folder/file.py, or a module, package.module")
    try:
        return importlib.import_module(name)
    except ModelLoadError:
        raise
    except BaseException as error:
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            reason = f"there is no module {error.name}; start in the folder that has it, or give a file: folder/file.py"
            raise ModelLoadError(where=name, reason=reason) from error
        raise _import_failed(error, otherwise=name) from error


def _import_failed(error: BaseException, *, otherwise: str) -> ModelLoadError:
    match error:
        case SyntaxError():
            reason = f"this is not valid Python: {error.msg}"
        case ValueError() if "null bytes" in str(error):  # how Python before 3.11.4 puts the same
            reason = f"this is not valid Python: {error}"
        case ModuleNotFoundError():
            reason = f"{error}; install the package that has it into the environment of the worker ({sys.prefix})"
        case SystemExit():
            reason = "the file ends the process when it is imported; put that under `if __name__ == '__main__':`"
        case _:
            reason = f"importing it raised {type(error).__name__}: {error}"
    return ModelLoadError(where=where.of_error(error, otherwise=otherwise), reason=reason)


def _named(module: ModuleType, name: str) -> Target:
    found: object = vars(module).get(name)
    if not callable(found):
        reason = f"there is no function or class {name!r} in it; its models are: {', '.join(_marked(module)) or 'none'}"
        raise ModelLoadError(where=where.line(_file(module)), reason=reason)
    return found


def _only(module: ModuleType, place: str) -> Target:
    models = _marked(module)
    match list(models.values()):
        case [one]:
            return one
        case []:
            reason = "there is no model in it; write @model (from leveret import model) above a function or a class"
        case _:
            reason = f"it has {len(models)} models; name one: {', '.join(f'{place}:{name}' for name in models)}"
    raise ModelLoadError(where=where.line(_file(module)), reason=reason)


def _marked(module: ModuleType) -> dict[str, Target]:
    """The models by their names: those that are defined in the module, or else those that it imports."""
    models: dict[str, Target] = {}
    for name, value in vars(module).items():
        if callable(value) and options_of(value) is not None and value not in models.values():
            models[name] = value
    own = {name: value for name, value in models.items() if value.__module__ == module.__name__}
    return own or models


def _file(module: ModuleType) -> Path:
    if module.__file__ is None:
        raise ModelLoadError(where=module.__name__, reason="this is a folder without code; name a module inside of it")
    return Path(module.__file__)


def _nothing() -> None:
    """The setup of a model that has none."""
