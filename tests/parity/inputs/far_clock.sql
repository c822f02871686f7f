-- Clocks of 1969 and of the year 9999 among others, one partition; the watermark follows every record.
CREATE TEMPORARY TABLE clocks (
  `id` BIGINT, `at` BIGINT,
  `ts` AS TO_TIMESTAMP_LTZ(`at`, 3),
  WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP}',
  'properties.group.id' = 'parity', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
  'scan.watermark.emit.strategy' = 'on-event', 'format' = 'json'
);
