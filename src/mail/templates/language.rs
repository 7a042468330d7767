//! The languages that we write, which of them a reader gets, and what their words for times and devices are.

use chrono::{DateTime, Datelike, Utc};

/// A language that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English, for whoever reads none of the others.
    English,
    /// German.
    German,
    /// French.
    French,
    /// Spanish.
    Spanish,
}

/// The most preferences that are looked at, and the longest of them in bytes.
const MAX_TAGS: usize = 32;
const MAX_TAG: usize = 64;

impl Language {
    /// Every language.
    pub const ALL: [Self; 4] = [Self::English, Self::German, Self::French, Self::Spanish];

    /// Its tag (RFC 5646), which is its folder too.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
        }
    }

    /// The first of the preferred `tags` that we write, each made more general until it fits (lookup, RFC 4647 §3.4).
    pub fn choose(tags: &[String]) -> Self {
        tags.iter()
            .take(MAX_TAGS)
            .filter(|tag| tag.len() <= MAX_TAG)
            .find_map(|tag| Self::look_up(tag.trim()))
            .unwrap_or(Self::English)
    }

    fn look_up(mut range: &str) -> Option<Self> {
        loop {
            let known = |language: &Self| language.tag().eq_ignore_ascii_case(range);
            if let Some(language) = Self::ALL.into_iter().find(known) {
                return Some(language);
            }
            range = range.rsplit_once('-')?.0;
            // What remains of an extension says nothing alone.
            if let Some((before, last)) = range.rsplit_once('-')
                && last.len() == 1
            {
                range = before;
            }
        }
    }

    /// A duration in whole minutes, in words.
    pub(super) fn duration(self, minutes: i64) -> String {
        const DAY: i64 = 24 * 60;
        let (count, [one, many]) = match (self, minutes) {
            (Self::English, days) if whole(days, DAY) => (days / DAY, ["day", "days"]),
            (Self::English, hours) if whole(hours, 60) => (hours / 60, ["hour", "hours"]),
            (Self::English, _) => (minutes, ["minute", "minutes"]),
            (Self::German, days) if whole(days, DAY) => (days / DAY, ["Tag", "Tage"]),
            (Self::German, hours) if whole(hours, 60) => (hours / 60, ["Stunde", "Stunden"]),
            (Self::German, _) => (minutes, ["Minute", "Minuten"]),
            (Self::French, days) if whole(days, DAY) => (days / DAY, ["jour", "jours"]),
            (Self::French, hours) if whole(hours, 60) => (hours / 60, ["heure", "heures"]),
            (Self::French, _) => (minutes, ["minute", "minutes"]),
            (Self::Spanish, days) if whole(days, DAY) => (days / DAY, ["día", "días"]),
            (Self::Spanish, hours) if whole(hours, 60) => (hours / 60, ["hora", "horas"]),
            (Self::Spanish, _) => (minutes, ["minuto", "minutos"]),
        };
        format!("{count} {}", if count == 1 { one } else { many })
    }

    /// A moment, to the minute. In UTC, since nobody knows where the reader is.
    pub(super) fn moment(self, at: DateTime<Utc>) -> String {
        let month = self.months()[at.month0() as usize];
        let (day, year, time) = (at.day(), at.year(), at.format("%H:%M"));
        match self {
            Self::English => format!("{day} {month} {year}, {time} UTC"),
            Self::German => format!("{day}. {month} {year}, {time} Uhr UTC"),
            Self::French if day == 1 => format!("1er {month} {year} à {time} UTC"),
            Self::French => format!("{day} {month} {year} à {time} UTC"),
            Self::Spanish => format!("{day} de {month} de {year}, {time} UTC"),
        }
    }

    /// The name of a device, as `domain::device_name` has it in English.
    pub(super) fn device(self, english: &str) -> String {
        let (unknown, browser, on) = match self {
            Self::English => return english.to_owned(),
            Self::German => ("unbekanntes Gerät", "unbekannter Browser", "unter"),
            Self::French => ("appareil inconnu", "navigateur inconnu", "sur"),
            Self::Spanish => ("dispositivo desconocido", "navegador desconocido", "en"),
        };
        match english.split_once(" on ") {
            Some(("Unknown browser", system)) => format!("{browser} {on} {system}"),
            Some((program, system)) => format!("{program} {on} {system}"),
            None if english == "Unknown device" => unknown.to_owned(),
            None => english.to_owned(),
        }
    }

    const fn months(self) -> [&'static str; 12] {
        match self {
            Self::English => [
                "January",
                "February",
                "March",
                "April",
                "May",
                "June",
                "July",
                "August",
                "September",
                "October",
                "November",
                "December",
            ],
            Self::German => [
                "Januar",
                "Februar",
                "März",
                "April",
                "Mai",
                "Juni",
                "Juli",
                "August",
                "September",
                "Oktober",
                "November",
                "Dezember",
            ],
            Self::French => [
                "janvier",
                "février",
                "mars",
                "avril",
                "mai",
                "juin",
                "juillet",
                "août",
                "septembre",
                "octobre",
                "novembre",
                "décembre",
            ],
            Self::Spanish => [
                "enero",
                "febrero",
                "marzo",
                "abril",
                "mayo",
                "junio",
                "julio",
                "agosto",
                "septiembre",
                "octubre",
                "noviembre",
                "diciembre",
            ],
        }
    }
}

const fn whole(minutes: i64, unit: i64) -> bool {
    minutes >= unit && minutes % unit == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_the_first_language_that_we_write() {
        let choose = |tags: &[&str]| {
            let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            Language::choose(&tags)
        };
        assert_eq!(choose(&[]), Language::English);
        assert_eq!(choose(&["de-AT"]), Language::German);
        assert_eq!(choose(&["DE"]), Language::German);
        assert_eq!(choose(&["it", "fr-CA", "de"]), Language::French);
        assert_eq!(choose(&["es-u-co-trad", "en"]), Language::Spanish);
        assert_eq!(choose(&["de-Latn-DE-1996-x-private"]), Language::German);
        assert_eq!(choose(&["*", "x-de", "deu", "", "-", "en-GB"]), Language::English);
        assert_eq!(choose(&[&"de-".repeat(10_000)]), Language::English);
    }

    #[test]
    fn durations_moments_and_devices_have_words() {
        assert_eq!(Language::English.duration(1), "1 minute");
        assert_eq!(Language::German.duration(30), "30 Minuten");
        assert_eq!(Language::French.duration(60), "1 heure");
        assert_eq!(Language::Spanish.duration(7 * 24 * 60), "7 días");
        assert_eq!(Language::English.duration(90), "90 minutes");
        let at = DateTime::from_timestamp(1_796_000_000, 0).expect("a date");
        assert_eq!(Language::German.moment(at), "30. November 2026, 00:53 Uhr UTC");
        assert_eq!(
            Language::French.device("Unknown browser on Linux"),
            "navigateur inconnu sur Linux"
        );
        assert_eq!(
            Language::German.device("Firefox on Windows"),
            "Firefox unter Windows"
        );
    }
}
