-- HALF_UP; too large is NULL in Flink and a dead letter in hoga.
-- @input values
-- @dead 2 4 5
CREATE TABLE lake.t.answer (`id` BIGINT, `p2` DECIMAL(10, 2), `wp` DECIMAL(20, 8), `i5` DECIMAL(5, 2), `try` DECIMAL(3, 1)) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CAST(`p` AS DECIMAL(10, 2)), CAST(`w` AS DECIMAL(20, 8)), CAST(`i` AS DECIMAL(5, 2)), TRY_CAST(`n` AS DECIMAL(3, 1)) FROM vals;
