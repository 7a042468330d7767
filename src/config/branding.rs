//! `[branding]`

use std::fmt;
use std::path::PathBuf;

use super::reader::Reader;
use super::setting::Setting;

/// How pages and mail look.
#[derive(Debug, Clone)]
pub struct Branding {
    /// What the provider calls itself.
    pub name: String,
    /// The file of the logo.
    pub logo: Option<PathBuf>,
    /// The one colour beside black and white.
    pub accent: Colour,
}

impl Branding {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let branding = Self {
            name: reader.value("branding.name", "Signet"),
            logo: reader.optional("branding.logo"),
            accent: reader.value("branding.accent", "blue"),
        };
        reader.check(
            "branding.name",
            !branding.name.trim().is_empty() && branding.name.chars().count() <= 64,
            "must be 1 to 64 characters",
        );
        branding
    }
}

/// An opaque sRGB colour. Displayed as `#rrggbb`, which is the only form that may reach a style sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    /// Red, 0 to 255.
    pub red: u8,
    /// Green, 0 to 255.
    pub green: u8,
    /// Blue, 0 to 255.
    pub blue: u8,
}

impl Setting for Colour {
    const EXPECTED: &'static str = "a colour as #1d4ed8, or the word blue";

    fn parse(text: &str) -> Option<Self> {
        if text == "blue" {
            return <Self as Setting>::parse("#1d4ed8");
        }
        let digits = text.strip_prefix('#')?;
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
        Some(Self {
            red: part(0)?,
            green: part(2)?,
            blue: part(4)?,
        })
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}
