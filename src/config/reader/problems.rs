//! What is wrong with the values that were read, and with what nobody asked for.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Key, PREFIX, Reader, variable};
use crate::config::error::Problem;
use crate::config::setting::Setting;

impl Reader {
    /// Complains when a secret comes as a value and as a file.
    pub(in crate::config) fn not_both(&mut self, name: &str, both: bool) {
        if both {
            let other = format!("{name}_file");
            let other = self.variables.get(&other).cloned().unwrap_or(other);
            self.problem(
                name,
                format!("is given both here and by {other}; remove one of them"),
            );
        }
    }

    /// Complains unless `holds`.
    pub(in crate::config) fn check(&mut self, name: &str, holds: bool, text: impl Into<String>) {
        if !holds {
            self.problem(name, text);
        }
    }

    /// Complains unless a number lies in `range`.
    pub(in crate::config) fn within<T: PartialOrd + std::fmt::Display>(
        &mut self,
        name: &str,
        value: &T,
        range: RangeInclusive<T>,
    ) {
        let (least, most) = (range.start(), range.end());
        self.check(
            name,
            range.contains(value),
            format!("{value} must be from {least} to {most}"),
        );
    }

    /// Complains unless a duration lies in the range, whose ends are written as in the file.
    pub(in crate::config) fn lasts(&mut self, name: &str, value: Duration, least: &str, most: &str) {
        let end = |text| <Duration as Setting>::parse(text).expect("our own limits are durations");
        let text = format!(
            "{} must be from {least} to {most}",
            humantime::format_duration(value)
        );
        self.check(name, (end(least)..=end(most)).contains(&value), text);
    }

    /// Whether something was found wrong with a key.
    pub(in crate::config) fn has_problem(&self, name: &str) -> bool {
        let key = format!("{}{name}", self.place);
        self.problems.iter().any(|problem| problem.key == key)
    }

    /// Notes what is wrong with a key.
    pub(in crate::config) fn problem(&mut self, name: &str, text: impl Into<String>) {
        self.problems.push(Problem {
            key: format!("{}{name}", self.place),
            variable: self.variables.get(name).cloned(),
            text: text.into(),
        });
    }

    /// Takes over what was found wrong with an entry.
    pub(in crate::config) fn add(&mut self, problems: Vec<Problem>) {
        self.problems.extend(problems);
    }

    /// Ends the reading: the keys that were asked for, the variables that nobody asked for as warnings, and
    /// what is wrong, keys of the file that nobody asked for among it.
    pub(in crate::config) fn finish(mut self) -> (Vec<Key>, Vec<String>, Vec<Problem>) {
        for name in std::mem::take(&mut self.file).into_keys() {
            let known = self.nearest(&name);
            self.problem(&name, format!("there is no such key; the nearest is {known}"));
        }
        for name in std::mem::take(&mut self.empty_sections) {
            let section = format!("{name}.");
            if !self.keys.iter().any(|key| key.name.starts_with(&section)) {
                let known = self.nearest(&section);
                self.problem(
                    &name,
                    format!("there is no such section; the nearest key is {known}"),
                );
            }
        }
        let warnings = std::mem::take(&mut self.environment)
            .into_keys()
            .filter(|name| name.starts_with(PREFIX))
            .map(|name| {
                let path = name[PREFIX.len()..].to_lowercase().replacen("__", ".", 1);
                let known = variable(&self.nearest(&path));
                format!("the variable {name} is not known and was ignored; the nearest is {known}")
            })
            .collect();
        (self.keys, warnings, self.problems)
    }

    /// The known key that is most like `name`: by its whole name, or by its last part, for a key that stands
    /// in another section.
    fn nearest(&self, name: &str) -> String {
        let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let distance = |key: &&Key| {
            let whole = strsim::damerau_levenshtein(name, &key.name);
            whole.min(strsim::damerau_levenshtein(&last(name), &last(&key.name)) + 2)
        };
        self.keys
            .iter()
            .min_by_key(distance)
            .map(|key| key.name.clone())
            .unwrap_or_default()
    }
}
