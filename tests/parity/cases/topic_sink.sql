-- JSON as it is written into a topic: NULLs, decimals, instants, nested values.
-- @input values
CREATE TEMPORARY TABLE out_topic (
  `id` BIGINT, `b` BOOLEAN, `i` INT, `f` DOUBLE, `p` DECIMAL(20, 8), `c` STRING, `at` TIMESTAMP_LTZ(3), `a` ARRAY<INT>, `o` ROW<`x` INT, `y` STRING>
) WITH ('connector' = 'kafka', 'topic' = 'out', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP}', 'format' = 'json');
INSERT INTO out_topic SELECT `id`, `b`, `i`, `f`, `p`, `c`, TO_TIMESTAMP_LTZ(`at`, 3), `a`, ROW(`o`.`x`, `o`.`y`) FROM vals WHERE `id` <> 4;
