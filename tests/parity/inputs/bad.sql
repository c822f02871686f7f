-- Values that make expressions fail.
CREATE TEMPORARY TABLE bad (`id` BIGINT, `zero` INT, `fzero` DOUBLE, `text` STRING, `p` DECIMAL(20, 8)) WITH (
  'connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP}', 'properties.group.id' = 'parity',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json'
);
