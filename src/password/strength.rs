//! How guessable a new password is, as zxcvbn judges it.

use unicode_normalization::UnicodeNormalization;
use zxcvbn::zxcvbn;

use crate::domain::password::Password;

/// The characters of a text that are looked at. The time grows faster than they do: a hundred that might all
/// stand for other letters take as long as a dozen hashes.
const LOOKED_AT: usize = 100;
/// The texts about the user that are looked for in a password, at most.
const KNOWN: usize = 32;
/// A shorter piece of a name is found in too many good passwords.
const LEAST_PIECE: usize = 3;

/// How hard a password is to guess, and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strength {
    /// 0 (guessed in under 10³ tries) to 4 (in no less than 10¹⁰).
    pub score: u8,
    /// What is wrong with it, as a sentence in English. Never set for a score above 2.
    pub warning: Option<String>,
    /// What would make it better, as sentences in English.
    pub suggestions: Vec<String>,
}

/// Judges a password, knowing what somebody who knows the user would try first.
pub(super) fn judge(password: &Password, known: &[String]) -> Strength {
    let password = password.expose();
    let end = password
        .char_indices()
        .nth(LOOKED_AT)
        .map_or(password.len(), |(at, _)| at);
    let known = pieces(known);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let entropy = zxcvbn(&password[..end], &known);
    let feedback = entropy.feedback();
    Strength {
        score: entropy.score().into(),
        warning: feedback.and_then(|feedback| feedback.warning().map(|warning| warning.to_string())),
        suggestions: feedback
            .map(|feedback| feedback.suggestions().iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
    }
}

/// Each text, and the parts and words in it: of `ada.lovelace@example.org` also `ada.lovelace` and `lovelace`.
fn pieces(known: &[String]) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for text in known {
        let text: String = text.chars().take(LOOKED_AT).nfkc().take(LOOKED_AT).collect();
        let parts = text.split(['@', ' ']);
        let words = text.split(|character: char| !character.is_alphanumeric());
        for piece in std::iter::once(text.as_str()).chain(parts).chain(words) {
            let is_new = !pieces.iter().any(|known| known == piece);
            if is_new && piece.chars().count() >= LEAST_PIECE && pieces.len() < KNOWN {
                pieces.push(piece.to_owned());
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn score(password: &str, known: &[&str]) -> u8 {
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        judge(&Password::presented(password), &known).score
    }

    #[test]
    fn a_common_password_is_weak_and_the_advice_says_why() {
        let strength = judge(&Password::presented("password1"), &[]);
        assert_eq!(strength.score, 0);
        assert_eq!(
            strength.warning.as_deref(),
            Some("This is a very common password.")
        );
        assert!(!strength.suggestions.is_empty());
        let strength = judge(&Password::presented("plough-Otter7-velvet-quarry"), &[]);
        assert_eq!((strength.score, strength.warning), (4, None));
    }

    #[test]
    fn what_is_known_of_the_user_makes_no_strong_password() {
        let email = "zyxomma.quuxley@example.org";
        assert_eq!(score("zyxomma.quuxley", &[]), 4);
        for password in [
            "zyxomma.quuxley",
            "Quuxley1",
            email,
            "quuxley2026",
            "example.org1",
        ] {
            assert!(score(password, &[email]) < 2, "{password}");
        }
        assert!(score("ＱＵＵＸＬＥＹ9", &["Ｑｕｕｘｌｅｙ"]) < 2);
    }

    #[test]
    fn only_so_much_of_a_text_is_looked_at() {
        let start = "a".repeat(LOOKED_AT);
        let strong_end = format!("{start}plough-Otter7-velvet-q");
        assert_eq!(score(&strong_end, &[]), score(&start, &[]));
        let known: Vec<String> = (0..1000)
            .map(|number| format!("{number} {number}x known"))
            .collect();
        assert_eq!(pieces(&known).len(), KNOWN);
        assert_eq!(
            pieces(&["\u{fdfa}".repeat(1000)])
                .first()
                .map(|text| text.chars().count()),
            Some(LOOKED_AT)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        // A panic would print pieces of what it choked on.
        #[test]
        fn any_password_can_be_judged(password in "(\\PC{0,40}|[a@4cC(1!lI|$5sS+7t%0oOxX]{0,60}|[0-9./-]{0,30})", name in "\\PC{0,20}") {
            let strength = judge(&Password::presented(&password), &[name]);
            prop_assert!(strength.score <= 4);
        }
    }
}
