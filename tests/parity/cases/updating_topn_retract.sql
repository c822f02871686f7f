-- The first rows of each key of a query that updates its rows: one of them grows, one falls behind, and the next moves up. Without their number.
-- @input keyed
CREATE TABLE lake.t.answer (`k` STRING, `rank` BIGINT, `c` STRING, `last` INT, `n` BIGINT, PRIMARY KEY (`k`, `rank`) NOT ENFORCED) WITH ('bucket' = '1');
CREATE TABLE lake.t.of_ranks (`k` STRING, `sum` BIGINT, `rows` BIGINT, PRIMARY KEY (`k`) NOT ENFORCED) WITH ('bucket' = '1');
CREATE TEMPORARY VIEW parts AS SELECT COALESCE(`k`, '-') AS `k`, COALESCE(`c`, '-') AS `c`, LAST_VALUE(`i`) AS `last`, COUNT(*) AS `n` FROM ticks GROUP BY COALESCE(`k`, '-'), COALESCE(`c`, '-');
EXECUTE STATEMENT SET BEGIN
INSERT INTO lake.t.answer
SELECT `k`, `rank`, `c`, `last`, `n` FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY `k` ORDER BY `last` DESC, `c`) AS `rank` FROM parts) AS r WHERE `rank` <= 2;
INSERT INTO lake.t.of_ranks
SELECT `k`, SUM(`last`), COUNT(*) FROM (SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY `k` ORDER BY `last` DESC, `c`) AS `rank` FROM parts) AS r WHERE `rank` <= 3) AS t GROUP BY `k`;
END;
