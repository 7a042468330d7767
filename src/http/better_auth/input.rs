//! What an endpoint reads of a body or a query. All that is wrong is told at once, each with the place where it
//! stands; clients rely on the place, and on the words only as people do.

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::answer::ApiError;
use super::media::Body;

/// Input, read name by name.
#[derive(Debug)]
pub struct Input<'a> {
    place: &'static str,
    object: Option<&'a Map<String, Value>>,
    issues: Vec<String>,
}

impl<'a> Input<'a> {
    /// The input of an endpoint that needs an object.
    pub fn of(body: &'a Body) -> Self {
        let object = body.as_ref().and_then(Value::as_object);
        let issue = || {
            let kind = kind(body.as_ref());
            format!("[body] Invalid input: expected object, received {kind}")
        };
        Self {
            place: "body",
            object,
            issues: object.is_none().then(issue).into_iter().collect(),
        }
    }

    /// The input of an endpoint that can do without.
    pub fn of_optional(body: &'a Body) -> Self {
        if body.is_some() {
            return Self::of(body);
        }
        Self {
            place: "body",
            object: None,
            issues: Vec::new(),
        }
    }

    /// The input of an endpoint that is read.
    pub const fn of_query(query: &'a Map<String, Value>) -> Self {
        Self {
            place: "query",
            object: Some(query),
            issues: Vec::new(),
        }
    }

    /// A text that must be there; an empty one may be.
    pub fn text(&mut self, name: &str) -> &'a str {
        match self.value(name) {
            Some(Value::String(text)) => text,
            other => {
                self.expected(name, "string", other);
                ""
            }
        }
    }

    /// A text that must be there and say something.
    pub fn some_text(&mut self, name: &str) -> &'a str {
        let before = self.issues.len();
        let text = self.text(name);
        if text.is_empty() && self.object.is_some() && self.issues.len() == before {
            self.issue(name, "Too small: expected string to have >=1 characters");
        }
        text
    }

    /// A text that may be left out.
    pub fn optional_text(&mut self, name: &str) -> Option<&'a str> {
        match self.value(name)? {
            Value::String(text) => Some(text),
            other => {
                self.expected(name, "string", Some(other));
                None
            }
        }
    }

    /// A text that may be left out, or taken away by `null`.
    pub fn clearable_text(&mut self, name: &str) -> Option<Option<&'a str>> {
        match self.value(name)? {
            Value::Null => Some(None),
            _ => self.optional_text(name).map(Some),
        }
    }

    /// A truth that may be left out.
    pub fn optional_truth(&mut self, name: &str) -> Option<bool> {
        match self.value(name)? {
            Value::Bool(truth) => Some(*truth),
            other => {
                self.expected(name, "boolean", Some(other));
                None
            }
        }
    }

    /// Texts that may be left out.
    pub fn optional_texts(&mut self, name: &str) -> Option<Vec<&'a str>> {
        let value = self.value(name)?;
        let texts = value
            .as_array()
            .and_then(|array| array.iter().map(Value::as_str).collect());
        if texts.is_none() {
            self.expected(name, "array", Some(value));
        }
        texts
    }

    /// An object that may be left out.
    pub fn optional_object(&mut self, name: &str) -> Option<&'a Map<String, Value>> {
        match self.value(name)? {
            Value::Object(object) => Some(object),
            other => {
                self.expected(name, "object", Some(other));
                None
            }
        }
    }

    /// Whether the name is there, with whatever value.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Refuses all names but these.
    pub fn nothing_but(&mut self, names: &[&str]) {
        let keys = self.object.into_iter().flat_map(Map::keys);
        let unknown: Vec<_> = keys
            .filter(|key| !names.contains(&&***key))
            .take(10)
            .map(|key| format!("\"{}\"", &key[..key.floor_char_boundary(50)]))
            .collect();
        if !unknown.is_empty() {
            let plural = if unknown.len() == 1 { "key" } else { "keys" };
            let issue = format!("[{}] Unrecognized {plural}: {}", self.place, unknown.join(", "));
            self.issues.push(issue);
        }
    }

    /// Notes what is wrong with a value.
    pub fn issue(&mut self, name: &str, text: &str) {
        self.issues.push(format!("[{}.{name}] {text}", self.place));
    }

    /// The end of reading.
    ///
    /// # Errors
    /// With all that is wrong.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.issues.is_empty() {
            Ok(())
        } else {
            Err(ApiError::validation(&self.issues))
        }
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.object?.get(name)
    }

    fn expected(&mut self, name: &str, what: &str, value: Option<&Value>) {
        // Where the whole is no object, that alone is told.
        if self.object.is_some() {
            let kind = kind(value);
            self.issue(name, &format!("Invalid input: expected {what}, received {kind}"));
        }
    }
}

