//! What users and browsers made up, before it is shown to others: a name must not break out of its line, turn the text
//! around, or become a link in a mail that we vouch for ("win at http://...").

use unicode_normalization::UnicodeNormalization;

/// `text` on one line of at most `most` characters: without what is not seen, and without surplus white space.
pub(super) fn line(text: &str, most: usize) -> String {
    let seen: String = text
        .chars()
        .take(most.saturating_mul(16))
        .filter(|character| character.is_whitespace() || !is_unseen(*character))
        .collect();
    let words: Vec<&str> = seen.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(most).collect();
    line.trim_end().to_owned()
}

/// [`line()`] without the words that a mail reader would make a link of; `None` if nothing is left.
pub(super) fn words(text: &str, most: usize) -> Option<String> {
    let seen = line(text, most.saturating_mul(4));
    let kept: Vec<&str> = seen.split(' ').filter(|word| !is_like_a_link(word)).collect();
    let kept = line(&kept.join(" "), most);
    // Of a cut word the rest may be one that was none before.
    let kept: Vec<&str> = kept.split(' ').filter(|word| !is_like_a_link(word)).collect();
    Some(kept.join(" ")).filter(|kept| !kept.is_empty())
}

/// Control characters, and what Unicode calls format characters: marks of direction, joiners, tags, and the like.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a mail reader may make a link of `word`: an address of the web or of mail, a scheme, or a host's name. The
/// look-alikes of slash, colon and dot become those first.
fn is_like_a_link(word: &str) -> bool {
    let plain: String = word
        .nfkc()
        .flat_map(char::to_lowercase)
        .map(|character| match character {
            '\u{3002}' | '\u{ff61}' | '\u{2024}' => '.',
            '\u{2044}' | '\u{2215}' | '\u{29f8}' => '/',
            '\u{a789}' | '\u{2236}' => ':',
            other => other,
        })
        .collect();
    if plain.contains("//") || plain.contains("www.") || plain.contains('@') || plain.contains('\\') {
        return true;
    }
    let scheme = plain.split_once(':').is_some_and(|(before, after)| {
        before.chars().last().is_some_and(char::is_alphanumeric) && !after.is_empty()
    });
    scheme || names_a_host(&plain)
}

/// Whether somewhere in it a dot stands between a letter or digit and a label of two or more, as in `example.org`;
/// `J.R.R.` has none.
fn names_a_host(plain: &str) -> bool {
    plain.match_indices('.').any(|(at, _)| {
        let before = plain[..at].chars().next_back().is_some_and(char::is_alphanumeric);
        let label = plain[at + 1..]
            .chars()
            .take_while(|character| character.is_alphanumeric() || *character == '-');
        before && label.count() >= 2
    }) || plain.split('.').filter(|part| is_octet(part)).count() >= 4
}

fn is_octet(part: &str) -> bool {
    !part.is_empty() && part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_stays_a_name() {
        for name in [
            "Ada Lovelace",
            "J. R. R. Tolkien",
            "J.R.R. Tolkien",
            "Łukasz O'Neill-Żak",
            "李小龍",
            "Dr. No",
            "Ana/Luis",
            "محمد",
        ] {
            assert_eq!(words(name, 60).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_name_never_becomes_a_link() {
        for (name, left) in [
            ("win at http://evil", Some("win at")),
            ("win at evil.example/now", Some("win at")),
            ("Ada https://evil.example Lovelace", Some("Ada Lovelace")),
            ("WWW.EVIL.EXAMPLE", None),
            ("evil\u{200b}.\u{2060}example", None),
            ("evil。example", None),
            ("ｈｔｔｐ：／／evil", None),
            ("http:evil", None),
            ("javascript:alert(1)", None),
            ("write to win@evil.example", Some("write to")),
            ("10.0.0.1 is it", Some("is it")),
            ("(evil.example)", None),
            ("\\\\evil\\share", None),
        ] {
            assert_eq!(words(name, 60).as_deref(), left, "{name}");
        }
    }

    #[test]
    fn nothing_unseen_stays_and_lines_stay_one() {
        assert_eq!(line("Ada\r\nBcc: x\u{202e}y\u{0}\u{7}z", 60), "Ada Bcc: xyz");
        assert_eq!(line(&"x".repeat(1000), 60).len(), 60);
        assert_eq!(line(" a \u{2028} b ", 60), "a b");
    }

    proptest! {
        #[test]
        fn whatever_is_made_up_it_is_one_short_line_without_links(text in "\\PC*|(.|[:./@\\r\\n\\t]|http|www|\u{202e}){0,40}") {
            if let Some(kept) = words(&text, 40) {
                prop_assert!(kept.chars().count() <= 40);
                prop_assert!(!kept.chars().any(is_unseen));
                prop_assert!(!kept.contains("://") && !kept.to_lowercase().contains("www."));
            }
        }
    }
}
