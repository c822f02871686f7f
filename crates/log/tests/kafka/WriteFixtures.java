// Writes the batches that `src/batch/tests.rs` reads, with Kafka's own classes: see tests/kafka/README.md.
import java.nio.file.*;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.internal.*;

public class WriteFixtures {
    public static void main(String[] args) throws Exception {
        byte[] value = "{\"trade_price\":91361000.0}".repeat(20).getBytes();
        var header = new RecordHeader("h", "v".getBytes());
        var first = new SimpleRecord(1785395043831L, "KRW-BTC".getBytes(), value);
        var second = new SimpleRecord(1785395043830L, null, value, new RecordHeader[] {header});
        write(args[0] + "/kafka_none.batch", Compression.NONE, first, second);
        write(args[0] + "/kafka_gzip.batch", Compression.gzip().build(), first, second);
        write(args[0] + "/kafka_snappy.batch", Compression.snappy().build(), first, second);
        write(args[0] + "/kafka_lz4.batch", Compression.lz4().build(), first, second);
        write(args[0] + "/kafka_zstd.batch", Compression.zstd().build(), first, second);
    }

    static void write(String path, Compression compression, SimpleRecord... records) throws Exception {
        var buffer = MemoryRecords.withRecords(42L, compression, records).buffer();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        Files.write(Path.of(path), bytes);
    }
}
