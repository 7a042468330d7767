//! What the pages load: the style sheet, two scripts, the logo and the icon. Each address carries a hash of
//! its content, so that an asset may be cached for ever and a new version is seen at once.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::accent::{Accent, DARK, LIGHT, Scheme, Srgb, hex};

/// The `Content-Security-Policy` of an asset that someone opens by itself: an SVG logo is a document then.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// One file that a page loads. It never changes under its path, so it is served with
/// `Cache-Control: public, max-age=31536000, immutable`.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Where it is served, from the issuer's root: `/assets/signet.0123456789abcdef.css`.
    pub path: String,
    /// The content.
    pub bytes: Bytes,
    /// The `Content-Type`, to be sent with `X-Content-Type-Options: nosniff`.
    pub media_type: &'static str,
}

impl Asset {
    fn new(name: &str, extension: &str, media_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let hash: String = Sha256::digest(&bytes)[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            path: format!("/assets/{name}.{hash}.{extension}"),
            bytes,
            media_type,
        }
    }
}

/// The operator's logo, as it was read.
#[derive(Debug, Clone)]
pub struct Logo {
    /// The file.
    pub bytes: Bytes,
    /// `image/svg+xml`, `image/png` …
    pub media_type: &'static str,
}

impl Logo {
    /// A picture of a kind that browsers show, told by its first bytes; `None` for anything else.
    pub fn recognise(bytes: Bytes) -> Option<Self> {
        let media_type = match &bytes[..] {
            [0x89, b'P', b'N', b'G', ..] => "image/png",
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [b'G', b'I', b'F', b'8', ..] => "image/gif",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
            text if str::from_utf8(text).is_ok_and(is_svg) => "image/svg+xml",
            _ => return None,
        };
        Some(Self { bytes, media_type })
    }
}

/// An XML document with an `svg` element; what may stand before it (a declaration, comments) begins with `<`.
fn is_svg(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim_start().starts_with('<') && text.contains("<svg")
}

/// All assets of the pages.
#[derive(Debug)]
pub struct Assets {
    pub(super) style: Asset,
    pub(super) script: Asset,
    pub(super) form_post_script: Asset,
    pub(super) icon: Asset,
    pub(super) logo: Option<Asset>,
    provider_icons: Vec<(String, Asset)>,
}

impl Assets {
    pub(super) fn new(
        name: &str,
        logo: Option<Logo>,
        accent: Srgb,
        provider_icons: Vec<(String, Logo)>,
    ) -> Self {
        const SCRIPT: &str = "text/javascript; charset=utf-8";
        Self {
            style: Asset::new("signet", "css", "text/css; charset=utf-8", style_sheet(accent)),
            script: Asset::new("signet", "js", SCRIPT, include_str!("assets/pages.js")),
            form_post_script: Asset::new("form-post", "js", SCRIPT, include_str!("assets/form_post.js")),
            icon: Asset::new("icon", "svg", "image/svg+xml", tile(name, accent)),
            logo: logo.map(|logo| picture("logo", logo)),
            provider_icons: provider_icons
                .into_iter()
                .map(|(id, icon)| {
                    let asset = picture(&id, icon);
                    (id, asset)
                })
                .collect(),
        }
    }

    /// What is served at `path`, `None` if nothing is.
    pub fn find(&self, path: &str) -> Option<&Asset> {
        self.all().find(|asset| asset.path == path)
    }

    /// Every asset.
    pub fn all(&self) -> impl Iterator<Item = &Asset> {
        [&self.style, &self.script, &self.form_post_script, &self.icon]
            .into_iter()
            .chain(&self.logo)
            .chain(self.provider_icons.iter().map(|(_, icon)| icon))
    }

    /// The picture of a provider.
    pub(super) fn provider_icon(&self, id: &str) -> Option<&Asset> {
        let icon = self.provider_icons.iter().find(|(known, _)| known == id);
        icon.map(|(_, icon)| icon)
    }
}

fn picture(name: &str, picture: Logo) -> Asset {
    Asset::new(
        name,
        extension(picture.media_type),
        picture.media_type,
        picture.bytes,
    )
}

