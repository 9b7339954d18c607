-- SQLite has one writer and no roles: a commit writes the framework's tables itself. The number is PostgreSQL's.
select 1;
