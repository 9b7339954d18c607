-- The number is PostgreSQL's, as in 0003.
select 1;
