//! What stands on the button of a provider whose entry has no `icon`: the mark that people know it by, or a tile with a
//! letter.
//!
//! The marks are trademarks of their owners, who let a button show them that leads to their sign-in. The outlines of
//! Apple's, Discord's, Facebook's, GitHub's and GitLab's are those of Simple Icons (CC0 1.0).

use bytes::Bytes;

use super::accent::Srgb;
use super::assets::{Logo, tile};

/// The ground of a letter: nobody's colour.
const PLAIN: Srgb = [0x56, 0x5a, 0x64];

/// The mark of the preset of that name, `None` where it stands for many providers.
pub fn mark(preset: &str) -> Option<Logo> {
    let svg: &[u8] = match preset {
        "google" => include_bytes!("assets/marks/google.svg"),
        "github" => include_bytes!("assets/marks/github.svg"),
        "discord" => include_bytes!("assets/marks/discord.svg"),
        "microsoft" => include_bytes!("assets/marks/microsoft.svg"),
        "apple" => include_bytes!("assets/marks/apple.svg"),
        "gitlab" => include_bytes!("assets/marks/gitlab.svg"),
        "facebook" => include_bytes!("assets/marks/facebook.svg"),
        _ => return None,
    };
    Logo::recognise(Bytes::from_static(svg))
}

/// The first letter of what people call a provider.
pub fn letter(label: &str) -> Logo {
    Logo {
        bytes: tile(label, PLAIN).into(),
        media_type: "image/svg+xml",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_a_small_picture_that_loads_nothing() {
        for preset in [
            "google",
            "github",
            "discord",
            "microsoft",
            "apple",
            "gitlab",
            "facebook",
        ] {
            let mark = mark(preset).unwrap_or_else(|| panic!("{preset} has none"));
            assert_eq!(mark.media_type, "image/svg+xml", "{preset}");
            let svg = str::from_utf8(&mark.bytes).expect("text");
            assert!(svg.len() < 2048, "{preset}");
            for forbidden in ["href", "url(", "<script", "<image"] {
                assert!(!svg.contains(forbidden), "{preset}: {forbidden}");
            }
        }
        assert!(mark("oidc").is_none());
    }

    #[test]
    fn others_have_a_letter() {
        let letter = letter("campus");
        assert!(str::from_utf8(&letter.bytes).expect("text").contains(">C</text>"));
    }
}
