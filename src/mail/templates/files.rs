//! Our own templates, by the names under which an operator may replace them.

/// The templates of one language.
macro_rules! language {
    ($tag:literal: $($letter:literal)*) => {
        &[
            (concat!($tag, "/footer.txt"), include_str!(concat!($tag, "/footer.txt"))),
            (concat!($tag, "/footer.html"), include_str!(concat!($tag, "/footer.html"))),
            $(
                (concat!($tag, "/", $letter, ".txt"), include_str!(concat!($tag, "/", $letter, ".txt"))),
                (concat!($tag, "/", $letter, ".html"), include_str!(concat!($tag, "/", $letter, ".html"))),
            )*
        ]
    };
}

/// All languages, which have the same letters.
macro_rules! languages {
    ($($tag:literal)*) => {
        &[$(language!($tag: "account_deleted" "already_registered" "code" "confirm_email_change" "delete_account"
            "email_changed" "password_changed" "reset_password" "sign_in" "verify_email" "verify_new_email")),*]
    };
}

/// What all languages share.
const SHARED: &[(&str, &str)] = &[
    ("frame.html", include_str!("frame.html")),
    ("button.html", include_str!("button.html")),
    ("digits.html", include_str!("digits.html")),
];

const BY_LANGUAGE: &[&[(&str, &str)]] = languages!("en" "de" "fr" "es");

/// Every name, with its source.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    SHARED
        .iter()
        .chain(BY_LANGUAGE.iter().copied().flatten())
        .copied()
}

/// The source of the template `name`.
pub(super) fn ours(name: &str) -> Option<&'static str> {
    all().find(|(known, _)| *known == name).map(|(_, source)| source)
}
