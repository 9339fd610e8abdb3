"""A folder of objects in an S3-compatible store: whole objects in, whole objects out."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from modalconflict.errors import InvalidArgument, IoError

_OPTIONS = frozenset({"endpoint_override", "scheme", "region"})
_ATTEMPTS = 5


def object_uri(where: str | Path) -> str | None:
    """The s3:// URI that was meant, or None for a path; a `Path` has lost one of the two slashes.

    Examples
    --------
    >>> object_uri(Path("s3://bucket/study"))
    's3://bucket/study'
    >>> object_uri("study") is None
    True
    """
    text = str(where)
    if re.match(r"s3:/[^/]", text):
        return text.replace("s3:/", "s3://", 1)
    return text if text.startswith("s3://") else None


def is_object_uri(where: Any) -> bool:
    """Whether a place names an object store (s3://…) rather than a folder."""
    return isinstance(where, (str, Path)) and object_uri(where) is not None


def open_object_folder(where: str | Path) -> ObjectFolder:
    """Connect to ``s3://bucket/prefix``.

    Parameters
    ----------
    where
        The URI. Its query may give ``endpoint_override`` (host:port, or a URL), ``scheme`` (http or https) and
        ``region``; without them AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION and AWS_DEFAULT_REGION count. Keys
        come from where the AWS tools take them (environment, shared credentials, the machine's role), never from
        the URI.

    Returns
    -------
    ObjectFolder

    Raises
    ------
    InvalidArgument
        If the URI is malformed.
    IoError
        If this pyarrow was built without S3.
    """
    uri = object_uri(where)
    if uri is None:
        raise InvalidArgument(f"'{where}' is no object store; give s3://bucket/prefix")
    split = urlsplit(uri)
    if "@" in split.netloc:
        raise InvalidArgument("the s3:// URI holds a key; give keys by the environment (AWS_ACCESS_KEY_ID, …) instead")
    bucket, prefix = split.netloc, unquote(split.path).strip("/")
    if not bucket or not prefix or any(part in ("", ".", "..") for part in prefix.split("/")):
        raise InvalidArgument(f"'s3://{bucket}/{prefix}' names no folder in a bucket; give s3://bucket/prefix")
    asked = dict(parse_qsl(split.query, keep_blank_values=True))
    unknown = sorted(set(asked) - _OPTIONS)
    if unknown:
        raise InvalidArgument(f"the s3:// URI has the option '{unknown[0]}'; known are {', '.join(sorted(_OPTIONS))}")
    endpoint = (
        asked.get("endpoint_override") or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    )
    scheme = asked.get("scheme", "https")
    if endpoint and "://" in endpoint:
        scheme, endpoint = endpoint.rstrip("/").split("://", 1)
    if scheme not in ("http", "https"):
        raise InvalidArgument(f"the s3:// URI has the scheme '{scheme}'; give http or https")
    region = asked.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return ObjectFolder(f"s3://{bucket}/{prefix}", f"{bucket}/{prefix}", _connect(bucket, endpoint, scheme, region))


def _connect(bucket: str, endpoint: str | None, scheme: str, region: str | None) -> Any:
    try:
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem, resolve_s3_region
    except ImportError as error:
        raise IoError("this pyarrow was built without S3; install the wheel of PyPI or conda-forge") from error
    try:
        return S3FileSystem(
            endpoint_override=endpoint,
            scheme=scheme,
            region=region or ("us-east-1" if endpoint else resolve_s3_region(bucket)),
            connect_timeout=10,
            request_timeout=60,
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        )
    except OSError as error:
        raise IoError(f"cannot reach the bucket '{bucket}' ({_reason(error)}); look at its name and region") from error


def _reason(error: OSError) -> str:
    return (str(error).splitlines() or ["no reason given"])[0][:300]


@dataclass(frozen=True)
class ObjectFolder:
    """Objects under one prefix.

    Attributes
    ----------
    uri
        How messages name it: s3://bucket/prefix.
    root
        bucket/prefix.
    filesystem
        A pyarrow filesystem.
    """

    uri: str
    root: str
    filesystem: Any = field(repr=False)

    def __str__(self) -> str:
        return self.uri

    def read(self, name: str) -> bytes | None:
        """An object's bytes, None where there is none.

        Raises
        ------
        IoError
            If the store cannot be reached or refuses.
        """
        try:
            with self.filesystem.open_input_stream(f"{self.root}/{name}", compression=None) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise IoError(f"cannot read {self.uri}/{name}: {_reason(error)}; look at the store and its keys") from error

    def write(self, name: str, content: bytes) -> None:
        """Put an object: it is there whole, or as before.

        Raises
        ------
        IoError
            If the store cannot be reached, refuses, or holds another number of bytes afterwards.
        """
        path = f"{self.root}/{name}"
        try:
            stream = self.filesystem.open_output_stream(path, compression=None)
            stream.write(content)
            stream.close()
            size = self.filesystem.get_file_info(path).size
        except OSError as error:
            raise IoError(
                f"cannot write {self.uri}/{name}: {_reason(error)}; look at the store, then go on with --resume"
            ) from error
        if size != len(content):
            raise IoError(
                f"{self.uri}/{name} has {size} bytes where {len(content)} were written; look at the store, then go on with --resume"
            )

    def names(self, folder: str = "") -> list[str]:
        """Names of the objects of a folder, relative to this one's root, sorted; those of folders in it too.

        Raises
        ------
        IoError
            If the store cannot be reached or refuses.
        """
        from pyarrow.fs import FileSelector, FileType

        at = f"{self.root}/{folder}".rstrip("/")
        try:
            found = self.filesystem.get_file_info(FileSelector(at, allow_not_found=True, recursive=True))
        except OSError as error:
            raise IoError(f"cannot list {self.uri}: {_reason(error)}; look at the bucket and its keys") from error
        return sorted(i.path.removeprefix(f"{self.root}/") for i in found if i.type == FileType.File)
