"""The judge is judged first: the batch reader against bytes built here by hand from the protocol's definition."""

import struct

import crc32c
import lz4.frame
import pytest
from kafka_batches import BadBatch, TornBatch, count_records, read_batches, read_partition


def zigzag(value: int) -> bytes:
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def record(delta: int, timestamp_delta: int, key: bytes | None, value: bytes, headers=()) -> bytes:
    body = b"\0" + zigzag(timestamp_delta) + zigzag(delta)
    body += zigzag(-1) if key is None else zigzag(len(key)) + key
    body += zigzag(len(value)) + value + zigzag(len(headers))
    for name, content in headers:
        body += zigzag(len(name)) + name + zigzag(len(content)) + content
    return zigzag(len(body)) + body


def batch(base_offset: int, records: list[bytes], codec: int = 0) -> bytes:
    payload = b"".join(records)
    if codec == 3:
        payload = lz4.frame.compress(payload)
    head = struct.pack(">hiqqqhii", codec, len(records) - 1, 1_000, 1_005, -1, -1, -1, len(records))
    body = head + payload
    return struct.pack(">qiibI", base_offset, 9 + len(body), 0, 2, crc32c.crc32c(body)) + body


def test_crc_is_castagnoli():
    assert crc32c.crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("codec", [0, 3])
def test_batch_of_two(codec):
    data = batch(7, [record(0, 0, b"KRW-BTC", b"{}", [(b"reason", b"why")]), record(1, 5, None, b"x" * 300)], codec)
    first, second, third = read_batches(data + batch(9, [record(0, -1, b"k", b"v")]))
    assert (first.offset, first.timestamp_ms, first.key, first.value) == (7, 1_000, b"KRW-BTC", b"{}")
    assert first.headers == (("reason", b"why"),)
    assert (second.offset, second.timestamp_ms, second.key, second.value) == (8, 1_005, None, b"x" * 300)
    assert (third.offset, third.timestamp_ms) == (9, 999)


def test_every_flipped_byte_behind_the_crc_is_seen():
    data = batch(0, [record(0, 0, b"k", b"value")])
    for at in range(16, len(data)):
        broken = bytearray(data)
        broken[at] ^= 1
        with pytest.raises((BadBatch, TornBatch)):
            list(read_batches(bytes(broken)))


def test_torn_tail_only_in_the_newest_segment(tmp_path):
    whole, torn = batch(0, [record(0, 0, b"k", b"a")]), batch(1, [record(0, 0, b"k", b"b")])[:-3]
    (tmp_path / "00000000000000000000.log").write_bytes(whole + torn)
    assert [r.value for r in read_partition(tmp_path)] == [b"a"]
    (tmp_path / "00000000000000000001.log").write_bytes(batch(1, [record(0, 0, b"k", b"b")]))
    with pytest.raises(TornBatch):
        read_partition(tmp_path)


def test_counting_by_headers(tmp_path):
    two = batch(0, [record(0, 0, b"k", b"a"), record(1, 0, b"k", b"b")])
    (tmp_path / "00000000000000000000.log").write_bytes(two + batch(2, [record(0, 0, b"k", b"c")]) + two[:-1])
    assert count_records(tmp_path, 1_000, 1_001) == 5, "a torn batch counts: its header is whole"
    assert count_records(tmp_path, 1_001, 2_000) == 0