/// The parameters of a query, each by its first value.
pub fn query(text: &str) -> Map<String, Value> {
    let mut query = Map::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()).take(100) {
        query.entry(name).or_insert_with(|| value.into());
    }
    query
}

fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "undefined",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::String(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
    }
}

/// Whether an address can be signed up with: an ASCII local part and a domain with a dot, nothing around it. The
/// domain's own rules decide thereafter.
pub fn is_plain_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let in_local = |byte: u8| byte.is_ascii_alphanumeric() || b"_'+-.".contains(&byte);
    let labels: Vec<_> = domain.split('.').collect();
    let top = labels.last().copied().unwrap_or_default();
    let is_label = |label: &&str| {
        label.starts_with(|first: char| first.is_ascii_alphanumeric())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    !local.is_empty()
        && local.bytes().all(in_local)
        && !local.starts_with('.')
        && !local.ends_with(['.', '\''])
        && !local.contains("..")
        && labels.len() > 1
        && labels.iter().all(is_label)
        && top.len() > 1
        && top.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_that_is_wrong_is_told_with_its_place() {
        let body = Some(json!({"email": 1, "rememberMe": "yes", "image": null, "extra": 1}));
        let mut input = Input::of(&body);
        input.text("name");
        input.text("email");
        input.optional_truth("rememberMe");
        assert_eq!(input.clearable_text("image"), Some(None));
        assert_eq!(input.optional_text("callbackURL"), None);
        let error = input.finish().expect_err("three things are wrong");
        assert_eq!(
            error,
            ApiError::validation(&[
                "[body.name] Invalid input: expected string, received undefined".to_owned(),
                "[body.email] Invalid input: expected string, received number".to_owned(),
                "[body.rememberMe] Invalid input: expected boolean, received string".to_owned(),
            ])
        );
    }

    #[test]
    fn what_is_no_object_is_told_once() {
        for (body, kind) in [
            (None, "undefined"),
            (Some(json!([])), "array"),
            (Some(json!("x")), "string"),
        ] {
            let mut input = Input::of(&body);
            input.some_text("email");
            let issue = format!("[body] Invalid input: expected object, received {kind}");
            assert_eq!(input.finish(), Err(ApiError::validation(&[issue])));
        }
        assert_eq!(Input::of_optional(&None).finish(), Ok(()));
    }

    #[test]
    fn addresses_are_plain() {
        for right in ["ada@example.org", "a.b+c@ex-ample.co.uk", "o'neil_1@a.bc"] {
            assert!(is_plain_email(right), "{right}");
        }
        for wrong in [
            "",
            "ada",
            "ada@",
            "@example.org",
            "ada@example",
            " ada@example.org",
            "ada@example.org ",
            "ädä@example.org",
            "ada@exämple.org",
            "a..b@example.org",
            ".a@example.org",
            "a.@example.org",
            "a@-example.org",
            "a@example.o",
            "a@example.org.",
            "a@b@example.org",
            "a b@example.org",
            "a@example.org\n",
            "a@127.0.0.1",
        ] {
            assert!(!is_plain_email(wrong), "{wrong}");
        }
    }
}
