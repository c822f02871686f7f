-- GROUP BY without a window changes rows: an append table cannot take them.
-- @input bad
-- @fails Append only writer can not accept row
CREATE TABLE lake.t.answer (`n` BIGINT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT COUNT(*) FROM bad;
