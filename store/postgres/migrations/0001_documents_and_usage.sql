-- Names and bodies are bytea: whatever bytes they have, they are kept and compared as they are, whatever the collation.

-- The one row that numbers the commits of documents. Who writes holds its lock to the end of the transaction, so that
-- versions become visible in their order.
create table document_state (
    sole    boolean primary key default true check (sole),
    version bigint  not null
);
insert into document_state (version) values (0);

-- A deleted document stays without a body until watchers have had a day to see it.
create table documents (
    kind       bytea       not null,
    id         bytea       not null,
    version    bigint      not null,
    body       bytea,
    deleted_at timestamptz,
    primary key (kind, id)
);
create index documents_version on documents (version);
create index documents_deleted on documents (deleted_at) where deleted_at is not null;

create table document_index (
    kind  bytea not null,
    name  bytea not null,
    value bytea not null,
    id    bytea not null,
    primary key (kind, name, value, id)
);
create index document_index_document on document_index (kind, id);

-- The one row of the ledger: the last source given out, the time zone that days are counted in, and since when some
-- process has renewed its lease without a break, which is what a lease that has run out must be judged by.
create table ledger_state (
    sole           boolean     primary key default true check (sole),
    source         integer     not null,
    time_zone      text        not null,
    beat_at        timestamptz not null,
    unbroken_since timestamptz not null
);
insert into ledger_state (source, time_zone, beat_at, unbroken_since) values (0, '', now(), now());

-- seq is the last batch. The source runs while lease_until lies ahead; null says that it has ended. A fenced source has
-- had a request settled by another: its batches are looked through for such.
create table sources (
    source      integer     primary key,
    seq         bigint      not null default 0,
    lease_until timestamptz,
    fenced      boolean     not null default false
) with (fillfactor = 50);

create table open_requests (
    id            bigint  primary key,
    source        integer not null,
    key           bytea   not null,
    model         bytea   not null,
    deployment    bytea   not null,
    at            bigint  not null, -- Unix milliseconds
    request_bytes bigint  not null,
    deltas        bigint  not null
);
create index open_requests_source on open_requests (source);

-- Each batch takes a number; an event's position is that number times 4096 and its place in the batch.
create sequence batch_numbers;

-- Single requests, a partition for each month (year times 12 and month less 1), made when it is needed.
create table events (
    month        integer  not null,
    id           bigint   not null,
    position     bigint   not null,
    key          bytea    not null,
    model        bytea    not null,
    deployment   bytea    not null,
    at           bigint   not null, -- Unix milliseconds
    duration     bigint   not null, -- milliseconds
    provenance   smallint not null,
    recovered    boolean  not null,
    input        bigint   not null,
    cached_input bigint   not null,
    output       bigint   not null,
    reasoning    bigint   not null,
    estimated    bigint   not null,
    quantities   text     not null, -- unit:number, with commas between
    primary key (id, month)
) partition by list (month);
create index events_key on events (key, position);

create table day_sums (
    day          integer not null, -- days since 1970-01-01
    key          bytea   not null,
    model        bytea   not null,
    requests     bigint  not null,
    input        bigint  not null,
    cached_input bigint  not null,
    output       bigint  not null,
    reasoning    bigint  not null,
    estimated    bigint  not null,
    primary key (day, key, model)
) with (fillfactor = 70);
create index day_sums_key on day_sums (key, day);

create table month_sums (
    month        integer not null,
    key          bytea   not null,
    model        bytea   not null,
    requests     bigint  not null,
    input        bigint  not null,
    cached_input bigint  not null,
    output       bigint  not null,
    reasoning    bigint  not null,
    estimated    bigint  not null,
    last_used    bigint  not null, -- Unix milliseconds
    primary key (month, key, model)
) with (fillfactor = 70);
create index month_sums_key on month_sums (key, month);

create table day_units (
    day   integer  not null,
    key   bytea    not null,
    model bytea    not null,
    unit  smallint not null,
    n     bigint   not null,
    primary key (day, key, model, unit)
) with (fillfactor = 70);
create index day_units_key on day_units (key, day);

create table month_units (
    month integer  not null,
    key   bytea    not null,
    model bytea    not null,
    unit  smallint not null,
    n     bigint   not null,
    primary key (month, key, model, unit)
) with (fillfactor = 70);
create index month_units_key on month_units (key, month);

-- How many batches of each source had an event of a day. Each source has its own row, since a row for all would make
-- them wait for one another.
create table day_batches (
    day    integer not null,
    source integer not null,
    n      bigint  not null,
    primary key (day, source)
) with (fillfactor = 50);
