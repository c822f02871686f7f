-- Trades as they come: one partition, so that what is late is late everywhere; the watermark follows every record.
CREATE TEMPORARY TABLE trades (
  `id` BIGINT, `market` STRING, `price` DECIMAL(20, 8), `volume` DECIMAL(24, 8), `side` STRING, `at` BIGINT,
  `ts` AS TO_TIMESTAMP_LTZ(`at`, 3),
  WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP}',
  'properties.group.id' = 'parity', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
  'scan.watermark.emit.strategy' = 'on-event', 'format' = 'json', 'json.ignore-parse-errors' = 'true'
);
