//! The operator's accent colour in mail, and the text that is readable on it (WCAG 2.2, success criterion 1.4.3).

type Srgb = [u8; 3];

const BLACK: Srgb = [0, 0, 0];
const WHITE: Srgb = [255, 255, 255];

/// `#rrggbb`.
pub(super) fn hex([red, green, blue]: Srgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// White or black, whichever is easier to read on `ground`: one of them always has the contrast that text needs.
pub(super) fn on(ground: Srgb) -> Srgb {
    let against_white = 1.05 / (luminance(ground) + 0.05);
    let against_black = (luminance(ground) + 0.05) / 0.05;
    if against_white >= against_black {
        WHITE
    } else {
        BLACK
    }
}

/// The relative luminance, 0 to 1.
fn luminance(colour: Srgb) -> f64 {
    let [red, green, blue] = colour.map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_on_a_button_is_readable_whatever_its_colour() {
        assert_eq!(on([0x1d, 0x4e, 0xd8]), WHITE);
        assert_eq!(on([0xff, 0xe0, 0x40]), BLACK);
        for step in 0..=255_u8 {
            for ground in [[step, step, step], [step, 0, 0], [0, step, 255 - step]] {
                let (light, dark) = (luminance(ground) + 0.05, luminance(on(ground)) + 0.05);
                assert!((light / dark).max(dark / light) >= 4.5, "{}", hex(ground));
            }
        }
    }
}
