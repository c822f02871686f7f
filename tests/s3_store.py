"""A small object store that speaks S3, in memory, and misbehaves on request: by seed, by switch.

It does what Paimon and hoga ask of one: PUT (with `If-None-Match: *`), GET (with ranges), HEAD, DELETE, ListObjectsV2, multipart
uploads. A request is known by its access key; signatures are not checked (MinIO does: `tests/test_minio.py`).
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET, ACCESS_KEY, SECRET_KEY = "lake", "hoga-test-key", "hoga-test-geheim"
PAGE = 100  # keys in one answer of a list: small, so that tests see continuation


@dataclass
class Faults:
    """Chances of each request; `slow_s` is how long a slow one takes. `lost` is done, and its answer is not sent."""

    seed: int = 0
    error: float = 0  # 500 InternalError
    busy: float = 0  # 503 SlowDown
    slow: float = 0
    slow_s: float = 0.3
    closed: float = 0  # the connection, before anything is done
    lost: float = 0
    chance: random.Random = field(init=False)

    def __post_init__(self):
        self.chance = random.Random(self.seed)

    def draw(self) -> str | None:
        at = self.chance.random()
        for name in ("error", "busy", "slow", "closed", "lost"):
            at -= getattr(self, name)
            if at < 0:
                return name
        return None


class Store:
    """Starts at once, on a free port of loopback."""

    def __init__(self):
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.lock = threading.RLock()
        self.faults = Faults()
        self.refuses: tuple[int, str, str] | None = None  # status, code and message for every request
        self.access_keys = {ACCESS_KEY}
        self.is_conditional = True  # else If-None-Match is ignored, as some stores do
        self.counts: dict[str, int] = {}
        self.requests = 0
        store = self

        class Handler(_Handler):
            pass

        Handler.store = store
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def env(self, path: str = "warehouse") -> dict[str, str]:
        return {
            "HOGA_WAREHOUSE": f"s3://{BUCKET}/{path}", "HOGA_S3_ENDPOINT": self.url, "HOGA_S3_ACCESS_KEY": ACCESS_KEY,
            "HOGA_S3_SECRET_KEY": SECRET_KEY,
        }  # fmt: skip

    def save(self, folder: Path, path: str = "warehouse") -> Path:
        """The objects as files, for readers of a local warehouse."""
        with self.lock:
            for key, (body, _) in self.objects.items():
                if key.startswith(f"{path}/") and not key.endswith("/"):
                    file = folder / key.removeprefix(f"{path}/")
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(body)
        return folder

    def keys(self, part: str) -> list[str]:
        with self.lock:
            return sorted(key for key in self.objects if part in key)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def log_message(self, *_):
        pass

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None, length: int | None = None) -> None:
        if self.fault == "lost":
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str, message: str) -> None:
        xml = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{escape(message)}</Message><Resource/><RequestId>1</RequestId></Error>'
        self.answer(status, b"" if self.command == "HEAD" else xml.encode(), {"Content-Type": "application/xml"})

    def handle_request(self) -> None:
        store = self.store
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        with store.lock:
            store.requests += 1
            self.fault = store.faults.draw()
            store.counts[self.fault or "well"] = store.counts.get(self.fault or "well", 0) + 1
        if self.fault == "slow":
            time.sleep(store.faults.slow_s)
        if self.fault == "closed":
            self.close_connection = True
            self.connection.close()
            return
        if self.fault == "error":
            return self.refuse(500, "InternalError", "We encountered an internal error. Please try again.")
        if self.fault == "busy":
            return self.refuse(503, "SlowDown", "Please reduce your request rate.")
        if store.refuses:
            return self.refuse(*store.refuses)
        authorization = self.headers.get("Authorization", "")
        if not any(f"Credential={name}/" in authorization for name in store.access_keys):
            return self.refuse(403, "InvalidAccessKeyId", "The access key ID you provided does not exist in our records.")
        if bucket != BUCKET:
            return self.refuse(404, "NoSuchBucket", "The specified bucket does not exist")
        with store.lock:
            getattr(self, f"on_{self.command.lower()}")(key, query, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_request

    def on_get(self, key: str, query: dict, _body: bytes) -> None:
        if not key:
            return self.list(query)
        found = self.store.objects.get(key)
        if found is None:
            return self.refuse(404, "NoSuchKey", "The specified key does not exist.")
        content, at = found
        headers = {"Last-Modified": format_datetime(at, usegmt=True), "ETag": f'"{hash(content) & 0xFFFFFFFF:08x}"', "Accept-Ranges": "bytes"}
        asked = self.headers.get("Range")
        if asked is None:
            return self.answer(200, content, headers, len(content))
        first, _, last = asked.removeprefix("bytes=").partition("-")
        begin = int(first) if first else max(0, len(content) - int(last))
        end = min(len(content), int(last) + 1) if first and last else len(content)
        if begin >= len(content):
            return self.refuse(416, "InvalidRange", "The requested range is not satisfiable")
        part = content[begin:end]
        self.answer(206, part, headers | {"Content-Range": f"bytes {begin}-{end - 1}/{len(content)}"}, len(part))

    on_head = on_get

    def on_put(self, key: str, query: dict, body: bytes) -> None:
        if "uploadId" in query:
            self.store.uploads[query["uploadId"]][int(query["partNumber"])] = body
            return self.answer(200, headers={"ETag": f'"part-{query["partNumber"]}"'})
        if self.store.is_conditional and self.headers.get("If-None-Match") == "*" and key in self.store.objects:
            return self.refuse(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
        self.keep(key, body)
        self.answer(200, headers={"ETag": '"1"'})

    def on_post(self, key: str, query: dict, _body: bytes) -> None:
        if "uploads" in query:
            name = f"upload-{len(self.store.uploads)}"
            self.store.uploads[name] = {}
            xml = f"<InitiateMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{escape(key)}</Key><UploadId>{name}</UploadId></InitiateMultipartUploadResult>"
            return self.answer(200, xml.encode())
        parts = self.store.uploads.get(query["uploadId"], {})
        self.keep(key, b"".join(parts[number] for number in sorted(parts)))
        xml = f"<CompleteMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{escape(key)}</Key><ETag>1</ETag></CompleteMultipartUploadResult>"
        self.answer(200, xml.encode())

    def on_delete(self, key: str, _query: dict, _body: bytes) -> None:
        self.store.objects.pop(key, None)
        self.answer(204)

    def keep(self, key: str, body: bytes) -> None:
        self.store.objects[key] = body, datetime.now(timezone.utc)

    def list(self, query: dict) -> None:
        prefix, delimiter, after = query.get("prefix", ""), query.get("delimiter", ""), query.get("continuation-token", query.get("start-after", ""))
        found: dict[str, tuple[bytes, datetime] | None] = {}
        for key in sorted(self.store.objects):
            if not key.startswith(prefix):
                continue
            rest = key[len(prefix) :]
            cut = rest.find(delimiter) if delimiter else -1
            name = prefix + rest[: cut + 1] if cut >= 0 else key
            if name > after:
                found[name] = None if cut >= 0 else self.store.objects[key]
        names = list(found)[:PAGE]
        more = len(found) > len(names)
        xml = [f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix>']
        xml.append(f"<KeyCount>{len(names)}</KeyCount><MaxKeys>{PAGE}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>")
        if more:
            xml.append(f"<NextContinuationToken>{escape(names[-1])}</NextContinuationToken>")
        for name in names:
            if (kept := found[name]) is None:
                xml.append(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>")
            else:
                at = kept[1].strftime("%Y-%m-%dT%H:%M:%S.000Z")
                xml.append(f'<Contents><Key>{escape(name)}</Key><LastModified>{at}</LastModified><ETag>"1"</ETag><Size>{len(kept[0])}</Size></Contents>')
        xml.append("</ListBucketResult>")
        self.answer(200, "".join(xml).encode(), {"Content-Type": "application/xml"})
