"""Reads Kafka record batches v2 from segment files, independently of hoga's own code.

In: a partition's directory or a file's bytes. Out: records with their offsets. Checks: magic, CRC-32C, counts, offsets.
Source: Kafka protocol guide, "Record Batch"; KIP-98.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import crc32c
import lz4.frame

# baseOffset i64, batchLength i32, partitionLeaderEpoch i32, magic i8, crc u32
PREFIX = struct.Struct(">qiibI")
# attributes i16, lastOffsetDelta i32, baseTimestamp i64, maxTimestamp i64, producerId i64, producerEpoch i16, baseSequence i32, count i32
HEAD = struct.Struct(">hiqqqhii")
LENGTH_STARTS_AT = 12  # batchLength counts what follows it
CRC_STARTS_AT = PREFIX.size

CODECS = {0: bytes, 1: gzip.decompress, 3: lz4.frame.decompress}


class TornBatch(Exception):
    """The file ends inside a batch, as it does when a process was killed while it wrote."""


class BadBatch(Exception):
    """Bytes that are not a record batch v2."""


@dataclass(frozen=True)
class Record:
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def read_topic(log_dir: Path, topic: str) -> list[Record]:
    """All records of a topic's partitions, in order within each; partition directories are `<topic>-<number>`."""
    partitions = [d for d in log_dir.glob(f"{topic}-*") if d.is_dir() and d.name[len(topic) + 1 :].isdigit()]
    return [record for directory in sorted(partitions) for record in read_partition(directory)]


def read_partition(directory: Path) -> list[Record]:
    """All records of one partition. Offsets must rise; only the newest segment may end inside a batch."""
    records: list[Record] = []
    segments = sorted(directory.glob("*.log"))
    for segment in segments:
        try:
            for record in read_batches(segment.read_bytes(), segment.name):
                if records and record.offset <= records[-1].offset:
                    raise BadBatch(f"{segment}: offset {record.offset} after {records[-1].offset}")
                records.append(record)
        except TornBatch:
            if segment != segments[-1]:
                raise
    return records


def count_records(directory: Path, from_ms: int, until_ms: int) -> int:
    """Records whose batch began in this time span, from the batch headers alone: for files too big to read record by record."""
    count = 0
    for segment in directory.glob("*.log"):
        with segment.open("rb") as file:
            while len(head := file.read(CRC_STARTS_AT + HEAD.size)) == CRC_STARTS_AT + HEAD.size:
                _, length, *_ = PREFIX.unpack_from(head)
                if length == 0:
                    break
                _, _, base_timestamp, *_, records = HEAD.unpack_from(head, CRC_STARTS_AT)
                count += records if from_ms <= base_timestamp < until_ms else 0
                file.seek(length + LENGTH_STARTS_AT - len(head), 1)
    return count


def read_batches(data: bytes, name: str = "bytes") -> Iterator[Record]:
    at = 0
    while at < len(data):
        if len(data) - at < CRC_STARTS_AT:
            raise TornBatch(f"{name}: {len(data) - at} bytes at {at}")
        base_offset, length, _epoch, magic, crc = PREFIX.unpack_from(data, at)
        if base_offset == 0 and length == 0 and not any(data[at:]):
            return  # space reserved ahead of the writer
        end = at + LENGTH_STARTS_AT + length
        if length < CRC_STARTS_AT + HEAD.size - LENGTH_STARTS_AT or magic != 2:
            raise BadBatch(f"{name}: at byte {at}: length {length}, magic {magic}")
        if end > len(data):
            raise TornBatch(f"{name}: the batch at {at} ends at {end} of {len(data)}")
        body = data[at + CRC_STARTS_AT : end]
        if crc32c.crc32c(body) != crc:
            raise BadBatch(f"{name}: the batch at byte {at} (offset {base_offset}) does not match its CRC")
        yield from _records(body, base_offset, f"{name}: batch at byte {at}")
        at = end


def _records(body: bytes, base_offset: int, where: str) -> Iterator[Record]:
    attributes, last_delta, base_timestamp, _max, _pid, _epoch, _sequence, count = HEAD.unpack_from(body)
    codec = CODECS.get(attributes & 7)
    if codec is None:
        raise BadBatch(f"{where}: codec {attributes & 7}")
    data = codec(body[HEAD.size :])
    at = 0
    delta = -1
    for _ in range(count):
        length, at = varint(data, at)
        end = at + length
        at += 1  # the record's own attributes, unused
        timestamp_delta, at = varint(data, at)
        delta, at = varint(data, at)
        key, at = _bytes(data, at)
        value, at = _bytes(data, at)
        header_count, at = varint(data, at)
        headers = []
        for _ in range(header_count):
            name, at = _bytes(data, at)
            content, at = _bytes(data, at)
            headers.append(((name or b"").decode(), content or b""))
        if at != end:
            raise BadBatch(f"{where}: a record of {length} bytes ends at {at}, not {end}")
        yield Record(base_offset + delta, base_timestamp + timestamp_delta, key, value or b"", tuple(headers))
    if at != len(data) or delta != last_delta:
        raise BadBatch(f"{where}: {len(data) - at} bytes left over, last offset delta {delta}, said {last_delta}")


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag varint and the position behind it."""
    shift = value = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7


def _bytes(data: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = varint(data, at)
    if length < 0:
        return None, at
    return data[at : at + length], at + length
