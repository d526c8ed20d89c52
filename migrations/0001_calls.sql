-- The calls, who has claimed what, what is still to be asked of the carrier, and the house that all this happens in.
-- Written in what SQLite and PostgreSQL both understand; see README.md. Moments are milliseconds since 1970, UTC.

-- One row a call, for as long as it is remembered. `body` is the call itself, in cordboard-core's stored form; the other columns
-- repeat what is searched for. `live`: it is not over, or there are legs still to be ended. `claims` lists the rows it has in parked, seated and legs;
-- `claims_before` is what an update found there, so that one statement both moves the call on and says which rows are to change.
CREATE TABLE calls (
    id            TEXT    NOT NULL PRIMARY KEY,
    rev           BIGINT  NOT NULL CHECK (rev > 0),
    live          BOOLEAN NOT NULL,
    due_at        BIGINT,
    arrived       BIGINT  NOT NULL,
    ended_at      BIGINT,
    claims        TEXT    NOT NULL,
    claims_before TEXT    NOT NULL,
    body          TEXT    NOT NULL
);
CREATE INDEX calls_live ON calls (arrived) WHERE live;
CREATE INDEX calls_due ON calls (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX calls_ended ON calls (ended_at) WHERE ended_at IS NOT NULL;

-- Which leg a connection of the carrier is. A leg that moves from one call to another has a row in each; the highest `turn` is
-- where it is now.
CREATE TABLE legs (
    sid  TEXT   NOT NULL,
    turn BIGINT NOT NULL,
    call TEXT   NOT NULL REFERENCES calls (id),
    n    BIGINT NOT NULL,
    PRIMARY KEY (sid, call, n)
);

-- Claims on shared things. The primary key decides who came first. Neither refers to the table of slots or people: a claim
-- made by a fact must not fail because the house was refurnished meanwhile.
CREATE TABLE parked (
    slot TEXT NOT NULL PRIMARY KEY,
    call TEXT NOT NULL REFERENCES calls (id)
);
CREATE TABLE seated (
    person BIGINT NOT NULL PRIMARY KEY,
    call   TEXT   NOT NULL REFERENCES calls (id),
    leg    BIGINT NOT NULL
);

-- Facts that have been committed, so that a doubled webhook changes nothing.
CREATE TABLE seen (
    token TEXT   NOT NULL PRIMARY KEY,
    at    BIGINT NOT NULL
);
CREATE INDEX seen_at ON seen (at);

-- What people asked for, and what came of it. `hash` is of the content: the same id with another content is refused. `call` may be
-- a call that this same transaction makes, hence no reference.
CREATE TABLE commands (
    actor   BIGINT NOT NULL,
    id      TEXT   NOT NULL,
    hash    TEXT   NOT NULL,
    call    TEXT,
    outcome TEXT   NOT NULL CHECK (outcome IN ('pending', 'done', 'failed', 'unknown', 'refused')),
    why     TEXT,
    at      BIGINT NOT NULL,
    PRIMARY KEY (actor, id)
);

-- The one row that every commit ends with: it puts commits in order. `rev` counts what consoles see; `line` numbers the rows of
-- `outbox` and `audit`. The row is made when a database is first opened, since the epoch is random.
CREATE TABLE board (
    id    BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch TEXT   NOT NULL,
    rev   BIGINT NOT NULL,
    line  BIGINT NOT NULL
);

-- What consoles that were away for a while have missed.
CREATE TABLE changes (
    rev  BIGINT NOT NULL PRIMARY KEY,
    body TEXT   NOT NULL
);

-- Requests to the carrier: durable before they are made. A lane is what may have one request in flight: a leg, or a connection that is no leg of ours.
CREATE TABLE outbox (
    id          BIGINT NOT NULL PRIMARY KEY,
    call        TEXT   NOT NULL REFERENCES calls (id),
    leg         BIGINT,
    lane        TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    effect      TEXT   NOT NULL,
    priority    BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    not_after   BIGINT,
    attempts    BIGINT NOT NULL,
    state       TEXT   NOT NULL CHECK (state IN ('new', 'sent')),
    owner       TEXT,
    lease_until BIGINT
);
-- An unsent row says "make it so"; what is so is read from the call when it is sent. One is enough.
CREATE UNIQUE INDEX outbox_unsent ON outbox (lane, kind) WHERE state = 'new';
CREATE UNIQUE INDEX outbox_in_flight ON outbox (lane) WHERE state = 'sent';
CREATE INDEX outbox_next ON outbox (priority, id) WHERE state = 'new';

-- How fast calls may be made: the moment from which the next one may.
CREATE TABLE pace (
    name    TEXT   NOT NULL PRIMARY KEY,
    next_at BIGINT NOT NULL
);
INSERT INTO pace (name, next_at) VALUES ('dial', 0);

-- Who did what, and what came in, as it came. Rows are only ever added.
CREATE TABLE audit (
    id    BIGINT NOT NULL PRIMARY KEY,
    at    BIGINT NOT NULL,
    actor BIGINT,
    kind  TEXT   NOT NULL,
    call  TEXT,
    raw   TEXT   NOT NULL
);
CREATE INDEX audit_call ON audit (call) WHERE call IS NOT NULL;

-- The house.
CREATE TABLE people (
    id        BIGINT  NOT NULL PRIMARY KEY,
    name      TEXT    NOT NULL,
    email     TEXT    NOT NULL UNIQUE,
    extension TEXT    NOT NULL UNIQUE,
    role      TEXT    NOT NULL,
    fallback  TEXT,
    presence  TEXT    NOT NULL,
    active    BOOLEAN NOT NULL,
    password  TEXT    NOT NULL
);
CREATE TABLE slots (
    id       TEXT   NOT NULL PRIMARY KEY,
    name     TEXT   NOT NULL,
    position BIGINT NOT NULL
);
CREATE TABLE queues (
    id       TEXT   NOT NULL PRIMARY KEY,
    name     TEXT   NOT NULL,
    position BIGINT NOT NULL
);
-- Our own telephone numbers. `route` is the JSON list of stops that a call to it takes.
CREATE TABLE numbers (
    number TEXT NOT NULL PRIMARY KEY,
    route  TEXT NOT NULL
);
CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
