-- Narrower integers keep the low bits; TRY_CAST of numbers is no different; DECIMAL is cut.
-- @input values
CREATE TABLE lake.t.answer (`id` BIGINT, `li` INT, `is` SMALLINT, `it` TINYINT, `try` SMALLINT, `pi` INT, `pl` BIGINT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CAST(`l` AS INT), CAST(`i` AS SMALLINT), CAST(`i` AS TINYINT), TRY_CAST(`l` AS SMALLINT), CAST(`p` AS INT), CAST(`p` AS BIGINT) FROM vals;
