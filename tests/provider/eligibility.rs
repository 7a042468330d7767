//! Who may receive tokens now: one question, asked in Rust and in SQL, by everything that issues.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use signet::domain::eligibility::{may_issue, may_issue_sql};
use tokio_postgres::types::Type;

use crate::support::database::bare_database;

#[tokio::test]
async fn rust_and_sql_answer_every_case_the_same() {
    let database = bare_database().await;
    let client = database.client().await;
    let statement = concat!(
        "SELECT ",
        may_issue_sql!(),
        " FROM (SELECT $1::bigint AS epoch, $2::timestamptz AS disabled_at) u,
            (SELECT $3::timestamptz AS disabled_at) c, (SELECT $4::bigint AS epoch) g"
    );
    let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time");
    let times: [Option<DateTime<Utc>>; 4] = [
        None,
        Some(now),
        // Whoever is to be disabled one day is so now: there is no such plan.
        Some(now + TimeDelta::days(36500)),
        Some(DateTime::UNIX_EPOCH),
    ];
    let mut yes = 0;
    for user_epoch in [0, 1, 2, i64::MAX] {
        for grant_epoch in [0, 1, 2, i64::MAX, -1] {
            for user_disabled in times {
                for client_disabled in times {
                    let row = client
                        .query_typed(
                            statement,
                            &[
                                (&user_epoch, Type::INT8),
                                (&user_disabled, Type::TIMESTAMPTZ),
                                (&client_disabled, Type::TIMESTAMPTZ),
                                (&grant_epoch, Type::INT8),
                            ],
                        )
                        .await
                        .expect("the fragment is SQL");
                    let in_sql: Option<bool> = row[0].get(0);
                    let in_rust = may_issue(user_epoch, user_disabled, client_disabled, grant_epoch);
                    let case = (user_epoch, grant_epoch, user_disabled, client_disabled);
                    assert_eq!(in_sql, Some(in_rust), "{case:?}");
                    yes += usize::from(in_rust);
                }
            }
        }
    }
    assert_eq!(yes, 4, "enabled both, and of the same epoch");
}

/// One `const` of a storage file that holds SQL.
#[derive(Debug)]
struct Statement {
    name: String,
    /// The source from its name to the next item.
    text: String,
}

impl Statement {
    /// Whether tokens come of it: it makes or spends a code, makes a family or moves one on, or reads a grant.
    fn issues(&self) -> bool {
        [
            "INSERT INTO authorization_codes",
            "INSERT INTO token_families",
            "SET redeemed_at",
            "last_outcome, head",
            "SET head",
            "grant_columns!()",
        ]
        .iter()
        .any(|part| self.text.contains(part))
    }

    fn asks(&self) -> bool {
        ["may_issue_sql!()", "family_lives_sql!()", "grant_stands_sql!()"]
            .iter()
            .any(|fragment| self.text.contains(fragment))
    }
}

/// The statements of a file: every `const` or macro, up to the next.
fn statements(source: &str) -> Vec<Statement> {
    let mut found: Vec<Statement> = Vec::new();
    for line in source.lines() {
        let item = line
            .strip_prefix("const ")
            .or_else(|| line.strip_prefix("macro_rules! "));
        if let Some(rest) = item {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            found.push(Statement {
                name: rest[..end.unwrap_or(rest.len())].to_owned(),
                text: String::new(),
            });
        }
        let ends = ["pub ", "fn ", "impl ", "///", "}"]
            .iter()
            .any(|start| line.starts_with(start));
        if let Some(statement) = found.last_mut() {
            if ends {
                // What follows belongs to no statement.
                found.push(Statement {
                    name: String::new(),
                    text: String::new(),
                });
            } else {
                statement.text.push_str(line);
                statement.text.push('\n');
            }
        }
    }
    found.retain(|statement| !statement.name.is_empty());
    found
}

#[test]
fn every_statement_that_issues_asks_who_may_receive_tokens() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage");
    let mut asking = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the storage floor") {
        let path = entry.expect("an entry").path();
        let Ok(source) = std::fs::read_to_string(&path) else {
            continue;
        };
        let file = path.file_stem().expect("a name").to_string_lossy().into_owned();
        for statement in statements(&source) {
            let name = format!("{file}::{}", statement.name);
            if statement.asks() {
                asking.insert(name);
            } else {
                assert!(
                    !statement.issues(),
                    "{name} issues and does not ask may_issue_sql!"
                );
            }
        }
    }
    let asking: Vec<_> = asking.into_iter().collect();
    insta::assert_snapshot!(asking.join("\n"), @r"
    access_tokens::STATUS
    authorization_codes::INSERT
    authorization_codes::REDEEM
    grants::grant_stands_sql
    status_lists::has_ended_sql
    token_families::END_THEFT
    token_families::FIND_LIVE
    token_families::ROTATE
    token_families::family_lives_sql
    ");
}
