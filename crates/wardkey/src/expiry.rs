//! When a key ends.

use std::str::FromStr;
use std::time::Duration;

use wardkey_core::{FieldError, Timestamp};
use wardkey_storage::{EndlessKeys, SessionPolicy};

const DAY: Duration = Duration::from_secs(86_400);

/// When a key ends, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expiry {
    /// In ninety days, or as late as the organization's policy lets a key end.
    #[default]
    Usual,
    /// So long from now.
    In(ExpiryPreset),
    /// At this instant.
    At(Timestamp),
    /// Never.
    Never,
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
    /// The instant that is meant, which the organization's policy must allow.
    pub(crate) fn resolve(
        self,
        now: Timestamp,
        policy: &SessionPolicy,
    ) -> Result<Option<Timestamp>, FieldError> {
        let longest = policy.longest_key_life;
        let refuse = |pointer: &str, code, detail: String| {
            Err(FieldError { pointer: pointer.to_owned(), code, detail })
        };
        let too_late = |pointer| {
            let detail =
                format!("must lie at most {} ahead, by the organization's session policy", in_words(longest));
            refuse(pointer, "too_late", detail)
        };
        match self {
            Self::Usual => Ok(Some(now.saturating_add(ExpiryPreset::NinetyDays.duration().min(longest)))),
            Self::In(preset) if preset.duration() > longest => too_late("/expires_in"),
            Self::In(preset) => Ok(Some(now.saturating_add(preset.duration()))),
            Self::At(at) if at <= now => {
                refuse("/expires_at", "in_the_past", "must lie in the future".to_owned())
            }
            Self::At(at) if at > now.saturating_add(longest) => too_late("/expires_at"),
            Self::At(at) => Ok(Some(at)),
            Self::Never if policy.endless_keys == EndlessKeys::Allowed => Ok(None),
            Self::Never => {
                let detail = "the organization's session policy does not allow it";
                refuse("/never_expires", "not_allowed", detail.to_owned())
            }
        }
    }
}

/// A life in days, or in seconds if it is no whole number of them.
fn in_words(life: Duration) -> String {
    let (seconds, day) = (life.as_secs(), DAY.as_secs());
    match (seconds / day, seconds % day) {
        (1, 0) => "1 day".to_owned(),
        (days, 0) => format!("{days} days"),
        _ => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn usual() -> SessionPolicy {
        SessionPolicy::default()
    }

    #[test]
    fn a_life_is_at_most_as_long_as_the_policy_says_to_the_microsecond() {
        for days in [1, 30, 365, 3_650] {
            let policy = SessionPolicy { longest_key_life: days * DAY, ..usual() };
            let now = at(1_000_000);
            let last = now.saturating_add(days * DAY);
            assert_eq!(Expiry::At(last).resolve(now, &policy), Ok(Some(last)));
            let later = Expiry::At(at(last.as_micros() + 1)).resolve(now, &policy).unwrap_err();
            assert_eq!((later.pointer.as_str(), later.code), ("/expires_at", "too_late"));
            for preset in ExpiryPreset::ALL {
                let resolved = Expiry::In(preset).resolve(now, &policy);
                match resolved {
                    Ok(end) => assert!(end <= Some(last)),
                    Err(error) => {
                        assert!(preset.duration() > days * DAY);
                        assert_eq!((error.pointer.as_str(), error.code), ("/expires_in", "too_late"));
                    }
                }
            }
        }
        assert_eq!(in_words(DAY), "1 day");
        assert_eq!(in_words(2 * DAY), "2 days");
        assert_eq!(in_words(Duration::from_secs(90)), "90 seconds");
    }

    #[test]
    fn who_says_nothing_gets_ninety_days_or_what_the_policy_allows() {
        let short = SessionPolicy { longest_key_life: 7 * DAY, ..usual() };
        assert_eq!(Expiry::default().resolve(at(0), &usual()), Ok(Some(at(0).saturating_add(90 * DAY))));
        assert_eq!(Expiry::default().resolve(at(0), &short), Ok(Some(at(0).saturating_add(7 * DAY))));
    }

    #[test]
    fn an_end_lies_in_the_future_and_is_left_out_only_where_that_is_allowed() {
        assert!(Expiry::At(at(5)).resolve(at(5), &usual()).is_err());
        assert_eq!(Expiry::At(at(6)).resolve(at(5), &usual()), Ok(Some(at(6))));
        let never = Expiry::Never.resolve(at(5), &usual()).unwrap_err();
        assert_eq!((never.pointer.as_str(), never.code), ("/never_expires", "not_allowed"));
        let endless = SessionPolicy { endless_keys: EndlessKeys::Allowed, ..usual() };
        assert_eq!(Expiry::Never.resolve(at(5), &endless), Ok(None));
    }

    #[test]
    fn presets_read_back_from_their_words() {
        for preset in ExpiryPreset::ALL {
            assert_eq!(preset.as_str().parse(), Ok(preset));
        }
        assert!("2y".parse::<ExpiryPreset>().is_err());
    }
}
