//! What was measured, beside what it must be.

use std::fmt;

use crate::paired::Spread;

/// What a figure must not exceed, and what it is meant to come down to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    must: Option<f64>,
    aim: Option<f64>,
}

impl Bound {
    /// Nothing is asked of it.
    pub(crate) const NONE: Self = Self { must: None, aim: None };

    pub(crate) fn at_most(must: f64) -> Self {
        Self { must: Some(must), aim: None }
    }

    pub(crate) fn aim(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }

    fn verdict(self, measured: f64) -> &'static str {
        let within = |bound: Option<f64>| bound.is_some_and(|bound| measured <= bound);
        match self {
            Self { must: None, .. } => "",
            _ if within(self.aim) => "as aimed for",
            _ if within(self.must) => "good",
            _ => "MISSED",
        }
    }
}

/// Rows in the order in which they were measured.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<[String; 6]>);

impl Table {
    pub(crate) fn nanos(&mut self, what: &str, spread: Spread) {
        self.push(what, spread, " ns", 0, Bound::NONE);
    }

    pub(crate) fn ratio(&mut self, what: &str, spread: Spread, bound: Bound) {
        self.push(what, spread, " ×", 2, bound);
    }

    pub(crate) fn count(&mut self, what: &str, value: f64, bound: Bound) {
        self.push(what, Spread::exactly(value), "", 0, bound);
    }

    fn push(&mut self, what: &str, spread: Spread, unit: &str, decimals: usize, bound: Bound) {
        let number = |value: f64| format!("{value:.decimals$}{unit}");
        let Spread { median, best_tenth } = spread;
        let [must, aim] = [bound.must, bound.aim].map(|bound| bound.map(number).unwrap_or_default());
        let verdict = bound.verdict(median).to_owned();
        self.0.push([what.to_owned(), must, aim, number(median), number(best_tenth), verdict]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, [what, must, aim, median, best, verdict]: [&str; 6]| {
            writeln!(f, "| {what:<52} | {must:>6} | {aim:>6} | {median:>8} | {best:>10} | {verdict:<12} |")
        };
        line(f, ["", "must", "aim", "median", "best tenth", ""])?;
        line(f, ["---", "---:", "---:", "---:", "---:", "---"])?;
        self.0.iter().try_for_each(|row| line(f, row.each_ref().map(String::as_str)))
    }
}
