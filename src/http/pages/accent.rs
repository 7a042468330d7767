//! The operator's accent colour, made readable: whatever was chosen, text in it and on it has the contrast of
//! WCAG 2.2 level AA (success criterion 1.4.3) in the light and in the dark scheme.

/// An opaque sRGB colour: red, green, blue.
pub type Srgb = [u8; 3];

/// What text needs against its ground (WCAG 2.2, 1.4.3).
pub const TEXT_CONTRAST: f64 = 4.5;

const BLACK: Srgb = [0, 0, 0];
const WHITE: Srgb = [255, 255, 255];
/// How far the colour of a hovered control lies towards the scheme's ink, in parts of [`STEPS`].
const STRONGER: u16 = 10;
const STEPS: u16 = 64;

/// The grounds that accent-coloured text may stand on, and the ink that they are made for.
#[derive(Debug, Clone, Copy)]
pub struct Scheme {
    /// The card that everything stands on.
    pub card: Srgb,
    /// A box on the card, and the ground around it.
    pub note: Srgb,
    /// Where a colour moves to become readable.
    pub ink: Srgb,
}

/// Dark on light.
pub const LIGHT: Scheme = Scheme {
    card: WHITE,
    note: [0xf3, 0xf4, 0xf6],
    ink: BLACK,
};

/// Light on dark.
pub const DARK: Scheme = Scheme {
    card: [0x1a, 0x1b, 0x1f],
    note: [0x26, 0x28, 0x2e],
    ink: WHITE,
};

/// An accent colour that is readable in one scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accent {
    /// For buttons and links.
    pub colour: Srgb,
    /// The same while the pointer is over them.
    pub strong: Srgb,
    /// For text on either.
    pub on: Srgb,
}

impl Accent {
    /// `chosen` itself where that is readable, else the nearest step towards the scheme's ink that is.
    pub fn new(chosen: Srgb, scheme: &Scheme) -> Self {
        let readable = |colour: &Srgb| {
            contrast(*colour, scheme.card) >= TEXT_CONTRAST && contrast(*colour, scheme.note) >= TEXT_CONTRAST
        };
        let colour = (0..=STEPS)
            .map(|step| mix(chosen, scheme.ink, step))
            .find(readable)
            .unwrap_or(scheme.ink);
        let strong = mix(colour, scheme.ink, STRONGER);
        // A colour that stands out from its ground lets the opposite of the ink stand out from it.
        let on = if scheme.ink == BLACK { WHITE } else { BLACK };
        Self { colour, strong, on }
    }
}

/// The contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio").
pub fn contrast(one: Srgb, other: Srgb) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// A colour as a style sheet writes it.
pub fn hex([red, green, blue]: Srgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// WCAG 2.2, "relative luminance".
fn luminance(colour: Srgb) -> f64 {
    let [red, green, blue] = colour.map(|channel| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn mix(from: Srgb, to: Srgb, step: u16) -> Srgb {
    std::array::from_fn(|channel| {
        let sum = u16::from(from[channel]) * (STEPS - step) + u16::from(to[channel]) * step;
        u8::try_from(sum / STEPS).expect("a mean of two bytes is a byte")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every corner and a grid of the cube between.
    fn many_colours() -> impl Iterator<Item = Srgb> {
        let steps = || (0..=255).step_by(15);
        steps().flat_map(move |r| steps().flat_map(move |g| steps().map(move |b| [r, g, b])))
    }

    #[test]
    fn the_ratio_is_that_of_wcag() {
        assert_eq!(contrast(BLACK, WHITE), 21.0);
        assert_eq!(contrast(WHITE, WHITE), 1.0);
        // The well-known pair of greys on white around the limit.
        assert!(contrast([0x76, 0x76, 0x76], WHITE) >= 4.5);
        assert!(contrast([0x77, 0x77, 0x77], WHITE) < 4.5);
    }

    #[test]
    fn any_accent_is_readable_in_both_schemes() {
        for scheme in [LIGHT, DARK] {
            for chosen in many_colours() {
                let accent = Accent::new(chosen, &scheme);
                for colour in [accent.colour, accent.strong] {
                    for ground in [scheme.card, scheme.note, accent.on] {
                        let ratio = contrast(colour, ground);
                        assert!(ratio >= 4.5, "{chosen:?} in {scheme:?}: {ratio} of {accent:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_readable_accent_stays_as_it_was_chosen() {
        let blue = [0x1d, 0x4e, 0xd8];
        assert_eq!(Accent::new(blue, &LIGHT).colour, blue);
        assert_ne!(Accent::new(blue, &DARK).colour, blue);
        let pale = [0xa8, 0xc7, 0xfa];
        assert_eq!(Accent::new(pale, &DARK).colour, pale);
        assert_ne!(Accent::new(pale, &LIGHT).colour, pale);
    }

    #[test]
    fn a_colour_is_written_with_six_digits() {
        assert_eq!(hex([0, 10, 255]), "#000aff");
    }
}
