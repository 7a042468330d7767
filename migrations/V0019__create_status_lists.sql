-- Status lists (draft-ietf-oauth-status-list). An access token names an index: a user's token that of its grant, a
-- client's own token one to itself. The list is read from the rows below that ended lately, so no way of ending
-- access can forget to feed it; each is found by a partial index that holds nothing but what has ended. None of
-- them stands on a column that a refresh or a use of a session changes: those updates stay heap-only.
ALTER TABLE token_families ADD COLUMN status_index bigint;
CREATE INDEX token_families_ended_at_idx ON token_families (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_ended_at_idx ON sessions (ended_at) WHERE ended_at IS NOT NULL;
ALTER TABLE revoked_access_tokens ADD COLUMN status_index bigint;
-- Moves with epoch: all that the user had before ended then.
ALTER TABLE users ADD COLUMN epoch_moved_at timestamptz;
CREATE INDEX users_epoch_moved_at_idx ON users (epoch_moved_at) WHERE epoch_moved_at IS NOT NULL;
CREATE INDEX clients_disabled_at_idx ON clients (disabled_at) WHERE disabled_at IS NOT NULL;

-- What is left of deleted rows, until the tokens that stood on them are over.
CREATE TABLE status_tombstones (
    status_index bigint NOT NULL,
    ended_at timestamptz NOT NULL
);
CREATE INDEX status_tombstones_ended_at_idx ON status_tombstones (ended_at);
CREATE TABLE deleted_clients (
    client_id text NOT NULL,
    deleted_at timestamptz NOT NULL
);
CREATE INDEX deleted_clients_deleted_at_idx ON deleted_clients (deleted_at);

-- Blocks of 4096 indexes, each leased to one node. next: the first that a node that stopped gave back unused; 4096
-- while a node has the block, which may then have used any of it. Nothing of a block lives after reusable_at.
CREATE TABLE status_blocks (
    block bigint CONSTRAINT status_blocks_pkey PRIMARY KEY,
    purpose text NOT NULL,
    next integer NOT NULL,
    reusable_at timestamptz NOT NULL
);
-- The first block that was never leased. One row, whose lock makes nodes that need new blocks wait for each other.
CREATE TABLE status_frontier (
    next_block bigint NOT NULL
);
-- Which client the tokens of these indexes were issued to: they are invalid when it is disabled or gone.
CREATE TABLE status_runs (
    first_index bigint CONSTRAINT status_runs_pkey PRIMARY KEY,
    length integer NOT NULL,
    client_id text NOT NULL,
    reusable_at timestamptz NOT NULL
);
CREATE INDEX status_runs_reusable_at_idx ON status_runs (reusable_at);

-- Families that are older than this table.
UPDATE token_families f SET status_index = n.status_index
    FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS status_index FROM token_families) n WHERE n.id = f.id;
INSERT INTO status_blocks (block, purpose, next, reusable_at)
    SELECT status_index / 4096, 'grants', 4096, max(expires_at) + interval '2 days' FROM token_families GROUP BY 1;
INSERT INTO status_frontier (next_block) SELECT COALESCE(max(block) + 1, 0) FROM status_blocks;
