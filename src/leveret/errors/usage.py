"""Mistakes in how Leveret was started or configured."""

from __future__ import annotations

from leveret.errors.root import LeveretError


class UsageError(LeveretError):
    """A mistake in how Leveret was started or configured; the command line prints it and exits with 2."""

    code = "usage"
    status = 500


class InvalidSetting(UsageError):
    """A setting is unknown or has a wrong value."""

    code = "invalid_setting"
    message = "the setting {name} from {source} is not valid: {reason}"


class CertificateRefused(UsageError):
    """A connection by TLS that one of the two sides does not believe; another try would end alike."""

    code = "certificate_refused"
    message = "no safe connection to {host}: {reason}"


class ProvisionRefused(UsageError):
    """The broker's user may not make queues."""

    code = "provision_refused"
    message = (
        "the broker refuses to have queues made ({reason}); use a user with what `leveret permissions provision` prints"
    )


class InvalidArgument(UsageError):
    """An input on the command line is not what the model takes."""

    code = "invalid_argument"
    message = "{word!r} cannot be an input: {reason}"


class DuplicateModel(UsageError):
    """Two targets of one process answer the same model name."""

    code = "duplicate_model"
    message = '{one} and {other} both serve {model}; name one of them differently: @model(name="owner/name")'


class ModelLoadError(UsageError):
    """A target does not load; `where` is `file:line`."""

    code = "model_load_error"
    message = "{where}: {reason}"


class DataFolderInUse(UsageError):
    """Another server already runs on this data folder."""

    code = "data_folder_in_use"
    message = "another leveret already runs on {path}; stop it, or choose another folder with --data-dir"


class ServerHasStore(UsageError):
    """A server runs on the data folder that a command would have to open."""

    code = "server_has_store"
    message = (
        "a leveret runs on {path} and has its store; stop it first, or ask it over HTTP: keys at /admin/v1/keys, "
        "limits at /admin/v1/accounts"
    )


class DataFolderTooNew(UsageError):
    """The data folder was written by a later version."""

    code = "data_folder_too_new"
    message = (
        "the data in {path} is of a later leveret (its schema is {found}, this one knows {known}); "
        "run that one, or choose another folder with --data-dir"
    )
