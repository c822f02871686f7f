"""Real Flink as the judge: statements go to its SQL gateway over REST, and jobs are waited for at the JobManager.

Limits: a statement or a job that does not end in time is an error. Not here: what the statements are, and starting Flink (`peers.py`).
Source: Flink 2.0's SQL gateway REST API (v2) and its JobManager's REST API.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import requests

STATEMENT_TIMEOUT_S = 120
JOB_TIMEOUT_S = 300
POLL_S = 0.05


class FlinkError(Exception):
    """A statement was refused or a job failed. The text is the innermost cause, without the stack."""


@dataclass
class Result:
    """What a statement gave: columns as (name, type), rows as text (None is NULL), and the job it started, if any."""

    columns: list[tuple[str, str]]
    rows: list[tuple]
    job_id: str | None = None


class Session:
    """One SQL session: SETs, temporary tables and catalogs live as long as it does."""

    def __init__(self, gateway_url: str, rest_url: str, properties: dict[str, str] | None = None):
        self.gateway_url, self.rest_url = gateway_url, rest_url
        self.http = requests.Session()
        answer = self.http.post(f"{gateway_url}/v2/sessions", json={"properties": properties or {}}, timeout=30)
        self.url = f"{gateway_url}/v2/sessions/{answer.json()['sessionHandle']}"

    def close(self) -> None:
        self.http.delete(self.url, timeout=30)
        self.http.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def execute(self, statement: str) -> Result:
        """Runs one statement. An INSERT returns when its job is submitted; a SELECT when its job has ended."""
        answer = self.http.post(f"{self.url}/statements", json={"statement": statement}, timeout=30).json()
        self._raise(answer)
        operation = f"{self.url}/operations/{answer['operationHandle']}"
        deadline = time.monotonic() + STATEMENT_TIMEOUT_S
        columns, rows, job_id, token = [], [], None, 0
        while time.monotonic() < deadline:
            page = self.http.get(f"{operation}/result/{token}?rowFormat=PLAIN_TEXT", timeout=60).json()
            self._raise(page)
            if page["resultType"] == "NOT_READY":
                time.sleep(POLL_S)
                continue
            job_id = page.get("jobID") or job_id
            results = page["results"]
            columns = [(c["name"], type_name(c["logicalType"])) for c in results["columns"]] or columns
            rows += [(row.get("kind", "INSERT"), *row["fields"]) for row in results["data"]]
            if page["resultType"] == "EOS":
                self.http.delete(f"{operation}/close", timeout=30)
                return Result(columns, rows, job_id)
            if not results["data"]:
                time.sleep(POLL_S)
            token = int(re.search(r"/result/(\d+)", page["nextResultUri"])[1])
        self.http.post(f"{operation}/cancel", timeout=30)
        raise FlinkError(f"no end after {STATEMENT_TIMEOUT_S} s: {statement[:200]}")

    def wait_for_job(self, job_id: str, timeout_s: float = JOB_TIMEOUT_S) -> None:
        """Until the job has finished; a failed one raises with its root cause, and one that goes on is cancelled."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            state = self.http.get(f"{self.rest_url}/jobs/{job_id}", timeout=30).json().get("state")
            if state == "FINISHED":
                return
            if state in ("FAILED", "CANCELED", "SUSPENDED"):
                history = self.http.get(f"{self.rest_url}/jobs/{job_id}/exceptions", timeout=30).json()["exceptionHistory"]["entries"]
                raise FlinkError(root_cause(history[0]["stacktrace"] if history else state))
            time.sleep(POLL_S)
        self.http.patch(f"{self.rest_url}/jobs/{job_id}?mode=cancel", timeout=30)
        raise FlinkError(f"the job did not end within {timeout_s} s")

    @staticmethod
    def _raise(answer: dict) -> None:
        if errors := answer.get("errors"):
            raise FlinkError(root_cause("\n".join(errors)))


def type_name(logical: dict) -> str:
    """A logical type of the gateway as it is written in SQL."""
    name = {"VARCHAR": "STRING", "TIMESTAMP_WITHOUT_TIME_ZONE": "TIMESTAMP", "TIMESTAMP_WITH_LOCAL_TIME_ZONE": "TIMESTAMP_LTZ"}
    kind = logical["type"]
    text = name.get(kind, kind)
    if kind == "DECIMAL":
        text += f"({logical['precision']}, {logical['scale']})"
    elif "precision" in logical:
        text += f"({logical['precision']})"
    elif kind == "CHAR" or (kind == "VARCHAR" and logical.get("length", 2**31 - 1) != 2**31 - 1):
        text = f"{kind}({logical['length']})"
    elif kind == "ARRAY":
        text = f"ARRAY<{type_name(logical['elementType'])}>"
    elif kind == "ROW":
        fields = (f"{f['name']} {type_name(f.get('fieldType') or f['type'])}" for f in logical["fields"])
        text = f"ROW<{', '.join(fields)}>"
    return text if logical.get("nullable", True) else f"{text} NOT NULL"


def root_cause(trace: str) -> str:
    """The last `Caused by` of a Java stack trace, or its first line: what a person looks for first."""
    causes = re.findall(r"Caused by: ([^\n]+(?:\n(?!\s*at |\s*\.\.\. |Caused by).+)*)", trace)
    if causes:
        return causes[-1].strip()
    lines = [line for line in trace.splitlines() if line.strip() and not re.match(r"\s*(at |\.\.\. )", line)]
    return "\n".join(lines[:5]).strip()


def statements(text: str) -> list[str]:
    """A file's statements, without the last `;`. `EXECUTE STATEMENT SET BEGIN … END` is one."""
    found, start, depth = [], 0, 0
    token = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|`(?:[^`]|``)*`|\bSTATEMENT\s+SET\s+BEGIN\b|\bEND\s*(?=;)|;", re.S | re.I)
    for match in token.finditer(text):
        word = match[0].upper()
        if word.startswith("STATEMENT"):
            depth = 1
        elif depth and word.startswith("END"):
            depth = 0
        elif word == ";" and not depth:
            found.append(text[start : match.start()])
            start = match.end()
    found.append(text[start:])
    bare = (re.sub(r"--[^\n]*|/\*.*?\*/", "", part, flags=re.S).strip() for part in found)
    return [part.strip() for part, content in zip(found, bare, strict=True) if content]
