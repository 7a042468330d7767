//! Grants that are older than the lists.

use std::path::Path;

use crate::support::database::bare_database;

/// Five thousand grants, as the version before the lists made them.
const FILL: &str = "
INSERT INTO users (id, email, email_key, email_verified, name, created_at, updated_at)
    VALUES ('00000000-0000-4000-8000-000000000001', 'x', 'x', true, 'x', now(), now());
INSERT INTO token_families (id, user_id, client_id, session_id, epoch, scopes, resources, auth_time, acr, amr,
        rotates, offline, head, head_kv, created_at, expires_at, idle_expires_at)
    SELECT gen_random_uuid(), '00000000-0000-4000-8000-000000000001', 'c', gen_random_uuid(), 0, '{}', '{}', now(), '1',
        '{}', true, false, 1, 1, now(), timestamptz '2026-01-01' + n * interval '1 s', now()
    FROM generate_series(1, 5000) n";

#[tokio::test]
async fn a_grant_that_is_older_than_the_lists_gets_a_place_that_nobody_leases() {
    let database = bare_database().await;
    let sql = database.client().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the migrations")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let lists = files
        .iter()
        .position(|file| file.ends_with("V0019__create_status_lists.sql"))
        .expect("the migration of the lists");
    for file in &files[..=lists] {
        if *file == files[lists] {
            sql.batch_execute(FILL).await.expect("filled");
        }
        let statements = std::fs::read_to_string(file).expect("text");
        sql.batch_execute(&statements).await.expect("applied");
    }
    let row = sql
        .query_one(
            "SELECT count(DISTINCT status_index), min(status_index), max(status_index),
                (SELECT next_block FROM status_frontier),
                bool_and(EXISTS (SELECT FROM status_blocks b WHERE b.block = status_index / 4096 AND b.next = 4096
                    AND b.reusable_at >= expires_at + interval '2 days'))
             FROM token_families",
            &[],
        )
        .await
        .expect("asked");
    let numbers: [i64; 4] = [0, 1, 2, 3].map(|column| row.get(column));
    assert_eq!(numbers, [5000, 0, 4999, 2]);
    assert!(row.get::<_, bool>(4));
}
