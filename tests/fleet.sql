-- What a fleet's crashes say, asked of the store in place with DuckDB:
--
--   duckdb -cmd "SET VARIABLE store = 's3://bucket/prefix'; SET VARIABLE since = DATE '2026-11-01'" < fleet.sql
--
-- A store may also be a folder. Only summaries are read, and of those only what is named below; a condition on `date` or
-- `repo` skips the folders of others.

CREATE OR REPLACE TEMP VIEW crashes AS
SELECT
    date,
    repo,
    id,
    signature.strict AS signature,
    signature.title AS title,
    cause.class AS cause,
    collection.ci.url AS job_url
FROM read_json(
    getvariable('store') || '/summaries/*/*/*.json',
    format = 'newline_delimited',
    hive_partitioning = true,
    hive_types = {date: DATE, repo: VARCHAR},
    maximum_object_size = 67108864,
    columns = {
        id: 'VARCHAR',
        signature: 'STRUCT(strict VARCHAR, title VARCHAR)',
        cause: 'STRUCT(class VARCHAR)',
        collection: 'STRUCT(ci STRUCT(url VARCHAR))'
    }
);

-- Crashes per signature and day.
SELECT date, signature, any_value(title) AS title, count(*) AS crashes
FROM crashes
GROUP BY date, signature
ORDER BY date, crashes DESC, signature;

-- What is new: signatures that were never seen before a date.
SELECT signature, any_value(title) AS title, min(date) AS first_seen, count(*) AS crashes
FROM crashes
WHERE signature IS NOT NULL
GROUP BY signature
HAVING min(date) >= getvariable('since')
ORDER BY first_seen, signature;

-- Which repositories each signature affects.
SELECT signature, any_value(title) AS title, list(DISTINCT repo ORDER BY repo) AS repositories, count(*) AS crashes
FROM crashes
GROUP BY signature
ORDER BY len(repositories) DESC, crashes DESC, signature;
