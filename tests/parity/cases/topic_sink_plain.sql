-- Plain decimals, absent NULLs, ISO times, a key.
-- @input values
CREATE TEMPORARY TABLE out_topic (`id` BIGINT, `p` DECIMAL(20, 8), `v` DECIMAL(24, 8), `c` STRING, `at` TIMESTAMP_LTZ(3), `ts` TIMESTAMP(3), `d` DATE) WITH (
  'connector' = 'kafka', 'topic' = 'out', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP}', 'format' = 'json', 'key.format' = 'raw', 'key.fields' = 'c',
  'json.encode.decimal-as-plain-number' = 'true', 'json.encode.ignore-null-fields' = 'true', 'json.timestamp-format.standard' = 'ISO-8601'
);
INSERT INTO out_topic
SELECT `id`, `p`, `v`, `c`, TO_TIMESTAMP_LTZ(`at`, 3), CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS TIMESTAMP(3)), CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS DATE) FROM vals WHERE `id` <> 4;
