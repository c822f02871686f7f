-- JSON as it comes: what is missing, of another type, or no JSON at all.
CREATE TEMPORARY TABLE oddities (
  `id` BIGINT, `b` BOOLEAN, `i` INT, `l` BIGINT, `f` DOUBLE, `p` DECIMAL(20, 8), `n` DECIMAL(5, 2), `c` STRING, `a` ARRAY<INT>, `o` ROW<`x` INT, `y` STRING>
) WITH (
  'connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP}', 'properties.group.id' = 'parity',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json', 'json.ignore-parse-errors' = 'true'
);
