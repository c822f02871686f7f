-- UNION without ALL.
-- @input values
CREATE TABLE lake.t.answer (
  `text` STRING, PRIMARY KEY (`text`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT COALESCE(`c`, '-') AS `text` FROM vals UNION SELECT COALESCE(`d`, '-') FROM vals;
