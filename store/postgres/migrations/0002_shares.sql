-- What replicas divide among themselves, such as limits. A row stays, without data, when nobody holds anything of it.
create table shares (
    id   bytea primary key,
    data bytea
) with (fillfactor = 50);
