"""Every error Leveret raises, in one tree.

LeveretError
├── NotFound             PredictionNotFound · ModelNotFound · VersionNotFound · PathNotFound · BlobNotFound ·
│                        DeadLetterNotFound · UploadNotFound · WebhookNotFound · NoReplyQueue
├── BadRequest           MalformedJson · InvalidRequest · InvalidInput · BodyTooLarge · LinkRefused ·
│                        MethodNotAllowed · UrlForbidden · InvalidIdempotencyKey · IdempotencyMismatch ·
│                        UpgradeRequired · TooManyWatches · TooDeep · Unauthenticated · ScopeMissing · KeyNotFound ·
│                        HeadTooLarge · UrlTooLong · RequestTimeout · UnsupportedEncoding · OriginRefused
├── Unavailable          BrokerUnavailable · StoreUnavailable · QueueRefused · PublishUnconfirmed ·
│                        GatewayUnreachable · HostUnresolved · Overloaded · TooManyConnections
├── LimitReached         RateExceeded · TooManyQueued
├── BlobDamaged          a stored value that is not what was put there
├── InputUnreadable      a file in an input, or the input itself, that cannot be had
├── InvalidOutput        a model returned what cannot be passed on
├── RunOver              a run whose output cannot be changed
├── IllegalTransition    a change that the lifecycle does not allow
├── DataRemoved          what is no longer kept
├── NotRetriable         a dead letter that asks for no prediction
├── NotEnded             a prediction that cannot be deleted, or run again, yet
├── InputRemoved         a prediction that cannot be run again any more
├── BadSignature         a webhook that is not signed as it should be
├── GatewayRefused       what a gateway has answered a client instead of what it asked for
├── NoResult             ModelFailed · PredictionCanceled, in leveret.client: they carry the prediction
├── StillRunning         a prediction that a client has waited for as long as it wanted
├── StreamReset          a stream whose beginning no longer counts
├── Undecodable          a message, event or frame that is not ours
├── SetupFailed          a model that loads but cannot be set up now
├── Unhealthy            a model that says of itself that it cannot run now
└── UsageError           InvalidSetting · InvalidArgument · DuplicateModel · ModelLoadError · DataFolderInUse ·
                         CertificateRefused · ProvisionRefused · ServerHasStore

Each file here is a branch, or what belongs together. Each class has a stable `code`, the HTTP `status` it is answered
with, and a message that says what happened and what to do next. What an error is about travels as data:
`raise PredictionNotFound(prediction_id=...)`.
"""

from __future__ import annotations

from leveret.errors.clients import (
    BadSignature,
    GatewayRefused,
    NoResult,
    StillRunning,
    StreamReset,
)
from leveret.errors.limits import (
    LimitReached,
    RateExceeded,
    TooManyQueued,
)
from leveret.errors.missing import (
    BlobNotFound,
    DeadLetterNotFound,
    ModelNotFound,
    NoReplyQueue,
    NotFound,
    PathNotFound,
    PredictionNotFound,
    UploadNotFound,
    VersionNotFound,
    WebhookNotFound,
)
from leveret.errors.models import (
    InputUnreadable,
    InvalidOutput,
    SetupFailed,
    Unhealthy,
)
from leveret.errors.predictions import (
    BlobDamaged,
    DataRemoved,
    IllegalTransition,
    InputRemoved,
    NotEnded,
    NotRetriable,
    RunOver,
    Undecodable,
)
from leveret.errors.requests import (
    BadRequest,
    BodyTooLarge,
    HeadTooLarge,
    IdempotencyMismatch,
    InvalidIdempotencyKey,
    InvalidInput,
    InvalidRequest,
    KeyNotFound,
    LinkRefused,
    MalformedJson,
    MethodNotAllowed,
    OriginRefused,
    RequestTimeout,
    ScopeMissing,
    TooDeep,
    TooManyWatches,
    Unauthenticated,
    UnsupportedEncoding,
    UpgradeRequired,
    UrlForbidden,
    UrlTooLong,
)
from leveret.errors.root import (
    LeveretError,
)
from leveret.errors.unavailable import (
    BrokerUnavailable,
    GatewayUnreachable,
    HostUnresolved,
    Overloaded,
    PublishUnconfirmed,
    QueueRefused,
    StoreUnavailable,
    TooManyConnections,
    Unavailable,
)
from leveret.errors.usage import (
    CertificateRefused,
    DataFolderInUse,
    DataFolderTooNew,
    DuplicateModel,
    InvalidArgument,
    InvalidSetting,
    ModelLoadError,
    ProvisionRefused,
    ServerHasStore,
    UsageError,
)

__all__ = [
    "BadRequest",
    "BadSignature",
    "BlobDamaged",
    "BlobNotFound",
    "BodyTooLarge",
    "BrokerUnavailable",
    "CertificateRefused",
    "DataFolderInUse",
    "DataFolderTooNew",
    "DataRemoved",
    "DeadLetterNotFound",
    "DuplicateModel",
    "GatewayRefused",
    "GatewayUnreachable",
    "HeadTooLarge",
    "HostUnresolved",
    "IdempotencyMismatch",
    "IllegalTransition",
    "InputRemoved",
    "InputUnreadable",
    "InvalidArgument",
    "InvalidIdempotencyKey",
    "InvalidInput",
    "InvalidOutput",
    "InvalidRequest",
    "InvalidSetting",
    "KeyNotFound",
    "LeveretError",
    "LimitReached",
    "LinkRefused",
    "MalformedJson",
    "MethodNotAllowed",
    "ModelLoadError",
    "ModelNotFound",
    "NoReplyQueue",
    "NoResult",
    "NotEnded",
    "NotFound",
    "NotRetriable",
    "OriginRefused",
    "Overloaded",
    "PathNotFound",
    "PredictionNotFound",
    "ProvisionRefused",
    "PublishUnconfirmed",
    "QueueRefused",
    "RateExceeded",
    "RequestTimeout",
    "RunOver",
    "ScopeMissing",
    "ServerHasStore",
    "SetupFailed",
    "StillRunning",
    "StoreUnavailable",
    "StreamReset",
    "TooDeep",
    "TooManyConnections",
    "TooManyQueued",
    "TooManyWatches",
    "Unauthenticated",
    "Unavailable",
    "Undecodable",
    "Unhealthy",
    "UnsupportedEncoding",
    "UpgradeRequired",
    "UploadNotFound",
    "UrlForbidden",
    "UrlTooLong",
    "UsageError",
    "VersionNotFound",
    "WebhookNotFound",
]
