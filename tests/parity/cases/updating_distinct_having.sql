-- DISTINCT and HAVING over a query that updates its rows: a group without rows any more is taken back.
-- @input keyed
CREATE TABLE lake.t.answer (`n` BIGINT, PRIMARY KEY (`n`) NOT ENFORCED) WITH ('bucket' = '1');
CREATE TABLE lake.t.few (`n` BIGINT, `groups` BIGINT, PRIMARY KEY (`n`) NOT ENFORCED) WITH ('bucket' = '1');
CREATE TEMPORARY VIEW parts AS SELECT `k`, `c`, COUNT(*) AS `n` FROM ticks GROUP BY `k`, `c`;
EXECUTE STATEMENT SET BEGIN
INSERT INTO lake.t.answer SELECT DISTINCT `n` FROM parts WHERE `n` < 6;
INSERT INTO lake.t.few SELECT `n`, COUNT(*) FROM parts GROUP BY `n` HAVING COUNT(*) < 3;
END;