/// The operator's colours, then the sheet that uses them.
fn style_sheet(accent: Srgb) -> String {
    format!(
        ":root {{ {} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {} }} }}\n{}",
        properties(accent, &LIGHT),
        properties(accent, &DARK),
        include_str!("assets/pages.css")
    )
}

fn properties(chosen: Srgb, scheme: &Scheme) -> String {
    let accent = Accent::new(chosen, scheme);
    [
        ("accent", accent.colour),
        ("accent-strong", accent.strong),
        ("on-accent", accent.on),
        ("card", scheme.card),
        ("note", scheme.note),
    ]
    .map(|(name, colour)| format!("--{name}: {};", hex(colour)))
    .join(" ")
}

/// A tile with the first letter of a name: ours where there is no logo and in the browser's tab, or another provider's.
pub(super) fn tile(name: &str, accent: Srgb) -> String {
    let accent = Accent::new(accent, &LIGHT);
    // A letter or a digit needs no escaping in XML.
    let initial: String = name
        .chars()
        .find(|character| character.is_alphanumeric())
        .map(|character| character.to_uppercase().collect())
        .unwrap_or_default();
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="{}"/><text x="16" y="22.5" text-anchor="middle" font-family="system-ui, sans-serif" font-size="18" font-weight="600" fill="{}">{initial}</text></svg>"##,
        hex(accent.colour),
        hex(accent.on),
    )
}

fn extension(media_type: &str) -> &'static str {
    match media_type {
        "image/svg+xml" => "svg",
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/webp" => "webp",
        "image/gif" => "gif",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLUE: Srgb = [0x1d, 0x4e, 0xd8];

    fn assets(accent: Srgb) -> Assets {
        let logo = Logo {
            bytes: Bytes::from_static(b"\x89PNG"),
            media_type: "image/png",
        };
        Assets::new("signet", Some(logo), accent, Vec::new())
    }

    #[test]
    fn an_asset_is_found_by_its_path_alone() {
        let assets = assets(BLUE);
        assert_eq!(assets.all().count(), 5);
        for asset in assets.all() {
            let found = assets.find(&asset.path).expect("it is listed");
            assert_eq!(found.bytes, asset.bytes);
        }
        assert!(assets.find("/assets/signet.css").is_none());
    }

    #[test]
    fn a_changed_colour_has_another_address_and_the_script_the_same() {
        let (blue, red) = (assets(BLUE), assets([200, 0, 0]));
        assert_ne!(blue.style.path, red.style.path);
        assert_ne!(blue.icon.path, red.icon.path);
        assert_eq!(blue.script.path, red.script.path);
    }

    #[test]
    fn the_style_sheet_has_the_colours_and_loads_nothing() {
        let sheet = style_sheet(BLUE);
        assert!(sheet.starts_with(":root { --accent: #1d4ed8;"), "{sheet}");
        for name in ["accent", "accent-strong", "on-accent", "card", "note"] {
            assert_eq!(sheet.matches(&format!("--{name}:")).count(), 2, "{name}");
        }
        for forbidden in ["url(", "@import"] {
            assert!(!sheet.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn a_logo_is_told_by_its_content() {
        for (bytes, media_type) in [
            (&b"\x89PNG\r\n\x1a\n"[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"GIF89a", Some("image/gif")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some("image/webp")),
            (
                b"<?xml version=\"1.0\"?>\n<!-- drawn -->\n<svg/>",
                Some("image/svg+xml"),
            ),
            (b"", None),
            (b"RIFF\x10\0\0\0WAVE", None),
            (b"not an <svg>", None),
            (b"<svg>\xff</svg>", None),
        ] {
            let logo = Logo::recognise(Bytes::from_static(bytes));
            assert_eq!(logo.map(|logo| logo.media_type), media_type, "{bytes:?}");
        }
    }

    #[test]
    fn a_tile_takes_a_letter_and_never_markup() {
        assert!(tile("signet", BLUE).contains(">S</text>"));
        assert!(tile("<&\">", BLUE).contains("></text>"));
        assert!(tile("  żółw", BLUE).contains(">Ż</text>"));
    }
}
