use serde_json::json;

use super::*;

fn records(form: Form, text: &[u8]) -> (Vec<Result<Value, Reason>>, Result<(), DocumentError>) {
    let mut records = Vec::new();
    let read = read(form, text, &mut |record, _| {
        records.push(record);
        true
    });
    (records, read)
}

#[test]
fn a_line_that_is_none_is_stepped_over() {
    let long = "x".repeat(2 * 1024 * 1024);
    let text = format!("{{\"a\":1}}\n\n{long}\n{{\"a\":\n{{\"a\":2}}");
    let (records, read) = records(Form::Lines, text.as_bytes());
    assert!(read.is_ok());
    assert_eq!(
        records,
        [
            Ok(json!({"a": 1})),
            Err(Reason::TooLarge),
            Err(Reason::Malformed),
            Ok(json!({"a": 2}))
        ]
    );
}

#[test]
fn the_users_of_a_document_are_found_among_whatever_else_it_has() {
    let text =
        br#"{"realm":"r","roles":{"a":[1,2.5,null,true,"\n"],"users":[9]},"users":[{"a":1},{"a":2}],"z":-1}"#;
    let (found, read) = records(Form::Document, text);
    assert!(read.is_ok(), "{read:?}");
    assert_eq!(found, [Ok(json!({"a": 1})), Ok(json!({"a": 2}))]);
    let (found, read) = records(Form::Document, b"[{\"a\":1}]");
    assert!(read.is_ok());
    assert_eq!(found, [Ok(json!({"a": 1}))]);
    assert!(matches!(
        records(Form::Document, b"{\"members\":[1]}").1,
        Err(DocumentError::NoUsers)
    ));
    assert!(matches!(
        records(Form::Document, b"{\"users\":[{\"a\":1},").1,
        Err(DocumentError::Json(_))
    ));
}

#[test]
fn a_record_without_end_is_not_read_to_its_end() {
    for (form, before, piece) in [
        (Form::Document, "[{\"a\":\"", "x"),
        (Form::Document, "{\"other\":\"", "x"),
        (Form::Document, "[", "["),
        (Form::Table, "a,b\n\"", "x"),
    ] {
        let endless = io::repeat(piece.as_bytes()[0]);
        let reader = BufReader::new(before.as_bytes().chain(endless));
        let mut count = 0;
        let read = read(form, reader, &mut |_, _| {
            count += 1;
            true
        });
        assert!(read.is_err());
        assert_eq!(count, 0);
    }
}

#[test]
fn whoever_takes_the_records_may_have_enough() {
    for (form, text) in [
        (Form::Lines, "{}\n{}\n{}"),
        (Form::Document, "{\"users\":[{},{},{}]}"),
        (Form::Table, "a,b\n1,2\n1,2\n1,2\n"),
    ] {
        let mut count = 0;
        let read = read(form, text.as_bytes(), &mut |_, _| {
            count += 1;
            count < 2
        });
        assert!(read.is_ok());
        assert_eq!(count, 2);
    }
}

#[test]
fn a_table_becomes_objects_without_empty_fields() {
    let text = b"id,email,note\n1,a@example.org,\"two\nlines, \"\"quoted\"\"\"\n2,,x\n3,b@example.org\n";
    let (found, read) = records(Form::Table, text);
    assert!(read.is_ok());
    assert_eq!(
        found,
        [
            Ok(json!({"id": "1", "email": "a@example.org", "note": "two\nlines, \"quoted\""})),
            Ok(json!({"id": "2", "note": "x"})),
            Err(Reason::Malformed)
        ]
    );
}
