//! When a key ends.

use std::str::FromStr;
use std::time::Duration;

use wardkey_core::{FieldError, Timestamp};

const DAY: Duration = Duration::from_secs(86_400);

/// The longest life that a key is issued for.
pub const LONGEST_LIFE: Duration = Duration::from_secs(365 * 86_400);

/// When a key ends, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// So long from now.
    In(ExpiryPreset),
    /// At this instant.
    At(Timestamp),
    /// Never.
    Never,
}

impl Default for Expiry {
    /// In ninety days.
    fn default() -> Self {
        Self::In(ExpiryPreset::NinetyDays)
    }
}

/// The lives of a key that are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryPreset {
    /// A week.
    SevenDays,
    /// A month.
    ThirtyDays,
    /// Two months.
    SixtyDays,
    /// A quarter.
    NinetyDays,
    /// Half a year.
    HalfYear,
    /// A year of 365 days.
    OneYear,
}

impl ExpiryPreset {
    /// Every preset, the shortest first.
    pub const ALL: [Self; 6] =
        [Self::SevenDays, Self::ThirtyDays, Self::SixtyDays, Self::NinetyDays, Self::HalfYear, Self::OneYear];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SevenDays => "7d",
            Self::ThirtyDays => "30d",
            Self::SixtyDays => "60d",
            Self::NinetyDays => "90d",
            Self::HalfYear => "180d",
            Self::OneYear => "1y",
        }
    }

    /// How long it is.
    pub const fn duration(self) -> Duration {
        let days = match self {
            Self::SevenDays => 7,
            Self::ThirtyDays => 30,
            Self::SixtyDays => 60,
            Self::NinetyDays => 90,
            Self::HalfYear => 180,
            Self::OneYear => 365,
        };
        Duration::from_secs(days * DAY.as_secs())
    }
}

impl FromStr for ExpiryPreset {
    type Err = wardkey_core::UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == text).ok_or(wardkey_core::UnknownWord)
    }
}

impl Expiry {
    /// The instant that is meant.
    pub(crate) fn resolve(self, now: Timestamp) -> Result<Option<Timestamp>, FieldError> {
        let refuse = |pointer: &str, code, detail: &str| {
            Err(FieldError { pointer: pointer.to_owned(), code, detail: detail.to_owned() })
        };
        match self {
            Self::In(preset) => Ok(Some(now.saturating_add(preset.duration()))),
            Self::At(at) if at <= now => refuse("/expires_at", "in_the_past", "must lie in the future"),
            Self::At(at) if at > now.saturating_add(LONGEST_LIFE) => {
                refuse("/expires_at", "too_late", "must lie at most 365 days ahead")
            }
            Self::At(at) => Ok(Some(at)),
            Self::Never => {
                refuse("/never_expires", "not_allowed", "the organization's policy does not allow it")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn a_life_is_at_most_a_year_to_the_microsecond() {
        let now = at(1_000_000);
        let last = now.saturating_add(LONGEST_LIFE);
        assert_eq!(Expiry::At(last).resolve(now), Ok(Some(last)));
        assert!(Expiry::At(at(last.as_micros() + 1)).resolve(now).is_err());
        assert_eq!(Expiry::In(ExpiryPreset::OneYear).resolve(now), Ok(Some(last)));
    }

    #[test]
    fn an_end_lies_in_the_future() {
        assert!(Expiry::At(at(5)).resolve(at(5)).is_err());
        assert_eq!(Expiry::At(at(6)).resolve(at(5)), Ok(Some(at(6))));
        assert!(Expiry::Never.resolve(at(5)).is_err());
    }

    #[test]
    fn presets_read_back_from_their_words() {
        for preset in ExpiryPreset::ALL {
            assert_eq!(preset.as_str().parse(), Ok(preset));
        }
        assert!("2y".parse::<ExpiryPreset>().is_err());
    }
}
