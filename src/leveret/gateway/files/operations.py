"""Operations: the endpoints of files, as OpenAPI describes them."""

from __future__ import annotations

from typing import Final

from leveret.gateway.files.pages import FilePage, FileView
from leveret.gateway.operations import ANYTHING, Operation, reference
from leveret.gateway.schemas import Schema

SENT: Final = (FileView, FilePage)
"""What these endpoints answer."""

_FORM: Final[Schema] = {
    "type": "object",
    "properties": {
        "content": {"type": "string", "format": "binary"},
        "filename": {"type": "string", "description": "its name, if it is not that of the part"},
        "type": {"type": "string", "description": "its content type, if it is not that of the part"},
        "metadata": {"type": "object", "description": "whatever shall be kept with it"},
    },
    "required": ["content"],
}
"""The form with which a file is put here."""

OPERATIONS: Final = (
    Operation(
        method="post",
        path="/v1/files",
        name="createFile",
        summary="Put a file here, for a day",
        description="The `urls.get` that is answered stands for the file in the input of a prediction.",
        tag="files",
        body=_FORM,
        sent_as="multipart/form-data",
        answers={201: reference("File")},
    ),
    Operation(
        method="get",
        path="/v1/files",
        name="listFiles",
        summary="All files, newest first",
        tag="files",
        parameters=("cursor",),
        answers={200: reference("FilePage")},
    ),
    Operation(
        method="get",
        path="/v1/files/{file_id}",
        name="getFile",
        summary="What is known of a file",
        tag="files",
        parameters=("file_id",),
        answers={200: reference("File")},
    ),
    Operation(
        method="delete",
        path="/v1/files/{file_id}",
        name="deleteFile",
        summary="Delete a file",
        tag="files",
        parameters=("file_id",),
        answers={204: None},
    ),
    Operation(
        method="get",
        path="/v1/files/{file_id}/download",
        name="downloadFile",
        summary="The bytes of a file, for whoever has its link",
        description="Links are made by the gateway: a file has one in `urls.download`, and so has a file in an output.",
        tag="files",
        parameters=("file_id", "owner_of_file", "expiry", "signature", "range"),
        answers={200: ANYTHING, 206: ANYTHING, 304: None, 416: None},
        media="application/octet-stream",
    ),
)
