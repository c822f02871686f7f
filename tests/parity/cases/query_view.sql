-- @input values
CREATE TEMPORARY VIEW first_view AS SELECT `id`, `c`, `i` FROM vals WHERE `id` < 8;
CREATE TEMPORARY VIEW second_view (`key`, `text`) AS SELECT `id`, UPPER(`c`) FROM first_view WHERE `i` IS NOT NULL;
CREATE TABLE lake.t.answer (
  `key` BIGINT, `text` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `key`, `text` FROM second_view;
