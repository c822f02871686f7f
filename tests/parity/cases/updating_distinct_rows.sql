-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `c` STRING, PRIMARY KEY (`k`, `c`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT DISTINCT COALESCE(`k`, '-') AS `k`, COALESCE(`c`, '-') AS `c` FROM ticks;
