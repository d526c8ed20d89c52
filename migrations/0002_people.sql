-- Who works here and what they may do, who is signed in, what was handed out as a code, how the house is arranged, and the seals on
-- the audit. Written in what SQLite and PostgreSQL both understand; see README.md. Moments are milliseconds since 1970, UTC.

-- `rev` counts the changes of a row that people make, so that two who edit the same thing do not overwrite each other unseen.
-- `pending`: entered themselves, and not let in yet. `grants` and `languages` are JSON lists. `status_text` and `back_at` belong to
-- `presence`, which is what a person says of themselves.
ALTER TABLE people ADD COLUMN rev BIGINT NOT NULL DEFAULT 1;
ALTER TABLE people ADD COLUMN grants TEXT NOT NULL DEFAULT '[]';
ALTER TABLE people ADD COLUMN languages TEXT NOT NULL DEFAULT '[]';
ALTER TABLE people ADD COLUMN status_text TEXT NOT NULL DEFAULT '';
ALTER TABLE people ADD COLUMN back_at BIGINT;
ALTER TABLE people ADD COLUMN pending BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE people ADD COLUMN since BIGINT NOT NULL DEFAULT 0;

CREATE TABLE groups (
    id       TEXT   NOT NULL PRIMARY KEY,
    rev      BIGINT NOT NULL,
    name     TEXT   NOT NULL,
    position BIGINT NOT NULL
);
CREATE TABLE members (
    grp    TEXT   NOT NULL REFERENCES groups (id),
    person BIGINT NOT NULL REFERENCES people (id),
    PRIMARY KEY (grp, person)
);
CREATE INDEX members_person ON members (person);

-- `park_ms`: how long a call may lie in this slot; none: as long as the desk says.
ALTER TABLE slots ADD COLUMN rev BIGINT NOT NULL DEFAULT 1;
ALTER TABLE slots ADD COLUMN park_ms BIGINT;
ALTER TABLE queues ADD COLUMN rev BIGINT NOT NULL DEFAULT 1;
ALTER TABLE numbers ADD COLUMN rev BIGINT NOT NULL DEFAULT 1;
-- A stop of a way is a person, a group or a queue now. So far there were only queues.
UPDATE numbers SET route = REPLACE(route, '"stop":"queue"', '"kind":"queue"');

-- Sign-ins. Each is a family of refresh tokens, of which the one numbered `generation` is the next to be used. `confirmed` is the
-- highest generation whose access token has been used: until then a client that lost our answer may ask again with the token before.
-- `parent`: the console that a phone page was paired with; it ends with that one.
CREATE TABLE sessions (
    id         TEXT   NOT NULL PRIMARY KEY,
    person     BIGINT NOT NULL REFERENCES people (id),
    kind       TEXT   NOT NULL,
    device     TEXT   NOT NULL,
    address    TEXT   NOT NULL,
    parent     TEXT,
    since      BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    confirmed  BIGINT NOT NULL,
    ended_at   BIGINT,
    ended_why  TEXT
);
CREATE INDEX sessions_person ON sessions (person) WHERE ended_at IS NULL;
CREATE INDEX sessions_parent ON sessions (parent) WHERE parent IS NOT NULL AND ended_at IS NULL;
CREATE INDEX sessions_over ON sessions (ended_at) WHERE ended_at IS NOT NULL;

-- Every refresh token that was given out for a sign-in that goes on, by its SHA-256: one that comes back after it was used tells that
-- somebody has a copy.
CREATE TABLE refreshes (
    hash       TEXT   NOT NULL PRIMARY KEY,
    session    TEXT   NOT NULL REFERENCES sessions (id),
    generation BIGINT NOT NULL
);
CREATE INDEX refreshes_session ON refreshes (session);

-- What lets somebody do one thing once, by the SHA-256 of the code: `invitation` (body: what it makes of them), `reset` (person: whose
-- password), `pairing` (session: the console that shows it; body: the page that has named it).
CREATE TABLE codes (
    id         TEXT   NOT NULL PRIMARY KEY,
    hash       TEXT   NOT NULL UNIQUE,
    kind       TEXT   NOT NULL CHECK (kind IN ('invitation', 'reset', 'pairing')),
    maker      BIGINT NOT NULL,
    person     BIGINT,
    session    TEXT,
    body       TEXT   NOT NULL,
    since      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    over_at    BIGINT
);
CREATE INDEX codes_open ON codes (kind, since) WHERE over_at IS NULL;
CREATE INDEX codes_over ON codes (expires_at);

-- From where, to what, and what it was before and after.
ALTER TABLE audit ADD COLUMN session TEXT;
ALTER TABLE audit ADD COLUMN address TEXT;
ALTER TABLE audit ADD COLUMN subject TEXT;
ALTER TABLE audit ADD COLUMN was TEXT;
ALTER TABLE audit ADD COLUMN became TEXT;
CREATE INDEX audit_at ON audit (at);

-- The chain over the audit: at each place one line, in the order in which lines were seen committed, a moment after it, so that no
-- commit waits for another because of the audit. `hash` is the SHA-256 of the line and of the hash before: anybody can compute it, and
-- one at the end stands for all before it. `seal` is a keyed hash of place and hash, which takes the server's secret; `key` names the
-- key. `chain` is the end: the one row that two sealers meet at. It has a seal of its own, so that an end that was cut off is no end.
-- `swept`: every line up to that moment is sealed.
CREATE TABLE seals (
    place BIGINT NOT NULL PRIMARY KEY,
    line  BIGINT NOT NULL UNIQUE REFERENCES audit (id),
    hash  TEXT   NOT NULL,
    seal  TEXT   NOT NULL,
    key   TEXT   NOT NULL
);
CREATE TABLE chain (
    id    BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    place BIGINT NOT NULL,
    hash  TEXT   NOT NULL,
    seal  TEXT   NOT NULL,
    key   TEXT   NOT NULL,
    swept BIGINT NOT NULL
);
INSERT INTO chain (id, place, hash, seal, key, swept) VALUES (1, 0, '', '', '', 0);
