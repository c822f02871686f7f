-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `comma` STRING, `slash` STRING, `numbers` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, LISTAGG(`c`) AS `comma`, LISTAGG(`c`, ' / ') AS `slash`, LISTAGG(CAST(`i` AS STRING), ';') AS `numbers`
FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `k`, `window_start`, `window_end`;
