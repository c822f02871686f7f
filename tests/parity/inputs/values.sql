-- One record of every kind of value, and NULLs. Columns of all types that a topic can have.
CREATE TEMPORARY TABLE vals (
  `id` BIGINT, `b` BOOLEAN, `t` TINYINT, `s` SMALLINT, `i` INT, `l` BIGINT, `r` FLOAT, `f` DOUBLE,
  `p` DECIMAL(20, 8), `v` DECIMAL(24, 8), `w` DECIMAL(38, 16), `n` DECIMAL(5, 2), `c` STRING, `d` STRING, `at` BIGINT,
  `a` ARRAY<INT>, `o` ROW<`x` INT, `y` STRING, `z` ROW<`q` DECIMAL(10, 3)>>, `u` ARRAY<ROW<`price` DECIMAL(20, 8), `size` DOUBLE>>
) WITH (
  'connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP}',
  'properties.group.id' = 'parity', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json'
);
