"""Asks real Flink what expressions give: types and values, in a time zone. How docs/flink-semantics.md was made.

    python tests/parity/probe.py [--zone Asia/Seoul] [--batch] FILE|-

In: statements separated by `;` (a bare expression is `SELECT`ed). Out: one line a column, `name type = value`, or the error.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from flink import FlinkError, Session, statements

parser = argparse.ArgumentParser()
parser.add_argument("file")
parser.add_argument("--port", type=int, default=18081, help="of scripts/peers/flink")
parser.add_argument("--zone", default="UTC")
parser.add_argument("--batch", action="store_true", help="in Flink's batch mode: only the final rows")
arguments = parser.parse_args()
text = sys.stdin.read() if arguments.file == "-" else Path(arguments.file).read_text()

url = lambda port: f"http://127.0.0.1:{port}"
settings = {"table.local-time-zone": arguments.zone, "execution.runtime-mode": "BATCH" if arguments.batch else "STREAMING"}
with Session(url(arguments.port + 2), url(arguments.port), settings) as session:
    for statement in statements(text):
        first = statement.split(None, 1)[0].upper()
        is_statement = first in ("SELECT", "WITH", "SET", "CREATE", "DROP", "INSERT", "USE", "DESCRIBE", "EXPLAIN", "SHOW", "EXECUTE", "RESET")
        try:
            result = session.execute(statement if is_statement else f"SELECT {statement}")
            if result.job_id and first in ("INSERT", "EXECUTE"):
                session.wait_for_job(result.job_id)
                print(f"{statement[:60]!r}: finished")
            elif len(result.rows) == 1 and len(result.columns) == 1:
                print(f"{statement.strip()}  ->  {result.columns[0][1]} = {result.rows[0][1]}")
            elif is_statement and first in ("SELECT", "WITH", "DESCRIBE", "EXPLAIN", "SHOW"):
                print(statement.strip())
                print("   ", ", ".join(f"{name} {kind}" for name, kind in result.columns))
                for row in result.rows:
                    print("   ", *row, sep=" | ")
        except FlinkError as error:
            print(f"{statement.strip()}  ->  ERROR {error}")
